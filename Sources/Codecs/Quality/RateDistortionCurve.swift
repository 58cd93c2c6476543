import Foundation

/// Bits per pixel and quality of a codec at several settings.
public struct RateDistortionCurve: Codable, Sendable, Equatable {
    public struct Point: Codable, Sendable, Equatable {
        public var bitsPerPixel: Double
        /// Higher is better, e.g. PSNR in dB.
        public var quality: Double

        public init(bitsPerPixel: Double, quality: Double) {
            self.bitsPerPixel = bitsPerPixel
            self.quality = quality
        }
    }

    public var name: String
    public var points: [Point]

    public init(_ name: String, _ points: [Point]) {
        self.name = name
        self.points = points
    }

    /// Bjøntegaard's difference in rate (VCEG-M33): by what part fewer (negative) or more bits this codec needs than another at equal quality,
    /// over the qualities that both reach.
    ///
    /// The logarithm of the rate is interpolated over quality by cubic pieces that keep monotone data monotone (Fritsch and Carlson, as
    /// SciPy's `PchipInterpolator`).
    /// - Returns: nil if the curves have no quality in common, or fewer than two points of different quality.
    public func rateDifference(from other: RateDistortionCurve) -> Double? {
        guard let own = LogarithmicRate(self), let others = LogarithmicRate(other) else { return nil }
        let from = max(own.lowest, others.lowest), to = min(own.highest, others.highest)
        guard from < to else { return nil }
        return exp((own.integral(from, to) - others.integral(from, to)) / (to - from)) - 1
    }
}

/// ln(bits per pixel) over quality.
private struct LogarithmicRate {
    let x: [Double], y: [Double], slopes: [Double]
    var lowest: Double { x[0] }
    var highest: Double { x[x.count - 1] }

    init?(_ curve: RateDistortionCurve) {
        var points = curve.points.filter { $0.bitsPerPixel > 0 && $0.quality.isFinite }.sorted { ($0.quality, $0.bitsPerPixel) < ($1.quality, $1.bitsPerPixel) }
        // Of equal qualities the cheapest counts.
        points = points.enumerated().filter { $0.offset == 0 || points[$0.offset - 1].quality < $0.element.quality }.map(\.element)
        guard points.count > 1 else { return nil }
        x = points.map(\.quality)
        y = points.map { log($0.bitsPerPixel) }
        slopes = Self.slopes(x, y)
    }

    /// At the points: weighted harmonic means of the slopes to both sides, 0 where these differ in sign.
    private static func slopes(_ x: [Double], _ y: [Double]) -> [Double] {
        let widths = zip(x, x.dropFirst()).map { $1 - $0 }, rises = zip(zip(y, y.dropFirst()).map { $1 - $0 }, widths).map { $0 / $1 }
        guard rises.count > 1 else { return [rises[0], rises[0]] }
        let inner = (1..<rises.count).map { i -> Double in
            guard rises[i - 1] * rises[i] > 0 else { return 0 }
            let (a, b) = (2 * widths[i] + widths[i - 1], widths[i] + 2 * widths[i - 1])
            return (a + b) / (a / rises[i - 1] + b / rises[i])
        }
        /// At an end, from the nearest three points, kept from overshooting.
        func end(_ w0: Double, _ w1: Double, _ r0: Double, _ r1: Double) -> Double {
            let slope = ((2 * w0 + w1) * r0 - w0 * r1) / (w0 + w1)
            if slope * r0 <= 0 { return 0 }
            return r0 * r1 <= 0 && abs(slope) > 3 * abs(r0) ? 3 * r0 : slope
        }
        let n = rises.count
        return [end(widths[0], widths[1], rises[0], rises[1])] + inner + [end(widths[n - 1], widths[n - 2], rises[n - 1], rises[n - 2])]
    }

    /// ∫ between two qualities within the points'.
    func integral(_ from: Double, _ to: Double) -> Double {
        (0..<x.count - 1).reduce(0.0) { sum, i in
            let (a, b) = (max(from, x[i]), min(to, x[i + 1]))
            return a < b ? sum + antiderivative(i, b) - antiderivative(i, a) : sum
        }
    }

    /// Of piece i, from its beginning to `at`.
    private func antiderivative(_ i: Int, _ at: Double) -> Double {
        let width = x[i + 1] - x[i], t = at - x[i]
        let rise = (y[i + 1] - y[i]) / width
        let quadratic = (3 * rise - 2 * slopes[i] - slopes[i + 1]) / width
        let cubic = (slopes[i] + slopes[i + 1] - 2 * rise) / (width * width)
        return t * (y[i] + t * (slopes[i] / 2 + t * (quadratic / 3 + t * cubic / 4)))
    }
}
