/// The tokenizer part of a GGUF file's metadata, as plain values; the keys are given with each member.
public struct GGUFVocabulary: Sendable, Equatable {
    /// `general.architecture`; Gemma's vocabularies are recognised by it.
    public var architecture: String?
    /// `tokenizer.ggml.model`: `gpt2` (byte-level BPE with merges) or `llama` (SentencePiece BPE with scores).
    public var model: String
    /// `tokenizer.ggml.pre`: how text is cut into words.
    public var preTokenizer: String?
    /// `tokenizer.ggml.tokens`, in the order of their ids.
    public var tokens: [String]
    /// `tokenizer.ggml.token_type`: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. May be empty.
    public var tokenTypes: [Int]
    /// `tokenizer.ggml.scores`. May be empty.
    public var scores: [Float]
    /// `tokenizer.ggml.merges`, as `left right`. May be empty.
    public var merges: [String]
    /// `tokenizer.ggml.bos_token_id`.
    public var bosID: Int?
    /// `tokenizer.ggml.eos_token_id`.
    public var eosID: Int?
    /// `tokenizer.ggml.padding_token_id`.
    public var padID: Int?
    /// `tokenizer.ggml.unknown_token_id`.
    public var unkID: Int?
    /// `tokenizer.ggml.add_bos_token`; nil takes the model's usual behaviour.
    public var addsBOS: Bool?
    /// `tokenizer.ggml.add_eos_token`.
    public var addsEOS: Bool?
    /// `tokenizer.ggml.add_space_prefix`; used by `llama` models.
    public var addsSpacePrefix: Bool?
    /// `tokenizer.chat_template`.
    public var chatTemplate: String?

    public init(
        architecture: String? = nil, model: String, preTokenizer: String? = nil, tokens: [String], tokenTypes: [Int] = [],
        scores: [Float] = [], merges: [String] = [], bosID: Int? = nil, eosID: Int? = nil, padID: Int? = nil,
        unkID: Int? = nil, addsBOS: Bool? = nil, addsEOS: Bool? = nil, addsSpacePrefix: Bool? = nil,
        chatTemplate: String? = nil
    ) {
        self.architecture = architecture
        self.model = model
        self.preTokenizer = preTokenizer
        self.tokens = tokens
        self.tokenTypes = tokenTypes
        self.scores = scores
        self.merges = merges
        self.bosID = bosID
        self.eosID = eosID
        self.padID = padID
        self.unkID = unkID
        self.addsBOS = addsBOS
        self.addsEOS = addsEOS
        self.addsSpacePrefix = addsSpacePrefix
        self.chatTemplate = chatTemplate
    }
}

extension Tokenizer {
    /// Makes the tokenizer that a GGUF file describes.
    /// - Throws: ``TokenizerError`` if the lists do not fit together or the kind of tokenizer is not supported.
    public convenience init(gguf: GGUFVocabulary) throws(TokenizerError) {
        let builder = try GGUFTokenizerBuilder(gguf)
        var special = SpecialTokens()
        special.bos = gguf.bosID
        special.eos = gguf.eosID
        special.pad = gguf.padID
        special.unk = gguf.unkID
        var roles: [String: String] = [:]
        for (role, id) in [("bos", gguf.bosID), ("eos", gguf.eosID), ("pad", gguf.padID), ("unk", gguf.unkID)] {
            if let id { roles[role] = gguf.tokens[id] }
        }
        self.init(
            pipeline: try builder.pipeline(), specialTokens: special,
            chatTemplate: gguf.chatTemplate.map { ChatTemplate($0, specialTokens: roles) })
    }
}

/// Puts together the steps that a GGUF file only names.
private struct GGUFTokenizerBuilder {
    private let source: GGUFVocabulary
    private let isGemma: Bool
    private var vocabulary: Vocabulary

    init(_ source: GGUFVocabulary) throws(TokenizerError) {
        self.source = source
        isGemma = source.architecture?.hasPrefix("gemma") == true
        let count = source.tokens.count
        guard count > 0, count < Int(Int32.max) else {
            throw .invalidValue(key: "tokenizer.ggml.tokens", expected: "a list of tokens", found: "\(count) tokens")
        }
        for (key, found) in [("token_type", source.tokenTypes.count), ("scores", source.scores.count)]
        where found != 0 && found != count {
            throw .invalidValue(
                key: "tokenizer.ggml.\(key)", expected: "as long as the list of \(count) tokens", found: "\(found) long")
        }
        for (key, id) in [
            ("bos", source.bosID), ("eos", source.eosID), ("padding", source.padID), ("unknown", source.unkID),
        ] {
            if let id, !source.tokens.indices.contains(id) {
                throw .invalidValue(
                    key: "tokenizer.ggml.\(key)_token_id", expected: "an id below \(count)", found: "\(id)")
            }
        }
        vocabulary = Vocabulary(capacity: count)
        for (id, token) in source.tokens.enumerated() {
            var bytes = Array(token.utf8)
            // Converters write Gemma's runs of spaces with real spaces, although the model sees them as ▁.
            if isGemma, !bytes.isEmpty, bytes.allSatisfy({ $0 == 32 }) { bytes = bytes.flatMap { _ in Self.visibleSpace } }
            // Padding entries may repeat a token; the first one is the token.
            _ = vocabulary.insert(bytes, id: id)
        }
    }

    private static let visibleSpace = Array("▁".utf8)

    func pipeline() throws(TokenizerError) -> TokenizerPipeline {
        switch source.model {
        case "gpt2": try byteLevel()
        case "llama": try sentencePiece()
        default: throw .unsupported(what: "GGUF tokenizer model", name: source.model)
        }
    }

    /// Control tokens are special; user-defined ones are found whole too, but are text.
    private func addedTokens() -> [AddedTokens.Token] {
        var tokens: [AddedTokens.Token] = []
        for (id, type) in source.tokenTypes.enumerated() where type == 3 || type == 4 {
            guard let content = vocabulary.token(id), !content.isEmpty else { continue }
            // Gemma's runs of spaces are merged by the model; they are not looked for in the text.
            if isGemma, content.starts(with: Self.visibleSpace) { continue }
            tokens.append(AddedTokens.Token(id: id, content: Array(content), isSpecial: type == 3))
        }
        return tokens
    }

    private func surroundings(addsBOS: Bool) throws(TokenizerError) -> TokenizerPipeline.Surroundings {
        var result = TokenizerPipeline.Surroundings()
        if addsBOS {
            guard let bos = source.bosID else {
                throw .invalidValue(key: "tokenizer.ggml.bos_token_id", expected: "an id, since it is to be added", found: "missing")
            }
            result.before = [bos]
        }
        if source.addsEOS == true {
            guard let eos = source.eosID else {
                throw .invalidValue(key: "tokenizer.ggml.eos_token_id", expected: "an id, since it is to be added", found: "missing")
            }
            result.after = [eos]
        }
        return result
    }

    // MARK: Byte-level BPE

    /// How a kind of byte-level vocabulary cuts text into words.
    private struct Splitting {
        var normalizer: TextNormalizer?
        var steps: [PreTokenizer]
        var ignoresMerges = false
        var addsBOS = false
    }

    private static let llama3Expression =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let qwen2Expression =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

    private func splitting() throws(TokenizerError) -> Splitting {
        func step(_ expression: String) throws(TokenizerError) -> PreTokenizer {
            .split(.pattern(.expression(try Pattern(expression))), .isolated, isInverted: false)
        }
        let digits = PreTokenizer.split(.property(ScalarProperties.numeric), .isolated, isInverted: false)
        switch source.preTokenizer ?? "default" {
        case "default", "gpt-2", "gpt2":
            return Splitting(steps: [try step(PreTokenizer.gpt2Expression)])
        case "smollm", "starcoder", "refact", "command-r":
            return Splitting(steps: [digits, try step(PreTokenizer.gpt2Expression)])
        case "llama-bpe", "llama3", "llama-v3":
            return Splitting(steps: [try step(Self.llama3Expression)], ignoresMerges: true, addsBOS: true)
        case "qwen2", "deepseek-r1-qwen":
            return Splitting(
                normalizer: .unicode(composed: true, compatibility: false), steps: [try step(Self.qwen2Expression)])
        case let name: throw .unsupported(what: "GGUF pre-tokeniser", name: name)
        }
    }

    private func byteLevel() throws(TokenizerError) -> TokenizerPipeline {
        let splitting = try splitting()
        var merges: [(left: Int32, right: Int32, result: Int32)] = []
        merges.reserveCapacity(source.merges.count)
        for (index, line) in source.merges.enumerated() {
            guard let pair = ModelSection.pair(Array(line.utf8)), let left = vocabulary.id(of: pair.left),
                let right = vocabulary.id(of: pair.right), let result = vocabulary.id(of: pair.left + pair.right)
            else {
                throw .invalidValue(
                    key: "tokenizer.ggml.merges[\(index)]", expected: "two tokens whose concatenation is one too",
                    found: "\"\(line.prefix(60))\"")
            }
            merges.append((Int32(left), Int32(right), Int32(result)))
        }
        let model = try BytePairEncoding.make(
            spelled: vocabulary, merges: MergeTable(merges), isByteLevel: true, unknown: nil,
            ignoresMerges: splitting.ignoresMerges, hasByteFallback: false)
        return TokenizerPipeline(
            addedTokens: addedTokens(), normalizer: splitting.normalizer, preTokenizer: .sequence(splitting.steps),
            model: .bytePairEncoding(model), surroundings: try surroundings(addsBOS: source.addsBOS ?? splitting.addsBOS),
            decoder: .byteLevel, vocabulary: vocabulary)
    }

    // MARK: SentencePiece BPE

    private func sentencePiece() throws(TokenizerError) -> TokenizerPipeline {
        guard isGemma || !source.scores.isEmpty else {
            throw .invalidValue(key: "tokenizer.ggml.scores", expected: "one score for every token", found: "missing")
        }
        let model = try BytePairEncoding.make(
            spelled: vocabulary, merges: MergeTable(impliedMerges()), isByteLevel: false,
            unknown: source.unkID.map { .init(id: Int32($0), isFused: true) }, ignoresMerges: false, hasByteFallback: true)
        let addsPrefix = source.addsSpacePrefix ?? !isGemma
        var decoders: [TokenDecoder] = [.replace(.literal(Self.visibleSpace), with: [32]), .byteFallback, .fuse]
        if addsPrefix { decoders.append(.strip(content: [32], start: 1, stop: 0)) }
        let preTokenizer: PreTokenizer =
            .metaspace(replacement: Self.visibleSpace, prepend: addsPrefix ? .first : .never, splits: false)
        return TokenizerPipeline(
            addedTokens: addedTokens(), normalizer: nil, preTokenizer: preTokenizer, model: .bytePairEncoding(model),
            surroundings: try surroundings(addsBOS: source.addsBOS ?? true), decoder: .sequence(decoders),
            vocabulary: vocabulary)
    }

    /// The merges that a vocabulary without merges implies: every way to make a token of two others. The better token
    /// comes first (the higher score; in Gemma's files, whose scores do not follow the order of merging, the lower id),
    /// then the longer left part, as in `transformers`.
    private func impliedMerges() -> [(left: Int32, right: Int32, result: Int32)] {
        struct Candidate {
            var priority: Float
            var leftLength: Int32
            var rightLength: Int32
            var left: Int32
            var right: Int32
            var result: Int32
        }
        var candidates: [Candidate] = []
        for id in 0..<vocabulary.idUpperBound {
            guard let token = vocabulary.token(id) else { continue }
            let priority = isGemma ? -Float(id) : source.scores[id]
            token.withUnsafeBufferPointer { bytes in
                guard let base = bytes.baseAddress else { return }
                let scalars = Int32(bytes.count { $0 & 0xC0 != 0x80 })
                var leftScalars: Int32 = 0
                for cut in 1..<max(1, bytes.count) where bytes[cut] & 0xC0 != 0x80 {
                    leftScalars += 1
                    let left = vocabulary.id(of: base, count: cut)
                    guard left >= 0, case let right = vocabulary.id(of: base + cut, count: bytes.count - cut), right >= 0 else {
                        continue
                    }
                    candidates.append(
                        Candidate(
                            priority: priority.isNaN ? -.infinity : priority, leftLength: leftScalars,
                            rightLength: scalars - leftScalars, left: left, right: right, result: Int32(id)))
                }
            }
        }
        candidates.sort {
            ($1.priority, $1.leftLength, $1.rightLength, $0.result) < ($0.priority, $0.leftLength, $0.rightLength, $1.result)
        }
        return candidates.map { ($0.left, $0.right, $0.result) }
    }
}
