/// Reads the `model` of a tokenizer file: vocabulary, merges and options.
struct ModelSection {
    let field: JSONField

    /// The model, and the vocabulary as it is spelled.
    func model(isByteLevel: Bool) throws(TokenizerError) -> (TokenizerPipeline.Model, Vocabulary) {
        guard !field.isMissing else { throw field.error(expected: "an object") }
        // Old files leave the type out; only BPE has merges.
        let type = field["type"].isMissing ? (field["merges"].isMissing ? "WordPiece" : "BPE") : try field["type"].string()
        let vocabulary = try vocabulary()
        switch type {
        case "BPE":
            return (.bytePairEncoding(try bytePairEncoding(vocabulary, isByteLevel: isByteLevel)), vocabulary)
        case "WordPiece":
            if isByteLevel { throw .unsupported(what: "combination", name: "ByteLevel with WordPiece") }
            return (.wordPiece(try wordPiece(vocabulary)), vocabulary)
        default: throw .unsupported(what: "model", name: type)
        }
    }

    private func vocabulary() throws(TokenizerError) -> Vocabulary {
        let section = field["vocab"]
        let entryCount = try section.object().reduce(0) { count, _ in count + 1 }
        var vocabulary = Vocabulary(capacity: entryCount)
        for (key, value) in try section.object() {
            let token = key.stringBytes ?? []
            func entry() -> JSONField { JSONField(value, path: "\(section.path)[\"\(String(decoding: token, as: UTF8.self))\"]") }
            guard let id = value.integer, Vocabulary.isPlausible(id: id, tokenCount: entryCount) else {
                throw entry().error(expected: "an id near the size of the vocabulary")
            }
            switch vocabulary.insert(token, id: id) {
            case .none: break
            case .token(let existing): throw entry().error(expected: "\(existing), the id given before")
            case .id: throw entry().error(expected: "an id that no other token has")
            }
        }
        guard vocabulary.tokenCount > 0 else { throw section.error(expected: "an object with at least one token") }
        return vocabulary
    }

    private func unknownID(_ vocabulary: Vocabulary) throws(TokenizerError) -> Int32? {
        let unknown = field["unk_token"]
        if unknown.isMissing { return nil }
        guard let id = vocabulary.id(of: try unknown.bytes()) else { throw unknown.error(expected: "a token of the vocabulary") }
        return Int32(id)
    }

    // MARK: WordPiece

    private func wordPiece(_ vocabulary: Vocabulary) throws(TokenizerError) -> WordPiece {
        let limit = field["max_input_chars_per_word"]
        guard let unknown = try unknownID(vocabulary) else {
            throw field["unk_token"].error(expected: "a token of the vocabulary")
        }
        return WordPiece(
            vocabulary: vocabulary, unknownID: unknown,
            continuingPrefix: try field["continuing_subword_prefix"].bytes(default: Array("##".utf8)),
            maximumWordLength: limit.isMissing ? 100 : try limit.integer(in: 0...1_000_000))
    }

    // MARK: BPE

    private func bytePairEncoding(_ vocabulary: Vocabulary, isByteLevel: Bool) throws(TokenizerError) -> BytePairEncoding {
        if !field["dropout"].isMissing, field["dropout"].view?.number != 0 {
            throw .unsupported(what: "option", name: "dropout of BPE, whose tokens are random")
        }
        let prefix = try field["continuing_subword_prefix"].bytes(default: [])
        let suffix = try field["end_of_word_suffix"].bytes(default: [])
        let hasByteFallback = try field["byte_fallback"].boolean(default: false)
        if hasByteFallback, !prefix.isEmpty || !suffix.isEmpty {
            throw .unsupported(what: "combination", name: "byte_fallback with a subword prefix or suffix")
        }
        let merges = try merges(vocabulary, prefixLength: prefix.count)
        let isFused = try field["fuse_unk"].boolean(default: false)
        return try BytePairEncoding.make(
            spelled: vocabulary, merges: merges, isByteLevel: isByteLevel,
            unknown: try unknownID(vocabulary).map { .init(id: $0, isFused: isFused) },
            ignoresMerges: try field["ignore_merges"].boolean(default: false), continuingPrefix: prefix, endSuffix: suffix,
            hasByteFallback: hasByteFallback)
    }

    private func merges(_ vocabulary: Vocabulary, prefixLength: Int) throws(TokenizerError) -> MergeTable {
        guard let elements = field["merges"].view?.elements else { throw field["merges"].error(expected: "an array") }
        var merges: [(left: Int32, right: Int32, result: Int32)] = []
        for (index, element) in elements.enumerated() {
            func failure(_ expected: String) -> TokenizerError {
                JSONField(element, path: "\(field["merges"].path)[\(index)]").error(expected: expected)
            }
            guard let pair = Self.pair(element) else { throw failure("two tokens, as array or separated by one space") }
            guard pair.right.count >= prefixLength, let left = vocabulary.id(of: pair.left),
                let right = vocabulary.id(of: pair.right),
                let result = vocabulary.id(of: pair.left + pair.right.dropFirst(prefixLength))
            else { throw failure("two tokens of the vocabulary whose concatenation is one too") }
            merges.append((Int32(left), Int32(right), Int32(result)))
        }
        return MergeTable(merges)
    }

    /// `"a b"` or `["a", "b"]`.
    private static func pair(_ element: JSONView) -> (left: [UInt8], right: [UInt8])? {
        if let line = element.stringBytes { return pair(line) }
        guard var parts = element.elements, let left = parts.next()?.stringBytes, let right = parts.next()?.stringBytes,
            parts.next() == nil
        else { return nil }
        return (left, right)
    }

    static func pair(_ line: [UInt8]) -> (left: [UInt8], right: [UInt8])? {
        guard let space = line.firstIndex(of: 32), line.lastIndex(of: 32) == space else { return nil }
        return (Array(line[..<space]), Array(line[(space + 1)...]))
    }
}

extension BytePairEncoding {
    /// A model from a vocabulary as it is spelled in a file.
    /// - Throws: ``TokenizerError/unsupported(what:name:)``.
    static func make(
        spelled vocabulary: Vocabulary, merges: MergeTable, isByteLevel: Bool, unknown: Unknown?, ignoresMerges: Bool,
        continuingPrefix: [UInt8] = [], endSuffix: [UInt8] = [], hasByteFallback: Bool
    ) throws(TokenizerError) -> BytePairEncoding {
        var raw = vocabulary
        if isByteLevel {
            // Tokens with characters outside the byte alphabet cannot come out of the model; only added tokens have them.
            raw = Vocabulary(capacity: vocabulary.tokenCount)
            for id in 0..<vocabulary.idUpperBound {
                if let token = vocabulary.token(id), let bytes = ByteAlphabet.decoded(token) { _ = raw.insert(bytes, id: id) }
            }
            if hasByteFallback, (0..<256).contains(where: { raw.id(of: [UInt8($0)]) == nil }) {
                throw .unsupported(what: "combination", name: "byte_fallback with an incomplete byte-level vocabulary")
            }
        }
        return BytePairEncoding(
            vocabulary: raw, merges: merges, alphabet: isByteLevel ? .bytes : .scalars, unknown: unknown,
            ignoresMerges: ignoresMerges, continuingPrefix: continuingPrefix, endSuffix: endSuffix,
            hasByteFallback: hasByteFallback && !isByteLevel)
    }
}
