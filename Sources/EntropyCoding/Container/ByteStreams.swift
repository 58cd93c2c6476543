/// Appends numbers to bytes.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func append(bytes more: [UInt8]) { bytes += more }
    mutating func append(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
    mutating func append(bigEndian value: some FixedWidthInteger) { append(value.byteSwapped) }

    /// LEB128: seven bits a byte, lowest first, the eighth tells that more follow.
    mutating func append(variable value: Int) {
        var rest = UInt64(value)
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}

/// Reads numbers from bytes that are not trusted: what is not there is nil.
struct ByteReader {
    private let bytes: UnsafeRawBufferPointer
    private(set) var position = 0
    /// Where reading stops, at most the number of bytes.
    var end: Int

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        end = bytes.count
    }

    /// Bytes that are left.
    var remaining: Int { end - position }

    mutating func take(_ count: Int) -> UnsafeRawBufferPointer? {
        guard count >= 0 && count <= remaining else { return nil }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
    }

    mutating func integer<Value: FixedWidthInteger>() -> Value? {
        take(Value.bitWidth / 8).map { Value(littleEndian: $0.loadUnaligned(as: Value.self)) }
    }

    mutating func bigEndian<Value: FixedWidthInteger>() -> Value? {
        let value: Value? = integer()
        return value?.byteSwapped
    }

    /// LEB128 below 2³², in as few bytes as possible.
    mutating func variable() -> Int? {
        var value = 0
        for place in 0..<5 {
            guard let byte: UInt8 = integer() else { return nil }
            value |= Int(byte & 0x7F) << (7 * place)
            if byte < 0x80 {
                // A last byte of 0 could be left out.
                return value <= Int(UInt32.max) && (byte > 0 || place == 0) ? value : nil
            }
        }
        return nil
    }

    /// The lengths of so many streams and then their bytes, which must be all that is left.
    mutating func streams(count: Int) -> [[UInt8]]? {
        // Each has one byte of length at least.
        guard count <= remaining else { return nil }
        var lengths: [Int] = [], total = 0
        for _ in 0..<count {
            guard let length = variable(), length <= end - total else { return nil }
            lengths.append(length)
            total += length
        }
        guard total == remaining else { return nil }
        return lengths.map { take($0).map(Array.init) ?? [] }
    }
}
