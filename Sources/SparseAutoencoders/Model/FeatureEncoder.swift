public import Torch
public import TorchNN

/// The part of a sparse autoencoder that turns inputs into codes. A new architecture is a new type that conforms to this
/// (with parameters of its own, if it has any), a case of ``EncoderKind``, and a case of ``SAEArchitecture``.
public protocol FeatureEncoder: Module {
    /// Number of features F.
    var featureCount: Int { get }

    /// The codes as they are in training, differentiable.
    /// - Parameter input: normalised and without the decoder's bias where the autoencoder says so, shape [B, D].
    func encode(_ input: Tensor) -> FeatureCode

    /// Multiplies the codes of every input by positive numbers, one a feature, exactly, by changing parameters; used to fold
    /// decoder norms and input scales.
    /// - Parameter factors: shape [F].
    /// - Throws: ``FoldingError`` where the architecture does not allow it.
    func scaleCodes(by factors: Tensor) throws

    /// Makes the encoder give, for `factor`·x, the codes it gave for x.
    func scaleInputs(by factor: Double) throws
}

/// A step that would change what a model computes instead of only rewriting its weights.
public struct FoldingError: Error, CustomStringConvertible, Equatable {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// An encoder whose codes come from one linear map u = x·Wᵀ + b.
public protocol LinearFeatureEncoder: FeatureEncoder {
    /// Shape [F, D].
    var weight: Tensor { get }
    /// Shape [F].
    var bias: Tensor { get }
}

extension LinearFeatureEncoder {
    public var featureCount: Int { weight.size(0) }

    /// u = x·Wᵀ + b of all features, shape [B, F].
    public func preActivations(_ input: Tensor) -> Tensor { input.linear(weight: weight, bias: bias) }

    /// u of some features, shape [B, n].
    /// - Parameter features: int64, shape [n].
    public func preActivations(_ input: Tensor, of features: Tensor) -> Tensor {
        input.linear(weight: weight.gathered(indices: features), bias: bias.gathered(indices: features))
    }

    public func visit(_ v: inout ParameterVisitor) {
        v("weight", weight)
        v("bias", bias)
    }

    public func scaleInputs(by factor: Double) throws { withoutGradients { _ = weight.divideInPlace(by: factor) } }

    fileprivate func scalePreActivations(by factors: Tensor) {
        withoutGradients {
            weight.multiplyInPlace(by: factors.unsqueezed(1))
            bias.multiplyInPlace(by: factors)
        }
    }
}

/// f = relu(u).
public final class ReLUEncoder: LinearFeatureEncoder {
    public let weight: Tensor
    public let bias: Tensor

    /// - Parameters:
    ///   - weight: shape [F, D], shared, not copied.
    ///   - bias: shape [F].
    public init(weight: Tensor, bias: Tensor) {
        self.weight = weight
        self.bias = bias
    }

    public func encode(_ input: Tensor) -> FeatureCode { .sparse(input.thresholdLinear(weight: weight, bias: bias)) }

    public func scaleCodes(by factors: Tensor) throws { scalePreActivations(by: factors) }
}

/// The k largest of relu(u) in each row (Gao et al. 2024, arXiv:2406.04093). Rows with fewer than k positive
/// pre-activations have fewer than k active features.
public final class TopKEncoder: LinearFeatureEncoder {
    public let weight: Tensor
    public let bias: Tensor
    /// Features kept per row; training may lower it step by step to the configured number.
    public var k: Int

    /// - Parameters:
    ///   - weight: shape [F, D], shared, not copied.
    ///   - bias: shape [F].
    ///   - k: at most F.
    public init(weight: Tensor, bias: Tensor, k: Int) {
        require((1...weight.size(0)).contains(k), "TopKEncoder: k \(k) for \(weight.size(0)) features")
        self.weight = weight
        self.bias = bias
        self.k = k
    }

    public func encode(_ input: Tensor) -> FeatureCode { .sparse(input.topKLinear(weight: weight, bias: bias, k: k)) }

    public func scaleCodes(by factors: Tensor) throws {
        let one = factors.detached()[0].item()
        guard factors.equals(one).all().item() != 0 else {
            throw FoldingError(
                "decoder norms cannot be folded into a TopK encoder, since other features would be selected; renormalise the "
                    + "atoms while training instead, or convert the model to a threshold first")
        }
        scalePreActivations(by: factors)
    }
}

/// Which ``FeatureEncoder`` a model has, as written in its configuration.
public enum EncoderKind: Sendable, Equatable {
    case relu
    case topK(k: Int)

    /// Name in files.
    public var name: String {
        switch self {
        case .relu: "relu"
        case .topK: "topk"
        }
    }

    static let names = ["relu", "topk"]

    /// Builds the encoder around weights [F, D] and biases [F].
    func makeEncoder(weight: Tensor, bias: Tensor) -> any FeatureEncoder {
        switch self {
        case .relu: ReLUEncoder(weight: weight, bias: bias)
        case .topK(let k): TopKEncoder(weight: weight, bias: bias, k: k)
        }
    }
}

extension EncoderKind: Codable {
    private enum Keys: String, CodingKey { case name, k }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Keys.self)
        let name = try container.decode(String.self, forKey: .name)
        switch name {
        case "relu": self = .relu
        case "topk": self = .topK(k: try container.decode(Int.self, forKey: .k))
        default:
            throw DecodingError.dataCorruptedError(
                forKey: .name, in: container,
                debugDescription: "unknown architecture '\(name)'; known are \(Self.names.joined(separator: ", "))")
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Keys.self)
        try container.encode(name, forKey: .name)
        if case .topK(let k) = self { try container.encode(k, forKey: .k) }
    }
}
