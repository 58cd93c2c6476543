internal import Foundation

/// The law of Zipf and Mandelbrot for how often features are active: the density of the feature of rank r = 1, 2, … is
/// C·(r + q)^−a.
public struct ZipfLaw: Codable, Sendable, Equatable {
    /// a ≥ 0.
    public var exponent: Double
    /// q ≥ 0.
    public var shift: Double
    /// How much of the variation of log density over the fitted ranks the law explains, R²; nil for a law that was not fitted.
    public var explainedVariation: Double?

    /// Plain Zipf unless told otherwise.
    public init(exponent: Double = 1, shift: Double = 0) {
        self.exponent = exponent
        self.shift = shift
    }

    /// Least squares of log p against log(r + q) for the features between two parts of the ranking; q is the best of a grid from 0
    /// to the number of features.
    /// - Parameters:
    ///   - densities: in any order.
    ///   - smallest: densities below it count as unknown and are left out.
    ///   - ranks: the part of the ranking that counts, by default without the first percent and the rare end, which follows no such
    ///     law.
    /// - Returns: nil if fewer than three densities are left, or if they do not fall.
    public init?(fitting densities: [Double], smallest: Double, ranks: ClosedRange<Double> = 0.01...0.9) {
        let sorted = densities.sorted(by: >)
        let first = Int((ranks.lowerBound * Double(sorted.count)).rounded(.up))
        let last = min(sorted.count, Int(ranks.upperBound * Double(sorted.count)))
        let points = (first..<max(first, last)).filter { sorted[$0] >= smallest && sorted[$0] > 0 }
        guard points.count >= 3 else { return nil }
        let heights = points.map { log(sorted[$0]) }
        let best = Self.shifts(upTo: sorted.count).map { shift in
            (shift, line: LineFit(x: points.map { log(Double($0 + 1) + shift) }, y: heights))
        }.max { $0.line.explainedVariation < $1.line.explainedVariation }
        guard let best, best.line.slope < 0, best.line.explainedVariation.isFinite else { return nil }
        (exponent, shift, explainedVariation) = (-best.line.slope, best.0, best.line.explainedVariation)
    }

    /// Candidates for q: 0 and numbers of equal ratio.
    private static func shifts(upTo largest: Int) -> [Double] {
        [0] + stride(from: 0.0, through: log2(Double(max(1, largest))), by: 0.5).map { exp2($0) }
    }

    /// The densities of ranks 1 … F in falling order, scaled so that they sum to a given number, each within bounds: what bounds
    /// add or take is shared among the others in proportion.
    /// - Parameters:
    ///   - sum: features per input, k.
    ///   - minimum: lowered to k/F if need be.
    ///   - maximum: raised to k/F if need be.
    public func densities(count: Int, sum: Double, minimum: Double, maximum: Double) -> [Double] {
        let bounds = min(minimum, sum / Double(count))...max(maximum, sum / Double(count))
        let logs = (1...max(1, count)).map { -exponent * log(Double($0) + shift) }
        func scaled(_ logScale: Double) -> [Double] { logs.map { min(bounds.upperBound, max(bounds.lowerBound, exp(logScale + $0))) } }
        // The sum rises with the scale; at the ends all densities are at a bound.
        var low = log(bounds.lowerBound) - logs[0] - 1, high = log(bounds.upperBound) - logs[logs.count - 1] + 1
        for _ in 0..<100 {
            let middle = (low + high) / 2
            if scaled(middle).reduce(0, +) < sum { low = middle } else { high = middle }
        }
        return scaled(high)
    }
}

/// Whole numbers near given ones, with a given sum: each is rounded down, and those with the largest remainders (of equal ones the
/// first) get one more.
/// - Parameters:
///   - numbers: not negative.
///   - sum: between the sum of the rounded-down numbers and that plus their count.
func apportioned(_ numbers: [Double], sum: Int) -> [Int] {
    var whole = numbers.map { Int($0.rounded(.down)) }
    let remainders = numbers.indices.map { numbers[$0] - Double(whole[$0]) }
    let missing = max(0, min(numbers.count, sum - whole.reduce(0, +)))
    let order = numbers.indices.sorted { (remainders[$1], $0) < (remainders[$0], $1) }
    for index in order.prefix(missing) { whole[index] += 1 }
    return whole
}
