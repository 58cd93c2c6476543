extension Operator {
    static let topkLinear = Operator("condense::topk_linear")
    static let sparseDecode = Operator("condense::sparse_decode")
    static let sparseDot = Operator("condense::sparse_dot")
    static let sparseScatter = Operator("condense::sparse_scatter")
}

/// A batch of codes of which only k features a row are not zero.
///
/// Where a row has fewer than k active features, the unused places hold value 0 (and any index).
public struct SparseCode {
    /// Activations, [rows, k].
    public var values: Tensor
    /// Which feature each activation belongs to, int64 [rows, k].
    public var indices: Tensor
    /// Size of the dictionary, F.
    public var featureCount: Int

    public init(values: Tensor, indices: Tensor, featureCount: Int) {
        require(values.shape == indices.shape && values.rank == 2, "a sparse code of values \(values.shape), indices \(indices.shape)")
        self.values = values
        self.indices = indices
        self.featureCount = featureCount
    }

    public var rowCount: Int { values.size(0) }
    public var k: Int { values.size(1) }

    /// Σⱼ values[b, j] · atoms[indices[b, j]] for atoms [F, D]: the decoder at the cost of k instead of F
    /// features a row. Differentiable with respect to values and atoms.
    /// - Returns: [rows, D].
    public func decoded(atoms: Tensor) -> Tensor {
        require(atoms.size(0) == featureCount, "\(atoms.size(0)) atoms for a code of \(featureCount) features")
        return Operator.sparseDecode(values, indices, atoms)
    }

    /// input[b] · atoms[indices[b, j]]: the pre-activations of this code's features alone, [rows, k].
    public func dotProducts(of input: Tensor, atoms: Tensor) -> Tensor { Operator.sparseDot(input, indices, atoms) }

    /// Σ over the places (b, j) of each feature of values[b, j] · input[b]: [F, D] for an input of [rows, D].
    public func scattered(_ input: Tensor) -> Tensor { Operator.sparseScatter(values, indices, input, featureCount) }

    /// The code with its zeros, [rows, F].
    public func dense() -> Tensor {
        Tensor.zeros([rowCount, featureCount], dtype: values.dtype, device: values.device).scatterAdding(values, at: indices)
    }
}

extension Tensor {
    /// The `k` largest positive entries of self · weightᵀ + bias in each row, in falling order: an encoder's
    /// product, ReLU and selection in one. The pre-activations of at most 2,048 features exist at a time, and
    /// the gradient touches only selected features.
    /// - Parameters:
    ///   - weight: [F, D] for an input of [rows, D].
    ///   - bias: [F].
    public func topKLinear(weight: Tensor, bias: Tensor? = nil, k: Int) -> SparseCode {
        let (values, indices) = Operator.topkLinear.pair(self, weight, bias, k)
        return SparseCode(values: values, indices: indices, featureCount: weight.size(0))
    }
}
