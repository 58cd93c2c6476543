public import ArgumentParser
import Experiments
import Foundation
import Media
public import ModelCompression
import Networks
import Torch

extension RulePreset: ExpressibleByArgument {}

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Draw which pixels a network's answer comes from: layer-wise relevance propagation.",
        discussion: """
            The answer is divided among the units of every layer down to the pixels, so that each layer's relevances add up to the same. Red speaks for the
            class, blue against it. The folder gets a picture and a heat map of each input, and a page with both under a slider.

            Examples:
              condense explain efficientnet-lite0 cat.png
              condense explain resnet18.pth photos/*.jpg --class 281 --rule epsilon-alpha2-beta1 --out heatmaps
            """)

    @OptionGroup var network: NetworkArgument

    @Argument(help: "Pictures.")
    var pictures: [String]

    @Option(name: .customLong("class"), help: ArgumentHelp("The class to explain, from 0 (default: the one with the highest score).", valueName: "number"))
    var label: Int?

    @Option(help: "Rules: \(RulePreset.allCases.map(\.rawValue).joined(separator: ", ")).")
    var rule = RulePreset.epsilonPlus

    @Option(help: ArgumentHelp("Folder for the results.", valueName: "folder"))
    var out = "explanations"

    @Option(help: "Number of CPU threads (default: all cores).")
    var threads: Int?

    @OptionGroup(title: "Output") var output: OutputOptions

    private struct Explanation: Encodable {
        var picture: String, label: Int, score: Double, probability: Double, heatMap: String
    }

    func run() throws {
        try ComputeOptions.applyThreads(threads)
        let progress = output.progress(), network = try network.load(progress), preparation = ImagePreparation(for: network.graph)
        let shapes = try network.graph.shapes(), shape = shapes[0], classes = shapes[shapes.count - 1]
        guard shape.count == 3, shape[0] == 1 || shape[0] == 3, classes.count == 1 else {
            throw CommandError("the network takes \(shape) and gives \(classes); pictures can be explained of one that takes pictures and gives scores of classes")
        }
        if let label, !(0..<classes[0]).contains(label) { throw CommandError("--class must be one of the network's \(classes[0]) classes, 0 to \(classes[0] - 1), found \(label)") }
        let propagation = try RelevancePropagation(network, rules: rule.rules(preparation))
        // Every picture is read before anything is written.
        let crops = try pictures.map { preparation.cropped(try Image.read($0), to: shape) }
        try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
        var explanations: [Explanation] = [], comparisons: [ReportBlock] = []
        progress.begin("Explaining", total: crops.count, unit: "pictures")
        for (number, (path, crop)) in zip(pictures, crops).enumerated() {
            let input = preparation.normalized(crop.unsqueezed(0)), scores = withoutGradients { propagation.network(input) }
            let label = label ?? Int(scores.argmax(axis: 1).item())
            let relevance = propagation(input, classes: Tensor([label]))[0]
            let name = "\(number + 1)-\(URL(filePath: path).deletingPathExtension().lastPathComponent)"
            let (plain, drawn) = ("\(out)/\(name).png", "\(out)/\(name)-relevance.png")
            try Image(pixels: crop).write(plain)
            try HeatMap(relevance[0]).drawn(over: crop).write(drawn)
            let probability = scores.softmax(axis: 1)[0, label].item()
            explanations.append(Explanation(picture: path, label: label, score: scores[0, label].item(), probability: probability, heatMap: drawn))
            comparisons.append(
                .comparison(
                    PictureComparison(
                        title: URL(filePath: path).lastPathComponent, width: shape[2], height: shape[1],
                        versions: [
                            .init(name: "relevance", note: "class \(label), probability \(formatNumber(probability, digits: 3))", data: try Data(contentsOf: URL(filePath: drawn)), format: .png),
                            .init(name: "picture", note: "as the network sees it", data: try Data(contentsOf: URL(filePath: plain)), format: .png),
                        ])))
            progress.update(number + 1)
        }
        progress.end()
        let page = URL(filePath: "\(out)/report.html")
        let report = Report(
            title: "What \(self.network.network) looks at",
            subtitle: "Layer-wise relevance propagation by the rules \(rule.rawValue). Red speaks for the class, blue against it.", blocks: comparisons)
        try writePage(report, plotlyScript: PlotlyScript.text(), to: page)
        if output.json { return try Terminal.printJSON(explanations) }
        guard !output.quiet else { return }
        Terminal.show(
            Table(
                columns: [.text("Picture"), .number("class"), .number("score"), .number("probability"), .text("heat map")],
                rows: explanations.map { [$0.picture, "\($0.label)", formatNumber($0.score), formatNumber($0.probability, digits: 3), $0.heatMap] }))
        Terminal.print("report: \(page.shellPath)")
    }
}
