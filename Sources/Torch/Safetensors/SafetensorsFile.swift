/// A safetensors file, memory-mapped: the header is read and checked at once, tensors only when asked for.
///
/// Layout: 8 bytes little-endian header size; a JSON header `{name: {dtype, shape, data_offsets}}`, optionally with
/// `__metadata__`; then the elements, row-major and little-endian.
/// Source: the format description of https://github.com/huggingface/safetensors.
public final class SafetensorsFile: Sendable {
    /// Element types of the format, by their names in the header.
    public enum ElementType: String, Sendable, CaseIterable {
        case bool = "BOOL"
        case uint8 = "U8", int8 = "I8", float8e5m2 = "F8_E5M2", float8e4m3 = "F8_E4M3"
        case int16 = "I16", uint16 = "U16", float16 = "F16", bfloat16 = "BF16"
        case int32 = "I32", uint32 = "U32", float32 = "F32"
        case int64 = "I64", uint64 = "U64", float64 = "F64"

        /// Bytes per element.
        public var byteCount: Int {
            switch self {
            case .bool, .uint8, .int8, .float8e5m2, .float8e4m3: 1
            case .int16, .uint16, .float16, .bfloat16: 2
            case .int32, .uint32, .float32: 4
            case .int64, .uint64, .float64: 8
            }
        }
    }

    /// One tensor of the header.
    public struct Entry: Sendable, Equatable {
        public let name: String
        public let elementType: ElementType
        public let shape: [Int]
        /// Where its bytes lie, counted from the start of the file.
        public let byteRange: Range<Int>
    }

    /// The largest header accepted, as in the reference implementation: 100 MB.
    public static let maximumHeaderSize = 100_000_000

    /// The tensors in the order of their bytes.
    public let entries: [Entry]
    /// The free-form text pairs of `__metadata__`.
    public let metadata: [String: String]

    package let bytes: MappedBytes
    private let indices: [String: Int]

    /// Maps the file at `path` and checks its header against the file's size.
    /// - Throws: `FileAccessError` when it cannot be opened, `FileFormatError` when it is not valid safetensors.
    public convenience init(path: String) throws {
        try self.init(bytes: MappedBytes(path: path))
    }

    package init(bytes: MappedBytes) throws {
        self.bytes = bytes
        let header = try SafetensorsHeader(parsing: bytes)
        entries = header.entries
        metadata = header.metadata
        indices = Dictionary(uniqueKeysWithValues: header.entries.enumerated().map { ($1.name, $0) })
    }

    /// The path the file was opened with.
    public var path: String { bytes.path }

    /// The tensor's header entry, or nil when the file has no tensor of that name.
    public func entry(named name: String) -> Entry? {
        indices[name].map { entries[$0] }
    }

    /// Calls `body` with the bytes of `entry`, which must be one of this file's.
    public func withBytes<Result>(of entry: Entry, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        precondition(entry.byteRange.upperBound <= bytes.count, "withBytes(of:): '\(entry.name)' is not in this file")
        return try withExtendedLifetime(bytes) {
            try body(UnsafeRawBufferPointer(rebasing: bytes.buffer[entry.byteRange]))
        }
    }
}

/// The parsed and checked header.
private struct SafetensorsHeader {
    var entries: [SafetensorsFile.Entry] = []
    var metadata: [String: String] = [:]

    init(parsing bytes: MappedBytes) throws {
        func invalid(_ problem: String) -> FileFormatError {
            FileFormatError(path: bytes.path, format: "safetensors", problem: problem)
        }
        guard bytes.count >= 8 else { throw invalid("it has \(bytes.count) bytes, fewer than the 8 of the header size") }
        let declaredSize = UInt64(littleEndian: bytes.buffer.loadUnaligned(as: UInt64.self))
        guard declaredSize <= UInt64(SafetensorsFile.maximumHeaderSize), declaredSize <= UInt64(bytes.count - 8) else {
            throw invalid("its header size is \(declaredSize), but \(bytes.count - 8) bytes follow")
        }
        let dataStart = 8 + Int(declaredSize)
        let root: JSONValue
        do {
            root = try JSONValue(parsing: UnsafeRawBufferPointer(rebasing: bytes.buffer[8..<dataStart]), maximumDepth: 8)
        } catch let error as JSONValue.ParseError {
            throw invalid("its header is not valid JSON (\(error))")
        }
        guard let object = root.objectValue else { throw invalid("its header is not a JSON object") }

        entries.reserveCapacity(object.count)
        for name in object.keys {
            let value = object[name]!
            if name == "__metadata__" {
                metadata = try Self.metadata(value, invalid: invalid)
            } else {
                entries.append(try Self.entry(name, value, dataStart: dataStart, invalid: invalid))
            }
        }
        entries.sort { ($0.byteRange.lowerBound, $0.byteRange.upperBound) < ($1.byteRange.lowerBound, $1.byteRange.upperBound) }
        var end = dataStart
        for entry in entries {
            guard entry.byteRange.lowerBound == end else {
                throw invalid("the bytes of '\(entry.name)' leave a gap or overlap another tensor's")
            }
            end = entry.byteRange.upperBound
        }
        guard end == bytes.count else {
            throw invalid("its tensors end at byte \(end), but the file has \(bytes.count) bytes")
        }
    }

    private static func metadata(_ value: JSONValue, invalid: (String) -> FileFormatError) throws -> [String: String] {
        guard let object = value.objectValue else { throw invalid("'__metadata__' is not an object") }
        var metadata: [String: String] = [:]
        for key in object.keys {
            guard let text = object[key]?.stringValue else { throw invalid("metadata '\(key)' is not a string") }
            metadata[key] = text
        }
        return metadata
    }

    private static func entry(
        _ name: String, _ value: JSONValue, dataStart: Int, invalid: (String) -> FileFormatError
    ) throws -> SafetensorsFile.Entry {
        guard let object = value.objectValue, let typeName = object["dtype"]?.stringValue,
            let shape = object["shape"]?.arrayValue?.map(\.intValue),
            let offsets = object["data_offsets"]?.arrayValue?.map(\.intValue), offsets.count == 2
        else { throw invalid("tensor '\(name)' lacks a proper dtype, shape, or data_offsets") }
        guard let elementType = SafetensorsFile.ElementType(rawValue: typeName) else {
            throw invalid("tensor '\(name)' has the unknown dtype '\(typeName)'")
        }
        var byteCount = elementType.byteCount
        var sizes: [Int] = []
        for size in shape {
            guard let size, size >= 0, case let (product, overflow) = byteCount.multipliedReportingOverflow(by: size), !overflow
            else { throw invalid("tensor '\(name)' has an impossible shape") }
            byteCount = product
            sizes.append(size)
        }
        guard let start = offsets[0], let end = offsets[1], 0 <= start, start <= end, end - start == byteCount,
            case let (fileEnd, overflow) = end.addingReportingOverflow(dataStart), !overflow
        else {
            throw invalid("tensor '\(name)' of shape \(sizes) and dtype \(typeName) needs \(byteCount) bytes, which its data_offsets do not give")
        }
        return SafetensorsFile.Entry(
            name: name, elementType: elementType, shape: sizes, byteRange: (dataStart + start)..<fileEnd)
    }
}
