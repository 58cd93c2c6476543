public import Torch

/// Squeezes normally distributed numbers into a range that bits can count, and back, so that all levels are used about equally often.
///
/// With b bits, L = 2^(b−1) − 0.501 and s = (2^(b−1) − 1)/1.85: u = 2L(Φ(x/s) − ½), and x = s·Φ⁻¹(u/2L + ½).
public struct Compander: Sendable, Equatable {
    public let bits: Int
    /// s.
    public let scale: Double
    /// L: no level is further from 0 than this.
    public let limit: Double

    /// Probabilities are kept this far from 0 and 1, where Φ⁻¹ explodes. Levels that bits can count never come so near.
    static let margin = 1e-4

    /// - Parameter bits: 2 to 8.
    public init(bits: Int) {
        require(2...8 ~= bits, "Compander: bits must be between 2 and 8, found \(bits).")
        self.bits = bits
        let greatest = Double(1 << (bits - 1) - 1)
        scale = greatest / 1.85
        limit = greatest + 0.5 - 1e-3
    }

    /// The greatest level, 2^(b−1) − 1; the least is its negative.
    public var greatestLevel: Int { 1 << (bits - 1) - 1 }

    /// ToUniform: from −L to L.
    public func compressed(_ x: Tensor) -> Tensor { (x * (0.5.squareRoot() / scale)).erf() * limit }

    /// ToNormal, the inverse of ``compressed(_:)`` for levels that are not at the very ends.
    public func expanded(_ levels: Tensor) -> Tensor {
        let probability = (levels / (2 * limit) + 0.5).clamped(minimum: Self.margin, maximum: 1 - Self.margin)
        return (probability * 2 - 1).erfinv() * (scale * 2.0.squareRoot())
    }
}
