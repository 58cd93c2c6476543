/// Writes a zip archive without compression, every entry's bytes at a multiple of 64 as PyTorch does, so that they can be mapped.
final class StoredZipWriter {
    private let file: AtomicFile
    private var position = 0
    private var directory: [UInt8] = []
    private var count = 0

    private typealias Signature = StoredZipArchive.Signature
    private static let alignment = 64

    init(path: String) throws { file = try AtomicFile(path: path) }

    private func write(_ bytes: UnsafeRawBufferPointer) throws {
        try file.write(bytes)
        position += bytes.count
    }

    func append(_ name: String, _ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try append(name, $0) } }

    func append(_ name: String, _ bytes: UnsafeRawBufferPointer) throws {
        var crc = CRC32(.zip)
        crc.update(bytes)
        let entry = Entry(name: Array(name.utf8), size: bytes.count, checksum: crc.value, offset: position)
        try entry.localHeader(alignment: Self.alignment).withUnsafeBytes(write)
        try write(bytes)
        directory += entry.directoryRecord()
        count += 1
    }

    /// Writes the directory; afterwards the file is at its path.
    func finish() throws {
        let start = position
        var end = FieldBuffer()
        end.bytes = directory
        // The 64-bit record of the end and its locator are always there: PyTorch writes them too.
        end.append(Signature.end64, UInt64(44), UInt16(45), UInt16(45), UInt32(0), UInt32(0))
        end.append(UInt64(count), UInt64(count), UInt64(directory.count), UInt64(start))
        end.append(Signature.end64Locator, UInt32(0), UInt64(start + directory.count), UInt32(1))
        end.append(Signature.end, UInt16(0), UInt16(0), UInt16(clamping: count), UInt16(clamping: count))
        end.append(UInt32(clamping: directory.count), UInt32(clamping: start), UInt16(0))
        try end.bytes.withUnsafeBytes(write)
        try file.commit()
    }

    private struct Entry {
        let name: [UInt8]
        let size: Int
        let checksum: UInt32
        let offset: Int

        private var isWide: Bool { size >= Int(UInt32.max) }

        /// Signature, version, flags (names are UTF-8), method and time are followed by these.
        private func appendCommon(to fields: inout FieldBuffer) {
            fields.append(UInt16(isWide || offset >= Int(UInt32.max) ? 45 : 20), UInt16(0x0800), UInt16(0), UInt16(0), UInt16(0x21), checksum)
            fields.append(UInt32(clamping: size), UInt32(clamping: size), UInt16(name.count))
        }

        func localHeader(alignment: Int) -> [UInt8] {
            var extra = FieldBuffer()
            if isWide { extra.append(UInt16(1), UInt16(16), UInt64(size), UInt64(size)) }
            // A block 'FB' of padding, as PyTorch's.
            let unpadded = offset + 30 + name.count + extra.bytes.count + 4
            let padding = (alignment - unpadded % alignment) % alignment
            extra.append(UInt16(0x4246), UInt16(padding))
            extra.bytes += [UInt8](repeating: UInt8(ascii: "Z"), count: padding)
            var fields = FieldBuffer()
            fields.append(Signature.localHeader)
            appendCommon(to: &fields)
            fields.append(UInt16(extra.bytes.count))
            return fields.bytes + name + extra.bytes
        }

        func directoryRecord() -> [UInt8] {
            var extra = FieldBuffer()
            let isFar = offset >= Int(UInt32.max)
            if isWide || isFar {
                extra.append(UInt16(1), UInt16((isWide ? 16 : 0) + (isFar ? 8 : 0)))
                if isWide { extra.append(UInt64(size), UInt64(size)) }
                if isFar { extra.append(UInt64(offset)) }
            }
            var fields = FieldBuffer()
            fields.append(Signature.directoryRecord, UInt16(45))
            appendCommon(to: &fields)
            fields.append(UInt16(extra.bytes.count), UInt16(0), UInt16(0), UInt16(0), UInt32(0), UInt32(clamping: offset))
            return fields.bytes + name + extra.bytes
        }
    }
}

/// Little-endian fields one after another.
private struct FieldBuffer {
    var bytes: [UInt8] = []

    mutating func append<each Field: FixedWidthInteger>(_ field: repeat each Field) {
        for value in repeat each field { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
    }
}
