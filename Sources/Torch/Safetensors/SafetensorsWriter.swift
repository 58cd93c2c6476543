import Foundation

/// Writes safetensors files: elements in the order of alignment, then name, so equal content gives equal bytes.
public enum SafetensorsWriter {
    /// One tensor to be written; `bytes` hands over its row-major little-endian elements when their turn comes.
    public struct Item {
        public let name: String
        public let elementType: SafetensorsFile.ElementType
        public let shape: [Int]
        let writeBytes: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void

        /// - Parameter bytes: called once with a consumer; it must pass exactly the elements of `shape`, in one or more pieces.
        public init(
            name: String, elementType: SafetensorsFile.ElementType, shape: [Int],
            bytes: @escaping ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
        ) {
            self.name = name
            self.elementType = elementType
            self.shape = shape
            writeBytes = bytes
        }

        var byteCount: Int { shape.reduce(elementType.byteCount, *) }
    }

    /// Writes `items` to `path`: first to a temporary file beside it, which is synchronised to disk and renamed.
    /// After an error or an interruption `path` is as it was before.
    /// - Throws: `FileAccessError` when the disk is full or the folder is not writable.
    public static func write(_ items: [Item], metadata: [String: String] = [:], to path: String) throws {
        let ordered = ordered(items)
        let file = try AtomicFile(path: path)
        try header(of: ordered, metadata: metadata).withUnsafeBytes(file.write)
        for item in ordered {
            var written = 0
            try item.writeBytes { piece in
                written += piece.count
                try file.write(piece)
            }
            precondition(written == item.byteCount, "write: '\(item.name)' \(item.shape) gave \(written) bytes of \(item.byteCount)")
        }
        try file.commit()
    }

    /// The bytes of the file that ``write(_:metadata:to:)`` would write.
    public static func fileByteCount(of items: [Item], metadata: [String: String] = [:]) -> Int {
        items.reduce(header(of: ordered(items), metadata: metadata).count) { $0 + $1.byteCount }
    }

    private static func ordered(_ items: [Item]) -> [Item] {
        items.sorted { ($1.elementType.byteCount, $0.name) < ($0.elementType.byteCount, $1.name) }
    }

    /// Header size and header, padded with spaces so that the elements start at a multiple of 8.
    static func header(of items: [Item], metadata: [String: String]) -> [UInt8] {
        var fields: [String] = []
        if !metadata.isEmpty {
            let pairs = metadata.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(quoted($0.value))" }
            fields.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
        }
        var offset = 0
        var names: Set<String> = ["__metadata__"]
        for item in items {
            precondition(names.insert(item.name).inserted, "write: the tensor name '\(item.name)' is reserved or appears twice")
            let end = offset + item.byteCount
            fields.append(
                "\(quoted(item.name)):{\"dtype\":\"\(item.elementType.rawValue)\",\"shape\":\(item.shape.map(String.init).bracketed),"
                    + "\"data_offsets\":[\(offset),\(end)]}")
            offset = end
        }
        var json = Array("{\(fields.joined(separator: ","))}".utf8)
        json.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - json.count % 8) % 8))
        return withUnsafeBytes(of: UInt64(json.count).littleEndian, Array.init) + json
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{0}"..<"\u{20}":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

extension [String] {
    fileprivate var bracketed: String { "[\(joined(separator: ","))]" }
}

/// A file that appears under its name only when it is complete.
package final class AtomicFile {
    private let path: String
    private let temporaryPath: String
    private var descriptor: Int32

    /// Creates the temporary file in the folder of `path`.
    package init(path: String) throws {
        self.path = path
        temporaryPath = "\(path).\(getpid()).\(UInt32.random(in: 0 ... .max)).tmp"
        descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Self.error(path) }
    }

    private static func error(_ path: String) -> FileAccessError {
        FileAccessError(path: path, action: "written", reason: String(cString: strerror(errno)))
    }

    /// Appends all of `bytes`.
    package func write(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = UnsafeRawBufferPointer(rebasing: rest)
            // The kernel takes at most 2 GiB a call.
            let count = Foundation.write(descriptor, piece.baseAddress, min(piece.count, 1 << 30))
            if count < 0 {
                if errno == EINTR { continue }
                throw Self.error(path)
            }
            rest = rest.dropFirst(count)
        }
    }

    /// Synchronises to disk and renames; afterwards the file is at its path.
    package func commit() throws {
        guard fsync(descriptor) == 0 else { throw Self.error(path) }
        let status = close(descriptor)
        descriptor = -1
        guard status == 0, rename(temporaryPath, path) == 0 else {
            let error = Self.error(path)
            unlink(temporaryPath)
            throw error
        }
        let folder = open((path as NSString).deletingLastPathComponent.isEmpty ? "." : (path as NSString).deletingLastPathComponent, O_RDONLY)
        if folder >= 0 {
            fsync(folder)
            close(folder)
        }
    }

    /// A file of some bytes, complete or not at all.
    package static func write(_ bytes: [UInt8], to path: String) throws {
        let file = try AtomicFile(path: path)
        try bytes.withUnsafeBytes { try file.write($0) }
        try file.commit()
    }

    /// A file of JSON for people to read: indented, keys in the order of the alphabet.
    package static func write(json value: some Encodable, to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try write(Array(encoder.encode(value)), to: path)
    }

    deinit {
        guard descriptor >= 0 else { return }
        close(descriptor)
        unlink(temporaryPath)
    }
}
