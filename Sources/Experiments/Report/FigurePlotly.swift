import Foundation

extension Figure {
    /// The figure as Plotly's `{data, layout}`, without colours and fonts.
    var plotly: JSONValue {
        let isMatrix = traces.contains { $0.isHeatMap }
        return .object([
            ("data", .array(traces.map { $0.plotly })),
            (
                "layout",
                .object([
                    ("xaxis", xAxis.plotly), ("yaxis", yAxis.plotly + (isMatrix ? [("autorange", "reversed")] : [])),
                    ("showlegend", .bool(traces.count > 1 && !isMatrix)), ("height", .int(height)),
                    ("bargap", .number(traces.contains { $0.isHistogram } ? 0.02 : 0.25)),
                    ("barmode", traces.contains { $0.isHistogram } ? "overlay" : "group"),
                ])
            ),
        ])
    }
}

extension JSONValue {
    fileprivate static func + (object: JSONValue, entries: [(String, JSONValue)]) -> JSONValue {
        guard case .object(let existing) = object else { return object }
        return .object(existing + entries)
    }
}

extension Axis {
    fileprivate var plotly: JSONValue {
        var entries: [(String, JSONValue)] = [("title", .object([("text", .string(title))]))]
        if scale == .logarithmic { entries.append(("type", "log")) }
        if let range {
            // Plotly wants the exponents of a logarithmic range.
            let ends = [range.lowerBound, range.upperBound]
            entries.append(("range", .numbers(scale == .logarithmic ? ends.map(log10) : ends)))
        }
        return .object(entries)
    }
}

extension Trace {
    var isHeatMap: Bool { if case .heatMap = form { true } else { false } }
    var isHistogram: Bool { if case .histogram = form { true } else { false } }

    fileprivate var plotly: JSONValue {
        let common: [(String, JSONValue)] = [("name", .string(name))]
        func errorBars(_ spread: [Double]?) -> [(String, JSONValue)] {
            guard let spread else { return [] }
            return [("error_y", .object([("type", "data"), ("array", .numbers(spread)), ("thickness", .number(1.5))]))]
        }
        switch form {
        case .line(let x, let y, let markers, let spread):
            return .object(
                common + [
                    ("type", "scatter"), ("mode", markers ? "lines+markers" : "lines"), ("x", .numbers(x)),
                    ("y", .numbers(y)),
                ] + errorBars(spread))
        case .scatter(let x, let y, let labels):
            // Thousands of points are drawn on the graphics card.
            return .object(
                common + [
                    ("type", x.count > 3_000 ? "scattergl" : "scatter"), ("mode", "markers"), ("x", .numbers(x)),
                    ("y", .numbers(y)),
                ] + (labels.map { [("text", .strings($0))] } ?? []))
        case .bar(let categories, let y, let spread):
            return .object(common + [("type", "bar"), ("x", .strings(categories)), ("y", .numbers(y))] + errorBars(spread))
        case .histogram(let values, let count):
            let bins = Bins(values, count: count)
            return .object(
                common + [
                    ("type", "bar"), ("x", .numbers(bins.centres)), ("y", .array(bins.counts.map { .int($0) })),
                    ("width", .number(bins.width)),
                ])
        case .heatMap(let rows, let columns, let values):
            return .object(
                common + [
                    ("type", "heatmap"), ("y", .strings(rows)), ("x", .strings(columns)),
                    ("z", .array(values.map { .numbers($0) })),
                ])
        }
    }
}

// MARK: - The same numbers as tables

extension Figure {
    /// The values of all traces, one table per trace, or one for traces that share their x values.
    func tables() -> [Table] {
        if traces.count > 1, let shared = sharedTable() { return [shared] }
        return traces.map { $0.table(xTitle: xAxis.title, yTitle: yAxis.title) }
    }

    private func sharedTable() -> Table? {
        var columns: [[Double]] = []
        var names: [String] = []
        var x: [String]?
        for trace in traces {
            let keys: [String]
            switch trace.form {
            case .line(let xs, let ys, _, nil): (keys, columns) = (xs.map { formatNumber($0, digits: 6) }, columns + [ys])
            case .bar(let categories, let ys, nil): (keys, columns) = (categories, columns + [ys])
            default: return nil
            }
            guard x == nil || x == keys else { return nil }
            x = keys
            names.append(trace.name)
        }
        return Table(
            columns: [.text(xAxis.title)] + names.map { .number($0) },
            rows: (x ?? []).enumerated().map { row, key in [key] + columns.map { formatNumber($0[row], digits: 6) } },
            caption: yAxis.title)
    }
}

extension Trace {
    fileprivate func table(xTitle: String, yTitle: String) -> Table {
        func format(_ value: Double) -> String { formatNumber(value, digits: 6) }
        switch form {
        case .line(let x, let y, _, let spread):
            return Table(
                columns: [.number(xTitle), .number(yTitle)] + (spread == nil ? [] : [.number("±")]),
                rows: x.indices.map { index in
                    [format(x[index]), format(y[index])] + (spread.map { [format($0[index])] } ?? [])
                },
                caption: name)
        case .scatter(let x, let y, let labels):
            return Table(
                columns: [.number(xTitle), .number(yTitle)] + (labels == nil ? [] : [.text("")]),
                rows: x.indices.map { index in [format(x[index]), format(y[index])] + (labels.map { [$0[index]] } ?? []) },
                caption: name)
        case .bar(let categories, let y, let spread):
            return Table(
                columns: [.text(xTitle), .number(yTitle)] + (spread == nil ? [] : [.number("±")]),
                rows: y.indices.map { index in
                    [categories[index], format(y[index])] + (spread.map { [format($0[index])] } ?? [])
                }, caption: name)
        case .histogram(let values, let count):
            let bins = Bins(values, count: count)
            return Table(
                columns: [.number("\(xTitle), from"), .number("to"), .number("Count")],
                rows: bins.counts.indices.map { index in
                    let low = bins.lower + Double(index) * bins.width
                    return [format(low), format(low + bins.width), formatCount(bins.counts[index])]
                }, caption: name)
        case .heatMap(let rows, let columns, let values):
            return Table(
                columns: [.text("")] + columns.map { .number($0) },
                rows: zip(rows, values).map { name, row in [name] + row.map { formatNumber($0) } }, caption: name)
        }
    }
}
