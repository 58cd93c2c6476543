/// The `decoder` of a tokenizer file: turns tokens back into text.
indirect enum TokenDecoder: Sendable {
    case byteLevel
    case wordPiece(prefix: [UInt8], cleansUp: Bool)
    case metaspace(replacement: [UInt8], dropsFirst: Bool)
    case replace(TextPattern, with: [UInt8])
    case byteFallback
    case fuse
    case strip(content: [UInt8], start: Int, stop: Int)
    case wordEnd(suffix: [UInt8])
    case sequence([TokenDecoder])

    func apply(to tokens: inout [[UInt8]]) {
        switch self {
        case .byteLevel:
            tokens = [tokens.flatMap { ByteAlphabet.decoded($0) ?? $0 }]
        case .wordPiece(let prefix, let cleansUp):
            for index in tokens.indices {
                if index > 0 {
                    if tokens[index].starts(with: prefix) {
                        tokens[index].removeFirst(prefix.count)
                    } else {
                        tokens[index].insert(32, at: 0)
                    }
                }
                if cleansUp { tokens[index] = Self.cleanedUp(tokens[index]) }
            }
        case .metaspace(let replacement, let dropsFirst):
            for index in tokens.indices {
                tokens[index] = Self.replacing(
                    .literal(replacement), with: index == 0 && dropsFirst ? [] : [32], in: tokens[index])
            }
        case .replace(let pattern, let content):
            for index in tokens.indices { tokens[index] = Self.replacing(pattern, with: content, in: tokens[index]) }
        case .byteFallback:
            tokens = Self.joiningBytes(tokens)
        case .fuse:
            tokens = [Array(tokens.joined())]
        case .strip(let content, let start, let stop):
            for index in tokens.indices { Self.strip(content, start, stop, from: &tokens[index]) }
        case .wordEnd(let suffix):
            for index in tokens.indices {
                tokens[index] = Self.replacing(
                    .literal(suffix), with: index == tokens.count - 1 ? [] : [32], in: tokens[index])
            }
        case .sequence(let all):
            for decoder in all { decoder.apply(to: &tokens) }
        }
    }

    private static func replacing(_ pattern: TextPattern, with content: [UInt8], in token: [UInt8]) -> [UInt8] {
        let matches = pattern.matches(in: token)
        if matches.isEmpty { return token }
        var output: [UInt8] = []
        var done = 0
        for match in matches {
            output += token[done..<match.lowerBound] + content
            done = match.upperBound
        }
        return output + token[done...]
    }

    /// Undoes the spaces that BERT's splitting puts around English punctuation, with the reference's list of cases.
    private static func cleanedUp(_ token: [UInt8]) -> [UInt8] {
        guard token.contains(32) else { return token }
        let cases = [
            (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
            (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
        ]
        return cases.reduce(token) { replacing(.literal(Array($1.0.utf8)), with: Array($1.1.utf8), in: $0) }
    }

    /// Runs of `<0x..>` become the text they spell, or one U+FFFD per byte if it is not UTF-8.
    private static func joiningBytes(_ tokens: [[UInt8]]) -> [[UInt8]] {
        var output: [[UInt8]] = []
        var run: [UInt8] = []
        func flush() {
            if run.isEmpty { return }
            let isText = run.withUnsafeBufferPointer { String(validating: $0, as: UTF8.self) != nil }
            output += isText ? [run] : run.map { _ in [0xEF, 0xBF, 0xBD] }
            run = []
        }
        for token in tokens {
            if let byte = byteValue(token) {
                run.append(byte)
            } else {
                flush()
                output.append(token)
            }
        }
        flush()
        return output
    }

    private static func byteValue(_ token: [UInt8]) -> UInt8? {
        guard token.count == 6, token.starts(with: Array("<0x".utf8)), token[5] == UInt8(ascii: ">") else { return nil }
        return UInt8(String(decoding: token[3..<5], as: UTF8.self), radix: 16)
    }

    private static func strip(_ content: [UInt8], _ start: Int, _ stop: Int, from token: inout [UInt8]) {
        guard !content.isEmpty else { return }
        var count = 0
        while count < start, token.starts(with: content) {
            token.removeFirst(content.count)
            count += 1
        }
        count = 0
        while count < stop, token.count >= content.count, token.suffix(content.count).elementsEqual(content) {
            token.removeLast(content.count)
            count += 1
        }
    }
}
