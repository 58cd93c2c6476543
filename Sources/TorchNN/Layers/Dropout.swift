public import Torch

/// Sets each element to zero with a probability while training, and scales the others so that the mean stays
/// (Srivastava et al. 2014). Does nothing in evaluation.
public final class Dropout: Layer, ModeDependent {
    /// Which elements fall together.
    public enum Granularity: String, Codable, Sendable {
        case elements
        /// Whole channels, dimension 1 of [batch, channels, …].
        case channels
    }

    public let probability: Double
    public let granularity: Granularity
    public var mode = ModuleMode.training
    private let generator: RandomGenerator

    /// - Parameter generator: drawn from at every training call; its state belongs into checkpoints.
    public init(_ probability: Double, granularity: Granularity = .elements, generator: RandomGenerator) {
        require((0...1).contains(probability), "Dropout: the probability must be within 0...1, found \(probability).")
        self.probability = probability
        self.granularity = granularity
        self.generator = generator
    }

    public func visit(_ v: inout ParameterVisitor) {}

    public func callAsFunction(_ input: Tensor) -> Tensor {
        guard mode == .training, probability > 0 else { return input }
        if probability == 1 { return input * 0 }
        var shape = input.shape
        if granularity == .channels {
            require(shape.count >= 2, "Dropout: the input must be [batch, channels, …], found shape \(shape).")
            shape = Array(shape.prefix(2)) + Array(repeating: 1, count: max(shape.count - 2, 0))
        }
        let chances = Tensor.full(shape, 1 - probability, dtype: input.dtype, device: generator.device)
        return input * (chances.bernoulliSample(generator: generator) / (1 - probability)).to(device: input.device)
    }
}
