/// Functions on valid UTF-8 in a buffer. Vocabularies are keyed by bytes and scanned by scalars, because Swift's
/// `String` compares by canonical equivalence and iterates by grapheme cluster: both would change token ids.
enum UTF8Text {
    /// The scalar that begins at `index`, and its length in bytes. The text must be valid UTF-8.
    @inline(__always)
    static func scalar(in bytes: UnsafePointer<UInt8>, at index: Int) -> (value: UInt32, length: Int) {
        let first = UInt32(bytes[index])
        if first < 0x80 { return (first, 1) }
        let second = UInt32(bytes[index + 1] & 63)
        if first < 0xE0 { return ((first & 31) << 6 | second, 2) }
        let third = UInt32(bytes[index + 2] & 63)
        if first < 0xF0 { return ((first & 15) << 12 | second << 6 | third, 3) }
        return ((first & 7) << 18 | second << 12 | third << 6 | UInt32(bytes[index + 3] & 63), 4)
    }

    /// Where the scalar that ends before `index` begins.
    @inline(__always)
    static func before(_ index: Int, in bytes: UnsafePointer<UInt8>) -> Int {
        var start = index - 1
        while bytes[start] & 0xC0 == 0x80 { start -= 1 }
        return start
    }

    /// Length in bytes of the scalar whose first byte is given.
    @inline(__always)
    static func length(firstByte: UInt8) -> Int {
        firstByte < 0x80 ? 1 : firstByte < 0xE0 ? 2 : firstByte < 0xF0 ? 3 : 4
    }

    /// Calls `body` with every scalar and the range of its bytes.
    @inline(__always)
    static func forEachScalar(in bytes: [UInt8], _ body: (UInt32, Range<Int>) -> Void) {
        bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            var index = 0
            while index < buffer.count {
                let (value, length) = scalar(in: base, at: index)
                body(value, index..<index + length)
                index += length
            }
        }
    }

    static func append(_ scalar: UInt32, to bytes: inout [UInt8]) {
        switch scalar {
        case ..<0x80: bytes.append(UInt8(scalar))
        case ..<0x800: bytes.append(contentsOf: [UInt8(0xC0 | scalar >> 6), UInt8(0x80 | scalar & 63)])
        case ..<0x10000:
            bytes.append(contentsOf: [UInt8(0xE0 | scalar >> 12), UInt8(0x80 | scalar >> 6 & 63), UInt8(0x80 | scalar & 63)])
        default:
            bytes.append(contentsOf: [
                UInt8(0xF0 | scalar >> 18), UInt8(0x80 | scalar >> 12 & 63), UInt8(0x80 | scalar >> 6 & 63),
                UInt8(0x80 | scalar & 63),
            ])
        }
    }

    static func isASCII(_ bytes: some Sequence<UInt8>) -> Bool {
        var all: UInt8 = 0
        for byte in bytes { all |= byte }
        return all < 0x80
    }
}
