import ArgumentParser
import Experiments
import Foundation
import Networks
import SparseAutoencoders
import Torch

struct SAEPathCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "path", abstract: "Show in which order a matching pursuit takes each token of a text apart.",
        discussion: """
            One line a pick: the atom, how much of it is taken, and how much of the token's activation is left
            (the norm of the residual as a part of the activation's, which never rises). What is taken first is
            what the token is mostly about; later picks refine it. For autoencoders that were trained with
            --architecture matchingPursuit.

            Examples:
              condense sae path runs/mp --text "The capital of France is"
              condense sae path runs/mp --text "The capital of France is" --position 5 --steps 16
              condense sae path runs/mp --text "The capital of France is" --residual 0.5 --json
            """)

    @OptionGroup var autoencoder: AutoencoderArgument

    @Option(help: "The text.")
    var text: String

    @Option(name: .customLong("position"), help: "A token to show, counted from the beginning of the context; may be repeated (default: all).")
    var positions: [Int] = []

    @Option(help: "Picks for each token at most (default: as many as in training). More than in training is allowed.")
    var steps: Int?

    @Option(help: "Stop where no more than this part of the activation is left.")
    var residual = 0.0

    @Option(help: "Language model (default: the one the autoencoder was trained on).")
    var model: String?

    @Option(help: "Hook (default: the one the autoencoder was trained on).")
    var hook: String?

    @OptionGroup(title: "Computation") var compute: ComputeOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        if let steps, steps < 1 { throw ValidationError("--steps must be positive, found \(steps)") }
        guard residual >= 0, residual < 1 else { throw ValidationError("--residual must be at least 0 and less than 1, found \(residual)") }
        if text.isEmpty { throw ValidationError("--text is empty") }
    }

    func run() throws {
        let settings = try compute.settings()
        let loaded = try autoencoder.load()
        guard loaded.isMatchingPursuit else {
            throw CommandError(
                "\(autoencoder.path) is a \(loaded.configuration.encoder) autoencoder, which picks all features at once: train one with --architecture matchingPursuit")
        }
        let (name, hook) = try autoencoder.origin(of: loaded, model: model, hook: hook)
        let sae = loaded.pursuing {
            if let steps { $0.steps = steps }
            $0.relativeResidual = max($0.relativeResidual, residual)
        }
        let textModel = try SAESession.model(name, settings: settings, output: output)
        let all = try sae.pursuitPaths(
            of: text, in: textModel, at: try textModel.model.hookPoint(hook), prependsBOS: loaded.configuration.origin?.prependsBOS ?? true)
        if let wrong = positions.first(where: { position in !all.contains { $0.position == position } }) {
            let range = all.isEmpty ? "none" : "\(all[0].position) to \(all[all.count - 1].position)"
            throw CommandError("the text has no token at position \(wrong): it has \(range)")
        }
        let paths = positions.isEmpty ? all : all.filter { positions.contains($0.position) }
        if output.json { return try Terminal.printJSON(paths) }
        Terminal.print(Self.table(paths).text(width: Terminal.width))
    }

    private static func table(_ paths: [PursuitPath]) -> TextTable {
        let rows = paths.flatMap { path in
            path.picks.enumerated().map { step, pick in
                let token = step == 0 ? ["\(path.position)", path.text.replacing("\n", with: "⏎")] : ["", ""]
                return token + [
                    "\(step + 1)", "\(pick.atom)", formatNumber(pick.value), String(format: "%.1f %%", 100 * pick.residual),
                ]
            }
        }
        return TextTable(
            header: ["position", "token", "pick", "atom", "value", "left"], rows: rows, alignment: [.right, .left, .right, .right, .right, .right])
    }
}
