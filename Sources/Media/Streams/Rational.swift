internal import CFFmpeg
internal import Torch

/// A fraction, as frame rates are: 30000/1001 is no decimal number.
public struct Rational: Sendable, Hashable, Codable, CustomStringConvertible {
    public let numerator: Int
    /// Positive.
    public let denominator: Int

    /// In lowest terms; both must be positive and fit 31 bits.
    public init(_ numerator: Int, _ denominator: Int = 1) {
        require(
            numerator > 0 && denominator > 0 && max(numerator, denominator) <= Int(Int32.max),
            "Rational: \(numerator)/\(denominator), where two numbers from 1 to 2^31 − 1 are expected")
        var (a, b) = (numerator, denominator)
        while b != 0 { (a, b) = (b, a % b) }
        self.numerator = numerator / max(1, a)
        self.denominator = denominator / max(1, a)
    }

    public var value: Double { Double(numerator) / Double(denominator) }
    public var description: String { denominator == 1 ? "\(numerator)" : "\(numerator)/\(denominator)" }

    /// Nil where the fraction is not positive.
    init?(_ value: AVRational) {
        guard value.num > 0, value.den > 0 else { return nil }
        self.init(Int(value.num), Int(value.den))
    }

    var ffmpeg: AVRational { AVRational(num: Int32(numerator), den: Int32(denominator)) }
}
