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
            if case .kept(let kept, let group) = self { return Self.groups(Self.sizes(of: weight), kept, group).reshaped(weight.shape).to(dtype: weight.dtype) }
            if self == .unstructured { return Self.largest(Self.exact(weight), sparsity).to(dtype: weight.dtype) }
            return mask(like: weight, ofUnits: Self.largest(unitSizes(of: weight), sparsity))
        }
    }

    /// Makes what ``mask(of:sparsity:)`` masks zero.
    func prune(_ weight: Tensor, sparsity: Double) {
        guard self == .unstructured, weight.isContiguous, weight.dtype == .float32 || weight.dtype == .float64 else {
            return withoutGradients { _ = weight.multiplyInPlace(by: mask(of: weight, sparsity: sparsity)) }
        }
        weight.detached().keepLargestInPlace(Self.count(weight, sparsity))
    }

    private static func count(_ sizes: Tensor, _ sparsity: Double) -> Int { Int((Double(sizes.elementCount) * (1 - sparsity)).rounded()) }

    /// 1 for the n·(1 − sparsity) of n numbers with the largest magnitudes, rounded to the nearest whole number; of equal ones the first.
    static func largest(_ sizes: Tensor, _ sparsity: Double) -> Tensor {
        sizes.maskOfLargest(count(sizes, sparsity))
    }

    /// Half-precision weights are compared as they are: float32 has them all.
    private static func exact(_ weight: Tensor) -> Tensor { weight.detached().to(dtype: weight.dtype == .float64 ? .float64 : .float32) }

    /// Magnitudes as a matrix.
    private static func sizes(of weight: Tensor) -> Tensor { exact(weight).abs().reshaped([weight.size(0), -1]) }

    /// The magnitude of each weight or the mean of each block, [n]; not for weights that stay by number.
    func unitSizes(of weight: Tensor) -> Tensor {
        let sizes = Self.sizes(of: weight)
        guard case .blocks(let rows, let columns) = self else { return sizes.flattened() }
        require(rows > 0 && columns > 0, "SparsityPattern: blocks must have rows and columns, found \(rows) × \(columns).")
        func sums(_ matrix: Tensor) -> Tensor { matrix.blocks(rows: rows, columns: columns).sum(axes: [2, 3]) }
        return (sums(sizes) / sums(Tensor.ones(like: sizes))).flattened()
    }

    /// 1 for the weights of units that stay.
    /// - Parameter kept: 1 for units that stay and 0 for others, in the order of ``unitSizes(of:)``.
    func mask(like weight: Tensor, ofUnits kept: Tensor) -> Tensor {
        guard case .blocks(let rows, let columns) = self else { return kept.reshaped(weight.shape).to(dtype: weight.dtype) }
        let height = weight.size(0), width = weight.elementCount / max(1, height)
        let (down, across) = ((height + rows - 1) / rows, (width + columns - 1) / columns)
        let blocks = kept.reshaped([down, 1, across, 1]).expanded(to: [down, rows, across, columns])
        return blocks.reshaped([down * rows, across * columns])[..<height, ..<width].contiguous().reshaped(weight.shape).to(dtype: weight.dtype)
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
