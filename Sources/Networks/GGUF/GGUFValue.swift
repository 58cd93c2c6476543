import Torch

/// A metadata value of a GGUF file.
public enum GGUFValue: Sendable {
    /// Any integer type; unsigned 64-bit values beyond `Int.max` are clamped to it.
    case integer(Int)
    case float(Double)
    case bool(Bool)
    case string(String)
    case numbers(GGUFNumbers)
    case strings(GGUFStrings)
    case arrays([GGUFValue])
}

/// An array of strings, read from the mapped file on access: a vocabulary costs no copies.
public struct GGUFStrings: RandomAccessCollection, Sendable {
    let bytes: MappedBytes
    /// The first byte of each string's content; its length is the eight bytes before.
    let offsets: [Int]

    public var startIndex: Int { 0 }
    public var endIndex: Int { offsets.count }

    /// The string, invalid UTF-8 repaired. Compare `utf8(at:)` where exact bytes matter, as in vocabularies.
    public subscript(position: Int) -> String { String(decoding: utf8(at: position), as: UTF8.self) }

    /// The exact bytes of the string.
    public func utf8(at position: Int) -> [UInt8] {
        let start = offsets[position]
        let length = Int(UInt64(littleEndian: bytes.buffer.loadUnaligned(fromByteOffset: start - 8, as: UInt64.self)))
        return Array(bytes.buffer[start..<start + length])
    }
}

/// An array of numbers or Booleans, read from the mapped file on access.
public struct GGUFNumbers: RandomAccessCollection, Sendable {
    let bytes: MappedBytes
    let start: Int
    public let count: Int
    let type: GGUFValueType

    public var startIndex: Int { 0 }
    public var endIndex: Int { count }

    /// The number as a Double; Booleans are 0 and 1.
    public subscript(position: Int) -> Double {
        switch type {
        case .float32: Double(Float(bitPattern: load(position)))
        case .float64: Double(bitPattern: load(position))
        default: Double(integer(at: position)!)
        }
    }

    /// The number, or nil when the array is not one of integers; clamped like `GGUFValue.integer`.
    public func integer(at position: Int) -> Int? {
        switch type {
        case .uint8, .bool: Int(load(position, as: UInt8.self))
        case .int8: Int(load(position, as: Int8.self))
        case .uint16: Int(load(position, as: UInt16.self))
        case .int16: Int(load(position, as: Int16.self))
        case .uint32: Int(load(position, as: UInt32.self))
        case .int32: Int(load(position, as: Int32.self))
        case .uint64: Int(clamping: load(position, as: UInt64.self))
        case .int64: Int(load(position, as: Int64.self))
        case .float32, .float64, .string, .array: nil
        }
    }

    private func load<Value: FixedWidthInteger>(_ position: Int, as _: Value.Type = Value.self) -> Value {
        precondition(indices.contains(position), "GGUFNumbers: index \(position) outside 0..<\(count)")
        let offset = start + position * MemoryLayout<Value>.size
        return Value(littleEndian: bytes.buffer.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }
}

/// The metadata of a GGUF file: keys in file order, and typed access with clear errors.
public struct GGUFMetadata: Sendable {
    public private(set) var keys: [String] = []
    private var values: [String: GGUFValue] = [:]
    private let path: String

    init(path: String) { self.path = path }

    mutating func insert(_ value: GGUFValue, for key: String) -> Bool {
        guard values.updateValue(value, forKey: key) == nil else { return false }
        keys.append(key)
        return true
    }

    public subscript(key: String) -> GGUFValue? { values[key] }

    /// The value of `key`, nil when there is none.
    /// - Throws: `FileFormatError` when the value is of another type.
    public func integer(_ key: String) throws -> Int? {
        try typed(key, "an integer") { if case .integer(let value) = $0 { value } else { nil } }
    }

    /// As `integer(_:)`; integers are accepted too.
    public func float(_ key: String) throws -> Double? {
        try typed(key, "a number") {
            switch $0 {
            case .float(let value): value
            case .integer(let value): Double(value)
            default: nil
            }
        }
    }

    /// As `integer(_:)`.
    public func bool(_ key: String) throws -> Bool? {
        try typed(key, "a Boolean") { if case .bool(let value) = $0 { value } else { nil } }
    }

    /// As `integer(_:)`.
    public func string(_ key: String) throws -> String? {
        try typed(key, "a string") { if case .string(let value) = $0 { value } else { nil } }
    }

    /// As `integer(_:)`.
    public func strings(_ key: String) throws -> GGUFStrings? {
        try typed(key, "an array of strings") { if case .strings(let value) = $0 { value } else { nil } }
    }

    /// As `integer(_:)`.
    public func numbers(_ key: String) throws -> GGUFNumbers? {
        try typed(key, "an array of numbers") { if case .numbers(let value) = $0 { value } else { nil } }
    }

    /// The value that `access` gives for a key that must be there, e.g. `required("llama.block_count", integer)`.
    public func required<Value>(_ key: String, _ access: (String) throws -> Value?) throws -> Value {
        guard let value = try access(key) else {
            throw FileFormatError(path: path, format: "GGUF", problem: "the metadata key '\(key)' is missing")
        }
        return value
    }

    private func typed<Value>(_ key: String, _ expected: String, _ convert: (GGUFValue) -> Value?) throws -> Value? {
        guard let value = values[key] else { return nil }
        guard let converted = convert(value) else {
            throw FileFormatError(path: path, format: "GGUF", problem: "the metadata '\(key)' is not \(expected)")
        }
        return converted
    }
}
