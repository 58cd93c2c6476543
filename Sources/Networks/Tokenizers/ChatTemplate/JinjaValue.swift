/// A value of the template language, with Python's notions of truth, equality and spelling.
enum JinjaValue {
    case undefined
    case none
    case boolean(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case list([JinjaValue])
    case object([(key: String, value: JinjaValue)])
    case namespace(JinjaNamespace)

    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .boolean(let value): value
        case .integer(let value): value != 0
        case .number(let value): value != 0
        case .string(let value): !value.isEmpty
        case .list(let items): !items.isEmpty
        case .object(let members): !members.isEmpty
        case .namespace: true
        }
    }

    var typeName: String {
        switch self {
        case .undefined: "an undefined value"
        case .none: "none"
        case .boolean: "a boolean"
        case .integer, .number: "a number"
        case .string: "a string"
        case .list: "a list"
        case .object: "a mapping"
        case .namespace: "a namespace"
        }
    }

    /// How the value is written into the text.
    func text() throws(JinjaFailure) -> String {
        switch self {
        case .undefined: return ""
        case .none: return "None"
        case .boolean(let value): return value ? "True" : "False"
        case .integer(let value): return String(value)
        case .string(let value): return value
        case .number, .list, .object, .namespace: throw JinjaFailure("it writes \(typeName) as text, which is not supported")
        }
    }

    /// Numbers, with booleans counting as 0 and 1.
    private var numeric: Double? {
        switch self {
        case .boolean(let value): value ? 1 : 0
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    func equals(_ other: JinjaValue) -> Bool {
        if let a = numeric, let b = other.numeric { return a == b }
        switch (self, other) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.string(let a), .string(let b)): return a.unicodeScalars.elementsEqual(b.unicodeScalars)
        case (.list(let a), .list(let b)): return a.count == b.count && zip(a, b).allSatisfy { $0.equals($1) }
        case (.object(let a), .object(let b)):
            return a.count == b.count && a.allSatisfy { member in b.first { $0.key == member.key }?.value.equals(member.value) == true }
        case (.namespace(let a), .namespace(let b)): return a === b
        default: return false
        }
    }

    /// Negative, zero or positive as `self` is before, equal to or after `other`.
    func compared(with other: JinjaValue) throws(JinjaFailure) -> Int {
        if let a = numeric, let b = other.numeric { return a < b ? -1 : a > b ? 1 : 0 }
        guard case .string(let a) = self, case .string(let b) = other else {
            throw JinjaFailure("it compares \(typeName) with \(other.typeName)")
        }
        if a.unicodeScalars.elementsEqual(b.unicodeScalars) { return 0 }
        return a.unicodeScalars.lexicographicallyPrecedes(b.unicodeScalars) ? -1 : 1
    }

    func contains(_ item: JinjaValue) throws(JinjaFailure) -> Bool {
        switch (self, item) {
        case (.list(let items), _): return items.contains { $0.equals(item) }
        case (.object(let members), .string(let key)): return members.contains { $0.key == key }
        case (.string(let text), .string(let part)):
            return part.isEmpty || !TextPattern.literal(Array(part.utf8)).matches(in: Array(text.utf8)).isEmpty
        default: throw JinjaFailure("it looks for \(item.typeName) in \(typeName)")
        }
    }

    var count: Int? {
        switch self {
        case .string(let value): value.unicodeScalars.count
        case .list(let items): items.count
        case .object(let members): members.count
        default: nil
        }
    }

    /// What a `for` goes through.
    func items() throws(JinjaFailure) -> [JinjaValue] {
        switch self {
        case .list(let items): return items
        case .object(let members): return members.map { .string($0.key) }
        case .string(let value): return value.unicodeScalars.map { .string(String($0)) }
        case .undefined: return []
        default: throw JinjaFailure("it goes through \(typeName) as if it were a list")
        }
    }

    func member(_ key: String) -> JinjaValue {
        switch self {
        case .object(let members): members.first { $0.key == key }?.value ?? .undefined
        case .namespace(let namespace): namespace.members[key] ?? .undefined
        default: .undefined
        }
    }

    func element(_ index: JinjaValue) throws(JinjaFailure) -> JinjaValue {
        switch (self, index) {
        case (.undefined, _): throw JinjaFailure("it looks into an undefined value")
        case (_, .string(let key)): return member(key)
        case (.list(let items), .integer(let position)):
            let place = position < 0 ? position + items.count : position
            return items.indices.contains(place) ? items[place] : .undefined
        case (.string(let value), .integer(let position)):
            let scalars = Array(value.unicodeScalars)
            let place = position < 0 ? position + scalars.count : position
            return scalars.indices.contains(place) ? .string(String(scalars[place])) : .undefined
        default: throw JinjaFailure("it indexes \(typeName) with \(index.typeName)")
        }
    }

    /// Python's `self[start:stop:step]`.
    func slice(_ start: Int?, _ stop: Int?, _ step: Int) throws(JinjaFailure) -> JinjaValue {
        guard let count, step != 0 else { throw JinjaFailure("it takes a slice of \(typeName)") }
        func bound(_ index: Int?, default value: Int) -> Int {
            guard let index else { return value }
            let place = index < 0 ? index + count : index
            return step > 0 ? min(max(place, 0), count) : min(max(place, -1), count - 1)
        }
        let from = bound(start, default: step > 0 ? 0 : count - 1)
        let to = bound(stop, default: step > 0 ? count : -1)
        let places = Array(stride(from: from, to: to, by: step))
        switch self {
        case .list(let items): return .list(places.map { items[$0] })
        case .string(let value):
            let scalars = Array(value.unicodeScalars)
            return .string(String(String.UnicodeScalarView(places.map { scalars[$0] })))
        default: throw JinjaFailure("it takes a slice of \(typeName)")
        }
    }

    /// JSON as Python's `json.dumps(value, ensure_ascii=False, indent=indent)` writes it.
    func json(indent: Int?, level: Int = 0) throws(JinjaFailure) -> String {
        func joined(_ parts: [String], _ open: String, _ close: String) -> String {
            if parts.isEmpty { return open + close }
            guard let indent else { return open + parts.joined(separator: ", ") + close }
            let inner = "\n" + String(repeating: " ", count: indent * (level + 1))
            let outer = "\n" + String(repeating: " ", count: indent * level)
            return open + inner + parts.joined(separator: "," + inner) + outer + close
        }
        switch self {
        case .none: return "null"
        case .boolean(let value): return value ? "true" : "false"
        case .integer(let value): return String(value)
        case .string(let value): return Self.quoted(value)
        case .list(let items):
            var parts: [String] = []
            for item in items { parts.append(try item.json(indent: indent, level: level + 1)) }
            return joined(parts, "[", "]")
        case .object(let members):
            var parts: [String] = []
            for member in members {
                parts.append("\(Self.quoted(member.key)): \(try member.value.json(indent: indent, level: level + 1))")
            }
            return joined(parts, "{", "}")
        case .undefined, .number, .namespace: throw JinjaFailure("it writes \(typeName) as JSON")
        }
    }

    private static func quoted(_ text: String) -> String {
        var output = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": output += "\\\""
            case "\\": output += "\\\\"
            case "\n": output += "\\n"
            case "\r": output += "\\r"
            case "\t": output += "\\t"
            case "\u{8}": output += "\\b"
            case "\u{C}": output += "\\f"
            case ..<" ":
                let digits = String(scalar.value, radix: 16)
                output += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: output.unicodeScalars.append(scalar)
            }
        }
        return output + "\""
    }
}

/// A mutable set of names that outlives the loop it is changed in.
final class JinjaNamespace {
    var members: [String: JinjaValue]

    init(_ members: [String: JinjaValue]) { self.members = members }
}
