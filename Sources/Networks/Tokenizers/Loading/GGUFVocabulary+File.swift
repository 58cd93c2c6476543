extension GGUFVocabulary {
    /// The tokenizer part of a file's metadata.
    /// - Throws: `FileFormatError` when a value is missing or of another type.
    public init(_ metadata: GGUFMetadata) throws {
        func numbers(_ name: String) throws -> GGUFNumbers? { try metadata.numbers("tokenizer.ggml.\(name)") }
        func integer(_ name: String) throws -> Int? { try metadata.integer("tokenizer.ggml.\(name)") }
        func boolean(_ name: String) throws -> Bool? { try metadata.bool("tokenizer.ggml.\(name)") }
        let types = try numbers("token_type")
        self.init(
            architecture: try metadata.string("general.architecture"),
            model: try metadata.required("tokenizer.ggml.model", metadata.string),
            preTokenizer: try metadata.string("tokenizer.ggml.pre"),
            tokens: Array(try metadata.required("tokenizer.ggml.tokens", metadata.strings)),
            tokenTypes: types.map { types in types.indices.map { types.integer(at: $0) ?? 0 } } ?? [],
            scores: try numbers("scores")?.map { Float($0) } ?? [],
            merges: try metadata.strings("tokenizer.ggml.merges").map(Array.init) ?? [],
            bosID: try integer("bos_token_id"), eosID: try integer("eos_token_id"), padID: try integer("padding_token_id"),
            unkID: try integer("unknown_token_id"), addsBOS: try boolean("add_bos_token"), addsEOS: try boolean("add_eos_token"),
            addsSpacePrefix: try boolean("add_space_prefix"), chatTemplate: try metadata.string("tokenizer.chat_template"))
    }
}

extension Tokenizer {
    /// Makes the tokenizer that an open GGUF file describes.
    /// - Throws: `FileFormatError` or ``TokenizerError``.
    public convenience init(gguf file: GGUFFile) throws {
        try self.init(gguf: GGUFVocabulary(file.metadata))
    }
}
