public import Torch

/// A table of vectors, looked up by index.
public final class Embedding: Layer {
    /// Shape [count, size].
    public let weight: Tensor
    /// The index whose vector starts at zero and receives no gradient.
    public let paddingIndex: Int?

    public var count: Int { weight.size(0) }
    public var size: Int { weight.size(1) }

    /// Standard normal vectors, PyTorch's default, or as `initializer` says.
    public init(
        count: Int, size: Int, paddingIndex: Int? = nil, initializer: Initializer = .normal(mean: 0, standardDeviation: 1),
        generator: RandomGenerator
    ) {
        require(count > 0 && size > 0, "Embedding: count and size must be positive, found \(count) and \(size).")
        require(
            paddingIndex.map { (0..<count).contains($0) } ?? true, "Embedding: padding index \(paddingIndex ?? 0) outside 0..<\(count).")
        weight = initializer.parameter([count, size], generator: generator)
        self.paddingIndex = paddingIndex
        if let paddingIndex {
            withoutGradients { _ = weight[paddingIndex].zeroInPlace() }
        }
    }

    /// A table of given vectors, shared, not copied.
    public init(weight: Tensor, paddingIndex: Int? = nil) {
        require(weight.rank == 2, "Embedding: the weight must be [count, size], found shape \(weight.shape).")
        self.weight = weight
        self.paddingIndex = paddingIndex
    }

    public func visit(_ v: inout ParameterVisitor) { v("weight", weight) }

    /// - Parameter indices: int64 or int32, any shape.
    /// - Returns: shape [indices…, size].
    public func callAsFunction(_ indices: Tensor) -> Tensor {
        require(
            indices.dtype == .int64 || indices.dtype == .int32, "Embedding: indices must be int64 or int32, found \(indices.dtype).")
        return weight.embedding(indices, paddingIndex: paddingIndex)
    }
}
