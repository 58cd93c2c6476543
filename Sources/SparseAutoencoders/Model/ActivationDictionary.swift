public import Torch

/// A dictionary of directions in the activations of a network: whatever turns an activation into feature activations and
/// back, trained or not.
///
/// Metrics, feature reports and steering are written against this, so they work for every architecture and for dictionaries
/// that are no autoencoders (e.g. principal components).
public protocol ActivationDictionary: AnyObject {
    /// Width D of the activations.
    var inputSize: Int { get }
    /// Number of features F.
    var dictionarySize: Int { get }
    /// What a unit of each feature adds to the reconstruction, in the scale of the input, shape [F, D].
    var decoderDirections: Tensor { get }

    /// The features of activations.
    /// - Parameter input: shape [B, D].
    func encode(_ input: Tensor) -> FeatureCode

    /// The activations that a code stands for, shape [B, D].
    /// - Parameter input: what the code was made from; only dictionaries that normalise each row by itself need it, to undo
    ///   that, and they trap without it.
    func decode(_ code: FeatureCode, of input: Tensor?) -> Tensor
}

/// An input's features and what they rebuild.
public struct Reconstruction {
    public let code: FeatureCode
    /// Shape [B, D], in the scale of the input.
    public let output: Tensor

    public init(code: FeatureCode, output: Tensor) {
        self.code = code
        self.output = output
    }
}

extension ActivationDictionary {
    /// Encodes and decodes activations of shape [B, D].
    public func reconstruct(_ input: Tensor) -> Reconstruction {
        let code = encode(input)
        return Reconstruction(code: code, output: decode(code, of: input))
    }
}
