/// Bytes that are not trusted: what is not there is nil.
struct ByteView {
    let bytes: UnsafeRawBufferPointer

    var count: Int { bytes.count }

    subscript(offset: Int) -> UInt8? { bytes.indices.contains(offset) ? bytes[offset] : nil }

    /// An unsigned number at `offset`.
    func integer<Value: FixedWidthInteger & UnsignedInteger>(_ offset: Int, as _: Value.Type, bigEndian: Bool) -> Int? {
        let size = MemoryLayout<Value>.size
        guard offset >= 0, offset <= count - size else { return nil }
        let value = bytes.loadUnaligned(fromByteOffset: offset, as: Value.self)
        return Int(bigEndian ? Value(bigEndian: value) : Value(littleEndian: value))
    }

    /// The bytes of a range; nil unless all of it is there.
    func slice(_ start: Int, _ length: Int) -> ByteView? {
        guard start >= 0, length >= 0, start <= count, length <= count - start else { return nil }
        return ByteView(bytes: UnsafeRawBufferPointer(rebasing: bytes[start..<start + length]))
    }

    func hasText(_ text: StaticString, at offset: Int = 0) -> Bool {
        guard let part = slice(offset, text.utf8CodeUnitCount) else { return false }
        return zip(part.bytes, UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)).allSatisfy { $0 == $1 }
    }

    /// The first so many bytes as text, what is not printable as dots.
    func text(_ start: Int, _ length: Int) -> String {
        String(String.UnicodeScalarView((slice(start, length)?.bytes ?? .init(start: nil, count: 0)).map {
            (0x20..<0x7F).contains($0) ? Unicode.Scalar($0) : "."
        }))
    }
}
