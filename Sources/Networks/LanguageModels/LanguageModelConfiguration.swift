internal import Foundation

/// The dimensions and constants of a decoder of the Llama family.
public struct LanguageModelConfiguration: Codable, Sendable, Equatable {
    /// The family members that are run exactly.
    public enum Architecture: String, Codable, Sendable, CaseIterable {
        case llama, qwen2
    }

    /// Which projections of attention have a bias.
    public enum AttentionBias: String, Codable, Sendable {
        case none
        /// Qwen2.
        case queryKeyValue
        /// Llama with `attention_bias`.
        case all
    }

    public var architecture: Architecture
    public var vocabularySize: Int
    /// D, the width of the residual stream.
    public var hiddenSize: Int
    public var layerCount: Int
    /// H, query heads.
    public var headCount: Int
    /// K, key/value heads; each serves headCount / keyValueHeadCount query heads.
    public var keyValueHeadCount: Int
    /// d, the width of a head.
    public var headSize: Int
    /// M, the inner width of the gated feed-forward part.
    public var feedForwardSize: Int
    /// The longest sequence the model was trained for.
    public var contextLength: Int
    /// ε of the RMS norms.
    public var normEpsilon: Double
    public var rotary: RotaryConfiguration
    /// Whether the output projection is the token embedding.
    public var tiesEmbeddings: Bool
    public var attentionBias: AttentionBias
    public var bosToken: Int?
    /// Tokens that end a generation.
    public var endTokens: [Int]

    public init(
        architecture: Architecture = .llama, vocabularySize: Int, hiddenSize: Int, layerCount: Int, headCount: Int,
        keyValueHeadCount: Int? = nil, headSize: Int? = nil, feedForwardSize: Int, contextLength: Int, normEpsilon: Double = 1e-5,
        rotary: RotaryConfiguration = RotaryConfiguration(), tiesEmbeddings: Bool = true, attentionBias: AttentionBias = .none,
        bosToken: Int? = nil, endTokens: [Int] = []
    ) throws {
        self.architecture = architecture
        self.vocabularySize = vocabularySize
        self.hiddenSize = hiddenSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount ?? headCount
        self.headSize = headSize ?? (headCount > 0 ? hiddenSize / headCount : 0)
        self.feedForwardSize = feedForwardSize
        self.contextLength = contextLength
        self.normEpsilon = normEpsilon
        self.rotary = rotary
        self.tiesEmbeddings = tiesEmbeddings
        self.attentionBias = attentionBias
        self.bosToken = bosToken
        self.endTokens = endTokens
        try validate()
    }

    /// Sizes beyond this are no model's, and products of three of them do not overflow.
    private static let largestSize = 1 << 20

    /// - Throws: `ModelConfigurationError` naming the value that cannot be.
    public func validate() throws {
        let sizes: [(String, Int)] = [
            ("vocabulary size", vocabularySize), ("hidden size", hiddenSize), ("head count", headCount),
            ("key/value head count", keyValueHeadCount), ("head size", headSize), ("feed-forward size", feedForwardSize),
        ]
        for (name, size) in sizes where !(1...Self.largestSize).contains(size) {
            throw ModelConfigurationError("the \(name) is \(size), not between 1 and \(Self.largestSize)")
        }
        guard (1...1024).contains(layerCount) else { throw ModelConfigurationError("the layer count is \(layerCount), not between 1 and 1024") }
        guard (1...(1 << 27)).contains(contextLength) else { throw ModelConfigurationError("the context length is \(contextLength)") }
        guard headCount % keyValueHeadCount == 0 else {
            throw ModelConfigurationError("\(headCount) heads are not a multiple of \(keyValueHeadCount) key/value heads")
        }
        guard headSize % 2 == 0 else { throw ModelConfigurationError("the head size \(headSize) is odd, so it cannot be rotated in pairs") }
        guard normEpsilon > 0, normEpsilon < 1 else { throw ModelConfigurationError("the norm's epsilon is \(normEpsilon)") }
        try rotary.validate()
    }
}

/// A configuration that no model can have.
public struct ModelConfigurationError: Error, CustomStringConvertible, Equatable, Sendable {
    public let description: String

    init(_ problem: String) { description = "the model's configuration is wrong: \(problem)" }
}

/// Rotary position embedding: base θ and the rule that stretches it to long contexts.
public struct RotaryConfiguration: Codable, Sendable, Equatable {
    public enum Scaling: Codable, Sendable, Equatable {
        case none
        /// Positions divided by the factor.
        case linear(factor: Double)
        /// Llama 3.1's rule: long wavelengths divided by the factor, short ones kept, a ramp between.
        case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContextLength: Int)
        /// Each frequency divided by a factor of its own, as llama.cpp stores Llama 3.1's rule.
        case perFrequency([Double])
    }

    public var base: Double
    public var scaling: Scaling

    public init(base: Double = 10_000, scaling: Scaling = .none) {
        self.base = base
        self.scaling = scaling
    }

    func validate() throws {
        guard base.isFinite, base > 0 else { throw ModelConfigurationError("the rotary base is \(base)") }
        let factors: [Double] = switch scaling {
        case .none: []
        case .linear(let factor): [factor]
        case .llama3(let factor, let low, let high, let original): [factor, low, high, high - low, Double(original)]
        case .perFrequency(let factors): factors
        }
        guard factors.allSatisfy({ $0.isFinite && $0 > 0 }) else { throw ModelConfigurationError("the rotary scaling \(scaling) is impossible") }
    }

    /// Angle per position of each of the `headSize`/2 pairs.
    public func inverseFrequencies(headSize: Int) -> [Double] {
        let plain = (0..<headSize / 2).map { pow(base, -2 * Double($0) / Double(headSize)) }
        switch scaling {
        case .none: return plain
        case .linear(let factor): return plain.map { $0 / factor }
        case .perFrequency(let factors): return zip(plain, factors).map { $0 / $1 }
        case .llama3(let factor, let low, let high, let original):
            return plain.map { frequency in
                let wavelength = 2 * Double.pi / frequency
                let ramp = (Double(original) / wavelength - low) / (high - low)
                let share = min(max(ramp, 0), 1)
                return (1 - share) * frequency / factor + share * frequency
            }
        }
    }
}
