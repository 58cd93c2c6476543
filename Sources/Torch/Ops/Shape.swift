extension Operator {
    static let reshape = Operator("aten::reshape")
    static let view = Operator("aten::view")
    static let permute = Operator("aten::permute")
    static let transpose = Operator("aten::transpose", "int")
    static let unsqueeze = Operator("aten::unsqueeze")
    static let squeezeDim = Operator("aten::squeeze", "dim")
    static let flatten = Operator("aten::flatten", "using_ints")
    static let unflatten = Operator("aten::unflatten", "int")
    static let expand = Operator("aten::expand")
    static let repeatTensor = Operator("aten::repeat")
    static let repeatInterleave = Operator("aten::repeat_interleave", "self_int")
    static let repeatInterleaveEach = Operator("aten::repeat_interleave", "self_Tensor")
    static let cat = Operator("aten::cat")
    static let stack = Operator("aten::stack")
    static let split = Operator("aten::split", "Tensor")
    static let splitSizes = Operator("aten::split_with_sizes")
    static let chunk = Operator("aten::chunk")
    static let flip = Operator("aten::flip")
    static let roll = Operator("aten::roll")
    static let pad = Operator("aten::pad")
    static let tril = Operator("aten::tril")
    static let triu = Operator("aten::triu")
    static let diagonal = Operator("aten::diagonal")
    static let unfold = Operator("aten::unfold")
    static let asStrided = Operator("aten::as_strided")
    static let movedim = Operator("aten::movedim", "int")
}

extension Tensor {
    /// The same elements in another shape; one size may be −1. A view where possible.
    public func reshaped(_ shape: [Int]) -> Tensor { Operator.reshape(self, shape) }
    /// As ``reshaped(_:)``, but traps where a copy would be needed.
    public func viewed(as shape: [Int]) -> Tensor { Operator.view(self, shape) }
    /// Axes in another order.
    public func permuted(_ axes: [Int]) -> Tensor { Operator.permute(self, axes) }
    /// Two axes exchanged; a matrix's transpose by default.
    public func transposed(_ first: Int = -2, _ second: Int = -1) -> Tensor { Operator.transpose(self, first, second) }
    /// A new axis of size 1 before `axis`.
    public func unsqueezed(_ axis: Int) -> Tensor { Operator.unsqueeze(self, axis) }
    /// Without the axis, if its size is 1.
    public func squeezed(_ axis: Int) -> Tensor { Operator.squeezeDim(self, axis) }
    /// The axes from `start` to `end` as one.
    public func flattened(from start: Int = 0, to end: Int = -1) -> Tensor { Operator.flatten(self, start, end) }
    /// One axis as several; one size may be −1.
    public func unflattened(axis: Int, into sizes: [Int]) -> Tensor { Operator.unflatten(self, axis, sizes) }
    /// A view in which axes of size 1 are repeated; −1 keeps a size.
    public func expanded(to shape: [Int]) -> Tensor { Operator.expand(self, shape) }
    /// Copies side by side along every axis.
    public func tiled(_ counts: [Int]) -> Tensor { Operator.repeatTensor(self, counts) }
    /// Each slice `count` times in a row.
    public func repeated(_ count: Int, axis: Int) -> Tensor { Operator.repeatInterleave(self, count, axis) }
    /// Each slice as often as `counts` (int64, one number a slice) says.
    public func repeated(_ counts: Tensor, axis: Int = 0) -> Tensor { Operator.repeatInterleaveEach(self, counts, axis) }
    /// Joins along an existing axis.
    public static func concatenated(_ tensors: [Tensor], axis: Int = 0) -> Tensor { Operator.cat(tensors, axis) }
    /// Joins along a new axis.
    public static func stacked(_ tensors: [Tensor], axis: Int = 0) -> Tensor { Operator.stack(tensors, axis) }
    /// Pieces of `size`, the last one perhaps smaller.
    public func split(size: Int, axis: Int = 0) -> [Tensor] { Operator.split.list(self, size, axis) }
    /// Pieces of the given sizes.
    public func split(sizes: [Int], axis: Int = 0) -> [Tensor] { Operator.splitSizes.list(self, sizes, axis) }
    /// At most `count` pieces of equal size.
    public func chunked(_ count: Int, axis: Int = 0) -> [Tensor] { Operator.chunk.list(self, count, axis) }
    public func flipped(axes: [Int]) -> Tensor { Operator.flip(self, axes) }
    /// Moved along the axes, re-entering at the other end.
    public func rolled(by shifts: [Int], axes: [Int]) -> Tensor { Operator.roll(self, shifts, axes) }

    /// How ``padded(_:mode:)`` fills.
    public enum PaddingMode: Codable, Sendable, Equatable { case constant(Double), reflect, replicate, circular }

    /// Padded by (before, after) pairs for the last axis first, as in PyTorch.
    public func padded(_ amounts: [Int], mode: PaddingMode = .constant(0)) -> Tensor {
        switch mode {
        case .constant(let value): Operator.pad(self, amounts, "constant", value)
        case .reflect: Operator.pad(self, amounts, "reflect")
        case .replicate: Operator.pad(self, amounts, "replicate")
        case .circular: Operator.pad(self, amounts, "circular")
        }
    }

    /// The lower triangle of matrices; what is above the given diagonal becomes 0.
    public func lowerTriangle(diagonal: Int = 0) -> Tensor { Operator.tril(self, diagonal) }
    /// The upper triangle of matrices; what is below the given diagonal becomes 0.
    public func upperTriangle(diagonal: Int = 0) -> Tensor { Operator.triu(self, diagonal) }
    /// A view of a diagonal.
    public func diagonal(offset: Int = 0, axes: (Int, Int) = (0, 1)) -> Tensor { Operator.diagonal(self, offset, axes.0, axes.1) }
    /// A view of all windows of `size` along an axis, `step` apart; the window is a new last axis.
    public func windows(size: Int, step: Int, axis: Int) -> Tensor { Operator.unfold(self, axis, size, step) }
    /// A view of the storage with any shape, strides and first element (counted in the storage); all must lie in it.
    public func strided(shape: [Int], strides: [Int], offset: Int = 0) -> Tensor { Operator.asStrided(self, shape, strides, offset) }
    /// One axis moved to another place, the others in order.
    public func movingAxis(_ source: Int, to destination: Int) -> Tensor { Operator.movedim(self, source, destination) }
}
