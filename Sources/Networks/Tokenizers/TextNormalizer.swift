/// What is looked for in a text: a literal or a regular expression.
enum TextPattern: Sendable {
    case literal([UInt8])
    case expression(Pattern)

    func forEachMatch(in bytes: UnsafePointer<UInt8>, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        switch self {
        case .expression(let pattern):
            pattern.forEachMatch(in: bytes, range, body)
        case .literal(let literal):
            guard let first = literal.first else { return }
            var position = range.lowerBound
            while position + literal.count <= range.upperBound {
                if bytes[position] == first, (1..<literal.count).allSatisfy({ bytes[position + $0] == literal[$0] }) {
                    body(position..<position + literal.count)
                    position += literal.count
                } else {
                    position += 1
                }
            }
        }
    }

    /// All matches in a whole text.
    func matches(in bytes: [UInt8]) -> [Range<Int>] {
        var found: [Range<Int>] = []
        bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            forEachMatch(in: base, 0..<buffer.count) { found.append($0) }
        }
        return found
    }
}

/// The `normalizer` of a tokenizer file.
indirect enum TextNormalizer: Sendable {
    /// Unicode normalisation: NFD and NFC, or NFKD and NFKC.
    case unicode(composed: Bool, compatibility: Bool)
    case lowercase
    /// Removes combining marks.
    case stripAccents
    case bert(BERTNormalization)
    case replace(TextPattern, with: [UInt8])
    case prepend([UInt8])
    case strip(left: Bool, right: Bool)
    case sequence([TextNormalizer])

    func apply(to text: inout AlignedText) {
        switch self {
        case .unicode(let composed, let compatibility):
            // Every form leaves ASCII as it is.
            if UTF8Text.isASCII(text.bytes) { return }
            var elements = text.elements()
            UnicodeForms.shared.decompose(&elements, compatibility: compatibility)
            if composed { UnicodeForms.shared.compose(&elements) }
            text.replaceAll(with: elements)
        case .lowercase:
            text.replaceAll(with: Self.lowercased(text.elements()))
        case .stripAccents:
            text.replaceAll(with: text.elements().filter { !ScalarProperties.of($0.scalar).has(ScalarProperties.combiningMark) })
        case .bert(let normalization):
            var elements = text.elements()
            normalization.apply(to: &elements)
            text.replaceAll(with: elements)
        case .replace(let pattern, let content):
            replace(pattern.matches(in: text.bytes), with: content, in: &text)
        case .prepend(let prefix):
            if text.bytes.isEmpty { return }
            var output = AlignedText(isTracking: text.isTracking)
            output.append(prefix, from: text.mergedOrigin(of: 0..<0))
            output.append(0..<text.bytes.count, of: text)
            text.replaceAll(with: output)
        case .strip(let left, let right):
            strip(left: left, right: right, in: &text)
        case .sequence(let all):
            for normalizer in all { normalizer.apply(to: &text) }
        }
    }

    static func lowercased(_ elements: [UnicodeForms.Element]) -> [UnicodeForms.Element] {
        var output: [UnicodeForms.Element] = []
        output.reserveCapacity(elements.count)
        for element in elements {
            if let lower = UnicodeForms.shared.lowercased(element.scalar) {
                for scalar in lower { output.append(.init(scalar: scalar, origin: element.origin)) }
            } else {
                output.append(element)
            }
        }
        return output
    }

    private func replace(_ matches: [Range<Int>], with content: [UInt8], in text: inout AlignedText) {
        guard !matches.isEmpty else { return }
        var output = AlignedText(isTracking: text.isTracking)
        var done = 0
        for match in matches {
            output.append(done..<match.lowerBound, of: text)
            output.append(content, from: text.mergedOrigin(of: match))
            done = match.upperBound
        }
        output.append(done..<text.bytes.count, of: text)
        text.replaceAll(with: output)
    }

    private func strip(left: Bool, right: Bool, in text: inout AlignedText) {
        let elements = text.elements()
        func isSpace(_ element: UnicodeForms.Element) -> Bool { ScalarProperties.of(element.scalar).isWhiteSpace }
        var kept = elements[...]
        if left { kept = kept.drop(while: isSpace) }
        if right, let last = kept.lastIndex(where: { !isSpace($0) }) {
            kept = kept[...last]
        } else if right {
            kept = []
        }
        if kept.count < elements.count { text.replaceAll(with: Array(kept)) }
    }
}

/// BERT's cleaning of text (Devlin et al. 2018), in the order of its steps.
struct BERTNormalization: Sendable, Equatable {
    /// Control characters, NUL and U+FFFD are removed; every kind of white space becomes a space.
    var cleansText: Bool
    /// Spaces around CJK ideographs, so that each is a word.
    var separatesIdeographs: Bool
    var stripsAccents: Bool
    var lowercases: Bool

    func apply(to elements: inout [UnicodeForms.Element]) {
        if cleansText { clean(&elements) }
        if separatesIdeographs, elements.contains(where: { Self.isIdeograph($0.scalar) }) { separate(&elements) }
        if stripsAccents, elements.contains(where: { $0.scalar >= 0x80 }) {
            UnicodeForms.shared.decompose(&elements, compatibility: false)
            elements.removeAll { ScalarProperties.of($0.scalar).has(ScalarProperties.nonspacingMark) }
        }
        if lowercases { elements = TextNormalizer.lowercased(elements) }
    }

    private func clean(_ elements: inout [UnicodeForms.Element]) {
        elements.removeAll { element in
            let properties = ScalarProperties.of(element.scalar)
            return properties.has(ScalarProperties.control)
        }
        for index in elements.indices where ScalarProperties.of(elements[index].scalar).isWhiteSpace {
            elements[index].scalar = 32
        }
    }

    private func separate(_ elements: inout [UnicodeForms.Element]) {
        var output: [UnicodeForms.Element] = []
        for element in elements {
            guard Self.isIdeograph(element.scalar) else {
                output.append(element)
                continue
            }
            let space = UnicodeForms.Element(
                scalar: 32, origin: TextOrigin(lower: element.origin.lower, upper: element.origin.lower))
            output += [space, element, space]
        }
        elements = output
    }

    private static func isIdeograph(_ scalar: UInt32) -> Bool {
        guard scalar >= 0x3400 else { return false }
        return switch scalar {
        case 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
            0x2B920...0x2CEAF, 0x2F800...0x2FA1F:
            true
        default: false
        }
    }
}
