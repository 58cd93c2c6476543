import Foundation

/// Writes `documents.jsonl`: one document a line, `{"id":…,"title":…,"text":…}`.
struct DocumentWriter: ~Copyable {
    private let url: URL
    private let handle: FileHandle
    private var buffer: [UInt8] = []

    init(_ url: URL) throws(DataError) {
        self.url = url
        handle = try Files.access(url) {
            try Data().write(to: url)
            return try FileHandle(forWritingTo: url)
        }
    }

    mutating func write(_ document: Document) throws(DataError) {
        append("{\"id\":", document.id)
        append(",\"title\":", document.title)
        append(",\"text\":", document.text)
        buffer.append(contentsOf: "}\n".utf8)
        if buffer.count >= 1 << 20 { try flush() }
    }

    mutating func close() throws(DataError) {
        try flush()
        try Files.access(url) { try handle.close() }
    }

    private mutating func flush() throws(DataError) {
        try Files.access(url) { try handle.write(contentsOf: buffer) }
        buffer.removeAll(keepingCapacity: true)
    }

    private mutating func append(_ key: String, _ value: String) {
        buffer.append(contentsOf: key.utf8)
        buffer.append(UInt8(ascii: "\""))
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): buffer.append(contentsOf: [UInt8(ascii: "\\"), byte])
            case UInt8(ascii: "\n"): buffer.append(contentsOf: "\\n".utf8)
            case 0..<0x20: buffer.append(contentsOf: "\\u00\(byte < 16 ? "0" : "")\(String(byte, radix: 16))".utf8)
            default: buffer.append(byte)
            }
        }
        buffer.append(UInt8(ascii: "\""))
    }
}
