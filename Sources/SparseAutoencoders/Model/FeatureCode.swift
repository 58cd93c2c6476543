public import Torch

/// The activations of a dictionary's features for a batch of inputs, as the architecture makes them: some entries a row, or
/// all of them.
///
/// Whatever is measured on codes works for both forms and for codes of either sign: an entry is *active* if it is not 0.
public enum FeatureCode {
    /// Some entries a row; those of value 0 are not active.
    case sparse(SparseCode)
    /// All features, shape [B, F].
    case dense(Tensor)

    /// Number of inputs B.
    public var rowCount: Int {
        switch self {
        case .sparse(let code): code.rowCount
        case .dense(let activations): activations.size(0)
        }
    }

    /// Number of features F of the dictionary.
    public var featureCount: Int {
        switch self {
        case .sparse(let code): code.featureCount
        case .dense(let activations): activations.size(1)
        }
    }

    /// What is stored: [B, k], [entries] or [B, F].
    public var values: Tensor {
        switch self {
        case .sparse(let code): code.values
        case .dense(let activations): activations
        }
    }

    /// All activations, shape [B, F].
    public func dense() -> Tensor {
        switch self {
        case .sparse(let code): code.dense()
        case .dense(let activations): activations
        }
    }

    /// Σ f_i · atom_i for each row, shape [B, D]; differentiable.
    /// - Parameter atoms: shape [F, D].
    public func decoded(atoms: Tensor) -> Tensor {
        switch self {
        case .sparse(let code): code.decoded(atoms: atoms)
        case .dense(let activations): activations.matmul(atoms)
        }
    }

    /// Number of active features of each row, int64, shape [B]; their mean is L0.
    public func activeCounts() -> Tensor {
        withoutGradients {
            switch self {
            case .sparse(let code): sums(of: code, code.values.detached().notEquals(0).to(dtype: .float64)).to(dtype: .int64)
            case .dense(let activations): activations.nonzeroCount(axes: [1])
            }
        }
    }

    /// Σ |f_i| for each row, shape [B]; differentiable.
    public func absoluteSums() -> Tensor {
        switch self {
        case .sparse(let code): sums(of: code, code.values.abs())
        case .dense(let activations): activations.abs().sum(axis: 1)
        }
    }

    /// Σ |f_i| w_i for each row, shape [B]; differentiable.
    /// - Parameter weights: one number a feature, shape [F].
    public func absoluteSums(weightedBy weights: Tensor) -> Tensor {
        switch self {
        case .sparse(let code): code.with(values: code.values.abs()).decoded(atoms: weights.unsqueezed(1)).squeezed(1)
        case .dense(let activations): activations.abs().matmul(weights)
        }
    }

    /// Σ f_i² for each row, shape [B]; differentiable.
    public func squaredSums() -> Tensor {
        switch self {
        case .sparse(let code): sums(of: code, code.values.squared())
        case .dense(let activations): activations.squared().sum(axis: 1)
        }
    }

    /// Sums of numbers that belong to a sparse code's entries, for each row.
    private func sums(of code: SparseCode, _ numbers: Tensor) -> Tensor {
        guard code.offsets != nil else { return numbers.sum(axis: 1) }
        let ones = Tensor.ones([code.featureCount, 1], dtype: numbers.dtype, device: numbers.device)
        return code.with(values: numbers).decoded(atoms: ones).squeezed(1)
    }

    /// Σ over the rows of numbers that belong to activations, for each feature; float64, shape [F].
    /// - Parameter number: of activations, what is added; 0 for 0.
    public func featureSums(of number: (Tensor) -> Tensor = { $0 }) -> Tensor {
        withoutGradients {
            switch self {
            case .sparse(let code):
                code.indices.reshaped([-1]).binCount(
                    weights: number(code.values.detached()).to(dtype: .float64).reshaped([-1]), minimumLength: featureCount)
            case .dense(let activations):
                number(activations.detached()).to(dtype: .float64).sum(axis: 0)
            }
        }
    }

    /// In how many rows each feature is active, int64, shape [F].
    /// - Parameter condition: of activations, what counts; not to be 0 unless given.
    public func firingCounts(where condition: (Tensor) -> Tensor = { $0.notEquals(0) }) -> Tensor {
        withoutGradients {
            switch self {
            case .sparse: featureSums(of: condition).to(dtype: .int64)
            case .dense(let activations): condition(activations.detached()).nonzeroCount(axes: [0])
            }
        }
    }

    /// The activations of one feature, shape [B].
    public func activations(of feature: Int) -> Tensor {
        require((0..<featureCount).contains(feature), "feature \(feature) of a code with \(featureCount) features")
        switch self {
        case .sparse(let code): return sums(of: code, code.values.filled(where: code.indices.notEquals(Double(feature)), with: 0))
        case .dense(let activations): return activations.selected(axis: 1, index: feature)
        }
    }
}
