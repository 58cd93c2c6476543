/// Operators, filters, tests and methods of the template language.
enum JinjaFunctions {
    struct Arguments {
        var positional: [JinjaValue]
        var named: [String: JinjaValue]

        func string(_ index: Int) throws(JinjaFailure) -> String? {
            guard index < positional.count else { return nil }
            guard case .string(let value) = positional[index] else {
                throw JinjaFailure("an argument should be a string, not \(positional[index].typeName)")
            }
            return value
        }
    }

    // MARK: Operators

    static func binary(_ operation: String, _ left: JinjaValue, _ right: JinjaValue) throws(JinjaFailure) -> JinjaValue {
        switch operation {
        case "==": return .boolean(left.equals(right))
        case "!=": return .boolean(!left.equals(right))
        case "<": return .boolean(try left.compared(with: right) < 0)
        case ">": return .boolean(try left.compared(with: right) > 0)
        case "<=": return .boolean(try left.compared(with: right) <= 0)
        case ">=": return .boolean(try left.compared(with: right) >= 0)
        case "in": return .boolean(try right.contains(left))
        case "~": return .string(try left.text() + right.text())
        default: return try arithmetic(operation, left, right)
        }
    }

    private static func arithmetic(
        _ operation: String, _ left: JinjaValue, _ right: JinjaValue
    ) throws(JinjaFailure) -> JinjaValue {
        switch (operation, left, right) {
        case ("+", .string(let a), .string(let b)): return .string(a + b)
        case ("+", .list(let a), .list(let b)): return .list(a + b)
        case (_, .integer(let a), .integer(let b)):
            if let result = integer(operation, a, b) { return .integer(result) }
        default: break
        }
        throw JinjaFailure("\"\(operation)\" between \(left.typeName) and \(right.typeName) is not supported")
    }

    /// Python's integer arithmetic: quotients are rounded down, remainders have the divisor's sign.
    private static func integer(_ operation: String, _ a: Int, _ b: Int) -> Int? {
        let (result, hasOverflowed): (Int, Bool)
        switch operation {
        case "+": (result, hasOverflowed) = a.addingReportingOverflow(b)
        case "-": (result, hasOverflowed) = a.subtractingReportingOverflow(b)
        case "*": (result, hasOverflowed) = a.multipliedReportingOverflow(by: b)
        case "//", "%":
            guard b != 0, !(a == .min && b == -1) else { return nil }
            let remainder = a % b
            let crosses = remainder != 0 && (remainder < 0) != (b < 0)
            return operation == "%" ? (crosses ? remainder + b : remainder) : a / b - (crosses ? 1 : 0)
        default: return nil
        }
        return hasOverflowed ? nil : result
    }

    static func range(_ arguments: Arguments) throws(JinjaFailure) -> [JinjaValue] {
        var bounds: [Int] = []
        for argument in arguments.positional {
            guard case .integer(let value) = argument, abs(value) <= 1_000_000 else {
                throw JinjaFailure("range needs integers of at most a million")
            }
            bounds.append(value)
        }
        guard (1...3).contains(bounds.count), bounds.count < 3 || bounds[2] != 0 else { throw JinjaFailure("range needs 1 to 3 integers") }
        return stride(
            from: bounds.count == 1 ? 0 : bounds[0], to: bounds.count == 1 ? bounds[0] : bounds[1],
            by: bounds.count == 3 ? bounds[2] : 1
        ).map { .integer($0) }
    }

    // MARK: Tests

    static func test(_ name: String, _ value: JinjaValue) throws(JinjaFailure) -> Bool {
        switch (name, value) {
        case ("defined", _): return !value.isUndefined
        case ("undefined", _): return value.isUndefined
        case ("none", .none): return true
        case ("none", _): return false
        case ("string", .string): return true
        case ("string", _): return false
        case ("mapping", .object): return true
        case ("mapping", _): return false
        case ("number", .integer), ("number", .number), ("number", .boolean): return true
        case ("number", _): return false
        case ("integer", .integer): return true
        case ("integer", _): return false
        case ("boolean", .boolean): return true
        case ("boolean", _): return false
        case ("true", .boolean(true)), ("false", .boolean(false)): return true
        case ("true", _), ("false", _): return false
        case ("sequence", .list), ("sequence", .string), ("sequence", .object): return true
        case ("sequence", _): return false
        case ("iterable", .list), ("iterable", .string), ("iterable", .object), ("iterable", .undefined): return true
        case ("iterable", _): return false
        default: throw JinjaFailure("the test \"\(name)\" is not supported")
        }
    }

    // MARK: Filters

    static func filter(_ name: String, _ value: JinjaValue, _ arguments: Arguments) throws(JinjaFailure) -> JinjaValue {
        switch name {
        case "trim", "upper", "lower":
            let text = try value.text()
            return .string(name == "trim" ? stripped(text, set: nil) : name == "upper" ? text.uppercased() : text.lowercased())
        case "length", "count":
            guard let count = value.count else { throw JinjaFailure("it takes the length of \(value.typeName)") }
            return .integer(count)
        case "default", "d":
            let alternative = arguments.positional.first ?? .string("")
            let alsoIfFalse = arguments.positional.count > 1 && arguments.positional[1].isTrue
                || arguments.named["boolean"]?.isTrue == true
            return value.isUndefined || alsoIfFalse && !value.isTrue ? alternative : value
        case "tojson":
            guard let indent = arguments.named["indent"] ?? arguments.positional.first else { return .string(try value.json(indent: nil)) }
            guard case .integer(let width) = indent, (0...16).contains(width) else { throw JinjaFailure("tojson has a faulty indent") }
            return .string(try value.json(indent: width))
        case "first", "last":
            let items = try value.items()
            return (name == "first" ? items.first : items.last) ?? .undefined
        case "list": return .list(try value.items())
        case "items": return try method("items", of: value, arguments)
        case "string": return .string(try value.text())
        case "safe": return value
        case "int":
            if case .integer = value { return value }
            return .integer(Int(stripped(try value.text(), set: nil)) ?? 0)
        case "join":
            var texts: [String] = []
            for item in try value.items() { texts.append(try item.text()) }
            return .string(texts.joined(separator: try arguments.string(0) ?? ""))
        case "replace": return try method("replace", of: .string(try value.text()), arguments)
        default: throw JinjaFailure("the filter \"\(name)\" is not supported")
        }
    }

    // MARK: Methods

    static func method(_ name: String, of value: JinjaValue, _ arguments: Arguments) throws(JinjaFailure) -> JinjaValue {
        switch value {
        case .string(let text): return try method(name, of: text, arguments)
        case .object(let members):
            switch name {
            case "items": return .list(members.map { .list([.string($0.key), $0.value]) })
            case "keys": return .list(members.map { .string($0.key) })
            case "values": return .list(members.map(\.value))
            case "get":
                let key = try arguments.string(0) ?? ""
                return members.first { $0.key == key }?.value ?? (arguments.positional.count > 1 ? arguments.positional[1] : .none)
            default: break
            }
        default: break
        }
        throw JinjaFailure("the method \"\(name)\" of \(value.typeName) is not supported")
    }

    private static func method(_ name: String, of text: String, _ arguments: Arguments) throws(JinjaFailure) -> JinjaValue {
        switch name {
        case "strip": return .string(stripped(text, set: try arguments.string(0)))
        case "lstrip": return .string(stripped(text, set: try arguments.string(0), right: false))
        case "rstrip": return .string(stripped(text, set: try arguments.string(0), left: false))
        case "upper": return .string(text.uppercased())
        case "lower": return .string(text.lowercased())
        case "startswith": return .boolean(Array(text.utf8).starts(with: Array((try arguments.string(0) ?? "").utf8)))
        case "endswith":
            return .boolean(Array(text.utf8).reversed().starts(with: Array((try arguments.string(0) ?? "").utf8).reversed()))
        case "split": return .list(try split(text, at: try arguments.string(0)).map { .string($0) })
        case "replace":
            guard let old = try arguments.string(0), let new = try arguments.string(1), !old.isEmpty else {
                throw JinjaFailure("replace needs two strings")
            }
            return .string(try split(text, at: old).joined(separator: new))
        default: throw JinjaFailure("the method \"\(name)\" of a string is not supported")
        }
    }

    /// Without a separator, at runs of white space.
    private static func split(_ text: String, at separator: String?) throws(JinjaFailure) -> [String] {
        guard let separator else {
            return text.unicodeScalars.split { $0.properties.isWhitespace }.map { String($0) }
        }
        if separator.isEmpty { throw JinjaFailure("a string is split at an empty separator") }
        let bytes = Array(text.utf8)
        var parts: [String] = []
        var done = 0
        for match in TextPattern.literal(Array(separator.utf8)).matches(in: bytes) {
            parts.append(String(decoding: bytes[done..<match.lowerBound], as: UTF8.self))
            done = match.upperBound
        }
        return parts + [String(decoding: bytes[done...], as: UTF8.self)]
    }

    /// Without the characters of `set`, or white space, at its ends.
    private static func stripped(_ text: String, set: String?, left: Bool = true, right: Bool = true) -> String {
        func isStripped(_ scalar: Unicode.Scalar) -> Bool {
            set.map { $0.unicodeScalars.contains(scalar) } ?? (scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value))
        }
        var scalars = text.unicodeScalars[...]
        if left { scalars = scalars.drop(while: isStripped) }
        if right { while let last = scalars.last, isStripped(last) { scalars.removeLast() } }
        return String(scalars)
    }
}

extension JinjaValue {
    fileprivate var isUndefined: Bool { if case .undefined = self { true } else { false } }
}
