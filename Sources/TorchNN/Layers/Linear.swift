public import Torch

/// `y = x Wᵀ + b`.
public final class Linear: Layer {
    /// Shape [outputSize, inputSize].
    public let weight: Tensor
    /// Shape [outputSize].
    public let bias: Tensor?

    public var inputSize: Int { weight.size(1) }
    public var outputSize: Int { weight.size(0) }

    /// Weight and bias uniform on ±1/√inputSize, PyTorch's default, or the weight as `initializer` says.
    public init(
        inputSize: Int, outputSize: Int, bias: Bool = true, initializer: Initializer = .linearDefault,
        generator: RandomGenerator
    ) {
        require(inputSize > 0 && outputSize > 0, "Linear: sizes must be positive, found \(inputSize) → \(outputSize).")
        weight = initializer.parameter([outputSize, inputSize], generator: generator)
        self.bias = bias ? Initializer.biasDefault(fanIn: inputSize).parameter([outputSize], generator: generator) : nil
    }

    /// A layer of given weights, shared, not copied.
    public init(weight: Tensor, bias: Tensor? = nil) {
        require(
            weight.rank == 2 && bias.map { $0.shape == [weight.size(0)] } ?? true,
            "Linear: weight \(weight.shape) and bias \(bias?.shape ?? []) do not fit.")
        self.weight = weight
        self.bias = bias
    }

    public func visit(_ v: inout ParameterVisitor) {
        v("weight", weight)
        v("bias", bias)
    }

    /// - Parameter input: shape […, inputSize].
    /// - Returns: shape […, outputSize].
    public func callAsFunction(_ input: Tensor) -> Tensor {
        require(
            input.rank > 0 && input.size(-1) == inputSize,
            "Linear: the last dimension of the input must be \(inputSize), found shape \(input.shape).")
        return input.linear(weight: weight, bias: bias)
    }
}

extension Initializer {
    /// PyTorch's default for biases of linear layers and convolutions: uniform on ±1/√fanIn.
    package static func biasDefault(fanIn: Int) -> Initializer {
        let bound = 1 / Double(fanIn).squareRoot()
        return .uniform(from: -bound, to: bound)
    }
}
