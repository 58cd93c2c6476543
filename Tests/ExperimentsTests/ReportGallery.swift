import Experiments
import Foundation
import Testing

/// A page with every kind of block, to look at:
/// `CONDENSE_GALLERY=gallery.html PLOTLY=plotly.min.js swift test -c release --filter ReportGallery`.
@Suite struct ReportGallery {
    @Test func page() throws {
        let environment = ProcessInfo.processInfo.environment
        let plotly = try environment["PLOTLY"].map { try URL(filePath: $0).contents() }
        let settings = RunSettings(seed: 0, threads: 2)
        let html = HTMLReport(
            Self.report, plotlyScript: plotly, configuration: try Run.toyConfiguration.yaml(),
            environment: RunEnvironment.current(settings: settings, libraries: ["libtorch": "2.13.0"]).summary
        ).html()
        for heading in ["Claims", "Training", "Features", "Appendix"] { #expect(html.contains(">\(heading)</h2>")) }
        if let target = environment["CONDENSE_GALLERY"] { try Data(html.utf8).write(to: URL(filePath: target)) }
    }

    private static let report = Report(
        title: "TopK sparse autoencoder of SmolLM2-135M, layer 15",
        subtitle: "16,384 features on the residual stream, 32 active per token; trained on 2 million tokens of prose.",
        blocks: [
            .keyNumbers([
                KeyNumber(label: "Fraction of variance unexplained", value: "0.213", note: "ReLU + L1 at equal L0: 0.318"),
                KeyNumber(label: "Active features per token (L0)", value: "32.0"),
                KeyNumber(label: "Loss recovered", value: "0.962", note: "1 is the unchanged model"),
                KeyNumber(label: "Dead features", value: "4.1 %"),
            ]),
            .heading("Claims"),
            .paragraph(
                "Both autoencoders see the same activations in the same order. Differences are over three seeds; a claim holds "
                    + "when its direction and its size are those of the paper."),
            .table(
                Table(
                    columns: [.text("Claim"), .text("In the paper"), .number("Measured here"), .text("Verdict")],
                    rows: [
                        ["TopK reconstructs better than ReLU + L1 at equal L0", "GPT-2, L0 32", "−0.105 ± 0.004", Verdict.holds.title],
                        ["AuxK leaves fewer dead features", "7 % against 90 %", "4.1 % against 9.8 %", Verdict.directionOnly.title],
                        ["L1 shrinks reconstructions", "γ 0.87", "γ 0.99 ± 0.02", Verdict.inconclusive.title],
                        ["Larger k is always better", "—", "worse from k 256", Verdict.contradicted.title],
                    ])),
            .heading("Training"),
            .figure(
                Figure(
                    title: "The loss falls fastest with TopK", xAxis: Axis("step"), yAxis: Axis("FVU", scale: .logarithmic),
                    traces: [("TopK", 0.213), ("ReLU + L1", 0.318), ("Gated", 0.25)].map { name, end in
                        let x = stride(from: 10.0, through: 4_000, by: 40).map { $0 }
                        return .line(name, x: x, y: x.map { end + exp(-$0 / 500) * (1.02 + 0.05 * sin($0)) * end * 2 })
                    }, caption: "Fraction of variance unexplained on held-out activations, one evaluation every 40 steps.")),
            .columns([
                [
                    .figure(
                        TradeOff.figure(
                            "Quality against budget",
                            [("TopK", 1.0), ("ReLU + L1", 1.45)].map { name, factor in
                                TradeOff(
                                    name: name,
                                    points: [8.0, 16, 32, 64, 128].map {
                                        .init(Budget(.nonZeros, $0, per: "token"), Quality("FVU", factor / sqrt($0), .lowerIsBetter))
                                    })
                            }, budgetScale: .logarithmic))
                ],
                [
                    .figure(
                        Figure(
                            title: "How often features are active", xAxis: Axis("log10 density"), yAxis: Axis("features"),
                            traces: [.histogram("features", values: (1..<2_000).map { -3.2 + 1.2 * sin(Double($0 * $0)) }, bins: 40)]))
                ],
            ]),
            .columns([
                [
                    .figure(
                        Figure(
                            title: "Dead features", xAxis: Axis("variant"), yAxis: Axis("dead features (%)"),
                            traces: [
                                .bar("AuxK", categories: ["TopK", "BatchTopK"], y: [4.1, 3.2], spread: [0.4, 0.6]),
                                .bar("without", categories: ["TopK", "BatchTopK"], y: [9.8, 8.9], spread: [1, 0.7]),
                            ]))
                ],
                [
                    .figure(
                        Figure(
                            title: "Similarity of atoms", xAxis: Axis("feature"), yAxis: Axis("feature"),
                            traces: [
                                .heatMap(
                                    "cosine", rows: (1...8).map { "f\($0)" }, columns: (1...8).map { "f\($0)" },
                                    values: (0..<8).map { i in (0..<8).map { j in exp(-abs(Double(i - j)) / 2) } })
                            ]))
                ],
            ]),
            .heading("Features"),
            .subheading("Feature 4,211: colours"),
            .tokenContexts([
                TokenContext(
                    tokens: [
                        .init("The"), .init(" old"), .init(" house"), .init(" had"), .init(" a", 0.4), .init(" dark", 2.2),
                        .init(" red", 6.1), .init(" door"), .init(" and", 0.3), .init(" green", 5.2), .init(" shutters"), .init(".\n"),
                    ], caption: "Prose, document 12"),
                TokenContext(
                    tokens: [
                        .init("She"), .init(" mixed", 0.9), .init(" the"), .init(" blue", 5.9), .init(" with"), .init(" a"),
                        .init(" little"), .init(" white", 4.4), .init(" until"), .init(" it"), .init(" paled", 1.8), .init("."),
                    ], caption: "Prose, document 340"),
            ]),
            .heading("Appendix"),
            .note("The language model was quantised to four bits; its own loss is 0.03 higher than in half precision."),
            .details("The command", [.code("condense sae train --set sae.dictionarySize=16384 --seed 0")]),
        ])
}
