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

    @Argument(help: "The autoencoder: a run of 'condense sae train', or a folder or file of any layout that 'condense sae convert' knows.")
    var autoencoder: String

    @Option(help: "Folder of an activation store of the same hook.")
    var store: String

    @Option(help: "Part of the store to measure on, from its end; what training held out by default.")
    var heldOut = StoreTrainingConfiguration().heldOut

    @Option(help: "Contexts for the loss inside the model; it costs three passes of the whole model.")
    var lossContexts = 64

    @Flag(help: "Leave out the loss inside the model.")
    var reconstructionOnly = false

    @Flag(help: "Let a gradient autoencoder choose features by the gradients of the loss; an upper bound, since they know the next tokens.")
    var withGradients = false

    @OptionGroup(title: "Computation") var compute: ComputeOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        guard heldOut > 0, heldOut <= 1 else { throw ValidationError("--held-out must be more than 0 and at most 1, found \(heldOut)") }
        guard lossContexts > 0 else { throw ValidationError("--loss-contexts must be positive, found \(lossContexts)") }
    }

    func run() throws {
        let settings = try compute.settings()
        let sae = try SAESession.autoencoder(autoencoder)
        let activations = try SAESession.store(store)
        try sae.check(activations)
        if withGradients { try sae.checkGradients(activations) }
        let model = reconstructionOnly ? nil : try SAESession.model(activations.description.model.name, settings: settings, output: output)
        let progress = output.progress()
        let cancellation = Interrupts.cancellation()
        let evaluation = try SAESession.interruptible("nothing was written", progress) {
            try StoreEvaluation(
                of: sae, on: FeatureSource(activations, contexts: activations.heldOutContexts(heldOut)), model: model,
                usesGradients: withGradients, lossContexts: lossContexts, progress: progress, cancellation: cancellation)
        }
        if output.json { return try Terminal.printJSON(evaluation) }
        let table = AutoencoderReport.metricTable(evaluation)
        Terminal.print(
            TextTable(header: table.columns.map(\.title), rows: table.rows, alignment: [.left, .right, .left]).text(width: Terminal.width))
    }
}
