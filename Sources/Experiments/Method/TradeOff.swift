internal import Torch

/// What a compressed description costs.
public struct Budget: Codable, Sendable, Equatable {
    /// The currencies of compression.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        case bits, nonZeros, dimensions, rank, parameters

        /// Name for axes and tables.
        public var title: String {
            switch self {
            case .bits: "bits"
            case .nonZeros: "non-zeros (L0)"
            case .dimensions: "dimensions"
            case .rank: "rank"
            case .parameters: "parameters"
            }
        }
    }

    public var kind: Kind
    /// How much is spent, per `unit`.
    public var amount: Double
    /// What the amount is counted per, e.g. `pixel` or `token`; nil for the whole.
    public var unit: String?

    public init(_ kind: Kind, _ amount: Double, per unit: String? = nil) {
        self.kind = kind
        self.amount = amount
        self.unit = unit
    }

    /// Name of the axis, e.g. `bits per pixel`.
    public var axisTitle: String { kind.title + (unit.map { " per \($0)" } ?? "") }
}

/// How good what comes out is, by a named measure.
public struct Quality: Codable, Sendable, Equatable {
    public enum Direction: String, Codable, Sendable { case higherIsBetter, lowerIsBetter }

    /// The measure as the field writes it, with its unit, e.g. `PSNR (dB)` or `FVU`.
    public var measure: String
    public var value: Double
    public var direction: Direction

    public init(_ measure: String, _ value: Double, _ direction: Direction) {
        self.measure = measure
        self.value = value
        self.direction = direction
    }
}

/// The curve of quality against budget: what every method here is judged by.
public struct TradeOff: Codable, Sendable, Equatable {
    /// One setting of a method.
    public struct Point: Codable, Sendable, Equatable {
        public var budget: Budget
        public var quality: Quality

        public init(_ budget: Budget, _ quality: Quality) {
            self.budget = budget
            self.quality = quality
        }
    }

    /// The method or variant.
    public var name: String
    /// Points in order of their budget.
    public let points: [Point]

    /// - Parameter points: at least one; all with the same kind of budget and the same measure.
    public init(name: String, points: [Point]) {
        require(!points.isEmpty, "TradeOff '\(name)' has no points")
        require(
            points.allSatisfy {
                $0.budget.kind == points[0].budget.kind && $0.budget.unit == points[0].budget.unit
                    && $0.quality.measure == points[0].quality.measure
            }, "TradeOff '\(name)' mixes budgets or measures")
        self.name = name
        self.points = points.sorted { $0.budget.amount < $1.budget.amount }
    }

    /// Quality at a budget between two points, interpolated linearly; nil outside the measured range.
    public func quality(at amount: Double) -> Double? {
        guard let upper = points.firstIndex(where: { $0.budget.amount >= amount }) else { return nil }
        let high = points[upper]
        if high.budget.amount == amount { return high.quality.value }
        guard upper > 0 else { return nil }
        let low = points[upper - 1]
        let weight = (amount - low.budget.amount) / (high.budget.amount - low.budget.amount)
        return low.quality.value + weight * (high.quality.value - low.quality.value)
    }

    /// A figure with one line per curve.
    ///
    /// - Parameter curves: curves over the same budget and measure.
    public static func figure(_ title: String, _ curves: [TradeOff], budgetScale: Axis.Scale = .linear) -> Figure {
        require(!curves.isEmpty, "TradeOff.figure of no curves")
        return Figure(
            title: title, xAxis: Axis(curves[0].points[0].budget.axisTitle, scale: budgetScale),
            yAxis: Axis(curves[0].points[0].quality.measure),
            traces: curves.map { curve in
                .line(curve.name, x: curve.points.map(\.budget.amount), y: curve.points.map(\.quality.value), markers: true)
            })
    }
}
