/// Reads `tokenizer.json`, the file format of Hugging Face's `tokenizers`, into a pipeline.
struct TokenizerFile {
    private let root: JSONField
    private static let maximumNesting = 16

    /// - Throws: ``TokenizerError`` if the bytes are no such file or ask for something unsupported.
    static func pipeline(_ bytes: [UInt8]) throws(TokenizerError) -> TokenizerPipeline {
        let document = try JSONDocument(bytes)
        let file = TokenizerFile(root: JSONField(document.root, path: ""))
        return try file.pipeline()
    }

    private func pipeline() throws(TokenizerError) -> TokenizerPipeline {
        guard root.view?.members != nil else {
            throw .invalidValue(key: "file", expected: "an object", found: root.view?.summary ?? "missing")
        }
        let normalizer = try normalizer(root["normalizer"], depth: 0)
        var preTokenizer = try preTokenizers(root["pre_tokenizer"], depth: 0)
        let isByteLevel = preTokenizer.removeByteLevelEnd()
        if preTokenizer.contains(.byteLevel) {
            throw .unsupported(what: "pre-tokeniser", name: "ByteLevel before another one")
        }
        let steps = preTokenizer.compactMap(\.step)
        let (model, vocabulary) = try ModelSection(field: root["model"]).model(isByteLevel: isByteLevel)
        let added = try addedTokens(vocabulary)
        return TokenizerPipeline(
            addedTokens: added, normalizer: normalizer,
            preTokenizer: steps.isEmpty ? nil : steps.count == 1 ? steps[0] : .sequence(steps), model: model,
            surroundings: try surroundings(root["post_processor"], depth: 0),
            decoder: try decoder(root["decoder"], depth: 0), vocabulary: vocabulary)
    }

    // MARK: Added tokens

    private func addedTokens(_ vocabulary: Vocabulary) throws(TokenizerError) -> [AddedTokens.Token] {
        let field = root["added_tokens"]
        if field.isMissing { return [] }
        let elements = try field.array()
        var ids: [[UInt8]: Int] = [:]
        var tokens: [AddedTokens.Token] = []
        for element in elements {
            var token = AddedTokens.Token(id: 0, content: try element["content"].bytes())
            token.id = try element["id"].integer(in: 0...Int(Int32.max) - 1)
            guard Vocabulary.isPlausible(id: token.id, tokenCount: vocabulary.tokenCount + elements.count) else {
                throw element["id"].error(expected: "an id near the size of the vocabulary")
            }
            let existing = vocabulary.id(of: token.content)
            if let existing, existing != token.id {
                throw element["id"].error(expected: "\(existing), the token's id in the vocabulary")
            }
            if existing == nil, vocabulary.token(token.id) != nil {
                throw element["id"].error(expected: "an id that no other token has")
            }
            if let other = ids.updateValue(token.id, forKey: token.content), other != token.id {
                throw element["content"].error(expected: "a token that is added once")
            }
            token.isSpecial = try element["special"].boolean(default: false)
            token.isSingleWord = try element["single_word"].boolean(default: false)
            token.stripsLeft = try element["lstrip"].boolean(default: false)
            token.stripsRight = try element["rstrip"].boolean(default: false)
            token.isNormalized = try element["normalized"].boolean(default: !token.isSpecial)
            tokens.append(token)
        }
        return tokens
    }

    // MARK: Normaliser

    private func nested(_ field: JSONField, _ key: String, depth: Int) throws(TokenizerError) -> [JSONField] {
        guard depth < Self.maximumNesting else {
            throw field.error(expected: "nested less than \(Self.maximumNesting) deep")
        }
        return try field[key].array()
    }

    private func pattern(_ field: JSONField) throws(TokenizerError) -> TextPattern {
        if let literal = field.view?.stringBytes { return .literal(literal) }
        if !field["Regex"].isMissing { return .expression(try Pattern(try field["Regex"].string())) }
        return .literal(try field["String"].bytes())
    }

    /// What is put into texts many times over must be short, or a small file could fill the memory.
    private func short(_ field: JSONField) throws(TokenizerError) -> [UInt8] {
        let bytes = try field.bytes()
        guard bytes.count <= 1024 else { throw field.error(expected: "at most 1024 bytes long") }
        return bytes
    }

    private func normalizer(_ field: JSONField, depth: Int) throws(TokenizerError) -> TextNormalizer? {
        if field.isMissing { return nil }
        let type = try field["type"].string()
        switch type {
        case "NFC": return .unicode(composed: true, compatibility: false)
        case "NFD": return .unicode(composed: false, compatibility: false)
        case "NFKC": return .unicode(composed: true, compatibility: true)
        case "NFKD": return .unicode(composed: false, compatibility: true)
        case "Lowercase": return .lowercase
        case "StripAccents": return .stripAccents
        case "BertNormalizer":
            let lowercases = try field["lowercase"].boolean(default: true)
            return .bert(
                BERTNormalization(
                    cleansText: try field["clean_text"].boolean(default: true),
                    separatesIdeographs: try field["handle_chinese_chars"].boolean(default: true),
                    stripsAccents: try field["strip_accents"].boolean(default: lowercases), lowercases: lowercases))
        case "Replace": return .replace(try pattern(field["pattern"]), with: try short(field["content"]))
        case "Prepend": return .prepend(try short(field["prepend"]))
        case "Strip":
            return .strip(
                left: try field["strip_left"].boolean(default: true), right: try field["strip_right"].boolean(default: true))
        case "Sequence":
            var all: [TextNormalizer] = []
            for element in try nested(field, "normalizers", depth: depth) {
                if let one = try normalizer(element, depth: depth + 1) { all.append(one) }
            }
            return .sequence(all)
        default: throw .unsupported(what: "normaliser", name: type)
        }
    }

    // MARK: Pre-tokeniser

    private func preTokenizers(_ field: JSONField, depth: Int) throws(TokenizerError) -> [PreTokenizerStep] {
        if field.isMissing { return [] }
        let type = try field["type"].string()
        switch type {
        case "ByteLevel":
            var steps: [PreTokenizerStep] = []
            if try field["add_prefix_space"].boolean(default: true) { steps.append(.text(.prefixSpace)) }
            if try field["use_regex"].boolean(default: true) {
                let expression = TextPattern.expression(try Pattern(PreTokenizer.gpt2Expression))
                steps.append(.text(.split(.pattern(expression), .isolated, isInverted: false)))
            }
            return steps + [.byteLevel]
        case "Split":
            return [
                .text(
                    .split(
                        .pattern(try pattern(field["pattern"])), try field["behavior"].choice(PreTokenizer.Behavior.self),
                        isInverted: try field["invert"].boolean(default: false)))
            ]
        case "Digits":
            let isIndividual = try field["individual_digits"].boolean(default: false)
            return [
                .text(.split(.property(ScalarProperties.numeric), isIndividual ? .isolated : .contiguous, isInverted: false))
            ]
        case "Punctuation":
            let behavior = field["behavior"].isMissing ? .isolated : try field["behavior"].choice(PreTokenizer.Behavior.self)
            return [.text(.split(.property(ScalarProperties.punctuation), behavior, isInverted: false))]
        case "Whitespace": return [.text(.split(.words, .removed, isInverted: true))]
        case "WhitespaceSplit": return [.text(.split(.property(ScalarProperties.whiteSpace), .removed, isInverted: false))]
        case "BertPreTokenizer":
            return [
                .text(.split(.property(ScalarProperties.whiteSpace), .removed, isInverted: false)),
                .text(.split(.property(ScalarProperties.punctuation), .isolated, isInverted: false)),
            ]
        case "Metaspace": return [.text(try metaspace(field))]
        case "Sequence":
            var steps: [PreTokenizerStep] = []
            for element in try nested(field, "pretokenizers", depth: depth) {
                steps += try preTokenizers(element, depth: depth + 1)
            }
            return steps
        default: throw .unsupported(what: "pre-tokeniser", name: type)
        }
    }

    private func metaspace(_ field: JSONField) throws(TokenizerError) -> PreTokenizer {
        var scheme = PreTokenizer.PrependScheme.always
        if !field["prepend_scheme"].isMissing { scheme = try field["prepend_scheme"].choice(PreTokenizer.PrependScheme.self) }
        if try !field["add_prefix_space"].boolean(default: true) {
            guard scheme == .never || field["prepend_scheme"].isMissing else {
                throw field["prepend_scheme"].error(expected: "\"never\" without add_prefix_space")
            }
            scheme = .never
        }
        return .metaspace(
            replacement: try replacement(field), prepend: scheme, splits: try field["split"].boolean(default: true))
    }

    private func replacement(_ field: JSONField) throws(TokenizerError) -> [UInt8] {
        let text = try field["replacement"].string()
        guard text.unicodeScalars.count == 1 else { throw field["replacement"].error(expected: "one character") }
        return Array(text.utf8)
    }

    // MARK: Post-processor

    private func surroundings(_ field: JSONField, depth: Int) throws(TokenizerError) -> TokenizerPipeline.Surroundings {
        if field.isMissing { return .init() }
        let type = try field["type"].string()
        switch type {
        case "ByteLevel": return .init()
        case "BertProcessing", "RobertaProcessing":
            return .init(before: [try roleID(field["cls"])], after: [try roleID(field["sep"])])
        case "TemplateProcessing": return try template(field)
        case "Sequence":
            // Each one works on what the one before has made.
            var all = TokenizerPipeline.Surroundings()
            for element in try nested(field, "processors", depth: depth) {
                let outer = try surroundings(element, depth: depth + 1)
                all = .init(before: outer.before + all.before, after: all.after + outer.after)
            }
            return all
        default: throw .unsupported(what: "post-processor", name: type)
        }
    }

    /// The id in `["[SEP]", 102]`.
    private func roleID(_ field: JSONField) throws(TokenizerError) -> Int {
        let parts = try field.array()
        guard parts.count == 2 else { throw field.error(expected: "a token and its id") }
        return try parts[1].integer(in: 0...Int(Int32.max))
    }

    private func template(_ field: JSONField) throws(TokenizerError) -> TokenizerPipeline.Surroundings {
        var result = TokenizerPipeline.Surroundings()
        var hasText = false
        for element in try field["single"].array() {
            if element["Sequence"].isMissing {
                let name = try element["SpecialToken"]["id"].string()
                var ids: [Int] = []
                for id in try field["special_tokens"][name]["ids"].array() { ids.append(try id.integer(in: 0...Int(Int32.max))) }
                if hasText { result.after += ids } else { result.before += ids }
            } else {
                guard !hasText, try element["Sequence"]["id"].string() == "A" else {
                    throw element.error(expected: "the sequence A, once")
                }
                hasText = true
            }
        }
        guard hasText else { throw field["single"].error(expected: "a template with the sequence A") }
        return result
    }

    // MARK: Decoder

    private func decoder(_ field: JSONField, depth: Int) throws(TokenizerError) -> TokenDecoder? {
        if field.isMissing { return nil }
        let type = try field["type"].string()
        switch type {
        case "ByteLevel": return .byteLevel
        case "WordPiece":
            return .wordPiece(
                prefix: try field["prefix"].bytes(default: Array("##".utf8)), cleansUp: try field["cleanup"].boolean(default: true))
        case "Metaspace":
            guard case .metaspace(let replacement, let prepend, _) = try metaspace(field) else { return nil }
            return .metaspace(replacement: replacement, dropsFirst: prepend != .never)
        case "Replace": return .replace(try pattern(field["pattern"]), with: try short(field["content"]))
        case "ByteFallback": return .byteFallback
        case "Fuse": return .fuse
        case "Strip":
            return .strip(
                content: try field["content"].bytes(), start: try field["start"].integer(in: 0...1_000_000),
                stop: try field["stop"].integer(in: 0...1_000_000))
        case "BPEDecoder": return .wordEnd(suffix: try field["suffix"].bytes(default: Array("</w>".utf8)))
        case "Sequence":
            var all: [TokenDecoder] = []
            for element in try nested(field, "decoders", depth: depth) {
                if let one = try decoder(element, depth: depth + 1) { all.append(one) }
            }
            return .sequence(all)
        default: throw .unsupported(what: "decoder", name: type)
        }
    }
}

/// A step of pre-tokenisation as the file lists it. `byteLevel` is the change into the byte alphabet; it is not carried
/// out, since the vocabulary is read in raw bytes instead.
enum PreTokenizerStep {
    case text(PreTokenizer)
    case byteLevel

    var step: PreTokenizer? {
        if case .text(let step) = self { step } else { nil }
    }
}

extension [PreTokenizerStep] {
    enum Kind { case byteLevel }

    func contains(_: Kind) -> Bool { contains { $0.step == nil } }

    /// Takes a final change into the byte alphabet away and tells whether there was one.
    mutating func removeByteLevelEnd() -> Bool {
        guard let last, last.step == nil else { return false }
        removeLast()
        return true
    }
}
