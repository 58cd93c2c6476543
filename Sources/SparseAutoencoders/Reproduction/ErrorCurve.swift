internal import Foundation

/// Error against active features between a few measured points: straight lines in logarithms, which go on beyond the points as the
/// outermost pieces do. Autoencoders that are used with thresholds have not quite the L0 that was asked for; this is what they are held
/// against.
package struct ErrorCurve {
    /// Logarithms, rising.
    private let points: [(l0: Double, error: Double)]

    package init(_ points: [(l0: Double, error: Double)]) {
        self.points = points.map { (log($0.l0), log($0.error)) }.sorted { $0.l0 < $1.l0 }
    }

    /// - Parameter outcomes: one for each budget.
    package init(_ outcomes: [Comparison.Outcome], error: (Comparison.Outcome) -> Double) {
        self.init(outcomes.map { ($0.metrics.l0, error($0)) })
    }

    /// The error at an L0; not a number if the curve has fewer than two points.
    package func error(atL0 l0: Double) -> Double {
        guard points.count > 1 else { return .nan }
        let x = log(l0)
        let end = max(1, points.firstIndex { $0.l0 >= x } ?? points.count - 1)
        let (a, b) = (points[end - 1], points[end])
        return exp(a.error + (b.error - a.error) * (x - a.l0) / (b.l0 - a.l0))
    }

    /// An outcome's error over the curve's at the same L0, less 1.
    package func excess(of outcome: Comparison.Outcome, error: (Comparison.Outcome) -> Double) -> Double {
        error(outcome) / self.error(atL0: outcome.metrics.l0) - 1
    }
}
