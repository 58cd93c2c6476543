extension SafetensorsFile {
    /// The tensor of this name, copied into memory.
    /// - Throws: `FileFormatError` if there is none, or if its element type has no ``DType`` (8-bit floating point, unsigned
    ///   integers of more than 8 bits).
    public func tensor(named name: String) throws -> Tensor {
        let (entry, dtype) = try found(name)
        return withBytes(of: entry) { Tensor(bytes: $0, shape: entry.shape, dtype: dtype) }
    }

    /// The tensor of this name over the mapped file: nothing is read before it is used, and memory is the system's cache.
    ///
    /// Writing into it changes a private copy of the page, never the file; a tensor asked for twice shares that copy.
    /// - Throws: as ``tensor(named:)``.
    public func mappedTensor(named name: String) throws -> Tensor {
        let (entry, dtype) = try found(name)
        return withBytes(of: entry) { elements in
            let isAligned = Int(bitPattern: elements.baseAddress) % dtype.byteCount == 0
            guard isAligned else { return Tensor(bytes: elements, shape: entry.shape, dtype: dtype) }
            return Tensor(borrowing: elements, shape: entry.shape, dtype: dtype, owner: bytes)
        }
    }

    /// Lets go of the memory of a mapped tensor that is used no more, and that nothing was written to.
    package func forget(named name: String) {
        guard let entry = entry(named: name) else { return }
        withBytes(of: entry) { elements in
            guard let start = elements.baseAddress, let file = bytes.buffer.baseAddress else { return }
            bytes.forget(start - file..<start - file + elements.count)
        }
    }

    private func found(_ name: String) throws -> (Entry, DType) {
        guard let entry = entry(named: name) else {
            let names = entries.prefix(6).map(\.name).joined(separator: ", ")
            throw FileFormatError(
                path: path, format: "safetensors",
                problem: "it has no tensor '\(name)' among its \(entries.count) (\(names)\(entries.count > 6 ? ", …" : ""))")
        }
        guard let dtype = DType(entry.elementType) else {
            throw FileFormatError(
                path: path, format: "safetensors",
                problem: "tensor '\(name)' has elements of type \(entry.elementType.rawValue), which are not supported")
        }
        return (entry, dtype)
    }

    /// All tensors by name, copied into memory.
    /// - Throws: as ``tensor(named:)``.
    public func tensors() throws -> [String: Tensor] {
        try Dictionary(uniqueKeysWithValues: entries.map { ($0.name, try tensor(named: $0.name)) })
    }

    /// All tensors by name, over the mapped file.
    /// - Throws: as ``tensor(named:)``.
    package func mappedTensors() throws -> [String: Tensor] {
        try Dictionary(uniqueKeysWithValues: entries.map { ($0.name, try mappedTensor(named: $0.name)) })
    }
}

extension SafetensorsCheckpoint {
    /// As ``SafetensorsFile/mappedTensor(named:)``, from the shard that holds the tensor.
    public func mappedTensor(named name: String) throws -> Tensor {
        guard let location = location(of: name) else {
            throw FileFormatError(path: files[0].path, format: "a checkpoint", problem: "it has no tensor '\(name)'")
        }
        return try location.file.mappedTensor(named: name)
    }
}

extension SafetensorsWriter {
    /// Writes tensors, moved to the CPU and made contiguous one at a time; the file appears complete or not at all.
    /// - Throws: `FileAccessError` when the disk is full or the folder is not writable.
    public static func write(_ tensors: [String: Tensor], metadata: [String: String] = [:], to path: String) throws {
        let items = tensors.map { name, tensor in
            guard let elementType = SafetensorsFile.ElementType(tensor.dtype) else {
                preconditionFailure("write: safetensors has no elements of type \(tensor.dtype) ('\(name)')")
            }
            return Item(name: name, elementType: elementType, shape: tensor.shape) { consume in
                try tensor.withBytes { try consume($0) }
            }
        }
        try write(items, metadata: metadata, to: path)
    }
}

extension DType {
    /// The dtype of a safetensors element type; nil if there is none.
    public init?(_ elementType: SafetensorsFile.ElementType) {
        guard let match = Self.safetensorsTypes.first(where: { $0.elementType == elementType }) else { return nil }
        self = match.dtype
    }

    fileprivate static let safetensorsTypes: [(dtype: DType, elementType: SafetensorsFile.ElementType)] = [
        (.bool, .bool), (.uint8, .uint8), (.int8, .int8), (.int16, .int16), (.int32, .int32), (.int64, .int64),
        (.float16, .float16), (.bfloat16, .bfloat16), (.float32, .float32), (.float64, .float64),
    ]
}

extension SafetensorsFile.ElementType {
    /// The element type of a dtype; nil for complex numbers.
    public init?(_ dtype: DType) {
        guard let match = DType.safetensorsTypes.first(where: { $0.dtype == dtype }) else { return nil }
        self = match.elementType
    }
}
