/// One metric of a run as a line over its steps.
public struct MetricCurve: Sendable {
    let key: String, title: String, axis: Axis, caption: String?

    public init(_ key: String, _ title: String, _ axis: Axis, caption: String? = nil) {
        (self.key, self.title, self.axis, self.caption) = (key, title, axis, caption)
    }
}

extension [MetricRecord] {
    /// Figures side by side; curves of fewer than two points are left out, and without any there is nothing.
    public func curves(_ curves: [MetricCurve]) -> [ReportBlock] {
        let figures = curves.compactMap { curve -> [ReportBlock]? in
            let points = compactMap { record in record.values[curve.key].map { (Double(record.step), $0) } }
            guard points.count > 1 else { return nil }
            return [
                .figure(
                    Figure(
                        title: curve.title, xAxis: Axis("step"), yAxis: curve.axis, traces: [.line(curve.title, x: points.map(\.0), y: points.map(\.1))],
                        caption: curve.caption, height: 300))
            ]
        }
        return figures.isEmpty ? [] : [.columns(figures)]
    }
}
