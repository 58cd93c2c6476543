extension Operator {
    static let sum = Operator("aten::sum")
    static let sumDims = Operator("aten::sum", "dim_IntList")
    static let mean = Operator("aten::mean")
    static let meanDims = Operator("aten::mean", "dim")
    static let varCorrection = Operator("aten::var", "correction")
    static let stdCorrection = Operator("aten::std", "correction")
    static let prod = Operator("aten::prod", "dim_int")
    static let norm = Operator("aten::linalg_vector_norm")
    static let amax = Operator("aten::amax")
    static let amin = Operator("aten::amin")
    static let maxDim = Operator("aten::max", "dim")
    static let minDim = Operator("aten::min", "dim")
    static let argmax = Operator("aten::argmax")
    static let argmin = Operator("aten::argmin")
    static let any = Operator("aten::any")
    static let anyDim = Operator("aten::any", "dim")
    static let all = Operator("aten::all")
    static let allDim = Operator("aten::all", "dim")
    static let cumsum = Operator("aten::cumsum")
    static let cumprod = Operator("aten::cumprod")
    static let logsumexp = Operator("aten::logsumexp")
    static let median = Operator("aten::median")
    static let quantile = Operator("aten::quantile")
    static let topk = Operator("aten::topk")
    static let sort = Operator("aten::sort", "stable")
    static let argsort = Operator("aten::argsort", "stable")
    static let largestMask = Operator("condense::largest_mask")
    static let keepLargest = Operator("condense::keep_largest_")
    static let bincount = Operator("aten::bincount")
    static let histc = Operator("aten::histc")
    static let countNonzero = Operator("aten::count_nonzero")
    static let countNonzeroDims = Operator("aten::count_nonzero", "dim_IntList")
    static let searchsorted = Operator("aten::searchsorted", "Tensor")
}

extension Tensor {
    /// The sum of all elements, without dimensions.
    public func sum() -> Tensor { Operator.sum(self) }
    /// Sums over the given axes.
    public func sum(axes: [Int], keepingDimensions: Bool = false) -> Tensor { Operator.sumDims(self, axes, keepingDimensions) }
    public func sum(axis: Int, keepingDimensions: Bool = false) -> Tensor { Operator.sumDims(self, [axis], keepingDimensions) }
    public func mean() -> Tensor { Operator.mean(self) }
    public func mean(axes: [Int], keepingDimensions: Bool = false) -> Tensor { Operator.meanDims(self, axes, keepingDimensions) }
    public func mean(axis: Int, keepingDimensions: Bool = false) -> Tensor { Operator.meanDims(self, [axis], keepingDimensions) }

    /// Variance over the axes (all if nil), divided by n − `correction`.
    public func variance(axes: [Int]? = nil, correction: Int = 1, keepingDimensions: Bool = false) -> Tensor {
        Operator.varCorrection(self, axes, correction, keepingDimensions)
    }

    /// Square root of ``variance(axes:correction:keepingDimensions:)``.
    public func standardDeviation(axes: [Int]? = nil, correction: Int = 1, keepingDimensions: Bool = false) -> Tensor {
        Operator.stdCorrection(self, axes, correction, keepingDimensions)
    }

    public func product(axis: Int, keepingDimensions: Bool = false) -> Tensor { Operator.prod(self, axis, keepingDimensions) }

    /// (Σ|x|^order)^(1/order) over the axes (all if nil).
    public func norm(order: Double = 2, axes: [Int]? = nil, keepingDimensions: Bool = false) -> Tensor {
        Operator.norm(self, order, axes, keepingDimensions)
    }

    public func max() -> Tensor { Operator.amax(self) }
    public func max(axes: [Int], keepingDimensions: Bool = false) -> Tensor { Operator.amax(self, axes, keepingDimensions) }
    public func min() -> Tensor { Operator.amin(self) }
    public func min(axes: [Int], keepingDimensions: Bool = false) -> Tensor { Operator.amin(self, axes, keepingDimensions) }
    /// The largest elements along an axis and where they are (int64).
    public func maxWithIndices(axis: Int, keepingDimensions: Bool = false) -> (values: Tensor, indices: Tensor) {
        Operator.maxDim.pair(self, axis, keepingDimensions)
    }
    /// The smallest elements along an axis and where they are (int64).
    public func minWithIndices(axis: Int, keepingDimensions: Bool = false) -> (values: Tensor, indices: Tensor) {
        Operator.minDim.pair(self, axis, keepingDimensions)
    }
    /// Index of the largest element along an axis, int64.
    public func argmax(axis: Int, keepingDimensions: Bool = false) -> Tensor { Operator.argmax(self, axis, keepingDimensions) }
    /// Index of the smallest element along an axis, int64.
    public func argmin(axis: Int, keepingDimensions: Bool = false) -> Tensor { Operator.argmin(self, axis, keepingDimensions) }
    public func any() -> Tensor { Operator.any(self) }
    public func any(axis: Int, keepingDimensions: Bool = false) -> Tensor { Operator.anyDim(self, axis, keepingDimensions) }
    public func all() -> Tensor { Operator.all(self) }
    public func all(axis: Int, keepingDimensions: Bool = false) -> Tensor { Operator.allDim(self, axis, keepingDimensions) }
    public func cumulativeSum(axis: Int) -> Tensor { Operator.cumsum(self, axis) }
    public func cumulativeProduct(axis: Int) -> Tensor { Operator.cumprod(self, axis) }
    public func logSumExp(axes: [Int], keepingDimensions: Bool = false) -> Tensor { Operator.logsumexp(self, axes, keepingDimensions) }
    /// The lower of the two middle elements if their number is even.
    public func median() -> Tensor { Operator.median(self) }
    /// Quantiles, linearly interpolated; at most 2²⁴ elements.
    public func quantile(_ q: Double, axis: Int? = nil) -> Tensor { Operator.quantile(self, Tensor(scalar: q).to(dtype: dtype).to(device: device), axis) }

    /// The `k` largest elements along an axis, in falling order, and where they are (int64).
    public func topK(_ k: Int, axis: Int = -1, largest: Bool = true, sorted: Bool = true) -> (values: Tensor, indices: Tensor) {
        Operator.topk.pair(self, k, axis, largest, sorted)
    }

    /// Stable sort along an axis; the indices are int64.
    public func sorted(axis: Int = -1, descending: Bool = false) -> (values: Tensor, indices: Tensor) {
        Operator.sort.pair(self, true, axis, descending)
    }

    public func argsort(axis: Int = -1, descending: Bool = false) -> Tensor { Operator.argsort(self, true, axis, descending) }

    /// 1 for the `count` elements with the largest magnitudes and 0 for others, in this shape and type; of equal ones the first stay. NaN is
    /// larger than all numbers. It takes time and memory in proportion to the elements; float32 and float64.
    public func maskOfLargest(_ count: Int) -> Tensor {
        checkLargest(count, "maskOfLargest")
        return withoutGradients { Operator.largestMask(self, count) }
    }

    /// Makes all elements 0 but those that ``maskOfLargest(_:)`` would mark; the tensor must be contiguous.
    public func keepLargestInPlace(_ count: Int) {
        checkLargest(count, "keepLargestInPlace")
        withoutGradients { Operator.keepLargest.run(self, count) }
    }

    private func checkLargest(_ count: Int, _ name: String) {
        require(dtype == .float32 || dtype == .float64, "\(name): the elements must be float32 or float64, found \(dtype).")
        require((0...elementCount).contains(count), "\(name): of \(elementCount) elements \(count) cannot stay.")
    }

    /// How often each of 0, 1, … occurs in a vector of non-negative integers.
    public func binCount(weights: Tensor? = nil, minimumLength: Int = 0) -> Tensor { Operator.bincount(self, weights, minimumLength) }

    /// Counts in equal bins between two bounds; elements outside are left out.
    public func histogram(bins: Int, from low: Double, to high: Double) -> Tensor { Operator.histc(self, bins, low, high) }

    /// How many elements are not 0, along axes; int64.
    public func nonzeroCount(axes: [Int]) -> Tensor {
        // libtorch makes an int64 of every element, unless it counts them all.
        if Set(axes.map { $0 < 0 ? $0 + rank : $0 }).count == rank { return Operator.countNonzero(self, nil) }
        let parts = elementCount >> 22
        guard parts > 1, !axes.isEmpty, !axes.contains(0), !axes.contains(-rank) else { return Operator.countNonzeroDims(self, axes) }
        return Tensor.concatenated(chunked(parts, axis: 0).map { Operator.countNonzeroDims($0, axes) })
    }

    /// Where each value would be inserted in this sorted sequence (last axis).
    public func searchSorted(_ values: Tensor, right: Bool = false) -> Tensor { Operator.searchsorted(self, values, false, right) }
}
