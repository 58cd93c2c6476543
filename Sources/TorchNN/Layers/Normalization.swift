public import Torch

/// Normalises each example over its last dimensions to mean 0 and variance 1, then scales and shifts
/// (Ba et al., arXiv:1607.06450).
public final class LayerNorm: Layer {
    /// The last dimensions of the input, over which is normalised.
    public let shape: [Int]
    public let epsilon: Double
    /// Both of shape `shape`.
    public let weight: Tensor?, bias: Tensor?

    public init(_ shape: [Int], epsilon: Double = 1e-5, affine: Affine = .scaleAndShift, device: Device = .cpu) {
        self.shape = shape
        self.epsilon = epsilon
        weight = affine.scale(shape, device: device)
        bias = affine.shift(shape, device: device)
    }

    public convenience init(_ size: Int, epsilon: Double = 1e-5, affine: Affine = .scaleAndShift, device: Device = .cpu) {
        self.init([size], epsilon: epsilon, affine: affine, device: device)
    }

    /// A layer of given weights, shared, not copied.
    public init(weight: Tensor, bias: Tensor? = nil, epsilon: Double = 1e-5) {
        require(
            bias.map { $0.shape == weight.shape } ?? true, "LayerNorm: weight \(weight.shape) and bias \(bias?.shape ?? []) do not fit.")
        shape = weight.shape
        self.weight = weight
        self.bias = bias
        self.epsilon = epsilon
    }

    public func visit(_ v: inout ParameterVisitor) {
        v("weight", weight)
        v("bias", bias)
    }

    /// - Parameter input: shape […, shape…].
    public func callAsFunction(_ input: Tensor) -> Tensor {
        require(
            Array(input.shape.suffix(shape.count)) == shape, "LayerNorm: the input must end in \(shape), found shape \(input.shape).")
        return input.layerNorm(shape: shape, weight: weight, bias: bias, epsilon: epsilon)
    }
}

/// Divides each vector by its root mean square, then scales (Zhang & Sennrich, arXiv:1910.07467).
public final class RMSNorm: Layer {
    /// Shape [size].
    public let weight: Tensor
    public let epsilon: Double

    public convenience init(_ size: Int, epsilon: Double = 1e-6, device: Device = .cpu) {
        self.init(weight: Tensor.ones([size], device: device).requiringGrad(), epsilon: epsilon)
    }

    /// A layer of a given weight, shared, not copied.
    public init(weight: Tensor, epsilon: Double = 1e-6) {
        require(weight.rank == 1, "RMSNorm: the weight must have one dimension, found shape \(weight.shape).")
        self.weight = weight
        self.epsilon = epsilon
    }

    public func visit(_ v: inout ParameterVisitor) { v("weight", weight) }

    /// - Parameter input: shape […, size].
    public func callAsFunction(_ input: Tensor) -> Tensor {
        require(
            input.rank > 0 && input.size(-1) == weight.size(0),
            "RMSNorm: the last dimension of the input must be \(weight.size(0)), found shape \(input.shape).")
        return input.rmsNorm(shape: weight.shape, weight: weight, epsilon: epsilon)
    }
}

/// Normalises groups of channels of each example to mean 0 and variance 1 (Wu & He, arXiv:1803.08494).
public final class GroupNorm: Layer {
    public let groupCount: Int, channels: Int
    public let epsilon: Double
    /// Both of shape [channels].
    public let weight: Tensor?, bias: Tensor?

    public init(
        groupCount: Int, channels: Int, epsilon: Double = 1e-5, affine: Affine = .scaleAndShift, device: Device = .cpu
    ) {
        require(
            groupCount > 0 && channels % groupCount == 0, "GroupNorm: \(channels) channels do not divide into \(groupCount) groups.")
        self.groupCount = groupCount
        self.channels = channels
        self.epsilon = epsilon
        weight = affine.scale([channels], device: device)
        bias = affine.shift([channels], device: device)
    }

    public func visit(_ v: inout ParameterVisitor) {
        v("weight", weight)
        v("bias", bias)
    }

    /// - Parameter input: shape [batch, channels, …].
    public func callAsFunction(_ input: Tensor) -> Tensor {
        require(
            input.rank >= 2 && input.size(1) == channels, "GroupNorm: the input must be [batch, \(channels), …], found \(input.shape).")
        return input.groupNorm(groups: groupCount, weight: weight, bias: bias, epsilon: epsilon)
    }
}

/// What a normalisation layer learns.
public enum Affine: String, Codable, Sendable {
    case none, scale, scaleAndShift

    func scale(_ shape: [Int], device: Device) -> Tensor? {
        self == .none ? nil : Tensor.ones(shape, device: device).requiringGrad()
    }

    func shift(_ shape: [Int], device: Device) -> Tensor? {
        self == .scaleAndShift ? Tensor.zeros(shape, device: device).requiringGrad() : nil
    }
}
