extension Operator {
    static let topkLinear = Operator("condense::topk_linear")
    static let gradientTopkLinear = Operator("condense::gradient_topk_linear")
    static let thresholdLinear = Operator("condense::threshold_linear")
    static let batchTopkLinear = Operator("condense::batch_topk_linear")
    static let columnTopkLinear = Operator("condense::column_topk_linear")
    static let normMatchingEntries = Operator("condense::norm_matching_entries")
    static let sparseDecode = Operator("condense::sparse_decode")
    static let sparseDot = Operator("condense::sparse_dot")
    static let sparseScatter = Operator("condense::sparse_scatter")
}

/// A batch of codes of which only some features a row are not zero: k entries in each row, or a number of its own for each.
///
/// Where a row with k entries has fewer active features, the unused places hold value 0 (and any index).
public struct SparseCode {
    /// Activations, [rows, k]; with offsets [entries].
    public var values: Tensor
    /// Which feature each activation belongs to, int64, in the shape of the values.
    public var indices: Tensor
    /// Row b has the entries offsets[b] ..< offsets[b + 1]; int64 [rows + 1]. nil for k entries a row.
    public var offsets: Tensor?
    /// Size of the dictionary, F.
    public var featureCount: Int

    public init(values: Tensor, indices: Tensor, offsets: Tensor? = nil, featureCount: Int) {
        require(
            values.shape == indices.shape && values.rank == (offsets == nil ? 2 : 1),
            "a sparse code of values \(values.shape), indices \(indices.shape)")
        self.values = values
        self.indices = indices
        self.offsets = offsets
        self.featureCount = featureCount
    }

    public var rowCount: Int { offsets.map { $0.size(0) - 1 } ?? values.size(0) }

    /// Σⱼ values[b, j] · atoms[indices[b, j]] for atoms [F, D]: the decoder at the cost of a row's entries instead of F
    /// features. Differentiable with respect to values and atoms.
    /// - Returns: [rows, D].
    public func decoded(atoms: Tensor) -> Tensor {
        require(atoms.size(0) == featureCount, "\(atoms.size(0)) atoms for a code of \(featureCount) features")
        return Operator.sparseDecode(values, indices, offsets, atoms)
    }

    /// input[b] · atoms[indices[b, j]]: the pre-activations of this code's features alone, in the shape of the values.
    public func dotProducts(of input: Tensor, atoms: Tensor) -> Tensor { Operator.sparseDot(input, indices, offsets, atoms) }

    /// Σ over the entries of each feature of values[b, j] · input[b]: [F, D] for an input of [rows, D].
    public func scattered(_ input: Tensor) -> Tensor { Operator.sparseScatter(values, indices, offsets, input, featureCount) }

    /// The code with its zeros, [rows, F]. Differentiable.
    public func dense() -> Tensor {
        let places = (entryRows * featureCount + indices).reshaped([-1])
        return Tensor.zeros([rowCount * featureCount], dtype: values.dtype, device: values.device)
            .scatterAdding(values.reshaped([-1]), at: places).reshaped([rowCount, featureCount])
    }

    /// The row of each entry, int64, in the shape of the values.
    public var entryRows: Tensor {
        let rows = Tensor.arange(0, rowCount, device: values.device)
        guard let offsets else { return rows.unsqueezed(1).expanded(to: values.shape) }
        return rows.repeated(offsets[1...] - offsets[..<rowCount])
    }

    /// A code with the same entries and other activations.
    public func with(values: Tensor) -> SparseCode {
        SparseCode(values: values, indices: indices, offsets: offsets, featureCount: featureCount)
    }

    /// The entries where a mask of the values' shape is true, with a number of entries for each row. Differentiable.
    public func filtered(where mask: Tensor) -> SparseCode {
        let places = mask.reshaped([-1]).nonzeroIndices().reshaped([-1])
        let kept = Tensor.concatenated([Tensor.zeros([1], dtype: .int64, device: mask.device), mask.reshaped([-1]).to(dtype: .int64).cumulativeSum(axis: 0)])
        let ends = offsets ?? Tensor.arange(0, rowCount + 1, device: mask.device) * values.size(1)
        return SparseCode(
            values: values.reshaped([-1]).gathered(indices: places), indices: indices.reshaped([-1]).gathered(indices: places),
            offsets: kept.gathered(indices: ends), featureCount: featureCount)
    }

    /// Which entries of each row, taken in falling order (of equal ones the first), have together the norm nearest to a given
    /// one; at least one of those that are not 0, and never a whole dictionary.
    /// - Parameter norms: [rows].
    /// - Returns: bool, in the shape of the values, which must be 1-D.
    public func matchingNorms(_ norms: Tensor) -> Tensor {
        require(offsets != nil, "matchingNorms: a code with offsets is needed")
        return Operator.normMatchingEntries(values, offsets, norms, featureCount)
    }
}

extension Tensor {
    /// The `k` largest positive entries of self · weightᵀ + bias in each row, in falling order: an encoder's
    /// product, ReLU and selection in one. The pre-activations of at most 2,048 features exist at a time, and
    /// the gradient touches only selected features.
    /// - Parameters:
    ///   - weight: [F, D] for an input of [rows, D].
    ///   - bias: [F].
    ///   - signed: whether the k of largest magnitude are kept instead, with their signs.
    public func topKLinear(weight: Tensor, bias: Tensor? = nil, k: Int, signed: Bool = false) -> SparseCode {
        let (values, indices) = Operator.topkLinear.pair(self, weight, bias, k, signed)
        return SparseCode(values: values, indices: indices, featureCount: weight.size(0))
    }

    /// The `k` positive entries u of self · weightᵀ + bias with the largest u·(base + scale·|gradient · atom|) in each row, in
    /// falling order of that; the values are u itself. Features are chosen by what leaving them out would change in a loss, to
    /// first order. Otherwise as ``topKLinear(weight:bias:k:signed:)``, which it equals bit for bit where scale or gradient is 0.
    /// - Parameters:
    ///   - gradient: of the loss with respect to each row, [rows, D'].
    ///   - atoms: what a unit of each feature adds to a row, [F, D'].
    ///   - scales: [F], not negative. Nothing flows back to gradient, atoms and scales.
    ///   - base: not negative. With 0, rows whose gradient is 0 are compared by u.
    public func gradientTopKLinear(
        weight: Tensor, bias: Tensor? = nil, gradient: Tensor, atoms: Tensor, scales: Tensor, k: Int, base: Double = 1
    ) -> SparseCode {
        let (values, indices) = Operator.gradientTopkLinear.pair(self, weight, bias, gradient, atoms, scales, k, base)
        return SparseCode(values: values, indices: indices, featureCount: weight.size(0))
    }

    /// The entries of self · weightᵀ + bias above 0, or above each feature's threshold; otherwise as ``topKLinear(weight:bias:k:signed:)``.
    /// - Parameters:
    ///   - threshold: [F]; nothing flows back to it.
    ///   - signed: whether magnitudes are compared instead.
    public func thresholdLinear(weight: Tensor, bias: Tensor? = nil, threshold: Tensor? = nil, signed: Bool = false) -> SparseCode {
        let (values, indices, offsets) = Operator.thresholdLinear.triple(self, weight, bias, threshold, signed)
        return SparseCode(values: values, indices: indices, offsets: offsets, featureCount: weight.size(0))
    }

    /// The `count` largest positive entries of self · weightᵀ + bias of all rows together; otherwise as
    /// ``topKLinear(weight:bias:k:signed:)``.
    public func batchTopKLinear(weight: Tensor, bias: Tensor? = nil, count: Int, signed: Bool = false) -> SparseCode {
        let (values, indices, offsets) = Operator.batchTopkLinear.triple(self, weight, bias, count, signed)
        return SparseCode(values: values, indices: indices, offsets: offsets, featureCount: weight.size(0))
    }

    /// For each feature i the `budgets[i]` rows with its largest positive entries of self · weightᵀ + bias, of equal ones the
    /// first; otherwise as ``topKLinear(weight:bias:k:signed:)``. All rows of a block of features are looked at together.
    /// - Parameter budgets: int64 [F]; those above the number of rows count as that number, those below 1 as none.
    public func columnTopKLinear(weight: Tensor, bias: Tensor? = nil, budgets: Tensor, signed: Bool = false) -> SparseCode {
        let (values, indices, offsets) = Operator.columnTopkLinear.triple(self, weight, bias, budgets, signed)
        return SparseCode(values: values, indices: indices, offsets: offsets, featureCount: weight.size(0))
    }
}
