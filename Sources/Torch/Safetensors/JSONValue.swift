/// A JSON document read strictly from untrusted bytes.
///
/// Unlike Foundation's reader it keeps the order of keys, rejects duplicate keys and keeps integers exact;
/// nesting is bounded, and memory stays proportional to the input.
package enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object(Object)

    package struct Object: Equatable, Sendable {
        package private(set) var keys: [String] = []
        private var values: [String: JSONValue] = [:]

        package init() {}

        package subscript(key: String) -> JSONValue? { values[key] }
        package var count: Int { keys.count }

        /// Returns false, and changes nothing, when the key is there already.
        package mutating func insert(_ value: JSONValue, for key: String) -> Bool {
            guard values.updateValue(value, forKey: key) == nil else { return false }
            keys.append(key)
            return true
        }
    }

    /// What is wrong with a document, and at which byte.
    package struct ParseError: Error, CustomStringConvertible, Equatable {
        package let problem: String
        package let offset: Int
        package var description: String { "\(problem) at byte \(offset)" }
    }

    /// Reads one document; nothing but white space may follow it.
    package init(parsing bytes: UnsafeRawBufferPointer, maximumDepth: Int = 64) throws {
        var parser = JSONParser(bytes: bytes, maximumDepth: maximumDepth)
        self = try parser.document()
    }

    package init(parsing bytes: [UInt8], maximumDepth: Int = 64) throws {
        self = try bytes.withUnsafeBytes { try JSONValue(parsing: $0, maximumDepth: maximumDepth) }
    }

    package var stringValue: String? { if case .string(let value) = self { value } else { nil } }
    package var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }
    package var arrayValue: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    package var objectValue: Object? { if case .object(let value) = self { value } else { nil } }

    /// The integer, also where it was written as "1e3" or "4.0".
    package var intValue: Int? {
        switch self {
        case .integer(let value): value
        case .number(let value): Int(exactly: value)
        default: nil
        }
    }

    package var doubleValue: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }
}

private struct JSONParser {
    let bytes: UnsafeRawBufferPointer
    let maximumDepth: Int
    var position = 0

    mutating func document() throws -> JSONValue {
        let value = try self.value(depth: 0)
        skipSpace()
        guard position == bytes.count else { throw error("unexpected text after the document") }
        return value
    }

    func error(_ problem: String) -> JSONValue.ParseError { .init(problem: problem, offset: position) }

    mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    mutating func take(_ byte: Character) -> Bool {
        guard position < bytes.count, bytes[position] == byte.asciiValue else { return false }
        position += 1
        return true
    }

    mutating func value(depth: Int) throws -> JSONValue {
        guard depth < maximumDepth else { throw error("nesting deeper than \(maximumDepth)") }
        skipSpace()
        guard position < bytes.count else { throw error("unexpected end") }
        switch bytes[position] {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    mutating func word(_ word: StaticString, _ value: JSONValue) throws -> JSONValue {
        for index in 0..<word.utf8CodeUnitCount {
            guard position < bytes.count, bytes[position] == word.utf8Start[index] else { throw error("unknown word") }
            position += 1
        }
        return value
    }

    mutating func object(depth: Int) throws -> JSONValue {
        var object = JSONValue.Object()
        position += 1
        skipSpace()
        if take("}") { return .object(object) }
        repeat {
            skipSpace()
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { throw error("expected a key") }
            let key = try string()
            skipSpace()
            guard take(":") else { throw error("expected ':' after key '\(key)'") }
            guard object.insert(try value(depth: depth + 1), for: key) else { throw error("duplicate key '\(key)'") }
            skipSpace()
        } while take(",")
        guard take("}") else { throw error("expected ',' or '}'") }
        return .object(object)
    }

    mutating func array(depth: Int) throws -> JSONValue {
        var values: [JSONValue] = []
        position += 1
        skipSpace()
        if take("]") { return .array(values) }
        repeat {
            values.append(try value(depth: depth + 1))
            skipSpace()
        } while take(",")
        guard take("]") else { throw error("expected ',' or ']'") }
        return .array(values)
    }

    mutating func number() throws -> JSONValue {
        let start = position
        var isInteger = true
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): break
            case UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): isInteger = false
            default:
                return try number(from: start, isInteger: isInteger)
            }
            position += 1
        }
        return try number(from: start, isInteger: isInteger)
    }

    func number(from start: Int, isInteger: Bool) throws -> JSONValue {
        let text = String(decoding: UnsafeRawBufferPointer(rebasing: bytes[start..<position]), as: UTF8.self)
        if isInteger, let value = Int(text) { return .integer(value) }
        guard let value = Double(text), value.isFinite else { throw error("expected a value") }
        return .number(value)
    }

    mutating func string() throws -> String {
        position += 1
        var text: [UInt8] = []
        var runStart = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                text.append(contentsOf: bytes[runStart..<position])
                guard let string = String(validating: text, as: UTF8.self) else { throw error("text that is not UTF-8") }
                position += 1
                return string
            case UInt8(ascii: "\\"):
                text.append(contentsOf: bytes[runStart..<position])
                position += 1
                try text.append(contentsOf: String(escape()).utf8)
                runStart = position
            case 0..<0x20: throw error("control character in a string")
            default: position += 1
            }
        }
        throw error("unterminated string")
    }

    mutating func escape() throws -> Unicode.Scalar {
        guard position < bytes.count else { throw error("unterminated string") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape()
        default: throw error("unknown escape")
        }
    }

    mutating func unicodeEscape() throws -> Unicode.Scalar {
        let high = try hexadecimal()
        if let scalar = Unicode.Scalar(high) { return scalar }
        guard high < 0xDC00, take("\\"), take("u") else { throw error("half a surrogate pair") }
        let low = try hexadecimal()
        guard 0xDC00...0xDFFF ~= low, let scalar = Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00)) else {
            throw error("half a surrogate pair")
        }
        return scalar
    }

    mutating func hexadecimal() throws -> UInt32 {
        guard bytes.count - position >= 4 else { throw error("unterminated escape") }
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue else { throw error("bad escape") }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }
}
