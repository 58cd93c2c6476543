/// Writes files that `torch.load`, also with `weights_only=True`, reads as a dictionary.
///
/// Equal content gives equal bytes.
public enum PyTorchWriter {
    /// What a dictionary can hold.
    public indirect enum Item {
        case tensor(Tensor)
        case integer(Int)
        case number(Double)
        case string(String)
        case dictionary([(key: String, value: Item)])
    }

    /// Writes a dictionary; tensors are moved to the CPU and made contiguous one at a time. The file appears complete or not at all.
    /// - Throws: `FileAccessError` when the disk is full or the folder is not writable.
    public static func write(_ dictionary: [(key: String, value: Item)], to path: String) throws {
        var pickle = PickleWriter()
        pickle.append(.dictionary(dictionary))
        let archive = try StoredZipWriter(path: path)
        // The name of the folder in the archive does not matter; PyTorch takes the file's.
        try archive.append("archive/data.pkl", pickle.finished())
        try archive.append("archive/byteorder", Array("little".utf8))
        for (index, tensor) in pickle.tensors.enumerated() {
            try tensor.withBytes { try archive.append("archive/data/\(index)", $0) }
        }
        try archive.append("archive/version", Array("3\n".utf8))
        try archive.finish()
    }
}

/// Pickles in protocol 2, without a memory.
private struct PickleWriter {
    private var bytes: [UInt8] = [0x80, 0x02]
    private(set) var tensors: [Tensor] = []

    func finished() -> [UInt8] { bytes + [UInt8(ascii: ".")] }

    private mutating func append(opcode: Unicode.Scalar) { bytes.append(UInt8(ascii: opcode)) }
    private mutating func append(littleEndian value: some FixedWidthInteger) { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }

    mutating func append(_ item: PyTorchWriter.Item) {
        switch item {
        case .tensor(let tensor): append(tensor)
        case .integer(let value): append(value)
        case .number(let value):
            append(opcode: "G")
            append(littleEndian: value.bitPattern.byteSwapped)
        case .string(let text): append(text)
        case .dictionary(let entries):
            append(opcode: "}")
            append(opcode: "(")
            for (key, value) in entries {
                append(key)
                append(value)
            }
            append(opcode: "u")
        }
    }

    private mutating func append(_ value: Int) {
        if let short = Int32(exactly: value) {
            append(opcode: "J")
            append(littleEndian: short)
        } else {
            bytes += [0x8A, 8]
            append(littleEndian: value)
        }
    }

    private mutating func append(_ text: String) {
        append(opcode: "X")
        append(littleEndian: UInt32(text.utf8.count))
        bytes += text.utf8
    }

    private mutating func append(global module: String, _ name: String) {
        append(opcode: "c")
        bytes += "\(module)\n\(name)\n".utf8
    }

    private mutating func append(tuple integers: [Int]) {
        append(opcode: "(")
        for value in integers { append(value) }
        append(opcode: "t")
    }

    private mutating func append(_ tensor: Tensor) {
        guard let storage = PyTorchStorageType.names[tensor.dtype] else { preconditionFailure("write: PyTorch has no storage of \(tensor.dtype)") }
        append(global: "torch._utils", "_rebuild_tensor_v2")
        append(opcode: "(")
        append(opcode: "(")
        append("storage")
        append(global: "torch", storage)
        append("\(tensors.count)")
        append("cpu")
        append(tensor.elementCount)
        append(opcode: "t")
        append(opcode: "Q")
        append(0)
        let shape = tensor.shape
        append(tuple: shape)
        var strides = shape.map { _ in 1 }
        for axis in shape.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * shape[axis + 1] }
        append(tuple: strides)
        bytes.append(0x89)
        append(global: "collections", "OrderedDict")
        append(opcode: ")")
        append(opcode: "R")
        append(opcode: "t")
        append(opcode: "R")
        tensors.append(tensor)
    }
}
