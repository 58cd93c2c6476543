public import Experiments
import Foundation

extension Benchmark {
    /// A table of what was measured, and a figure of time for each size that was varied.
    public func report(_ rows: [BenchmarkRow]) -> [ReportBlock] {
        let table = Table(
            columns: [.text(name), .number("median, s"), .number("fastest, s"), .number("ratio"), .text("of"), .text("")],
            rows: rows.map {
                [$0.name, formatNumber($0.median), formatNumber($0.fastest), $0.ratio.map { formatNumber($0, digits: 3) } ?? "", $0.baseline ?? "", $0.remark]
            })
        var axes: [String] = []
        for row in rows { if let axis = row.point?.axis, !axes.contains(axis) { axes.append(axis) } }
        let figures = axes.map { axis in
            let points = rows.filter { $0.point?.axis == axis }
            let sizes = points.compactMap(\.point?.value), times = points.map(\.median)
            let line = LineFit(x: sizes.map { log($0) }, y: times.map { log($0) })
            let fitted = sizes.map { exp(line.intercept + line.slope * log($0)) }
            return ReportBlock.figure(
                Figure(
                    title: "Time against \(axis)", xAxis: Axis(axis, scale: .logarithmic), yAxis: Axis("seconds", scale: .logarithmic),
                    traces: [
                        .scatter("measured", x: sizes, y: times),
                        .line("\(axis) to the power of \(formatNumber(line.slope, digits: 2))", x: sizes, y: fitted),
                    ]))
        }
        return [.heading(name), .paragraph(summary), .table(table)] + (figures.isEmpty ? [] : [.columns(figures.map { [$0] })])
    }
}
