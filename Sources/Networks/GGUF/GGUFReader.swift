import Torch

/// Reads the primitive values of a GGUF header in order; no read leaves the file.
struct GGUFReader {
    let bytes: MappedBytes
    private(set) var position = 0

    /// Arrays of arrays are legal but unused; the bound keeps hostile files from exhausting the stack.
    static let maximumArrayDepth = 4

    init(_ bytes: MappedBytes) { self.bytes = bytes }

    var remaining: Int { bytes.count - position }

    func invalid(_ problem: String) -> FileFormatError {
        FileFormatError(path: bytes.path, format: "GGUF", problem: problem)
    }

    mutating func integer<Value: FixedWidthInteger>(_: Value.Type = Value.self) throws -> Value {
        let start = try take(MemoryLayout<Value>.size)
        return Value(littleEndian: bytes.buffer.loadUnaligned(fromByteOffset: start, as: Value.self))
    }

    /// Advances over `count` bytes and returns where they start.
    private mutating func take(_ count: Int) throws -> Int {
        guard count <= remaining else { throw invalid("its header ends early, at byte \(bytes.count)") }
        defer { position += count }
        return position
    }

    /// A 64-bit count of things that each take at least `minimumByteCount` bytes of the rest of the file.
    mutating func count(of what: String, minimumByteCount: Int) throws -> Int {
        let value: UInt64 = try integer()
        guard value <= UInt64(remaining / minimumByteCount) else {
            throw invalid("it declares \(value) \(what), more than the file can hold")
        }
        return Int(value)
    }

    /// The byte range of a string's content.
    mutating func stringRange() throws -> Range<Int> {
        let length = try count(of: "bytes of text", minimumByteCount: 1)
        let start = try take(length)
        return start..<start + length
    }

    /// A name, which must be UTF-8.
    mutating func name(of what: String) throws -> String {
        let range = try stringRange()
        guard let name = String(validating: UnsafeRawBufferPointer(rebasing: bytes.buffer[range]), as: UTF8.self) else {
            throw invalid("the name of a \(what) is not UTF-8")
        }
        return name
    }

    mutating func value(for key: String) throws -> GGUFValue {
        try value(of: valueType(for: key), key: key)
    }

    private mutating func valueType(for key: String) throws -> GGUFValueType {
        let number: UInt32 = try integer()
        guard let type = GGUFValueType(rawValue: number) else {
            throw invalid("metadata '\(key)' has the unknown value type \(number)")
        }
        return type
    }

    private mutating func value(of type: GGUFValueType, key: String) throws -> GGUFValue {
        switch type {
        case .uint8: .integer(Int(try integer(UInt8.self)))
        case .int8: .integer(Int(try integer(Int8.self)))
        case .uint16: .integer(Int(try integer(UInt16.self)))
        case .int16: .integer(Int(try integer(Int16.self)))
        case .uint32: .integer(Int(try integer(UInt32.self)))
        case .int32: .integer(Int(try integer(Int32.self)))
        case .int64: .integer(Int(try integer(Int64.self)))
        case .uint64: .integer(Int(clamping: try integer(UInt64.self)))
        case .float32: .float(Double(Float(bitPattern: try integer())))
        case .float64: .float(Double(bitPattern: try integer()))
        case .bool: .bool(try integer(UInt8.self) != 0)
        case .string: .string(String(decoding: UnsafeRawBufferPointer(rebasing: bytes.buffer[try stringRange()]), as: UTF8.self))
        case .array: try array(key: key, depth: 1)
        }
    }

    private mutating func array(key: String, depth: Int) throws -> GGUFValue {
        guard depth <= Self.maximumArrayDepth else { throw invalid("metadata '\(key)' nests arrays too deeply") }
        let type = try valueType(for: key)
        let count = try count(of: "values in '\(key)'", minimumByteCount: type.minimumByteCount)
        switch type {
        case .string:
            var offsets: [Int] = []
            offsets.reserveCapacity(count)
            for _ in 0..<count { offsets.append(try stringRange().lowerBound) }
            return .strings(GGUFStrings(bytes: bytes, offsets: offsets))
        case .array:
            var values: [GGUFValue] = []
            for _ in 0..<count { values.append(try array(key: key, depth: depth + 1)) }
            return .arrays(values)
        default:
            let start = try take(count * type.minimumByteCount)
            return .numbers(GGUFNumbers(bytes: bytes, start: start, count: count, type: type))
        }
    }
}

/// The types of metadata values, by their numbers in the file.
enum GGUFValueType: UInt32 {
    case uint8, int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

    /// The size of a number; the size of the length fields of a string or an array.
    var minimumByteCount: Int {
        switch self {
        case .uint8, .int8, .bool: 1
        case .uint16, .int16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64, .string: 8
        case .array: 12
        }
    }
}
