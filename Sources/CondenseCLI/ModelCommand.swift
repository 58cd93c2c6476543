import ArgumentParser
import Experiments
import Foundation
import ModelCompression
import Networks
import Torch

/// `condense model`: networks made smaller.
struct ModelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model", abstract: "Train networks, make them smaller, measure them, and write them for other programs.",
        discussion: """
            A network is a run of 'condense model train' or 'prune', a folder that 'condense model export' wrote, a file of weights (.safetensors, or .pt and .pth of torch.save) of EfficientNet-Lite,
            ResNet or VGG-16 under torchvision's names, or a vision model of the catalogue.

            Examples:
              condense model inspect efficientnet-lite0
              condense model train new:lstm-256 --data notes.txt --out runs/notes
              condense model prune runs/notes --sparsity 0.9 --data notes.txt --steps 1000 --out runs/small
              condense model evaluate runs/notes runs/small --data notes.txt
              condense model export runs/small --out small --onnx
            """,
        subcommands: [
            ModelInspectCommand.self, ModelTrainCommand.self, ModelPruneCommand.self, ModelEvaluateCommand.self, ModelExportCommand.self,
            ModelCutDecoderCommand.self,
        ])
}

/// The network that a command works on.
struct NetworkArgument: ParsableArguments {
    @Argument(help: "Run, folder of an exported network, file of weights, or vision model of the catalogue.")
    var network: String

    @Option(help: ArgumentHelp("Height and width of images, where weights leave them open (default: the network's own).", valueName: "pixels"))
    var imageSize: Int?

    func validate() throws {
        if let imageSize, !(8...4_096).contains(imageSize) { throw ValidationError("--image-size must be between 8 and 4096, found \(imageSize)") }
    }

    func load(_ progress: any ProgressReporter) throws -> GraphNetwork {
        if !FileManager.default.fileExists(atPath: network) { try CommandSession.fetch(network, progress) }
        return try TrainedNetwork(network, imageSize: imageSize).network
    }
}

struct ModelInspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Show layers, weights, multiply-adds, which channels can be cut together, and where time goes.",
        discussion: """
            Channels that a sum, a product or a group of a convolution couples can only be cut together. Seconds are medians of nine passes, each layer as
            it comes; one example at a time unless --batch says otherwise.

            Examples:
              condense model inspect efficientnet-lite0
              condense model inspect vgg16.pth --batch 16 --threads 1 --json
            """)

    @OptionGroup var network: NetworkArgument

    @Option(help: "Examples at a time where time is measured; 0 measures none.")
    var batch = 1

    @Option(help: "Number of CPU threads (default: all cores).")
    var threads: Int?

    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        guard (0...4_096).contains(batch) else { throw ValidationError("--batch must be between 0 and 4096, found \(batch)") }
    }

    func run() throws {
        try ComputeOptions.applyThreads(threads)
        let network = try network.load(output.progress())
        let inspection = try NetworkInspection(of: network, measuredWith: batch > 0 ? network.exampleInput(batch: batch) : nil)
        if output.json { return try Terminal.printJSON(inspection) }
        Terminal.show(inspection.table)
        var summary = "\(formatCount(inspection.weights)) weights, \(formatCount(inspection.zeros)) of them zero; \(formatCount(inspection.multiplyAdds)) multiply-adds for one example"
        if let seconds = inspection.seconds { summary += "; \(formatNumber(seconds * 1e3, digits: 3)) ms for a batch of \(batch)" }
        Terminal.print(summary)
    }
}

/// How weights are stored.
private enum WeightStorage: String, ExpressibleByArgument, CaseIterable {
    case packed, fold

    var mode: ExportMode { self == .packed ? .packed : .fold }
}

struct ModelExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write a network for Condense and PyTorch, or as ONNX.",
        discussion: """
            The folder holds the weights in safetensors, the network's plan, its plain PyTorch code and a check; 'condense model inspect' and the library
            read it back. Packed weights take what is not zero and its places, where that is fewer bytes. With --onnx there is a file model.onnx, too.

            Examples:
              condense model export efficientnet-lite0 --out lite0
              condense model export pruned/ --mode fold --onnx --out for-others
            """)

    @OptionGroup var network: NetworkArgument

    @Option(help: "How weights are stored: packed, or fold with all zeros, as other programs read them.")
    fileprivate var mode = WeightStorage.packed

    @Flag(help: "Write model.onnx into the folder, too.")
    var onnx = false

    @Option(help: ArgumentHelp("Folder to write; it must not exist or be empty.", valueName: "folder"))
    var out: String

    @OptionGroup(title: "Output") var output: OutputOptions

    func run() throws {
        let network = try network.load(output.progress()), record = try network.export(to: out, mode: mode.mode)
        if onnx { try network.writeONNX(to: "\(out)/model.onnx") }
        if output.json { return try Terminal.printJSON(record) }
        guard !output.quiet else { return }
        let part = formatNumber(Double(record.fileBytes) / Double(max(1, record.sourceBytes)) * 100, digits: 3)
        Terminal.print("\(out): \(formatCount(record.fileBytes)) bytes of weights, \(part) % of all numbers in full")
    }
}
