/// GPT-2's visible spelling of the 256 bytes: printable Latin-1 stands for itself, the other 68 bytes for U+0100 and on.
enum ByteAlphabet {
    /// The scalar that spells each byte.
    static let scalars: [UInt32] = {
        var next: UInt32 = 0x100
        return (UInt32(0)..<256).map { byte in
            if (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte) { return byte }
            defer { next += 1 }
            return next
        }
    }()

    /// The byte each scalar below U+0144 spells, −1 if none.
    private static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 0x144)
        for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar)] = Int16(byte) }
        return bytes
    }()

    /// The bytes that a token spells, nil if it has characters outside the alphabet.
    static func decoded(_ token: some Collection<UInt8>) -> [UInt8]? {
        var output: [UInt8] = []
        var isSpelled = true
        UTF8Text.forEachScalar(in: Array(token)) { scalar, _ in
            if scalar < 0x144, bytes[Int(scalar)] >= 0 {
                output.append(UInt8(bytes[Int(scalar)]))
            } else {
                isSpelled = false
            }
        }
        return isSpelled ? output : nil
    }

    static func spelled(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        for byte in bytes { UTF8Text.append(scalars[Int(byte)], to: &output) }
        return output
    }
}
