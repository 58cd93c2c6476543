public import Torch

/// Which weights can only go together.
public enum SparsityPattern: Codable, Sendable, Equatable {
    /// Each on its own.
    case unstructured
    /// Blocks of a matrix, by the mean of their magnitudes; those at the edges may be smaller.
    case blocks(rows: Int, columns: Int)
    /// Of every `of` consecutive inputs of an output so many stay; the sparsity follows. Of a last group that is smaller all may stay up to that number.
    case kept(Int, of: Int)
}

extension SparsityPattern {
    /// The weights with the largest magnitudes.
    ///
    /// Of weights of equal magnitude the first stay, so that exactly as many stay as are asked for: the nearest whole number to
    /// count·(1 − sparsity) weights or blocks.
    /// - Parameters:
    ///   - weight: [outputs, inputs…]; patterns other than single weights see it as a matrix [outputs, all others].
    ///   - sparsity: of the result, at least 0 and less than 1; not used where the pattern says it.
    /// - Returns: 1 for weights that stay and 0 for others, in the weight's shape and type.
    public func mask(of weight: Tensor, sparsity: Double) -> Tensor {
        require(sparsity >= 0 && sparsity < 1, "SparsityPattern: the sparsity must be at least 0 and less than 1, found \(sparsity).")
        return withoutGradients {
            // Magnitudes of half-precision weights are compared as they are: float32 has them all.
            let sizes = weight.detached().to(dtype: weight.dtype == .float64 ? .float64 : .float32).abs()
            let mask =
                switch self {
                case .unstructured: Self.largest(sizes.flattened(), sparsity).reshaped(weight.shape)
                case .blocks(let rows, let columns): Self.blocks(sizes.reshaped([weight.size(0), -1]), rows, columns, sparsity).reshaped(weight.shape)
                case .kept(let kept, let group): Self.groups(sizes.reshaped([weight.size(0), -1]), kept, group).reshaped(weight.shape)
                }
            return mask.to(dtype: weight.dtype)
        }
    }

    /// 1 for the largest of some numbers [n].
    private static func largest(_ sizes: Tensor, _ sparsity: Double) -> Tensor {
        let count = Int((Double(sizes.elementCount) * (1 - sparsity)).rounded())
        let order = sizes.argsort(descending: true)
        return Tensor.zeros(sizes.shape, dtype: sizes.dtype, device: sizes.device).scatteringElements(
            Tensor.ones([count], dtype: sizes.dtype, device: sizes.device), at: order.narrowed(axis: 0, from: 0, count: count), axis: 0)
    }

    private static func blocks(_ sizes: Tensor, _ rows: Int, _ columns: Int, _ sparsity: Double) -> Tensor {
        require(rows > 0 && columns > 0, "SparsityPattern: blocks must have rows and columns, found \(rows) × \(columns).")
        let (height, width) = (sizes.size(0), sizes.size(1)), down = (height + rows - 1) / rows, across = (width + columns - 1) / columns
        func sums(_ matrix: Tensor) -> Tensor { matrix.blocks(rows: rows, columns: columns).sum(axes: [2, 3]) }
        let means = sums(sizes) / sums(Tensor.ones(like: sizes)), kept = largest(means.flattened(), sparsity).reshaped([down, 1, across, 1])
        return kept.expanded(to: [down, rows, across, columns]).reshaped([down * rows, across * columns])[..<height, ..<width].contiguous()
    }

    private static func groups(_ sizes: Tensor, _ kept: Int, _ group: Int) -> Tensor {
        require(kept > 0 && kept <= group, "SparsityPattern: of \(group) weights \(kept) cannot stay.")
        let (height, width) = (sizes.size(0), sizes.size(1)), across = (width + group - 1) / group
        // What fills up the last group is smaller than any magnitude.
        let filled = sizes.padded([0, across * group - width], mode: .constant(-1)).reshaped([height, across, group])
        let order = filled.argsort(descending: true).narrowed(axis: 2, from: 0, count: kept)
        let mask = Tensor.zeros(like: filled).scatteringElements(Tensor.ones(order.shape, dtype: sizes.dtype, device: sizes.device), at: order, axis: 2)
        return mask.reshaped([height, across * group])[.all, ..<width].contiguous()
    }
}
