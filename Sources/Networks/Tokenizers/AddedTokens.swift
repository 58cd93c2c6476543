/// Tokens that are found in the text before the model sees it, such as `<|im_start|>`.
struct AddedTokens: Sendable {
    struct Token: Sendable {
        var id: Int
        var content: [UInt8]
        var isSpecial = false
        /// Found only where no word character is next to it.
        var isSingleWord = false
        /// Takes the white space before it.
        var stripsLeft = false
        /// Takes the white space after it.
        var stripsRight = false
        /// Looked for in the normalised text instead of the original.
        var isNormalized = false
    }

    enum Piece {
        case text(Range<Int>)
        case token(id: Int, Range<Int>)
    }

    /// A trie over bytes; children are kept in a dictionary keyed by node and byte.
    private var children: [UInt64: Int32] = [:]
    private var tokens: [Int32: Token] = [:]
    private var nodeCount: Int32 = 1
    private var startsToken = [Bool](repeating: false, count: 256)

    var isEmpty: Bool { tokens.isEmpty }

    init(_ tokens: [Token]) {
        for token in tokens where !token.content.isEmpty {
            startsToken[Int(token.content[0])] = true
            var node: Int32 = 0
            for byte in token.content {
                let key = Self.key(node, byte)
                if let child = children[key] {
                    node = child
                } else {
                    children[key] = nodeCount
                    node = nodeCount
                    nodeCount += 1
                }
            }
            self.tokens[node] = token
        }
    }

    private static func key(_ node: Int32, _ byte: UInt8) -> UInt64 { UInt64(node) << 8 | UInt64(byte) }

    /// Cuts a text into added tokens and what lies between; of several that fit, the longest counts.
    /// - Parameter ignoringSpecial: special tokens are left in the text as ordinary characters.
    func split(_ bytes: [UInt8], ignoringSpecial: Bool) -> [Piece] {
        if isEmpty { return bytes.isEmpty ? [] : [.text(0..<bytes.count)] }
        var pieces: [Piece] = []
        var done = 0
        var position = 0
        while position < bytes.count {
            guard startsToken[Int(bytes[position])], let (token, length) = longest(in: bytes, at: position) else {
                position += 1
                continue
            }
            var range = position..<position + length
            position = range.upperBound
            if ignoringSpecial && token.isSpecial || token.isSingleWord && !isSingleWord(range, in: bytes) { continue }
            if token.stripsLeft {
                range = max(done, spaceStart(before: range.lowerBound, in: bytes))..<range.upperBound
            }
            if token.stripsRight {
                range = range.lowerBound..<spaceEnd(after: range.upperBound, in: bytes)
            }
            if done < range.lowerBound { pieces.append(.text(done..<range.lowerBound)) }
            pieces.append(.token(id: token.id, range))
            done = range.upperBound
            position = max(position, done)
        }
        if done < bytes.count { pieces.append(.text(done..<bytes.count)) }
        return pieces
    }

    private func longest(in bytes: [UInt8], at start: Int) -> (Token, Int)? {
        var node: Int32 = 0
        var position = start
        var best: (Token, Int)?
        while position < bytes.count, let child = children[Self.key(node, bytes[position])] {
            node = child
            position += 1
            if let token = tokens[node] { best = (token, position - start) }
        }
        return best
    }

    private func isSingleWord(_ range: Range<Int>, in bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBufferPointer { buffer in
            let base = buffer.baseAddress!
            if range.lowerBound > 0 {
                let before = UTF8Text.scalar(in: base, at: UTF8Text.before(range.lowerBound, in: base)).value
                if ScalarProperties.of(before).isWordCharacter { return false }
            }
            guard range.upperBound < bytes.count else { return true }
            return !ScalarProperties.of(UTF8Text.scalar(in: base, at: range.upperBound).value).isWordCharacter
        }
    }

    private func spaceStart(before end: Int, in bytes: [UInt8]) -> Int {
        bytes.withUnsafeBufferPointer { buffer in
            let base = buffer.baseAddress!
            var start = end
            while start > 0 {
                let before = UTF8Text.before(start, in: base)
                guard ScalarProperties.of(UTF8Text.scalar(in: base, at: before).value).isWhiteSpace else { break }
                start = before
            }
            return start
        }
    }

    private func spaceEnd(after start: Int, in bytes: [UInt8]) -> Int {
        bytes.withUnsafeBufferPointer { buffer in
            let base = buffer.baseAddress!
            var end = start
            while end < bytes.count {
                let (scalar, length) = UTF8Text.scalar(in: base, at: end)
                guard ScalarProperties.of(scalar).isWhiteSpace else { break }
                end += length
            }
            return end
        }
    }
}
