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

    @OptionGroup var autoencoder: AutoencoderArgument

    @OptionGroup var heldOut: HeldOutOptions

    @Option(help: ArgumentHelp("Folder for the results.", valueName: "folder"))
    var out = "norms"

    @OptionGroup(title: "Computation") var compute: ComputeOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() throws {
        _ = try compute.settings()
        let sae = try autoencoder.load()
        let activations = try SAESession.store(heldOut.store, for: sae)
        let progress = output.progress()
        let cancellation = Interrupts.cancellation()
        let agreement = try CommandSession.interruptible("nothing was written", progress) {
            try NormAgreement(of: sae, on: heldOut.source(activations), progress: progress, cancellation: cancellation)
        }
        let folder = URL(filePath: out, directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let page = folder.appending(path: "report.html")
        try Data(agreement.csv.utf8).write(to: folder.appending(path: "norms.csv"), options: .atomic)
        try JSONEncoder().encode(agreement.summary).write(to: folder.appending(path: "summary.json"), options: .atomic)
        let report = Report(
            title: "Norms of codes at \(activations.description.hook)",
            subtitle: "\(autoencoder.path) on \(activations.description.text ?? heldOut.store)",
            blocks: agreement.report())
        try writePage(report, plotlyScript: PlotlyScript.text(), to: page)
        if output.json { return try Terminal.printJSON(agreement.summary) }
        if !output.quiet { Terminal.print("report: \(page.shellPath)") }
    }
}
