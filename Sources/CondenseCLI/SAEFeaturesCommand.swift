import ArgumentParser
import Experiments
import Foundation
import SparseAutoencoders

struct SAEFeaturesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "features", abstract: "Show features: contexts, tokens, logit effects, neighbours.",
        discussion: """
            Writes features.jsonl (one feature a line, keys as in SAEDashboard's export) and a page to read, report.html.

            Examples:
              condense sae features runs/sae --store activations/prose --count 40
              condense sae features runs/sae --store activations/prose --feature 17 --feature 402 --out features/two
            """)

    @OptionGroup var autoencoder: AutoencoderArgument

    @Option(help: "Folder of an activation store of the same hook.")
    var store: String

    @Option(name: .customLong("feature"), help: "A feature to show; may be repeated (default: the most interesting ones).")
    var features: [Int] = []

    @Option(help: "How many of the most interesting features to show: alive, not dense, seen in several documents.")
    var count = 50

    @Option(help: "Features on the page at most; all are in features.jsonl.")
    var pageFeatures = 100

    @Option(help: ArgumentHelp("Folder for the results.", valueName: "folder"))
    var out = "features"

    @OptionGroup(title: "Computation") var compute: ComputeOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        guard count > 0 else { throw ValidationError("--count must be positive, found \(count)") }
        guard Set(features).count == features.count else { throw ValidationError("--feature names a feature twice") }
    }

    func run() throws {
        let settings = try compute.settings()
        let sae = try autoencoder.load()
        let activations = try SAESession.store(store, for: sae)
        let model = try SAESession.model(activations.description.model.name, settings: settings, output: output)
        let folder = URL(filePath: out, directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let progress = output.progress()
        let cancellation = Interrupts.cancellation()
        let analysis = try CommandSession.interruptible("nothing was written", progress) {
            try FeatureAnalysis(
                of: sae, on: FeatureSource(activations), selection: features.isEmpty ? .interesting(count) : .indices(features), model: model,
                progress: progress, cancellation: cancellation)
        }
        let records = folder.appending(path: "features.jsonl")
        let page = folder.appending(path: "report.html")
        try analysis.write(to: records)
        let report = Report(
            title: "Features of \(activations.description.hook)",
            subtitle: "\(autoencoder.path) on \(activations.description.text ?? store)",
            blocks: [.heading("Features")] + analysis.records.prefix(pageFeatures).flatMap { $0.blocks() })
        try writePage(report, plotlyScript: PlotlyScript.text(), to: page)
        if output.json { return try Terminal.printJSON(analysis.records) }
        if !output.quiet {
            Terminal.print("\(formatCount(analysis.records.count)) features in \(records.shellPath)")
            Terminal.print("report: \(page.shellPath)")
        }
    }
}
