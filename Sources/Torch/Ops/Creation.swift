extension Operator {
    static let zeros = Operator("aten::zeros")
    static let ones = Operator("aten::ones")
    static let emptyMemory = Operator("aten::empty", "memory_format")
    static let full = Operator("aten::full")
    static let zerosLike = Operator("aten::zeros_like")
    static let onesLike = Operator("aten::ones_like")
    static let emptyLike = Operator("aten::empty_like")
    static let fullLike = Operator("aten::full_like")
    static let arange = Operator("aten::arange", "start_step")
    static let linspace = Operator("aten::linspace")
    static let eye = Operator("aten::eye")
    static let toDType = Operator("aten::to", "dtype")
    static let toDevice = Operator("aten::to", "device")
    static let clone = Operator("aten::clone")
    static let contiguous = Operator("aten::contiguous")
    static let detach = Operator("aten::detach")
    static let copyInPlace = Operator("aten::copy_")
    static let setData = Operator("aten::set_data")
    static let fillInPlace = Operator("aten::fill_", "Scalar")
    static let zeroInPlace = Operator("aten::zero_")
}

extension Tensor {
    public static func zeros(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) -> Tensor {
        Operator.zeros(shape, dtype, nil, device)
    }

    public static func ones(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) -> Tensor {
        Operator.ones(shape, dtype, nil, device)
    }

    /// Every element is `value`.
    public static func full(_ shape: [Int], _ value: Double, dtype: DType = .float32, device: Device = .cpu) -> Tensor {
        Operator.full(shape, value, dtype, nil, device)
    }

    /// Memory whose elements are to be written before they are read.
    public static func uninitialized(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) -> Tensor {
        Operator.emptyMemory(shape, dtype, nil, device)
    }

    public static func zeros(like other: Tensor) -> Tensor { Operator.zerosLike(other) }
    public static func ones(like other: Tensor) -> Tensor { Operator.onesLike(other) }
    public static func full(like other: Tensor, _ value: Double) -> Tensor { Operator.fullLike(other, value) }
    public static func uninitialized(like other: Tensor) -> Tensor { Operator.emptyLike(other) }

    /// The integers start, start + step, … below `end` (above, for a negative step).
    public static func arange(_ start: Int = 0, _ end: Int, step: Int = 1, dtype: DType = .int64, device: Device = .cpu) -> Tensor {
        Operator.arange(start, end, step, dtype, nil, device)
    }

    /// `count` numbers at equal distances, both ends included.
    public static func linspace(_ start: Double, _ end: Double, count: Int, dtype: DType = .float32, device: Device = .cpu) -> Tensor {
        Operator.linspace(start, end, count, dtype, nil, device)
    }

    /// The unit matrix of `size` rows.
    public static func identity(_ size: Int, dtype: DType = .float32, device: Device = .cpu) -> Tensor {
        Operator.eye(size, dtype, nil, device)
    }

    /// The same values as another dtype; the tensor itself if it has that already.
    public func to(dtype: DType) -> Tensor { dtype == self.dtype ? self : Operator.toDType(self, dtype) }

    /// The same values on another device; the tensor itself if it is there already.
    public func to(device: Device) -> Tensor { device == self.device ? self : Operator.toDevice(self, device, dtype) }

    /// A copy with memory of its own, still connected to the graph.
    public func cloned() -> Tensor { Operator.clone(self) }

    /// The tensor itself if it lies in memory in row-major order, otherwise a copy that does.
    public func contiguous() -> Tensor { isContiguous ? self : Operator.contiguous(self) }

    /// The same images [batch, channels, height, width] with the channels of each place side by side in memory; the tensor itself if they are.
    ///
    /// libtorch's convolutions compute in this order and keep it. Images in row-major order they rearrange, and what comes out of them too.
    public func channelsLast() -> Tensor {
        require(rank == 4, "channelsLast: the images must be [batch, channels, height, width], found shape \(shape).")
        return Operator.contiguous(self, 2)
    }

    /// Overwrites the elements with those of `source`, broadcast and converted.
    @discardableResult
    public func copyInPlace(from source: Tensor) -> Tensor { Operator.copyInPlace(self, source) }

    /// Shares the elements of another tensor from now on, with their shape, dtype and device, and stays the same tensor to all
    /// who refer to it.
    package func takeData(of source: Tensor) { Operator.setData.run(self, source) }

    /// Overwrites every element with `value`.
    @discardableResult
    public func fillInPlace(_ value: Double) -> Tensor { Operator.fillInPlace(self, value) }

    /// Overwrites every element with 0.
    @discardableResult
    public func zeroInPlace() -> Tensor { Operator.zeroInPlace(self) }
}
