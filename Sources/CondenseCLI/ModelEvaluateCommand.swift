import ArgumentParser
import Experiments
import Foundation
import ModelCompression

struct ModelEvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate", abstract: "Measure size, time and quality of networks beside each other.",
        discussion: """
            Layers with zeros are computed in the form that is fastest for them, batch norms are multiplied into the layers before them, and the networks'
            passes take turns. All examples of the data are measured on.

            Examples:
              condense model evaluate efficientnet-lite0 --data photos/
              condense model evaluate runs/cells runs/cells-small --data elpv
            """)

    @Argument(help: "Runs, folders of exported networks, files of weights, or vision models of the catalogue.")
    var networks: [String]

    @Option(help: "Pictures in one folder for each class, a text (file, folder or item), or the data item elpv or mnist-5k.")
    var data: String?

    @Option(help: ArgumentHelp("Height and width of pictures, where weights leave them open (default: the network's own).", valueName: "pixels"))
    var imageSize: Int?

    @Option(help: ArgumentHelp("At most so many examples, or thousands of characters, drawn by chance.", valueName: "count"))
    var limit: Int?

    @Option(help: "Number of CPU threads (default: all cores).")
    var threads: Int?

    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        if networks.isEmpty { throw ValidationError("name at least one network") }
        if let limit, limit < 1 { throw ValidationError("--limit must be positive, found \(limit)") }
    }

    func run() throws {
        try ComputeOptions.applyThreads(threads)
        let progress = output.progress()
        for name in networks + [data].compactMap({ $0 }) where !FileManager.default.fileExists(atPath: name) { try CommandSession.fetch(name, progress) }
        let opened = try networks.map { try TrainedNetwork($0, imageSize: imageSize) }
        let evaluation = try CommandSession.interruptible("nothing was written", progress) {
            try NetworkEvaluation(zip(networks, opened).map { ($0, $1) }, on: data, limit: limit, progress: progress, cancellation: Interrupts.cancellation())
        }
        if output.json { return try Terminal.printJSON(evaluation) }
        Terminal.show(evaluation.table)
        if let classes = evaluation.classTable { Terminal.show(classes) }
    }
}
