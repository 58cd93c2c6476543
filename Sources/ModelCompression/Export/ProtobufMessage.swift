internal import Torch

/// A protocol buffers message that is written as it is put together. Elements of tensors are not copied before they are written.
///
/// Source: the encoding of https://protobuf.dev/programming-guides/encoding.
struct ProtobufMessage {
    private enum Part {
        case bytes([UInt8])
        case elements(Tensor)
    }

    private var parts: [Part] = []
    private(set) var byteCount = 0

    /// An integer; negative ones as 64 bits.
    mutating func add(_ field: Int, _ value: Int) {
        append(Self.varint(UInt64(field) << 3) + Self.varint(UInt64(bitPattern: Int64(value))))
    }

    mutating func add(_ field: Int, _ value: Float) {
        append(Self.varint(UInt64(field) << 3 | 5) + withUnsafeBytes(of: value.bitPattern.littleEndian, Array.init))
    }

    mutating func add(_ field: Int, _ text: String) { add(field, bytes: Array(text.utf8)) }

    mutating func add(_ field: Int, _ message: ProtobufMessage) {
        begin(field, message.byteCount)
        parts += message.parts
        byteCount += message.byteCount
    }

    /// Integers in one piece.
    mutating func add(_ field: Int, _ values: [Int]) { add(field, bytes: values.flatMap { Self.varint(UInt64(bitPattern: Int64($0))) }) }

    /// The elements of a tensor in row-major order, little-endian.
    mutating func add(_ field: Int, elementsOf tensor: Tensor) {
        begin(field, tensor.byteCount)
        parts.append(.elements(tensor))
        byteCount += tensor.byteCount
    }

    private mutating func add(_ field: Int, bytes: [UInt8]) {
        begin(field, bytes.count)
        append(bytes)
    }

    private mutating func begin(_ field: Int, _ count: Int) { append(Self.varint(UInt64(field) << 3 | 2) + Self.varint(UInt64(count))) }

    private mutating func append(_ bytes: [UInt8]) {
        parts.append(.bytes(bytes))
        byteCount += bytes.count
    }

    private static func varint(_ value: UInt64) -> [UInt8] {
        var rest = value, bytes: [UInt8] = []
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    /// - Throws: `FileAccessError`; the file appears complete or not at all.
    func write(to path: String) throws {
        let file = try AtomicFile(path: path)
        for part in parts {
            switch part {
            case .bytes(let bytes): try bytes.withUnsafeBytes(file.write)
            case .elements(let tensor): try tensor.withBytes(file.write)
            }
        }
        try file.commit()
    }
}
