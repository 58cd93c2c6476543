import ArgumentParser
import Experiments
import Foundation
import SparseAutoencoders

struct SAEEvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval", abstract: "Measure a sparse autoencoder on held-out activations and inside its model.",
        discussion: """
            Examples:
              condense sae eval runs/sae --store activations/prose
              condense sae eval runs/sae --store activations/prose --reconstruction-only --json
            """)

    @OptionGroup var autoencoder: AutoencoderArgument

    @OptionGroup var heldOut: HeldOutOptions

    @Option(help: "Contexts for the loss inside the model; it costs three passes of the whole model.")
    var lossContexts = 64

    @Flag(help: "Leave out the loss inside the model.")
    var reconstructionOnly = false

    @Flag(help: "Let a gradient autoencoder choose features by the gradients of the loss; an upper bound, since they know the next tokens.")
    var withGradients = false

    @OptionGroup(title: "Computation") var compute: ComputeOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        guard lossContexts > 0 else { throw ValidationError("--loss-contexts must be positive, found \(lossContexts)") }
    }

    func run() throws {
        let settings = try compute.settings()
        let sae = try autoencoder.load()
        let activations = try SAESession.store(heldOut.store, for: sae)
        if withGradients { try sae.checkGradients(activations) }
        let model = reconstructionOnly ? nil : try SAESession.model(activations.description.model.name, settings: settings, output: output)
        let progress = output.progress()
        let cancellation = Interrupts.cancellation()
        let evaluation = try CommandSession.interruptible("nothing was written", progress) {
            try StoreEvaluation(
                of: sae, on: heldOut.source(activations), model: model, usesGradients: withGradients, lossContexts: lossContexts,
                progress: progress, cancellation: cancellation)
        }
        if output.json { return try Terminal.printJSON(evaluation) }
        let table = AutoencoderReport.metricTable(evaluation)
        Terminal.print(
            TextTable(header: table.columns.map(\.title), rows: table.rows, alignment: [.left, .right, .left]).text(width: Terminal.width))
    }
}
