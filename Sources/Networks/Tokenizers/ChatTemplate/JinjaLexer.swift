/// A part of a template: text to copy, or the tokens inside `{{ }}` or `{% %}`.
enum JinjaPart {
    case text(String)
    case output([JinjaToken])
    case statement([JinjaToken])
}

enum JinjaToken: Equatable {
    case name(String)
    case string(String)
    case integer(Int)
    case number(Double)
    case symbol(String)
}

/// Cuts a template into parts. White space around tags follows `trim_blocks` and `lstrip_blocks`, which `transformers`
/// sets: a newline right after a statement goes, and so does the indentation before one that begins its line.
struct JinjaLexer {
    private let source: [Unicode.Scalar]
    private var position = 0
    private var parts: [JinjaPart] = []

    static func parts(of source: String) throws(JinjaFailure) -> [JinjaPart] {
        var lexer = JinjaLexer(source)
        try lexer.run()
        return lexer.parts
    }

    private init(_ text: String) {
        var scalars: [Unicode.Scalar] = []
        for scalar in text.unicodeScalars {
            // Jinja reads every kind of line end as one.
            if scalar == "\n", scalars.last == "\r" { scalars.removeLast() }
            scalars.append(scalar)
        }
        scalars = scalars.map { $0 == "\r" ? "\n" : $0 }
        if scalars.last == "\n" { scalars.removeLast() }
        source = scalars
    }

    private func looking(at word: String) -> Bool { source[position...].starts(with: word.unicodeScalars) }

    private mutating func run() throws(JinjaFailure) {
        var text: [Unicode.Scalar] = []
        var isLineStart = true  // whether `text` begins where a line does
        while position < source.count {
            guard looking(at: "{{") || looking(at: "{%") || looking(at: "{#") else {
                text.append(source[position])
                position += 1
                continue
            }
            let kind = source[position + 1]
            position += 2
            if looking(at: "-") {
                position += 1
                while let last = text.last, last.properties.isWhitespace { text.removeLast() }
            } else if looking(at: "+") {
                position += 1
            } else if kind != "{" {
                stripIndentation(&text, isLineStart: isLineStart)
            }
            append(&text)
            let stripsAfter: Bool
            if kind == "#" {
                stripsAfter = try skipComment()
            } else {
                let closing = kind == "{" ? "}}" : "%}"
                let (tokens, strips) = try tokens(until: closing)
                stripsAfter = strips
                parts.append(kind == "{" ? .output(tokens) : .statement(tokens))
            }
            let end = position
            if stripsAfter {
                while position < source.count, source[position].properties.isWhitespace { position += 1 }
            } else if kind != "{", position < source.count, source[position] == "\n", source[end - 3] != "+" {
                position += 1
            }
            isLineStart = position > end && source[position - 1] == "\n"
        }
        append(&text)
    }

    private mutating func append(_ text: inout [Unicode.Scalar]) {
        if !text.isEmpty { parts.append(.text(String(String.UnicodeScalarView(text)))) }
        text = []
    }

    private func stripIndentation(_ text: inout [Unicode.Scalar], isLineStart: Bool) {
        let indentation = text.reversed().prefix { $0 != "\n" && $0.properties.isWhitespace }.count
        let reachesLineStart = indentation < text.count ? text[text.count - indentation - 1] == "\n" : isLineStart
        if reachesLineStart { text.removeLast(indentation) }
    }

    /// Skips to the end of a comment and tells whether it strips what follows.
    private mutating func skipComment() throws(JinjaFailure) -> Bool {
        while position < source.count, !looking(at: "#}") { position += 1 }
        guard position < source.count else { throw JinjaFailure("a comment is not closed") }
        position += 2
        return position >= 3 && source[position - 3] == "-"
    }

    // MARK: Tokens

    private static let symbols = ["==", "!=", "<=", ">=", "//", "**"] + "+-*/%~<>=|.,:()[]{}".map(String.init)

    private mutating func tokens(until closing: String) throws(JinjaFailure) -> ([JinjaToken], stripsAfter: Bool) {
        var tokens: [JinjaToken] = []
        var openBraces = 0
        while true {
            while position < source.count, source[position].properties.isWhitespace { position += 1 }
            guard position < source.count else { throw JinjaFailure("a tag is not closed") }
            // Braces of a literal may stand before the closing ones.
            if openBraces <= 0 || closing == "%}" {
                for (mark, strips) in [("-" + closing, true), ("+" + closing, false), (closing, false)] where looking(at: mark) {
                    position += mark.count
                    return (tokens, strips)
                }
            }
            let token = try token()
            if token == .symbol("{") { openBraces += 1 }
            if token == .symbol("}") { openBraces -= 1 }
            tokens.append(token)
        }
    }

    private mutating func token() throws(JinjaFailure) -> JinjaToken {
        let first = source[position]
        if first == "\"" || first == "'" { return .string(try quoted(by: first)) }
        if first.isDecimal { return try number() }
        if first == "_" || first.properties.isAlphabetic {
            let start = position
            while position < source.count, source[position] == "_" || source[position].properties.isAlphabetic
                || source[position].isDecimal
            { position += 1 }
            return .name(String(String.UnicodeScalarView(source[start..<position])))
        }
        guard let symbol = Self.symbols.first(where: looking(at:)) else {
            throw JinjaFailure("the character \"\(first)\" is not expected in a tag")
        }
        position += symbol.count
        return .symbol(symbol)
    }

    private mutating func number() throws(JinjaFailure) -> JinjaToken {
        let start = position
        while position < source.count, source[position].isDecimal { position += 1 }
        let isFraction = looking(at: ".") && position + 1 < source.count && source[position + 1].isDecimal
        if isFraction {
            position += 1
            while position < source.count, source[position].isDecimal { position += 1 }
        }
        let text = String(String.UnicodeScalarView(source[start..<position]))
        if isFraction, let value = Double(text) { return .number(value) }
        guard let value = Int(text) else { throw JinjaFailure("the number \(text.prefix(30)) is too large") }
        return .integer(value)
    }

    private mutating func quoted(by quote: Unicode.Scalar) throws(JinjaFailure) -> String {
        var text = String.UnicodeScalarView()
        position += 1
        while position < source.count, source[position] != quote {
            guard source[position] == "\\", position + 1 < source.count else {
                text.append(source[position])
                position += 1
                continue
            }
            let escaped = source[position + 1]
            position += 2
            switch escaped {
            case "n": text.append("\n")
            case "t": text.append("\t")
            case "r": text.append("\r")
            case "\\", "'", "\"": text.append(escaped)
            case "u":
                let digits = String(String.UnicodeScalarView(source[position..<min(position + 4, source.count)]))
                guard digits.count == 4, let value = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(value) else {
                    throw JinjaFailure("an escape in a string is faulty")
                }
                text.append(scalar)
                position += 4
            default: throw JinjaFailure("the escape \\\(escaped) in a string is not supported")
            }
        }
        guard position < source.count else { throw JinjaFailure("a string is not closed") }
        position += 1
        return String(text)
    }
}

extension Unicode.Scalar {
    fileprivate var isDecimal: Bool { value >= 48 && value < 58 }
}
