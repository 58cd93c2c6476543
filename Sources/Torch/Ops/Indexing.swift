extension Operator {
    static let selectInt = Operator("aten::select", "int")
    static let slice = Operator("aten::slice", "Tensor")
    static let narrow = Operator("aten::narrow")
    static let index = Operator("aten::index", "Tensor")
    static let indexPutInPlace = Operator("aten::index_put_")
    static let indexSelect = Operator("aten::index_select")
    static let indexAddInPlace = Operator("aten::index_add_")
    static let indexCopyInPlace = Operator("aten::index_copy_")
    static let gather = Operator("aten::gather")
    static let scatter = Operator("aten::scatter", "src")
    static let scatterAdd = Operator("aten::scatter_add")
    static let scatterReduce = Operator("aten::scatter_reduce", "two")
    static let scatterInPlace = Operator("aten::scatter_", "src")
    static let scatterAddInPlace = Operator("aten::scatter_add_")
    static let oneHot = Operator("aten::one_hot")
}

/// One entry of a tensor's subscript: an integer removes the axis, a range or `stride` keeps it, a
/// tensor of integers or truth values picks along it.
public enum TensorIndex {
    case at(Int)
    case slice(from: Int?, to: Int?, by: Int)
    case tensor(Tensor)
    case insertAxis
    case remainingAxes
}

/// Anything that can stand in a tensor's subscript: `Int`, ranges of `Int`, ``Tensor``, ``TensorIndex``.
public protocol TensorIndexConvertible { var tensorIndex: TensorIndex { get } }

extension TensorIndex: TensorIndexConvertible { public var tensorIndex: TensorIndex { self } }
// Found by the leading dot wherever an index is expected: `x[.all, 0]`.
extension TensorIndexConvertible where Self == TensorIndex {
    /// The whole axis.
    public static var all: TensorIndex { .slice(from: nil, to: nil, by: 1) }
    /// Every `step`-th index.
    public static func every(_ step: Int) -> TensorIndex { .slice(from: nil, to: nil, by: step) }
    /// A new axis of size 1.
    public static var newAxis: TensorIndex { .insertAxis }
    /// All the axes that the other indices leave.
    public static var ellipsis: TensorIndex { .remainingAxes }
}
extension Int: TensorIndexConvertible { public var tensorIndex: TensorIndex { .at(self) } }
extension Tensor: TensorIndexConvertible { public var tensorIndex: TensorIndex { .tensor(self) } }
extension Range: TensorIndexConvertible where Bound == Int {
    public var tensorIndex: TensorIndex { .slice(from: lowerBound, to: upperBound, by: 1) }
}
extension ClosedRange: TensorIndexConvertible where Bound == Int {
    public var tensorIndex: TensorIndex { .slice(from: lowerBound, to: upperBound + 1, by: 1) }
}
extension PartialRangeFrom: TensorIndexConvertible where Bound == Int {
    public var tensorIndex: TensorIndex { .slice(from: lowerBound, to: nil, by: 1) }
}
extension PartialRangeUpTo: TensorIndexConvertible where Bound == Int {
    public var tensorIndex: TensorIndex { .slice(from: nil, to: upperBound, by: 1) }
}

extension Tensor {
    /// A view by integers, ranges, `TensorIndex.newAxis` and `.ellipsis`; a copy if a tensor is among the
    /// indices. Assigning writes the (broadcast) elements in place.
    public subscript(_ a: some TensorIndexConvertible) -> Tensor {
        get { elements(at: [a.tensorIndex]) }
        nonmutating set { setElements(at: [a.tensorIndex], to: newValue) }
    }

    /// As the subscript with one index.
    public subscript(_ a: some TensorIndexConvertible, _ b: some TensorIndexConvertible) -> Tensor {
        get { elements(at: [a.tensorIndex, b.tensorIndex]) }
        nonmutating set { setElements(at: [a.tensorIndex, b.tensorIndex], to: newValue) }
    }

    /// As the subscript with one index.
    public subscript(_ a: some TensorIndexConvertible, _ b: some TensorIndexConvertible, _ c: some TensorIndexConvertible) -> Tensor {
        get { elements(at: [a.tensorIndex, b.tensorIndex, c.tensorIndex]) }
        nonmutating set { setElements(at: [a.tensorIndex, b.tensorIndex, c.tensorIndex], to: newValue) }
    }

    /// As the subscript with one index.
    public subscript(_ a: some TensorIndexConvertible, _ b: some TensorIndexConvertible, _ c: some TensorIndexConvertible, _ d: some TensorIndexConvertible) -> Tensor {
        get { elements(at: [a.tensorIndex, b.tensorIndex, c.tensorIndex, d.tensorIndex]) }
        nonmutating set { setElements(at: [a.tensorIndex, b.tensorIndex, c.tensorIndex, d.tensorIndex], to: newValue) }
    }

    /// As the subscript with one index.
    public subscript(_ a: some TensorIndexConvertible, _ b: some TensorIndexConvertible, _ c: some TensorIndexConvertible, _ d: some TensorIndexConvertible, _ e: some TensorIndexConvertible) -> Tensor {
        get { elements(at: [a.tensorIndex, b.tensorIndex, c.tensorIndex, d.tensorIndex, e.tensorIndex]) }
        nonmutating set { setElements(at: [a.tensorIndex, b.tensorIndex, c.tensorIndex, d.tensorIndex, e.tensorIndex], to: newValue) }
    }

    /// The subscript for a list of indices known only at run time.
    public func elements(at indices: [TensorIndex]) -> Tensor {
        let (view, tensors) = indexed(indices)
        return tensors.contains { $0 != nil } ? Operator.index(view, tensors) : view
    }

    /// Writes the (broadcast) elements in place.
    public func setElements(at indices: [TensorIndex], to values: Tensor) {
        let (view, tensors) = indexed(indices)
        if tensors.contains(where: { $0 != nil }) {
            Operator.indexPutInPlace(view, tensors, values, false)
        } else {
            view.copyInPlace(from: values)
        }
    }

    /// Applies all indices that give views; the tensors among them are returned by the axis they belong to.
    private func indexed(_ indices: [TensorIndex]) -> (view: Tensor, tensors: [Tensor?]) {
        let used = indices.reduce(0) { count, index in
            switch index {
            case .at, .slice, .tensor: count + 1
            case .insertAxis, .remainingAxes: count
            }
        }
        require(used <= rank, "\(used) indices for a tensor of shape \(shape)")
        var view = self
        var axis = 0
        var tensors: [Tensor?] = []
        for index in indices {
            switch index {
            case .at(let position):
                view = Operator.selectInt(view, axis, position)
            case .slice(let start, let end, let step):
                if start != nil || end != nil || step != 1 { view = Operator.slice(view, axis, start, end, step) }
                axis += 1
            case .tensor(let tensor):
                tensors += [Tensor?](repeating: nil, count: axis - tensors.count) + [tensor]
                axis += 1
            case .insertAxis:
                view = view.unsqueezed(axis)
                axis += 1
            case .remainingAxes:
                axis += rank - used
            }
        }
        return (view, tensors)
    }

    /// `count` indices of an axis from `start` on, a view.
    public func narrowed(axis: Int, from start: Int, count: Int) -> Tensor { Operator.narrow(self, axis, start, count) }

    /// One index of an axis, which disappears; a view.
    public func selected(axis: Int, index: Int) -> Tensor { Operator.selectInt(self, axis, index) }

    /// The slices whose indices are given (a vector of integers), in that order.
    public func gathered(indices: Tensor, axis: Int = 0) -> Tensor { Operator.indexSelect(self, axis, indices) }

    /// out[i][j] = self[i][index[i][j]] for the last axis, and so on for others: PyTorch's `gather`.
    public func gatheredElements(at index: Tensor, axis: Int = -1) -> Tensor { Operator.gather(self, axis, index) }

    /// A copy in which `source` has been written to the places of `index`: PyTorch's `scatter`.
    public func scatteringElements(_ source: Tensor, at index: Tensor, axis: Int = -1) -> Tensor { Operator.scatter(self, axis, index, source) }

    /// A copy to which `source` has been added at the places of `index`: PyTorch's `scatter_add`.
    public func scatterAdding(_ source: Tensor, at index: Tensor, axis: Int = -1) -> Tensor { Operator.scatterAdd(self, axis, index, source) }

    /// A copy in which the places of `index` hold the least of what they held and the numbers of `source` for them: PyTorch's
    /// `scatter_reduce` with `amin`.
    public func scatterMinimum(_ source: Tensor, at index: Tensor, axis: Int = -1) -> Tensor {
        Operator.scatterReduce(self, axis, index, source, "amin")
    }

    /// Writes `source` to the places of `index`: PyTorch's `scatter_`.
    @discardableResult
    public func scatterInPlace(_ source: Tensor, at index: Tensor, axis: Int = -1) -> Tensor { Operator.scatterInPlace(self, axis, index, source) }

    /// Adds `source` at the places of `index`: PyTorch's `scatter_add_`.
    @discardableResult
    public func scatterAddInPlace(_ source: Tensor, at index: Tensor, axis: Int = -1) -> Tensor { Operator.scatterAddInPlace(self, axis, index, source) }

    /// Adds slices of `source` to the slices whose indices are given.
    @discardableResult
    public func addSlicesInPlace(_ source: Tensor, at indices: Tensor, axis: Int = 0) -> Tensor { Operator.indexAddInPlace(self, axis, indices, source) }

    /// Overwrites the slices whose indices are given.
    @discardableResult
    public func copySlicesInPlace(_ source: Tensor, at indices: Tensor, axis: Int = 0) -> Tensor { Operator.indexCopyInPlace(self, axis, indices, source) }

    /// A new last axis of `classCount` with a 1 at each element's value.
    public func oneHot(classCount: Int) -> Tensor { Operator.oneHot(self, classCount) }
}
