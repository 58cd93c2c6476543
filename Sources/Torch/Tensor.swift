internal import CTorch
internal import Foundation

/// The counted reference to a libtorch tensor.
final class TensorHandle {
    let raw: OpaquePointer
    init(_ raw: OpaquePointer) { self.raw = raw }
    deinit { ct_tensor_release(raw) }
}

/// A multi-dimensional array of numbers on a device.
///
/// A tensor is a *reference* to its elements: copies of a `Tensor` value, views (`x[0]`, `reshaped`)
/// and `detached()` share them. Operations return new tensors; the few that change elements in place
/// end in `InPlace`, or are assignments to a subscript. Shapes, strides and axes are `[Int]` and
/// `Int`; negative axes count from the end. Misuse (shapes that do not fit) traps with operation and
/// shapes; see ``withTorchErrors(_:)`` to have it thrown instead.
///
/// Tensors are not `Sendable`: concurrent reads are fine, unsynchronised writes are not. Pass plain
/// arrays between tasks, or transfer a tensor with `sending`.
public struct Tensor {
    let handle: TensorHandle
    var raw: OpaquePointer { handle.raw }

    /// Takes over a +1 reference from the C side.
    init(owning raw: OpaquePointer) { handle = TensorHandle(raw) }

    init(taking value: ct_value) {
        guard value.tag == ct_tag_tensor else { fatalError("an operator's result is no tensor") }
        self.init(owning: OpaquePointer(value.payload.pointer!))
    }

    /// Shares a handle that stays the C side's.
    init(borrowing raw: OpaquePointer) { self.init(owning: ct_tensor_retain(raw)) }

    /// A +1 reference for the C side.
    func retainedRaw() -> OpaquePointer { ct_tensor_retain(raw) }

    /// A one-dimensional tensor without elements.
    public static var empty: Tensor { Tensor([Float]()) }
}

extension Tensor {
    /// The size of each dimension.
    public var shape: [Int] {
        Array(unsafeUninitializedCapacity: rank) { buffer, count in
            count = rank
            buffer.withMemoryRebound(to: Int64.self) { if let base = $0.baseAddress { ct_tensor_sizes(raw, base) } }
        }
    }

    /// Elements to step over for the next index of each dimension.
    public var strides: [Int] {
        Array(unsafeUninitializedCapacity: rank) { buffer, count in
            count = rank
            buffer.withMemoryRebound(to: Int64.self) { if let base = $0.baseAddress { ct_tensor_strides(raw, base) } }
        }
    }

    /// Number of dimensions.
    public var rank: Int { Int(ct_tensor_rank(raw)) }

    /// Number of elements.
    public var elementCount: Int { Int(ct_tensor_element_count(raw)) }

    /// Size of dimension `axis`; negative axes count from the end.
    public func size(_ axis: Int) -> Int {
        let shape = shape
        let index = axis < 0 ? axis + shape.count : axis
        require(shape.indices.contains(index), "axis \(axis) of a tensor of shape \(shape)")
        return shape.indices.contains(index) ? shape[index] : 0
    }

    public var dtype: DType {
        guard let dtype = DType(rawValue: ct_tensor_dtype(raw)) else {
            fatalError("elements of libtorch's type \(ct_tensor_dtype(raw)) are not supported")
        }
        return dtype
    }

    public var device: Device { Device(packed: ct_tensor_device(raw)) }

    /// Whether the elements lie in memory in row-major order without gaps.
    public var isContiguous: Bool { ct_tensor_is_contiguous(raw) }

    /// Bytes of the elements (not of a larger storage this may be a view of).
    public var byteCount: Int { elementCount * dtype.byteCount }
}

// MARK: - Data in and out

extension Tensor {
    /// A tensor on the CPU with the given elements in row-major order.
    /// - Parameter shape: its product must be the number of elements; one dimension if nil.
    public init<Scalar: TensorScalar>(_ elements: [Scalar], shape: [Int]? = nil) {
        self = elements.withUnsafeBytes { Tensor(bytes: $0, shape: shape ?? [elements.count], dtype: Scalar.dtype) }
    }

    /// A tensor of shape `[rows.count, rows[0].count]`.
    public init<Scalar: TensorScalar>(_ rows: [[Scalar]]) {
        let width = rows.first?.count ?? 0
        require(rows.allSatisfy { $0.count == width }, "rows of different lengths")
        self.init(rows.flatMap { $0 }, shape: [rows.count, width])
    }

    /// A tensor without dimensions that holds one number.
    public init<Scalar: TensorScalar>(scalar: Scalar) { self.init([scalar], shape: []) }

    /// Copies raw bytes in row-major order.
    public init(bytes: UnsafeRawBufferPointer, shape: [Int], dtype: DType) {
        var result: OpaquePointer?
        let sizes = shape.map { Int64($0) }
        checked("Tensor of shape \(shape)") {
            ct_tensor_from_bytes(bytes.baseAddress, bytes.count, sizes, Int32(sizes.count), dtype.rawValue, &result, $0)
        }
        self = result.map { Tensor(owning: $0) } ?? .empty
    }

    /// A tensor over memory that `owner` keeps alive, without a copy. The elements must not be written to
    /// if the memory is read-only.
    public init(borrowing bytes: UnsafeRawBufferPointer, shape: [Int], dtype: DType, owner: AnyObject) {
        let fits = shape.reduce(dtype.byteCount, *) == bytes.count
        require(fits, "shape \(shape) of \(dtype) does not fit \(bytes.count) bytes")
        guard fits, bytes.count > 0 else {
            self.init(bytes: bytes, shape: shape, dtype: dtype)
            return
        }
        var result: OpaquePointer?
        let sizes = shape.map { Int64($0) }
        let context = Unmanaged.passRetained(owner).toOpaque()
        checked("Tensor of shape \(shape)") {
            ct_tensor_from_memory(
                UnsafeMutableRawPointer(mutating: bytes.baseAddress), sizes, Int32(sizes.count), dtype.rawValue, context,
                { Unmanaged<AnyObject>.fromOpaque($0!).release() }, &result, $0)
        }
        self = result.map { Tensor(owning: $0) } ?? .empty
    }

    /// The elements in row-major order, converted to `Scalar`'s dtype first if they have another.
    public func scalars<Scalar: TensorScalar>(as type: Scalar.Type = Scalar.self) -> [Scalar] {
        let source = to(dtype: Scalar.dtype)
        return source.withBytes { Array($0.bindMemory(to: Scalar.self)) }
    }

    /// The only element.
    public func item() -> Double {
        require(elementCount == 1, "item() of a tensor of shape \(shape)")
        return scalars(as: Double.self).first ?? .nan
    }

    /// Calls `body` with the elements' bytes in row-major order, copied to the CPU and made contiguous
    /// if they are not.
    public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withExtendedLifetime(detached().to(device: .cpu).contiguous()) { source in
            try body(UnsafeRawBufferPointer(start: source.dataPointer, count: source.byteCount))
        }
    }

    /// Calls `body` with the elements' bytes for writing; the tensor must be contiguous and on the CPU.
    public func withMutableBytes<Result>(_ body: (UnsafeMutableRawBufferPointer) throws -> Result) rethrows -> Result {
        guard isContiguous && device == .cpu else { fatalError("only a contiguous tensor on the CPU can be written to") }
        return try withExtendedLifetime(handle) {
            try body(UnsafeMutableRawBufferPointer(start: dataPointer, count: byteCount))
        }
    }

    private var dataPointer: UnsafeMutableRawPointer? {
        var message: UnsafeMutablePointer<CChar>?
        let data = ct_tensor_data(raw, &message)
        if let text = takeString(message) { report(TorchError(kind: .other, message: text)) }
        return data
    }
}

extension Tensor {
    /// Tells whether two tensors are one and the same: their elements, their gradient and their place in the graph.
    public struct Identity: Hashable {
        private let raw: OpaquePointer
        init(_ raw: OpaquePointer) { self.raw = raw }
    }

    /// Valid as long as the tensor lives.
    public var identity: Identity { Identity(raw) }
}

extension Tensor: CustomStringConvertible {
    /// Dtype, shape, device and the first elements.
    public var description: String {
        let place = device == .cpu ? "" : " on \(device)"
        let some = scalarsPreview(8).map { String(format: "%g", $0) }.joined(separator: ", ")
        return "Tensor(\(dtype)\(shape)\(place): \(some)\(elementCount > 8 ? ", …" : ""))"
    }

    private func scalarsPreview(_ count: Int) -> [Double] {
        detached().reshaped([-1]).narrowed(axis: 0, from: 0, count: Swift.min(count, elementCount)).scalars(as: Double.self)
    }
}
