internal import Torch

/// A chart of a report, drawn by Plotly in the page and readable as a table without it.
///
/// Colours are not part of a figure: the page gives traces colours that fit its light or dark theme.
public struct Figure: Codable, Sendable, Equatable {
    public var title: String
    public var xAxis: Axis
    public var yAxis: Axis
    public var traces: [Trace]
    /// One sentence below the chart that says what to see.
    public var caption: String?
    /// Height of the chart in CSS pixels.
    public var height: Int

    public init(
        title: String, xAxis: Axis, yAxis: Axis, traces: [Trace], caption: String? = nil, height: Int = 380
    ) {
        self.title = title
        self.xAxis = xAxis
        self.yAxis = yAxis
        self.traces = traces
        self.caption = caption
        self.height = height
    }
}

/// An axis with the title that names quantity and unit.
public struct Axis: Codable, Sendable, Equatable {
    public enum Scale: String, Codable, Sendable { case linear, logarithmic }

    public var title: String
    public var scale: Scale
    /// Fixed range in data units; chosen from the data if nil.
    public var range: ClosedRange<Double>?

    public init(_ title: String, scale: Scale = .linear, range: ClosedRange<Double>? = nil) {
        require(
            scale == .linear || range.map { $0.lowerBound > 0 } ?? true,
            "Axis '\(title)': a logarithmic range must be positive, found \(String(describing: range))")
        self.title = title
        self.scale = scale
        self.range = range
    }
}

/// One series of values.
public struct Trace: Codable, Sendable, Equatable {
    enum Form: Codable, Sendable, Equatable {
        case line(x: [Double], y: [Double], markers: Bool, spread: [Double]?)
        case scatter(x: [Double], y: [Double], labels: [String]?)
        case bar(categories: [String], y: [Double], spread: [Double]?)
        case histogram(values: [Double], bins: Int)
        case heatMap(rows: [String], columns: [String], values: [[Double]])
    }

    /// Name in legend and table.
    public var name: String
    let form: Form

    /// A line through points in the given order.
    ///
    /// - Parameters:
    ///   - x: coordinates.
    ///   - y: as many as `x`; a NaN interrupts the line.
    ///   - markers: whether points are marked; wanted where they are measurements rather than a dense curve.
    ///   - spread: half lengths of error bars, one per point.
    public static func line(
        _ name: String, x: [Double], y: [Double], markers: Bool = false, spread: [Double]? = nil
    ) -> Trace {
        requireEqual(x.count, y.count, spread?.count, "line", name)
        return Trace(name: name, form: .line(x: x, y: y, markers: markers, spread: spread))
    }

    /// Points without a line.
    ///
    /// - Parameter labels: one text per point, shown under the pointer and in the table.
    public static func scatter(_ name: String, x: [Double], y: [Double], labels: [String]? = nil) -> Trace {
        requireEqual(x.count, y.count, labels?.count, "scatter", name)
        return Trace(name: name, form: .scatter(x: x, y: y, labels: labels))
    }

    /// One bar per category, with optional half lengths of error bars.
    public static func bar(_ name: String, categories: [String], y: [Double], spread: [Double]? = nil) -> Trace {
        requireEqual(categories.count, y.count, spread?.count, "bar", name)
        return Trace(name: name, form: .bar(categories: categories, y: y, spread: spread))
    }

    /// Counts of values in bins of equal width; values that are not finite are left out.
    ///
    /// - Parameter bins: number of bins, at least 1.
    public static func histogram(_ name: String, values: [Double], bins: Int = 50) -> Trace {
        require(bins > 0, "histogram '\(name)' needs at least one bin, found \(bins)")
        return Trace(name: name, form: .histogram(values: values.filter(\.isFinite), bins: bins))
    }

    /// Coloured cells.
    ///
    /// - Parameters:
    ///   - rows: names of the rows, from the top.
    ///   - columns: names of the columns.
    ///   - values: `[rows.count][columns.count]`.
    public static func heatMap(_ name: String, rows: [String], columns: [String], values: [[Double]]) -> Trace {
        require(
            values.count == rows.count && values.allSatisfy { $0.count == columns.count },
            "heatMap '\(name)': values are not [\(rows.count)][\(columns.count)]")
        return Trace(name: name, form: .heatMap(rows: rows, columns: columns, values: values))
    }

    private static func requireEqual(_ a: Int, _ b: Int, _ c: Int?, _ form: String, _ name: String) {
        require(a == b && c ?? a == a, "\(form) '\(name)': counts differ: \(a), \(b)\(c.map { ", \($0)" } ?? "")")
    }
}

/// Counts of values in bins of equal width.
struct Bins: Equatable {
    let lower: Double
    let width: Double
    let counts: [Int]

    /// - Parameters:
    ///   - values: finite values.
    ///   - count: number of bins; fewer if values are equal, or whole numbers that do not need so many.
    init(_ values: [Double], count: Int) {
        guard let low = values.min(), let high = values.max() else {
            (lower, width, counts) = (0, 1, [])
            return
        }
        guard high > low, ((high - low) / Double(count)).isFinite else {
            (lower, width, counts) = (low - 0.5, 1, [values.count])
            return
        }
        // Bins of whole numbers hold equally many of them each; others would alternate between one more and one less.
        let isWhole = values.allSatisfy { $0 == $0.rounded() }
        let lower = isWhole ? low - 0.5 : low
        let width = isWhole ? ((high - low + 1) / Double(count)).rounded(.up) : (high - low) / Double(count)
        let used = isWhole ? Int(((high - low + 1) / width).rounded(.up)) : count
        var counts = [Int](repeating: 0, count: used)
        for value in values { counts[min(used - 1, Int((value - lower) / width))] += 1 }
        (self.lower, self.width, self.counts) = (lower, width, counts)
    }

    var centres: [Double] { counts.indices.map { lower + (Double($0) + 0.5) * width } }
}
