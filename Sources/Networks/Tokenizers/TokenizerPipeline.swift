/// The steps from text to ids: added tokens, normaliser, pre-tokeniser, model, tokens around.
struct TokenizerPipeline: Sendable {
    enum Model: Sendable {
        case bytePairEncoding(BytePairEncoding)
        case wordPiece(WordPiece)
    }

    /// The ids that the post-processor puts around a text.
    struct Surroundings: Sendable, Equatable {
        var before: [Int] = []
        var after: [Int] = []
    }

    let addedTokens: AddedTokens
    /// Added tokens that are looked for after normalisation.
    let normalizedAddedTokens: AddedTokens
    let normalizer: TextNormalizer?
    let preTokenizer: PreTokenizer?
    let model: Model
    let surroundings: Surroundings
    let decoder: TokenDecoder?
    /// The vocabulary as the file spells it, without added tokens.
    let vocabulary: Vocabulary
    let addedTokensByID: [Int: AddedTokens.Token]
    let addedIDs: [[UInt8]: Int]
    let specialIDs: Set<Int>

    init(
        addedTokens: [AddedTokens.Token], normalizer: TextNormalizer?, preTokenizer: PreTokenizer?, model: Model,
        surroundings: Surroundings, decoder: TokenDecoder?, vocabulary: Vocabulary
    ) {
        // Tokens that are looked for in normalised text are normalised themselves, for reading as for writing.
        let normalized = addedTokens.map { token in
            guard token.isNormalized else { return token }
            var token = token
            var content = AlignedText(token.content, isTracking: false)
            normalizer?.apply(to: &content)
            token.content = content.bytes
            return token
        }
        self.addedTokens = AddedTokens(normalized.filter { !$0.isNormalized })
        normalizedAddedTokens = AddedTokens(normalized.filter(\.isNormalized))
        self.normalizer = normalizer
        self.preTokenizer = preTokenizer
        self.model = model
        self.surroundings = surroundings
        self.decoder = decoder
        self.vocabulary = vocabulary
        addedTokensByID = Dictionary(normalized.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
        addedIDs = Dictionary(addedTokens.map { ($0.content, $0.id) }, uniquingKeysWith: { $1 })
        specialIDs = Set(addedTokens.filter(\.isSpecial).map(\.id))
    }

    // MARK: Vocabulary

    var idUpperBound: Int { max(vocabulary.idUpperBound, (addedTokensByID.keys.max() ?? -1) + 1) }

    func spelling(_ id: Int) -> [UInt8]? {
        addedTokensByID[id]?.content ?? vocabulary.token(id).map { Array($0) }
    }

    func id(of token: [UInt8]) -> Int? {
        addedIDs[token] ?? vocabulary.id(of: token)
    }

    // MARK: Encoding

    func encode(
        _ text: String, isTracking: Bool, addSpecialTokens: Bool, readsControlTokens: Bool, maximumCount: Int?,
        _ workspace: inout EncodingWorkspace
    ) -> Tokenizer.Encoding {
        let bytes = Array(text.utf8)
        precondition(bytes.count < UInt32.max, "Tokenizer.encode: a text of \(bytes.count) bytes; split texts of 4 GiB and more")
        var ids: [Int] = []
        var ranges: [Range<Int>] = []
        ids.reserveCapacity(bytes.count / 4)
        for piece in addedTokens.split(bytes, ignoringSpecial: !readsControlTokens) {
            switch piece {
            case .token(let id, let range):
                ids.append(id)
                if isTracking { ranges.append(range) }
            case .text(let range):
                let isWhole = range.count == bytes.count
                let section = AlignedText(
                    isWhole ? bytes : Array(bytes[range]), offset: range.lowerBound, isTracking: isTracking)
                encode(section, readsControlTokens: readsControlTokens, &workspace, &ids, &ranges)
            }
        }
        return surrounded(ids, ranges, isTracking: isTracking, addSpecialTokens: addSpecialTokens, maximumCount: maximumCount)
    }

    /// Encodes what lies between the added tokens of the original text.
    private func encode(
        _ section: AlignedText, readsControlTokens: Bool, _ workspace: inout EncodingWorkspace, _ ids: inout [Int],
        _ ranges: inout [Range<Int>]
    ) {
        var text = section
        normalizer?.apply(to: &text)
        if normalizedAddedTokens.isEmpty {
            encodeWords(of: text, atStart: section.offset == 0, &workspace, &ids, &ranges)
            return
        }
        for piece in normalizedAddedTokens.split(text.bytes, ignoringSpecial: !readsControlTokens) {
            switch piece {
            case .token(let id, let range):
                ids.append(id)
                if text.isTracking { ranges.append(text.origin(of: range)) }
            case .text(let range):
                var part = AlignedText(isTracking: text.isTracking)
                part.append(range, of: text)
                encodeWords(of: part, atStart: section.offset == 0 && range.lowerBound == 0, &workspace, &ids, &ranges)
            }
        }
    }

    private func encodeWords(
        of section: AlignedText, atStart: Bool, _ workspace: inout EncodingWorkspace, _ ids: inout [Int],
        _ ranges: inout [Range<Int>]
    ) {
        guard !section.bytes.isEmpty else { return }
        var text = section
        var pieces = workspace.pieces
        workspace.pieces = []
        pieces.removeAll(keepingCapacity: true)
        pieces.append(0..<text.bytes.count)
        preTokenizer?.apply(to: &text, pieces: &pieces, scratch: &workspace.otherPieces, atStart: atStart)
        var output = TokenBuffer(isTracking: text.isTracking)
        text.bytes.withUnsafeBufferPointer { buffer in
            let base = buffer.baseAddress!
            switch model {
            case .bytePairEncoding(let model):
                for piece in pieces where !piece.isEmpty { model.tokenize(base, piece, &workspace, into: &output) }
            case .wordPiece(let model):
                for piece in pieces where !piece.isEmpty { model.tokenize(base, piece, &workspace, into: &output) }
            }
        }
        ids.append(contentsOf: output.ids.lazy.map { Int($0) })
        if text.isTracking { ranges.append(contentsOf: output.spans.lazy.map { text.origin(of: $0) }) }
        workspace.pieces = pieces
    }

    private func surrounded(
        _ ids: [Int], _ ranges: [Range<Int>], isTracking: Bool, addSpecialTokens: Bool, maximumCount: Int?
    ) -> Tokenizer.Encoding {
        let before = addSpecialTokens ? surroundings.before : []
        let after = addSpecialTokens ? surroundings.after : []
        let room = maximumCount.map { max(0, $0 - before.count - after.count) } ?? ids.count
        let kept = ids.count > room ? Array(ids[..<room]) : ids
        guard isTracking || !before.isEmpty || !after.isEmpty else {
            return Tokenizer.Encoding(ids: kept, ranges: [], isAdded: [])
        }
        var encoding = Tokenizer.Encoding(ids: before + kept + after, ranges: [], isAdded: [])
        if isTracking {
            let end = ranges.last?.upperBound ?? 0
            encoding.ranges = before.map { _ in 0..<0 } + ranges[..<kept.count] + after.map { _ in end..<end }
            encoding.isAdded = before.map { _ in true } + kept.map { _ in false } + after.map { _ in true }
        }
        return encoding
    }

    // MARK: Decoding

    func decode(_ ids: some Sequence<Int>, skipSpecialTokens: Bool) -> [UInt8] {
        var tokens: [[UInt8]] = []
        for id in ids where !(skipSpecialTokens && specialIDs.contains(id)) {
            if let spelling = spelling(id) { tokens.append(spelling) }
        }
        guard let decoder else { return Array(tokens.joined(separator: [32])) }
        decoder.apply(to: &tokens)
        return Array(tokens.joined())
    }

    func bytes(of id: Int) -> [UInt8] {
        guard let spelling = spelling(id) else { return [] }
        if case .bytePairEncoding(let model) = model, let byte = model.byteTokens.firstIndex(of: Int32(truncatingIfNeeded: id)) {
            return [UInt8(byte)]
        }
        if specialIDs.contains(id) { return spelling }
        switch decoder {
        case .byteLevel: return ByteAlphabet.decoded(spelling) ?? spelling
        case .wordPiece(let prefix, _): return spelling.starts(with: prefix) ? Array(spelling.dropFirst(prefix.count)) : [32] + spelling
        case nil: return spelling
        case .some(let decoder):
            // A first token may lose its leading space; a second one does not.
            var tokens = [spelling, spelling]
            decoder.apply(to: &tokens)
            var first = [spelling]
            decoder.apply(to: &first)
            let both = Array(tokens.joined())
            let one = Array(first.joined())
            return both.starts(with: one) ? Array(both.dropFirst(one.count)) : one
        }
    }
}
