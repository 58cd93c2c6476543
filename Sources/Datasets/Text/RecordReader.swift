package import Foundation

/// Cuts a file into records, reading it block by block: what is in memory is one block and one record.
///
/// The records' offsets and lengths are those of their bytes in the file, so that a record can be read
/// again by ``read(at:count:)`` in any order.
package final class RecordReader {
    /// What ends a record.
    package enum Format {
        /// A line feed.
        case lines
        /// A line feed outside of double quotes.
        case csvRows
        /// The brace that closes an object directly inside the file's outermost array or object. What follows the
        /// last complete object, as in a file that was cut off, is left out.
        case jsonObjects
        /// An empty line after at least this many bytes, or a line feed after eight times as many.
        case passages(bytes: Int)
        /// Nothing: the file is one record.
        case whole
    }

    package struct Record {
        package let offset: Int
        package let bytes: [UInt8]

        var isBlank: Bool { !bytes.contains { $0 > 0x20 } }
    }

    /// Longer records are taken for a file of another format.
    static let longestRecord = 64 << 20

    private let url: URL
    private let handle: FileHandle
    private let format: Format
    private var block: [UInt8] = []
    private var cursor = 0
    private var offset = 0
    private var json = JSONState()

    package init(_ url: URL, format: Format) throws(DataError) {
        self.url = url
        self.format = format
        handle = try Files.access(url) { try FileHandle(forReadingFrom: url) }
    }

    deinit { try? handle.close() }

    /// The next record, or nil at the end.
    package func next() throws(DataError) -> Record? {
        switch format {
        case .jsonObjects: try nextObject()
        case .lines, .csvRows, .passages, .whole: try nextDelimited()
        }
    }

    /// The bytes of a record found earlier.
    package func read(at offset: Int, count: Int) throws(DataError) -> [UInt8] {
        let bytes = try Files.access(url) {
            try handle.seek(toOffset: UInt64(offset))
            return try handle.read(upToCount: count).map { [UInt8]($0) } ?? []
        }
        guard bytes.count == count else {
            throw .malformed(path: url.path, position: offset, expected: "\(count) more bytes", found: "\(bytes.count); it was cut off")
        }
        return bytes
    }

    // MARK: Blocks

    /// Makes `block[cursor]` valid; false at the end of the file.
    private func fill() throws(DataError) -> Bool {
        if cursor < block.count { return true }
        block = try Files.access(url) { try handle.read(upToCount: 1 << 18).map { [UInt8]($0) } ?? [] }
        cursor = 0
        return !block.isEmpty
    }

    private func checkLength(_ count: Int, from start: Int) throws(DataError) {
        guard count <= RecordReader.longestRecord else {
            throw .malformed(
                path: url.path, position: start, expected: "a record of at most \(RecordReader.longestRecord >> 20) MiB",
                found: "a longer one; is it a file of another format?")
        }
    }

    // MARK: Delimited records

    private func nextDelimited() throws(DataError) -> Record? {
        var bytes: [UInt8] = []
        let start = offset
        var quoted = false
        var lineIsEmpty = true
        while try fill() {
            let from = cursor
            var end: Int?
            block.withUnsafeBufferPointer { block in
                while cursor < block.count {
                    let byte = block[cursor]
                    cursor += 1
                    if byte == UInt8(ascii: "\n") {
                        if ends(length: bytes.count + cursor - from, quoted: quoted, lineIsEmpty: lineIsEmpty) {
                            end = cursor
                            return
                        }
                        lineIsEmpty = true
                    } else if byte > 0x20 {
                        lineIsEmpty = false
                        if byte == UInt8(ascii: "\"") { quoted.toggle() }
                    }
                }
            }
            bytes.append(contentsOf: block[from..<cursor])
            try checkLength(bytes.count, from: start)
            if end != nil { break }
        }
        guard !bytes.isEmpty else { return nil }
        offset += bytes.count
        return Record(offset: start, bytes: bytes)
    }

    private func ends(length: Int, quoted: Bool, lineIsEmpty: Bool) -> Bool {
        switch format {
        case .lines, .jsonObjects: true
        case .csvRows: !quoted
        case .whole: false
        case .passages(let bytes): length >= 8 * bytes || (lineIsEmpty && length >= bytes)
        }
    }

    // MARK: JSON objects

    private struct JSONState {
        var depth = 0
        var inString = false
        var escaped = false
    }

    private func nextObject() throws(DataError) -> Record? {
        var bytes: [UInt8] = []
        var start: Int?
        while try fill() {
            let from = start == nil ? nil : cursor
            var recordStart = from
            var done = false
            block.withUnsafeBufferPointer { block in
                while cursor < block.count, !done {
                    let byte = block[cursor]
                    if json.depth == 1, !json.inString, byte == UInt8(ascii: "{"), start == nil {
                        start = offset
                        recordStart = cursor
                    }
                    advance(over: byte)
                    cursor += 1
                    offset += 1
                    done = start != nil && json.depth == 1 && !json.inString && byte == UInt8(ascii: "}")
                }
            }
            if let recordStart { bytes.append(contentsOf: block[recordStart..<cursor]) }
            if let start {
                try checkLength(bytes.count, from: start)
                if done { return Record(offset: start, bytes: bytes) }
            }
        }
        return nil
    }

    private func advance(over byte: UInt8) {
        if json.inString {
            if json.escaped {
                json.escaped = false
            } else if byte == UInt8(ascii: "\\") {
                json.escaped = true
            } else if byte == UInt8(ascii: "\"") {
                json.inString = false
            }
            return
        }
        switch byte {
        case UInt8(ascii: "\""): json.inString = true
        case UInt8(ascii: "{"), UInt8(ascii: "["): json.depth += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"): json.depth -= 1
        default: break
        }
    }
}
