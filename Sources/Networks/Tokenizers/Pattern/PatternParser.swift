/// The structure of a regular expression.
indirect enum PatternNode {
    case set(ScalarSet)
    case sequence([PatternNode])
    case alternatives([PatternNode])
    case repeated(PatternNode, minimum: Int, maximum: Int, isPossessive: Bool)
    case lookahead(PatternNode, isNegated: Bool)
    case start
    case end
}

/// Parses the part of Oniguruma's syntax that tokenizer files use; anything else is an error, never a guess.
struct PatternParser {
    private let source: [Unicode.Scalar]
    private let text: String
    private var position = 0
    private var depth = 0

    /// - Throws: ``TokenizerError/unsupported(what:name:)`` naming the expression.
    static func parse(_ text: String) throws(TokenizerError) -> PatternNode {
        guard text.unicodeScalars.count <= 4096 else {
            throw .unsupported(what: "regular expression", name: "of \(text.unicodeScalars.count) characters")
        }
        var parser = PatternParser(text)
        let node = try parser.alternatives(ignoringCase: false)
        if parser.position < parser.source.count { throw parser.unsupported("an unbalanced \")\"") }
        return node
    }

    private init(_ text: String) {
        self.text = text
        source = Array(text.unicodeScalars)
    }

    private func unsupported(_ part: String) -> TokenizerError {
        .unsupported(what: "regular expression", name: "\(text) (because of \(part))")
    }

    private var current: Unicode.Scalar? { position < source.count ? source[position] : nil }

    private func looking(at word: String) -> Bool {
        source[position...].starts(with: word.unicodeScalars)
    }

    private mutating func accept(_ word: String) -> Bool {
        guard looking(at: word) else { return false }
        position += word.unicodeScalars.count
        return true
    }

    private mutating func alternatives(ignoringCase: Bool) throws(TokenizerError) -> PatternNode {
        depth += 1
        defer { depth -= 1 }
        if depth > 16 { throw unsupported("groups nested more than 16 deep") }
        var all = [try sequence(ignoringCase: ignoringCase)]
        while accept("|") { all.append(try sequence(ignoringCase: ignoringCase)) }
        return all.count == 1 ? all[0] : .alternatives(all)
    }

    private mutating func sequence(ignoringCase: Bool) throws(TokenizerError) -> PatternNode {
        var nodes: [PatternNode] = []
        while let scalar = current, scalar != "|", scalar != ")" {
            nodes.append(try quantified(try atom(ignoringCase: ignoringCase)))
        }
        return .sequence(nodes)
    }

    private mutating func atom(ignoringCase: Bool) throws(TokenizerError) -> PatternNode {
        guard let scalar = current else { throw unsupported("its end") }
        position += 1
        switch scalar {
        case "(": return try group(ignoringCase: ignoringCase)
        case "[": return .set(try bracket(ignoringCase: ignoringCase))
        case "\\": return .set(try escape(ignoringCase: ignoringCase))
        case "^": return .start
        case "$": return .end
        case ".":
            var newline = ScalarSet()
            newline.insert(10...10)
            return .set(newline.inverted)
        case "*", "+", "?", "{": throw unsupported("a quantifier with nothing to repeat")
        default: return .set(literal(scalar, ignoringCase: ignoringCase))
        }
    }

    private mutating func group(ignoringCase: Bool) throws(TokenizerError) -> PatternNode {
        var ignoringCase = ignoringCase
        var lookahead: Bool?
        if accept("?:") {
        } else if accept("?i:") {
            ignoringCase = true
        } else if accept("?=") {
            lookahead = false
        } else if accept("?!") {
            lookahead = true
        } else if current == "?" {
            throw unsupported("a kind of group")
        }
        let inner = try alternatives(ignoringCase: ignoringCase)
        guard accept(")") else { throw unsupported("an unbalanced \"(\"") }
        return lookahead.map { .lookahead(inner, isNegated: $0) } ?? inner
    }

    private mutating func quantified(_ node: PatternNode) throws(TokenizerError) -> PatternNode {
        var minimum = 1
        var maximum = 1
        var isInterval = false
        if accept("?") {
            minimum = 0
        } else if accept("*") {
            (minimum, maximum) = (0, .max)
        } else if accept("+") {
            maximum = .max
        } else if accept("{") {
            isInterval = true
            let low = integer()
            minimum = low ?? 0
            if accept(",") { maximum = integer() ?? .max } else { maximum = minimum }
            guard accept("}"), low != nil || maximum != .max, minimum <= maximum, maximum > 0, minimum <= 1000 else {
                throw unsupported("a quantifier")
            }
        } else {
            return node
        }
        if current == "?" || (isInterval && current == "+") || current == "*" || current == "{" {
            throw unsupported("a quantifier after a quantifier")
        }
        let isPossessive = accept("+")
        switch node {
        case .set: break
        case .alternatives, .sequence:
            // Repeated groups would need a matcher whose time is not bounded by the text's length.
            guard minimum == 0, maximum == 1, !isPossessive else { throw unsupported("a repeated group") }
        case .repeated, .lookahead, .start, .end: throw unsupported("a quantifier")
        }
        return .repeated(node, minimum: minimum, maximum: maximum, isPossessive: isPossessive)
    }

    private mutating func integer() -> Int? {
        var value: Int?
        while let scalar = current, scalar.value >= 48, scalar.value < 58, (value ?? 0) < 100_000 {
            value = (value ?? 0) * 10 + Int(scalar.value - 48)
            position += 1
        }
        return value
    }

    // MARK: Sets

    private func literal(_ scalar: Unicode.Scalar, ignoringCase: Bool) -> ScalarSet {
        var set = ScalarSet()
        insert(scalar.value...scalar.value, into: &set, ignoringCase: ignoringCase)
        return set
    }

    /// Adds scalars; ignoring case, with their other case (ASCII, and the two letters that fold into it).
    private func insert(_ range: ClosedRange<UInt32>, into set: inout ScalarSet, ignoringCase: Bool) {
        set.insert(range)
        guard ignoringCase else { return }
        for letter in UInt32(65)...90 where range.contains(letter) || range.contains(letter + 32) {
            set.insert(letter...letter)
            set.insert(letter + 32...letter + 32)
            if letter == 83 { set.insert(0x17F...0x17F) }  // long s
            if letter == 75 { set.insert(0x212A...0x212A) }  // Kelvin sign
        }
    }

    /// A scalar written as escape, or nil where the escape stands for a class.
    private mutating func escapedScalar() throws(TokenizerError) -> Unicode.Scalar? {
        guard let scalar = current else { throw unsupported("a \"\\\" at its end") }
        switch scalar {
        case "n": position += 1; return "\n"
        case "r": position += 1; return "\r"
        case "t": position += 1; return "\t"
        case "f": position += 1; return "\u{C}"
        case "v": position += 1; return "\u{B}"
        case "u": position += 1; return try hexadecimal(count: 4)
        case "x":
            position += 1
            if accept("{") {
                let value = try hexadecimal(count: 0)
                guard accept("}") else { throw unsupported("an escape") }
                return value
            }
            return try hexadecimal(count: 2)
        default:
            if scalar.isASCII, !scalar.properties.isAlphabetic, scalar.properties.numericType == nil {
                position += 1
                return scalar
            }
            return nil
        }
    }

    /// `count` digits, or as many as there are when it is 0.
    private mutating func hexadecimal(count: Int) throws(TokenizerError) -> Unicode.Scalar {
        var value: UInt32 = 0
        var digits = 0
        while let scalar = current, let digit = Character(scalar).hexDigitValue, scalar.isASCII,
            count == 0 ? digits < 6 : digits < count
        {
            value = value << 4 | UInt32(digit)
            digits += 1
            position += 1
        }
        guard digits > 0, count == 0 || digits == count, let scalar = Unicode.Scalar(value) else {
            throw unsupported("an escape")
        }
        return scalar
    }

    private mutating func escape(ignoringCase: Bool) throws(TokenizerError) -> ScalarSet {
        if let scalar = try escapedScalar() { return literal(scalar, ignoringCase: ignoringCase) }
        return try classEscape()
    }

    /// `\s`, `\d`, `\w`, `\p{…}` and their complements, after the backslash.
    private mutating func classEscape() throws(TokenizerError) -> ScalarSet {
        guard let scalar = current else { throw unsupported("a \"\\\" at its end") }
        position += 1
        var set = ScalarSet()
        switch scalar {
        case "s", "S": set.insert { _, isSpace in isSpace }
        case "d", "D": set.insert { category, _ in category == .nd }
        case "w", "W":
            let word = Set(["L", "M", "Nd", "Pc"].flatMap(GeneralCategory.named))
            set.insert { category, _ in word.contains(category) }
        case "p", "P":
            guard accept("{"), let close = source[position...].firstIndex(of: "}") else { throw unsupported("\\p without name") }
            var name = String(String.UnicodeScalarView(source[position..<close]))
            position = close + 1
            let isComplement = name.hasPrefix("^")
            if isComplement { name.removeFirst() }
            let categories = GeneralCategory.named(name)
            guard !categories.isEmpty, name.count <= 2 else { throw unsupported("the property \(name)") }
            set.insert { category, _ in categories.contains(category) }
            return isComplement != (scalar == "P") ? set.inverted : set
        default: throw unsupported("the escape \\\(scalar)")
        }
        return "SDW".unicodeScalars.contains(scalar) ? set.inverted : set
    }

    private mutating func bracket(ignoringCase: Bool) throws(TokenizerError) -> ScalarSet {
        let isNegated = accept("^")
        var set = ScalarSet()
        var isFirst = true
        while let scalar = current, scalar != "]" || isFirst {
            isFirst = false
            if scalar == "[" || looking(at: "&&") { throw unsupported("a set within a set") }
            position += 1
            var low = scalar
            if scalar == "\\" {
                guard let escaped = try escapedScalar() else {
                    let inner = try classEscape()
                    set.insert { category, isSpace in
                        inner.classes >> (UInt64(category.rawValue) + (isSpace ? 32 : 0)) & 1 == 1
                    }
                    continue
                }
                low = escaped
            }
            var high = low
            if current == "-", position + 1 < source.count, source[position + 1] != "]" {
                position += 1
                guard let last = current, last != "[" else { throw unsupported("a range") }
                position += 1
                high = last
                if last == "\\" {
                    guard let escaped = try escapedScalar() else { throw unsupported("a range") }
                    high = escaped
                }
                guard low.value <= high.value else { throw unsupported("a range") }
            }
            insert(low.value...high.value, into: &set, ignoringCase: ignoringCase)
        }
        guard accept("]") else { throw unsupported("an unbalanced \"[\"") }
        return isNegated ? set.inverted : set
    }
}
