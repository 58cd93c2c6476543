public import Experiments

extension NormAgreement {
    /// Points in the scatter at most.
    private static let plotted = 2_000

    /// The ZF plot: ‖f‖ against ‖z‖ of each token, with the bands that directions of a given coherence allow.
    public func zfPlot(title: String = "Norms of codes against norms of activations") -> Figure {
        let step = max(1, tokens.count / Self.plotted)
        let shown = stride(from: 0, to: tokens.count, by: step).map { tokens[$0] }
        let largest = shown.map(\.inputNorm).max() ?? 1
        func ray(_ name: String, slope: Double) -> Trace { .line(name, x: [0, largest], y: [0, largest * slope]) }
        // The upper slope √(1/(1 − c)) does not exist for c = 1.
        let below = [0.25, 0.5, 1].map { (c: Double) in ray("c = \(formatNumber(c)), below", slope: (1 / (1 + c)).squareRoot()) }
        let above = [0.25, 0.5].map { (c: Double) in ray("c = \(formatNumber(c)), above", slope: (1 / (1 - c)).squareRoot()) }
        let points = Trace.scatter("tokens", x: shown.map(\.inputNorm), y: shown.map(\.codeNorm))
        return Figure(
            title: title, xAxis: Axis("‖z‖"), yAxis: Axis("‖f‖"),
            traces: [points, ray("‖f‖ = ‖z‖", slope: 1)] + below + above,
            caption: "Above the diagonal codes are over-active, below under-active; c = ε(h − 1) bounds what directions with products "
                + "up to ε can do.", height: 460)
    }

    /// Everything about one model.
    public func report() -> [ReportBlock] {
        let summary = summary
        func number(_ value: Double) -> String { formatNumber(value, digits: 3) }
        let bounds = epsilonLowerBounds.filter { $0 <= summary.epsilonQuantiles[2] }
        return [
            .keyNumbers([
                KeyNumber(label: "Median ‖f‖/‖z‖", value: number(summary.medianRatio), note: "1 in agreement"),
                KeyNumber(label: "Over-active tokens", value: "\(number(summary.overActiveShare * 100)) %", note: "of \(formatCount(tokens.count))"),
                KeyNumber(label: "Median lower bound of ε", value: number(summary.epsilonQuantiles[0]), note: ".99 quantile \(number(summary.epsilonQuantiles[2]))"),
                KeyNumber(
                    label: "Active features", value: "\(number(summary.activeMean)) ± \(number(summary.activeDeviation))",
                    note: summary.activeNormCorrelation.map { "correlation with ‖z‖ \(number($0))" }),
            ]),
            .figure(zfPlot()),
            .columns([
                [
                    .figure(
                        Figure(
                            title: "Lower bound of ε", xAxis: Axis("|‖z‖² − ‖f‖²| / ((h − 1)‖f‖²)"), yAxis: Axis("tokens"),
                            traces: [.histogram("tokens", values: bounds)], caption: "Up to the .99 quantile.", height: 300))
                ],
                [
                    .figure(
                        Figure(
                            title: "Active features per token", xAxis: Axis("features"), yAxis: Axis("tokens"),
                            traces: [.histogram("tokens", values: tokens.map { Double($0.activeFeatures) })], height: 300))
                ],
            ]),
        ]
    }
}
