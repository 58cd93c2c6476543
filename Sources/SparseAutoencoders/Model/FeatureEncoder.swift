public import Torch
public import TorchNN

/// The part of a sparse autoencoder that turns inputs into codes. A new architecture is a type that conforms to this (with
/// parameters of its own, if it has any), its ``EncoderSettings``, and an ``SAEVariant`` that says how it is trained.
public protocol FeatureEncoder: Module {
    /// Number of features F.
    var featureCount: Int { get }

    /// The codes of inputs, differentiable.
    /// - Parameter input: normalised and without the decoder's bias where the autoencoder says so, shape [B, D].
    func encode(_ input: Tensor, in context: EncodingContext) -> any Encoding

    /// Multiplies the codes of every input by positive numbers, one a feature, exactly, by changing parameters; used to fold
    /// decoder norms and input scales.
    /// - Parameter factors: shape [F].
    /// - Throws: ``FoldingError`` where the architecture does not allow it.
    func scaleCodes(by factors: Tensor) throws

    /// Makes the encoder give, for `factor`·x, the codes it gave for x.
    func scaleInputs(by factor: Double) throws
}

/// What codes depend on beside the input.
public struct EncodingContext {
    /// The decoder's rows, [F, D].
    public var atoms: Tensor
    /// Whether codes are made as in training, where they may depend on the rest of the batch or on chance.
    public var isTraining: Bool
    /// The derivative of the network's loss with respect to each input in its own scale, [B, D], for encoders that choose features
    /// by it; nil where it is not known.
    public var gradients: Tensor?
    /// Source of noise, for encoders that want some.
    public var generator: RandomGenerator?

    public init(atoms: Tensor, isTraining: Bool = false, gradients: Tensor? = nil, generator: RandomGenerator? = nil) {
        self.atoms = atoms
        self.isTraining = isTraining
        self.gradients = gradients
        self.generator = generator
    }
}

/// What an encoder makes of a batch: a code, and whatever else its losses depend on.
public protocol Encoding {
    var code: FeatureCode { get }
}

extension FeatureCode: Encoding {
    public var code: FeatureCode { self }
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
    /// Whether codes may be negative: features are then compared by magnitude.
    var isSigned: Bool { get }
}

extension LinearFeatureEncoder {
    public var featureCount: Int { weight.size(0) }
    public var isSigned: Bool { false }

    /// u = x·Wᵀ + b of all features, shape [B, F].
    public func preActivations(_ input: Tensor) -> Tensor { input.linear(weight: weight, bias: bias) }

    /// f = u·1[u > θ], or of |u| for signed codes.
    /// - Parameter threshold: θ, shape [F].
    public func encode(_ input: Tensor, threshold: Tensor) -> FeatureCode {
        .sparse(input.thresholdLinear(weight: weight, bias: bias, threshold: threshold, signed: isSigned))
    }

    public func visit(_ v: inout ParameterVisitor) {
        v("weight", weight)
        v("bias", bias)
    }

    public func scaleInputs(by factor: Double) throws { withoutGradients { _ = weight.divideInPlace(by: factor) } }

    func scalePreActivations(by factors: Tensor) {
        withoutGradients {
            weight.multiplyInPlace(by: factors.unsqueezed(1))
            bias.multiplyInPlace(by: factors)
        }
    }

    /// Scales codes by scaling pre-activations, which keeps a selection that compares them only if all factors are equal.
    func scaleComparedPreActivations(by factors: Tensor, name: String) throws {
        let one = factors.detached()[0].item()
        guard factors.equals(one).all().item() != 0 else {
            throw FoldingError(
                "decoder norms cannot be folded into a \(name) encoder, since other features would be selected; renormalise the "
                    + "atoms while training instead, or convert the model to a threshold first")
        }
        scalePreActivations(by: factors)
    }
}
