/// The straight line nearest to some points by least squares.
package struct LineFit {
    package let slope: Double
    /// y at x = 0.
    package let intercept: Double
    /// How much of the variation of y the line explains, R²; not a number if all y are equal.
    package let explainedVariation: Double

    package init(x: [Double], y: [Double]) {
        let count = Double(x.count)
        let meanX = x.reduce(0, +) / count, meanY = y.reduce(0, +) / count
        var (xx, xy, yy) = (0.0, 0.0, 0.0)
        for (a, b) in zip(x, y) {
            xx += (a - meanX) * (a - meanX)
            xy += (a - meanX) * (b - meanY)
            yy += (b - meanY) * (b - meanY)
        }
        slope = xy / xx
        intercept = meanY - slope * meanX
        explainedVariation = xy * xy / (xx * yy)
    }
}
