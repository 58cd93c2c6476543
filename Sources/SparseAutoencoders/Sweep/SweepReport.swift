public import Experiments

extension AutoencoderReport {
    /// A sweep's figures: what is lost against how many features are active.
    public static func sweep(_ outcomes: [SweepOutcome]) -> [ReportBlock] {
        let best = outcomes.paretoOptimal
        var figures = [
            sweepFigure(
                "Unexplained variance against active features", Axis("FVU", scale: .logarithmic), outcomes,
                caption: "Lower and further left is better.") { $0.evaluation.reconstruction.fractionOfVarianceUnexplained }
        ]
        if outcomes.allSatisfy({ $0.evaluation.loss != nil }) {
            figures.append(
                sweepFigure(
                    "Loss recovered against active features", Axis("(CE_ablated − CE_SAE) / (CE_ablated − CE)"), outcomes,
                    caption: "Higher and further left is better.") { $0.evaluation.loss?.score ?? .nan })
        }
        return [
            .keyNumbers([
                KeyNumber(label: "Autoencoders", value: formatCount(outcomes.count), note: "trained in one pass over the activations"),
                KeyNumber(label: "On the Pareto front", value: formatCount(best.count), note: "no other has fewer active features and less error"),
            ]),
            .columns(figures.map { [.figure($0)] }), .table(sweepTable(outcomes, best: Set(best.map(\.name)))),
        ]
    }

    private static func sweepFigure(
        _ title: String, _ axis: Axis, _ outcomes: [SweepOutcome], caption: String, _ value: (SweepOutcome) -> Double
    ) -> Figure {
        // One line for each architecture and size, its points in order of L0.
        let groups = Dictionary(grouping: outcomes) { "\($0.architecture), \(formatCount($0.dictionarySize)) features" }
        return Figure(
            title: title, xAxis: Axis("L0, mean active features per token", scale: .logarithmic), yAxis: axis,
            traces: groups.sorted { $0.key < $1.key }.map { name, members in
                let points = members.sorted { $0.evaluation.reconstruction.l0 < $1.evaluation.reconstruction.l0 }
                return .line(name, x: points.map(\.evaluation.reconstruction.l0), y: points.map(value), markers: true)
            }, caption: caption)
    }

    private static func sweepTable(_ outcomes: [SweepOutcome], best: Set<String>) -> Table {
        func number(_ value: Double, _ digits: Int = 3) -> String { formatNumber(value, digits: digits) }
        let hasLoss = outcomes.contains { $0.evaluation.loss != nil }
        return Table(
            columns: [.text("Autoencoder"), .number("Features"), .number("L0"), .number("FVU"), .number("Dead")]
                + (hasLoss ? [.number("Loss recovered")] : []) + [.text("Pareto front")],
            rows: outcomes.sorted { $0.evaluation.reconstruction.l0 < $1.evaluation.reconstruction.l0 }.map { outcome in
                let metrics = outcome.evaluation.reconstruction
                return [
                    outcome.name, formatCount(outcome.dictionarySize), number(metrics.l0), number(metrics.fractionOfVarianceUnexplained),
                    number(metrics.density.deadFraction),
                ] + (hasLoss ? [number(outcome.evaluation.loss?.score ?? .nan, 4)] : []) + [best.contains(outcome.name) ? "yes" : ""]
            })
    }
}
