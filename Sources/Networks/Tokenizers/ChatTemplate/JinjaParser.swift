indirect enum JinjaExpression {
    case literal(JinjaValue)
    case name(String)
    case list([JinjaExpression])
    case object([(key: JinjaExpression, value: JinjaExpression)])
    case member(JinjaExpression, String)
    case element(JinjaExpression, JinjaExpression)
    case slice(JinjaExpression, JinjaExpression?, JinjaExpression?, JinjaExpression?)
    case call(JinjaExpression, JinjaArguments)
    case filter(JinjaExpression, String, JinjaArguments)
    case test(JinjaExpression, String, isNegated: Bool)
    case not(JinjaExpression)
    case negative(JinjaExpression)
    case binary(String, JinjaExpression, JinjaExpression)
    case conditional(condition: JinjaExpression, then: JinjaExpression, otherwise: JinjaExpression?)
}

struct JinjaArguments {
    var positional: [JinjaExpression] = []
    var named: [(name: String, value: JinjaExpression)] = []
}

indirect enum JinjaStatement {
    case text(String)
    case output(JinjaExpression)
    case choice([(condition: JinjaExpression?, body: [JinjaStatement])])
    case loop(names: [String], over: JinjaExpression, where: JinjaExpression?, body: [JinjaStatement], otherwise: [JinjaStatement])
    case set(String, JinjaExpression)
    case setMember(String, String, JinjaExpression)
    case setBlock(String, [JinjaStatement])
}

/// Parses a template's parts into statements.
struct JinjaParser {
    private var parts: [JinjaPart]
    private var index = 0
    private var depth = 0
    private static let maximumDepth = 64

    static func parse(_ source: String) throws(JinjaFailure) -> [JinjaStatement] {
        var parser = JinjaParser(parts: try JinjaLexer.parts(of: source))
        let (statements, end) = try parser.block(until: [])
        if let end { throw JinjaFailure("\"\(end)\" has no beginning") }
        return statements
    }

    private init(parts: [JinjaPart]) { self.parts = parts }

    /// Statements up to one of the given words, which is returned; its tag stays the current part.
    private mutating func block(until words: [String]) throws(JinjaFailure) -> ([JinjaStatement], end: String?) {
        depth += 1
        defer { depth -= 1 }
        if depth > Self.maximumDepth { throw JinjaFailure("its statements are nested too deep") }
        var statements: [JinjaStatement] = []
        while index < parts.count {
            switch parts[index] {
            case .text(let text):
                statements.append(.text(text))
            case .output(let tokens):
                var expression = JinjaExpressionParser(tokens)
                statements.append(.output(try expression.whole()))
            case .statement(let tokens):
                guard case .name(let word)? = tokens.first else { throw JinjaFailure("a statement has no name") }
                if words.contains(word) { return (statements, word) }
                if let statement = try statement(word, Array(tokens.dropFirst())) { statements.append(statement) }
            }
            index += 1
        }
        if let expected = words.last { throw JinjaFailure("\"\(expected)\" is missing") }
        return (statements, nil)
    }

    private mutating func statement(_ word: String, _ tokens: [JinjaToken]) throws(JinjaFailure) -> JinjaStatement? {
        switch word {
        case "if": return try choice(tokens)
        case "for": return try loop(tokens)
        case "set": return try assignment(tokens)
        // These mark the assistant's part for training and change nothing in the text.
        case "generation", "endgeneration": return nil
        case "else", "elif", "endif", "endfor", "endset": throw JinjaFailure("\"\(word)\" has no beginning")
        default: throw JinjaFailure("the statement \"\(word)\" is not supported")
        }
    }

    private mutating func choice(_ tokens: [JinjaToken]) throws(JinjaFailure) -> JinjaStatement {
        var branches: [(condition: JinjaExpression?, body: [JinjaStatement])] = []
        var expression = JinjaExpressionParser(tokens)
        var condition: JinjaExpression? = try expression.whole()
        while true {
            index += 1
            let (body, end) = try block(until: condition == nil ? ["endif"] : ["elif", "else", "endif"])
            branches.append((condition, body))
            if end == "endif" { return .choice(branches) }
            condition = nil
            if end == "elif", case .statement(let tokens) = parts[index] {
                expression = JinjaExpressionParser(Array(tokens.dropFirst()))
                condition = try expression.whole()
            }
        }
    }

    private mutating func loop(_ tokens: [JinjaToken]) throws(JinjaFailure) -> JinjaStatement {
        var expression = JinjaExpressionParser(tokens)
        let names = try expression.names()
        try expression.expect(.name("in"))
        let over = try expression.disjunction()
        var condition: JinjaExpression?
        if expression.accept(.name("if")) { condition = try expression.conditional() }
        try expression.end()
        index += 1
        let (body, end) = try block(until: ["else", "endfor"])
        var otherwise: [JinjaStatement] = []
        if end == "else" {
            index += 1
            otherwise = try block(until: ["endfor"]).0
        }
        return .loop(names: names, over: over, where: condition, body: body, otherwise: otherwise)
    }

    private mutating func assignment(_ tokens: [JinjaToken]) throws(JinjaFailure) -> JinjaStatement {
        var expression = JinjaExpressionParser(tokens)
        let names = try expression.names()
        guard names.count == 1 else { throw JinjaFailure("a \"set\" of several names is not supported") }
        var member: String?
        if expression.accept(.symbol(".")) { member = try expression.name() }
        if expression.isAtEnd, member == nil {
            index += 1
            return .setBlock(names[0], try block(until: ["endset"]).0)
        }
        try expression.expect(.symbol("="))
        let value = try expression.whole()
        return member.map { .setMember(names[0], $0, value) } ?? .set(names[0], value)
    }
}
