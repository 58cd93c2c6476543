/// The cyclic redundancy check of 32 bits, low bit first.
package struct CRC32 {
    /// Which numbers are divided by, as names of uses.
    package enum Polynomial {
        /// TensorBoard's event files and our own files (RFC 3720, appendix B.4).
        case castagnoli
        /// Zip archives (IEEE 802.3).
        case zip
    }

    private let tables: [UInt32]
    private var state: UInt32 = 0xFFFF_FFFF

    private static let castagnoliTables = makeTables(0x82F6_3B78)
    private static let zipTables = makeTables(0xEDB8_8320)

    /// Eight tables of 256: `tables[k * 256 + b]` advances byte `b` by `k` zero bytes.
    private static func makeTables(_ polynomial: UInt32) -> [UInt32] {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var value = UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ polynomial : value >> 1 }
            tables[byte] = value
        }
        for index in 256..<(8 * 256) {
            let previous = tables[index - 256]
            tables[index] = tables[Int(previous & 0xFF)] ^ previous >> 8
        }
        return tables
    }

    package init(_ polynomial: Polynomial) {
        tables = switch polynomial {
        case .castagnoli: Self.castagnoliTables
        case .zip: Self.zipTables
        }
    }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var crc = state
        tables.withUnsafeBufferPointer { table in
            var index = 0
            while index + 8 <= bytes.count {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)) ^ UInt64(crc)
                crc = 0
                for lane in 0..<8 {
                    crc ^= table[(7 - lane) * 256 + Int(word >> (8 * UInt64(lane)) & 0xFF)]
                }
                index += 8
            }
            while index < bytes.count {
                crc = table[Int((crc ^ UInt32(bytes[index])) & 0xFF)] ^ crc >> 8
                index += 1
            }
        }
        state = crc
    }

    package var value: UInt32 { ~state }

    package static func checksum(_ bytes: [UInt8], _ polynomial: Polynomial) -> UInt32 {
        var crc = CRC32(polynomial)
        bytes.withUnsafeBytes { crc.update($0) }
        return crc.value
    }
}
