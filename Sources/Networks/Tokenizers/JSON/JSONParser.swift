/// A strict parser (RFC 8259) into the node list of `JSONDocument`.
struct JSONParser {
    struct Failure: Error {
        var reason: String
        var offset: Int
    }

    private let bytes: [UInt8]
    private var position = 0
    private var nodes: [JSONDocument.Node] = []

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    mutating func parse() throws(Failure) -> [JSONDocument.Node] {
        nodes.reserveCapacity(bytes.count / 6)
        try value(depth: 0)
        skipSpace()
        if position < bytes.count { throw failure("there is text after the end of the value") }
        return nodes
    }

    private func failure(_ reason: String) -> Failure { Failure(reason: reason, offset: position) }

    @inline(__always) private var current: UInt8 { position < bytes.count ? bytes[position] : 0 }

    @inline(__always)
    private mutating func skipSpace() {
        while position < bytes.count, case let byte = bytes[position], byte == 32 || byte == 10 || byte == 13 || byte == 9 {
            position += 1
        }
    }

    private mutating func value(depth: Int) throws(Failure) {
        if depth > JSONDocument.maximumDepth { throw failure("values are nested more than \(JSONDocument.maximumDepth) deep") }
        skipSpace()
        switch current {
        case UInt8(ascii: "{"): try container(.object, closing: UInt8(ascii: "}"), depth: depth)
        case UInt8(ascii: "["): try container(.array, closing: UInt8(ascii: "]"), depth: depth)
        case UInt8(ascii: "\""): try string()
        case UInt8(ascii: "t"): try literal("true", .true)
        case UInt8(ascii: "f"): try literal("false", .false)
        case UInt8(ascii: "n"): try literal("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
        default: throw failure(position < bytes.count ? "a value was expected" : "the text ends in the middle of a value")
        }
    }

    private mutating func container(_ kind: JSONDocument.Kind, closing: UInt8, depth: Int) throws(Failure) {
        let index = nodes.count
        nodes.append(.init(kind: kind, start: UInt32(position), end: 0, next: 0))
        position += 1
        skipSpace()
        if current == closing {
            position += 1
        } else {
            while true {
                if kind == .object {
                    skipSpace()
                    guard current == UInt8(ascii: "\"") else { throw failure("a key was expected") }
                    try string()
                    skipSpace()
                    guard current == UInt8(ascii: ":") else { throw failure("\":\" was expected after a key") }
                    position += 1
                }
                try value(depth: depth + 1)
                skipSpace()
                if current == UInt8(ascii: ",") {
                    position += 1
                } else if current == closing {
                    position += 1
                    break
                } else {
                    throw failure("\",\" or the end of the \(kind == .array ? "array" : "object") was expected")
                }
            }
        }
        nodes[index].end = UInt32(position)
        nodes[index].next = UInt32(nodes.count)
    }

    private mutating func append(_ kind: JSONDocument.Kind, from start: Int, to end: Int) {
        nodes.append(.init(kind: kind, start: UInt32(start), end: UInt32(end), next: UInt32(nodes.count + 1)))
    }

    private mutating func literal(_ word: StaticString, _ kind: JSONDocument.Kind) throws(Failure) {
        let start = position
        for offset in 0..<word.utf8CodeUnitCount {
            guard current == word.utf8Start[offset] else { throw failure("a value was expected") }
            position += 1
        }
        append(kind, from: start, to: position)
    }

    private mutating func number() throws(Failure) {
        let start = position
        if current == UInt8(ascii: "-") { position += 1 }
        let first = current
        try digits()
        if first == UInt8(ascii: "0"), position - start > (bytes[start] == first ? 1 : 2) {
            throw failure("a number begins with a superfluous zero")
        }
        if current == UInt8(ascii: ".") {
            position += 1
            try digits()
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            position += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
            try digits()
        }
        append(.number, from: start, to: position)
    }

    private mutating func digits() throws(Failure) {
        let start = position
        while current >= UInt8(ascii: "0"), current <= UInt8(ascii: "9") { position += 1 }
        if position == start { throw failure("a digit was expected") }
    }

    /// Checks a string and records it; escapes are resolved only when it is asked for.
    private mutating func string() throws(Failure) {
        position += 1
        let start = position
        var escaped = false
        var all: UInt8 = 0
        while true {
            guard position < bytes.count else { throw failure("the text ends in the middle of a string") }
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") { break }
            if byte < 32 { throw failure("a control character in a string is not escaped") }
            if byte == UInt8(ascii: "\\") {
                escaped = true
                try escape()
            } else {
                all |= byte
                position += 1
            }
        }
        if all >= 0x80, !Self.isValidUTF8(bytes[start..<position]) {
            throw Failure(reason: "a string is not valid UTF-8", offset: start)
        }
        append(escaped ? .escapedString : .string, from: start, to: position)
        position += 1
    }

    private static func isValidUTF8(_ slice: ArraySlice<UInt8>) -> Bool {
        slice.withUnsafeBufferPointer { String(validating: $0, as: UTF8.self) != nil }
    }

    private mutating func escape() throws(Failure) {
        position += 1
        switch current {
        case UInt8(ascii: "u"):
            position += 1
            let unit = try hexadecimal()
            if (0xDC00..<0xE000).contains(unit) { throw failure("a surrogate stands alone") }
            if (0xD800..<0xDC00).contains(unit) {
                guard current == UInt8(ascii: "\\") else { throw failure("a surrogate stands alone") }
                position += 1
                guard current == UInt8(ascii: "u") else { throw failure("a surrogate stands alone") }
                position += 1
                guard (0xDC00..<0xE000).contains(try hexadecimal()) else { throw failure("a surrogate stands alone") }
            }
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 1
        default:
            throw failure("an escape in a string is not known")
        }
    }

    private mutating func hexadecimal() throws(Failure) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Self.hexadecimalDigit(current) else { throw failure("four hexadecimal digits were expected") }
            value = value << 4 | digit
            position += 1
        }
        return value
    }

    private static func hexadecimalDigit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }

    /// Resolves the escapes of a string that `string()` has accepted.
    static func unescaped(_ slice: ArraySlice<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(slice.count)
        var index = slice.startIndex
        func unit() -> UInt32 {
            defer { index += 4 }
            return slice[index..<index + 4].reduce(0) { $0 << 4 | (hexadecimalDigit($1) ?? 0) }
        }
        while index < slice.endIndex {
            let byte = slice[index]
            index += 1
            guard byte == UInt8(ascii: "\\") else {
                output.append(byte)
                continue
            }
            let kind = slice[index]
            index += 1
            switch kind {
            case UInt8(ascii: "u"):
                var scalar = unit()
                if (0xD800..<0xDC00).contains(scalar) {
                    index += 2
                    scalar = 0x10000 + (scalar - 0xD800) << 10 + (unit() - 0xDC00)
                }
                UTF8Text.append(scalar, to: &output)
            case UInt8(ascii: "b"): output.append(8)
            case UInt8(ascii: "f"): output.append(12)
            case UInt8(ascii: "n"): output.append(10)
            case UInt8(ascii: "r"): output.append(13)
            case UInt8(ascii: "t"): output.append(9)
            default: output.append(kind)
            }
        }
        return output
    }
}
