/// Parses the tokens of one tag by recursive descent, with Jinja's precedences.
struct JinjaExpressionParser {
    private let tokens: [JinjaToken]
    private var position = 0
    private var depth = 0
    private static let maximumDepth = 64

    init(_ tokens: [JinjaToken]) { self.tokens = tokens }

    var isAtEnd: Bool { position == tokens.count }
    private var current: JinjaToken? { position < tokens.count ? tokens[position] : nil }

    mutating func accept(_ token: JinjaToken) -> Bool {
        guard current == token else { return false }
        position += 1
        return true
    }

    mutating func expect(_ token: JinjaToken) throws(JinjaFailure) {
        guard accept(token) else { throw JinjaFailure("\(Self.text(token)) was expected \(place)") }
    }

    func end() throws(JinjaFailure) {
        if let current { throw JinjaFailure("\(Self.text(current)) is not expected in an expression") }
    }

    private var place: String { current.map { "before \(Self.text($0))" } ?? "at the end of a tag" }

    private static func text(_ token: JinjaToken) -> String {
        switch token {
        case .name(let text), .symbol(let text): "\"\(text)\""
        case .string: "a string"
        case .integer, .number: "a number"
        }
    }

    mutating func name() throws(JinjaFailure) -> String {
        guard case .name(let name)? = current else { throw JinjaFailure("a name was expected \(place)") }
        position += 1
        return name
    }

    mutating func names() throws(JinjaFailure) -> [String] {
        var names = [try name()]
        while accept(.symbol(",")) { names.append(try name()) }
        return names
    }

    /// An expression with nothing after it.
    mutating func whole() throws(JinjaFailure) -> JinjaExpression {
        let expression = try conditional()
        try end()
        return expression
    }

    mutating func conditional() throws(JinjaFailure) -> JinjaExpression {
        depth += 1
        defer { depth -= 1 }
        if depth > Self.maximumDepth { throw JinjaFailure("its expressions are nested too deep") }
        var expression = try disjunction()
        while accept(.name("if")) {
            let condition = try disjunction()
            let otherwise: JinjaExpression? = accept(.name("else")) ? try conditional() : nil
            expression = .conditional(condition: condition, then: expression, otherwise: otherwise)
        }
        return expression
    }

    mutating func disjunction() throws(JinjaFailure) -> JinjaExpression {
        var left = try conjunction()
        while accept(.name("or")) { left = .binary("or", left, try conjunction()) }
        return left
    }

    private mutating func conjunction() throws(JinjaFailure) -> JinjaExpression {
        var left = try negation()
        while accept(.name("and")) { left = .binary("and", left, try negation()) }
        return left
    }

    private mutating func negation() throws(JinjaFailure) -> JinjaExpression {
        var isNegated = false
        while accept(.name("not")) { isNegated.toggle() }
        let expression = try comparison()
        return isNegated ? .not(expression) : expression
    }

    private mutating func comparison() throws(JinjaFailure) -> JinjaExpression {
        let left = try binary(level: 0)
        var operation: String?
        if case .symbol(let symbol)? = current, ["==", "!=", "<", ">", "<=", ">="].contains(symbol) {
            position += 1
            operation = symbol
        } else if accept(.name("in")) {
            operation = "in"
        } else if current == .name("not"), position + 1 < tokens.count, tokens[position + 1] == .name("in") {
            position += 2
            return .not(.binary("in", left, try binary(level: 0)))
        }
        guard let operation else { return left }
        let expression = JinjaExpression.binary(operation, left, try binary(level: 0))
        if case .symbol(let symbol)? = current, ["==", "!=", "<", ">", "<=", ">="].contains(symbol) {
            throw JinjaFailure("a chain of comparisons is not supported")
        }
        return expression
    }

    /// Left-associative operators, the loosest first.
    private static let levels = [["+", "-"], ["~"], ["*", "/", "//", "%"]]

    private mutating func binary(level: Int) throws(JinjaFailure) -> JinjaExpression {
        if level == Self.levels.count { return try unary() }
        var left = try binary(level: level + 1)
        while case .symbol(let symbol)? = current, Self.levels[level].contains(symbol) {
            position += 1
            left = .binary(symbol, left, try binary(level: level + 1))
        }
        return left
    }

    private mutating func unary() throws(JinjaFailure) -> JinjaExpression {
        depth += 1
        defer { depth -= 1 }
        if depth > Self.maximumDepth { throw JinjaFailure("its expressions are nested too deep") }
        if accept(.symbol("-")) { return .negative(try unary()) }
        return try postfix(try primary())
    }

    private mutating func primary() throws(JinjaFailure) -> JinjaExpression {
        guard let token = current else { throw JinjaFailure("an expression is missing at the end of a tag") }
        position += 1
        switch token {
        case .string(let first):
            // Strings next to each other are one.
            var text = first
            while case .string(let more)? = current {
                text += more
                position += 1
            }
            return .literal(.string(text))
        case .integer(let value): return .literal(.integer(value))
        case .number(let value): return .literal(.number(value))
        case .name("true"), .name("True"): return .literal(.boolean(true))
        case .name("false"), .name("False"): return .literal(.boolean(false))
        case .name("none"), .name("None"): return .literal(.none)
        case .name(let name): return .name(name)
        case .symbol("("):
            let inner = try conditional()
            if current == .symbol(",") { throw JinjaFailure("a tuple is not supported") }
            try expect(.symbol(")"))
            return inner
        case .symbol("["): return .list(try items(until: "]"))
        case .symbol("{"): return .object(try members())
        case .symbol(let symbol): throw JinjaFailure("an expression was expected before \"\(symbol)\"")
        }
    }

    private mutating func items(until closing: String) throws(JinjaFailure) -> [JinjaExpression] {
        var items: [JinjaExpression] = []
        while !accept(.symbol(closing)) {
            if !items.isEmpty {
                try expect(.symbol(","))
                if accept(.symbol(closing)) { break }
            }
            items.append(try conditional())
        }
        return items
    }

    private mutating func members() throws(JinjaFailure) -> [(key: JinjaExpression, value: JinjaExpression)] {
        var members: [(key: JinjaExpression, value: JinjaExpression)] = []
        while !accept(.symbol("}")) {
            if !members.isEmpty {
                try expect(.symbol(","))
                if accept(.symbol("}")) { break }
            }
            let key = try conditional()
            try expect(.symbol(":"))
            members.append((key, try conditional()))
        }
        return members
    }

    private mutating func postfix(_ start: JinjaExpression) throws(JinjaFailure) -> JinjaExpression {
        var expression = start
        while true {
            if accept(.symbol(".")) {
                expression = .member(expression, try name())
            } else if accept(.symbol("[")) {
                expression = try subscripted(expression)
            } else if accept(.symbol("(")) {
                expression = .call(expression, try arguments())
            } else if accept(.symbol("|")) {
                let filter = try name()
                expression = .filter(expression, filter, accept(.symbol("(")) ? try arguments() : JinjaArguments())
            } else if accept(.name("is")) {
                let isNegated = accept(.name("not"))
                expression = .test(expression, try name(), isNegated: isNegated)
            } else {
                return expression
            }
        }
    }

    private mutating func subscripted(_ expression: JinjaExpression) throws(JinjaFailure) -> JinjaExpression {
        var bounds: [JinjaExpression?] = [nil]
        while !accept(.symbol("]")) {
            if accept(.symbol(":")) {
                bounds.append(nil)
            } else {
                bounds[bounds.count - 1] = try conditional()
                if current != .symbol(":"), current != .symbol("]") { throw JinjaFailure("\"]\" was expected \(place)") }
            }
        }
        switch bounds.count {
        case 1:
            guard let index = bounds[0] else { throw JinjaFailure("an index is missing") }
            return .element(expression, index)
        case 2: return .slice(expression, bounds[0], bounds[1], nil)
        case 3: return .slice(expression, bounds[0], bounds[1], bounds[2])
        default: throw JinjaFailure("a slice has too many parts")
        }
    }

    private mutating func arguments() throws(JinjaFailure) -> JinjaArguments {
        var arguments = JinjaArguments()
        var isFirst = true
        while !accept(.symbol(")")) {
            if !isFirst { try expect(.symbol(",")) }
            isFirst = false
            if case .name(let name)? = current, position + 1 < tokens.count, tokens[position + 1] == .symbol("=") {
                position += 2
                arguments.named.append((name, try conditional()))
            } else {
                arguments.positional.append(try conditional())
            }
        }
        return arguments
    }
}
