/// The `pre_tokenizer` of a tokenizer file: cuts the normalised text into the words the model works on.
indirect enum PreTokenizer: Sendable {
    /// What becomes of the matches of a pattern.
    enum Behavior: String, Sendable, CaseIterable {
        case removed = "Removed"
        case isolated = "Isolated"
        case mergedWithPrevious = "MergedWithPrevious"
        case mergedWithNext = "MergedWithNext"
        case contiguous = "Contiguous"
    }

    /// What delimits.
    enum Delimiter: Sendable {
        case pattern(TextPattern)
        /// Every scalar with a property, see `ScalarProperties`.
        case property(UInt16)
        /// Runs of word characters, and runs of what is neither word character nor white space.
        case words
    }

    enum PrependScheme: String, Sendable, CaseIterable { case always, never, first }

    case split(Delimiter, Behavior, isInverted: Bool)
    /// A space before every piece that has none.
    case prefixSpace
    /// Spaces become a visible character, which may be put before the text and at which pieces begin.
    case metaspace(replacement: [UInt8], prepend: PrependScheme, splits: Bool)
    case sequence([PreTokenizer])

    /// GPT-2's expression, which `ByteLevel` splits with.
    static let gpt2Expression =
        #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

    /// Cuts each of `pieces` further.
    /// - Parameter atStart: whether the text is the beginning of what the user gave.
    func apply(to text: inout AlignedText, pieces: inout [Range<Int>], scratch: inout [Range<Int>], atStart: Bool) {
        switch self {
        case .split(let delimiter, let behavior, let isInverted):
            scratch.removeAll(keepingCapacity: true)
            text.bytes.withUnsafeBufferPointer { buffer in
                guard let base = buffer.baseAddress else { return }
                for piece in pieces {
                    var collector = SplitCollector(piece, behavior, isInverted: isInverted)
                    Self.forEachMatch(of: delimiter, in: base, piece) { collector.add($0, to: &scratch) }
                    collector.finish(&scratch)
                }
            }
            swap(&pieces, &scratch)
        case .prefixSpace:
            rewrite(&text, &pieces) { piece, text, output in
                if piece.isEmpty || text.bytes[piece.lowerBound] != 32 {
                    output.append([32], from: text.mergedOrigin(of: piece.lowerBound..<piece.lowerBound))
                }
                output.append(piece, of: text)
            }
        case .metaspace(let replacement, let prepend, let splits):
            rewrite(&text, &pieces) { piece, text, output in
                let startsMarked = text.bytes[piece].starts(with: replacement) || text.bytes[piece].first == 32
                let isFirst = atStart && piece.lowerBound == 0
                if !startsMarked, prepend == .always || prepend == .first && isFirst {
                    output.append(replacement, from: text.mergedOrigin(of: piece.lowerBound..<piece.lowerBound))
                }
                var done = piece.lowerBound
                for index in piece where text.bytes[index] == 32 {
                    output.append(done..<index, of: text)
                    output.append(replacement, from: text.mergedOrigin(of: index..<index + 1))
                    done = index + 1
                }
                output.append(done..<piece.upperBound, of: text)
            }
            if splits {
                PreTokenizer.split(.pattern(.literal(replacement)), .mergedWithNext, isInverted: false)
                    .apply(to: &text, pieces: &pieces, scratch: &scratch, atStart: atStart)
            }
        case .sequence(let all):
            for preTokenizer in all { preTokenizer.apply(to: &text, pieces: &pieces, scratch: &scratch, atStart: atStart) }
        }
    }

    private func rewrite(
        _ text: inout AlignedText, _ pieces: inout [Range<Int>], _ body: (Range<Int>, AlignedText, inout AlignedText) -> Void
    ) {
        var output = AlignedText(isTracking: text.isTracking)
        for index in pieces.indices {
            let start = output.bytes.count
            body(pieces[index], text, &output)
            pieces[index] = start..<output.bytes.count
        }
        text.replaceAll(with: output)
    }

    private static func forEachMatch(
        of delimiter: Delimiter, in bytes: UnsafePointer<UInt8>, _ range: Range<Int>, _ body: (Range<Int>) -> Void
    ) {
        switch delimiter {
        case .pattern(let pattern):
            pattern.forEachMatch(in: bytes, range, body)
        case .property(let property):
            var position = range.lowerBound
            while position < range.upperBound {
                let (scalar, length) = UTF8Text.scalar(in: bytes, at: position)
                if ScalarProperties.of(scalar).has(property) { body(position..<position + length) }
                position += length
            }
        case .words:
            var start = range.lowerBound
            var position = start
            var open: UInt16?
            while position < range.upperBound {
                let (scalar, length) = UTF8Text.scalar(in: bytes, at: position)
                let properties = ScalarProperties.of(scalar)
                let kind: UInt16? =
                    properties.isWordCharacter ? ScalarProperties.wordCharacter : properties.isWhiteSpace ? nil : 0
                if kind != open {
                    if open != nil { body(start..<position) }
                    (start, open) = (position, kind)
                }
                position += length
            }
            if open != nil { body(start..<position) }
        }
    }
}

/// Turns the matches in one piece into pieces, as `PreTokenizer.Behavior` says.
private struct SplitCollector {
    private let piece: Range<Int>
    private let behavior: PreTokenizer.Behavior
    private let isInverted: Bool
    private var done: Int
    private var previousWasMatch = false
    /// The piece that may still grow.
    private var open: Range<Int>?

    init(_ piece: Range<Int>, _ behavior: PreTokenizer.Behavior, isInverted: Bool) {
        self.piece = piece
        self.behavior = behavior
        self.isInverted = isInverted
        done = piece.lowerBound
    }

    @inline(__always)
    mutating func add(_ match: Range<Int>, to output: inout [Range<Int>]) {
        if done < match.lowerBound { take(done..<match.lowerBound, isMatch: isInverted, &output) }
        take(match, isMatch: !isInverted, &output)
        done = match.upperBound
    }

    mutating func finish(_ output: inout [Range<Int>]) {
        if done < piece.upperBound { take(done..<piece.upperBound, isMatch: isInverted, &output) }
        if let open { output.append(open) }
    }

    @inline(__always)
    private mutating func take(_ range: Range<Int>, isMatch: Bool, _ output: inout [Range<Int>]) {
        switch behavior {
        case .isolated: output.append(range)
        case .removed: if !isMatch { output.append(range) }
        case .contiguous: grow(range, joins: isMatch == previousWasMatch, &output)
        case .mergedWithPrevious: grow(range, joins: isMatch && !previousWasMatch, &output)
        case .mergedWithNext:
            // Seen from the right, a match joins what follows it unless that is a match too.
            if let waiting = open, previousWasMatch, !isMatch {
                open = waiting.lowerBound..<range.upperBound
            } else {
                if let open { output.append(open) }
                open = range
            }
        }
        previousWasMatch = isMatch
    }

    private mutating func grow(_ range: Range<Int>, joins: Bool, _ output: inout [Range<Int>]) {
        if joins, let waiting = open {
            open = waiting.lowerBound..<range.upperBound
        } else {
            if let open { output.append(open) }
            open = range
        }
    }
}
