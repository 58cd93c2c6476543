extension SafetensorsFile {
    /// The tensor of this name, copied into memory.
    /// - Throws: `FileFormatError` if there is none, or if its element type has no ``DType`` (8-bit floating point, unsigned
    ///   integers of more than 8 bits).
    public func tensor(named name: String) throws -> Tensor {
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
        return withBytes(of: entry) { Tensor(bytes: $0, shape: entry.shape, dtype: dtype) }
    }

    /// All tensors by name, copied into memory.
    /// - Throws: as ``tensor(named:)``.
    public func tensors() throws -> [String: Tensor] {
        try Dictionary(uniqueKeysWithValues: entries.map { ($0.name, try tensor(named: $0.name)) })
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
