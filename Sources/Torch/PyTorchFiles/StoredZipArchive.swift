/// The entries of a zip archive that are stored without compression, over its mapped bytes.
///
/// Every range is checked against the file before it is handed out; checksums are not compared, since PyTorch may leave them out.
/// Source: .ZIP File Format Specification 6.3.10 (PKWARE), with the 64-bit extensions.
package struct StoredZipArchive {
    /// Where the bytes of each entry lie, by its name.
    package let entries: [String: Range<Int>]

    /// What is wrong with an archive, as the rest of a sentence.
    package struct Damage: Error {
        package let problem: String
    }

    enum Signature {
        static let localHeader: UInt32 = 0x0403_4B50
        static let directoryRecord: UInt32 = 0x0201_4B50
        static let end: UInt32 = 0x0605_4B50
        static let end64: UInt32 = 0x0606_4B50
        static let end64Locator: UInt32 = 0x0706_4B50
    }

    private struct Directory {
        var range: Range<Int>
        var count: Int
    }

    /// - Throws: ``Damage``.
    package init(_ bytes: UnsafeRawBufferPointer) throws {
        let reader = LittleEndianReader(bytes: bytes)
        let directory = try Self.findDirectory(reader)
        var entries: [String: Range<Int>] = [:]
        var position = directory.range.lowerBound
        for _ in 0..<directory.count {
            let record = try DirectoryRecord(reader, at: position, end: directory.range.upperBound)
            position = record.end
            let range = try Self.range(of: record, reader, end: directory.range.lowerBound)
            guard entries.updateValue(range, forKey: record.name) == nil else { throw Damage(problem: "it has two entries '\(record.name)'") }
        }
        self.entries = entries
    }

    /// Finds the directory through the record at the file's end, which a comment of up to 64 KiB may follow.
    private static func findDirectory(_ reader: LittleEndianReader) throws -> Directory {
        let size = reader.bytes.count
        let lowest = max(0, size - 22 - Int(UInt16.max))
        guard size >= 22,
            let end = stride(from: size - 22, through: lowest, by: -1).first(where: { position in
                reader.uint32(position) == Signature.end && reader.uint16(position + 20).map { position + 22 + $0 == size } == true
            })
        else { throw Damage(problem: "it is no zip archive, or its end is missing") }
        var (count, length, start) = (reader.uint16(end + 10), reader.uint32(end + 12).map(Int.init), reader.uint32(end + 16).map(Int.init))
        if reader.uint32(end - 20) == Signature.end64Locator {
            guard let record = reader.size(end - 12), reader.uint32(record) == Signature.end64 else {
                throw Damage(problem: "the locator of its directory points nowhere")
            }
            (count, length, start) = (reader.size(record + 32), reader.size(record + 40), reader.size(record + 48))
        }
        guard let count, let length, let start, length <= end, start <= end - length, count <= length / DirectoryRecord.minimumSize else {
            throw Damage(problem: "its directory does not lie in the file")
        }
        return Directory(range: start..<start + length, count: count)
    }

    /// The bytes of an entry, behind its local header.
    private static func range(of record: DirectoryRecord, _ reader: LittleEndianReader, end: Int) throws -> Range<Int> {
        let header = record.headerOffset
        guard header <= end - 30, reader.uint32(header) == Signature.localHeader, let nameSize = reader.uint16(header + 26),
            let extraSize = reader.uint16(header + 28)
        else { throw Damage(problem: "the entry '\(record.name)' has no header") }
        let start = header + 30 + nameSize + extraSize
        guard start <= end, record.size <= end - start else {
            throw Damage(problem: "the entry '\(record.name)' of \(record.size) bytes does not lie in the file")
        }
        return start..<start + record.size
    }

    /// One entry of the directory.
    private struct DirectoryRecord {
        static let minimumSize = 46
        let name: String
        let size: Int
        let headerOffset: Int
        let end: Int

        init(_ reader: LittleEndianReader, at position: Int, end limit: Int) throws {
            guard position <= limit - Self.minimumSize, reader.uint32(position) == Signature.directoryRecord,
                let flags = reader.uint16(position + 8), let method = reader.uint16(position + 10),
                let packedSize = reader.uint32(position + 20), let fullSize = reader.uint32(position + 24),
                let nameSize = reader.uint16(position + 28), let extraSize = reader.uint16(position + 30),
                let commentSize = reader.uint16(position + 32), let offset = reader.uint32(position + 42),
                nameSize + extraSize + commentSize <= limit - position - Self.minimumSize
            else { throw Damage(problem: "its directory is damaged") }
            let nameStart = position + Self.minimumSize
            let extraStart = nameStart + nameSize
            end = extraStart + extraSize + commentSize
            guard let name = String(validating: reader.bytes[nameStart..<extraStart], as: UTF8.self) else {
                throw Damage(problem: "its directory has a name that is not UTF-8")
            }
            self.name = name
            guard method == 0, flags & 1 == 0 else {
                throw Damage(problem: "the entry '\(name)' is compressed or encrypted; save the file again with torch.save, which stores entries as they are")
            }
            var wide = WideFields(reader, extraStart..<extraStart + extraSize)
            guard let full = wide.resolve(fullSize), let packed = wide.resolve(packedSize), let header = wide.resolve(offset), full == packed else {
                throw Damage(problem: "the sizes of the entry '\(name)' contradict each other")
            }
            size = full
            headerOffset = header
        }
    }

    /// The 64-bit numbers that stand for 32-bit fields of all ones, in the order of the fields.
    private struct WideFields {
        let reader: LittleEndianReader
        var position = 0
        var end = 0

        init(_ reader: LittleEndianReader, _ extra: Range<Int>) {
            self.reader = reader
            var block = extra.lowerBound
            while block + 4 <= extra.upperBound, let tag = reader.uint16(block), let size = reader.uint16(block + 2), size <= extra.upperBound - block - 4 {
                if tag == 1 { (position, end) = (block + 4, block + 4 + size) }
                block += 4 + size
            }
        }

        mutating func resolve(_ field: UInt32) -> Int? {
            guard field == .max else { return Int(field) }
            guard position + 8 <= end else { return nil }
            position += 8
            return reader.size(position - 8)
        }
    }
}

/// Unaligned little-endian numbers; nil outside of the bytes.
struct LittleEndianReader {
    let bytes: UnsafeRawBufferPointer

    private func load<Number: FixedWidthInteger & BitwiseCopyable>(_ position: Int, as type: Number.Type) -> Number? {
        guard position >= 0, position <= bytes.count - MemoryLayout<Number>.size else { return nil }
        return Number(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: type))
    }

    func uint16(_ position: Int) -> Int? { load(position, as: UInt16.self).map(Int.init) }
    func uint32(_ position: Int) -> UInt32? { load(position, as: UInt32.self) }
    /// A 64-bit size or position that fits an `Int`.
    func size(_ position: Int) -> Int? { load(position, as: UInt64.self).flatMap(Int.init(exactly:)) }
}
