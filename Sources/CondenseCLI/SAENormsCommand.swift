import ArgumentParser
import Experiments
import Foundation
import SparseAutoencoders

struct SAENormsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "zf", abstract: "Compare the norms of codes with the norms of what they stand for: the ZF plot.",
        discussion: """
            Needs no labels and works for every architecture (Lee et al. 2025, arXiv:2503.24277). The folder gets norms.csv (a line a
            token), summary.json and report.html with the plot and the lower bounds of ε.

            Examples:
              condense sae zf runs/sae --store activations/prose
              condense sae zf runs/sae --store activations/prose --json
            """)

    @Argument(help: "The autoencoder: a run of 'condense sae train', or a folder or file of any layout that 'condense sae convert' knows.")
    var autoencoder: String

    @Option(help: "Folder of an activation store of the same hook.")
    var store: String

    @Option(help: "Part of the store to measure on, from its end; what training held out by default.")
    var heldOut = StoreTrainingConfiguration().heldOut

    @Option(help: ArgumentHelp("Folder for the results.", valueName: "folder"))
    var out = "norms"

    @OptionGroup(title: "Computation") var compute: ComputeOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        guard heldOut > 0, heldOut <= 1 else { throw ValidationError("--held-out must be more than 0 and at most 1, found \(heldOut)") }
    }

    func run() throws {
        _ = try compute.settings()
        let sae = try SAESession.autoencoder(autoencoder)
        let activations = try SAESession.store(store)
        try sae.check(activations)
        let progress = output.progress()
        let cancellation = Interrupts.cancellation()
        let agreement = try SAESession.interruptible("nothing was written", progress) {
            try NormAgreement(
                of: sae, on: FeatureSource(activations, contexts: activations.heldOutContexts(heldOut)), progress: progress,
                cancellation: cancellation)
        }
        let folder = URL(filePath: out, directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let page = folder.appending(path: "report.html")
        try Data(agreement.csv.utf8).write(to: folder.appending(path: "norms.csv"), options: .atomic)
        try JSONEncoder().encode(agreement.summary).write(to: folder.appending(path: "summary.json"), options: .atomic)
        let report = Report(
            title: "Norms of codes at \(activations.description.hook)", subtitle: "\(autoencoder) on \(activations.description.text ?? store)",
            blocks: agreement.report())
        try writePage(report, plotlyScript: PlotlyScript.text(), to: page)
        if output.json { return try Terminal.printJSON(agreement.summary) }
        if !output.quiet { Terminal.print("report: \(page.shellPath)") }
    }
}
