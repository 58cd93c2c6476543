internal import Dispatch
internal import Synchronization

/// Turns text into the token ids a language model was trained on, and back.
///
/// Made from a Hugging Face folder (``init(folder:)``) or from the metadata of a GGUF file (``init(gguf:)-(GGUFFile)``); both give
/// the ids that the reference implementations (`tokenizers`, `transformers`) give. All methods may be called from
/// several threads at once.
///
///     let tokenizer = try Tokenizer(folder: folder)
///     let ids = tokenizer.encode("Hello world")
///     let text = tokenizer.decode(ids)
public final class Tokenizer: Sendable {
    /// Ids of the tokens with a role, nil where the model has none.
    public struct SpecialTokens: Sendable, Equatable {
        /// Beginning of text.
        public var bos: Int?
        /// End of text.
        public var eos: Int?
        /// Filler for batches of texts of different length.
        public var pad: Int?
        /// Stands for what the vocabulary cannot spell.
        public var unk: Int?
        /// Separator of texts (BERT's `[SEP]`).
        public var sep: Int?
        /// Whole-text token (BERT's `[CLS]`).
        public var cls: Int?
        /// Stands for a token to be guessed (BERT's `[MASK]`).
        public var mask: Int?

        public init() {}
    }

    /// Token ids with their places in the text.
    public struct Encoding: Sendable, Equatable {
        public var ids: [Int]
        /// The bytes of the text's UTF-8 that each token comes from; empty for tokens added around the text.
        /// A token of a byte-level vocabulary may end in the middle of a character.
        public var ranges: [Range<Int>]
        /// Whether the token was added around the text instead of being found in it.
        public var isAdded: [Bool]
    }

    /// Ids of the tokens with a role.
    public let specialTokens: SpecialTokens
    /// The model's chat format, if its files have one.
    public let chatTemplate: ChatTemplate?

    let pipeline: TokenizerPipeline
    private let workspaces = Mutex<[EncodingWorkspace]>([])

    init(pipeline: TokenizerPipeline, specialTokens: SpecialTokens, chatTemplate: ChatTemplate?) {
        self.pipeline = pipeline
        self.specialTokens = specialTokens
        self.chatTemplate = chatTemplate
    }

    // MARK: Vocabulary

    /// One more than the largest token id.
    public var vocabularySize: Int { pipeline.idUpperBound }

    /// The token with an id as the vocabulary spells it (byte-level vocabularies spell a space `Ġ`), nil if there is none.
    public func token(_ id: Int) -> String? {
        pipeline.spelling(id).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The id of a token as the vocabulary spells it, nil if there is none.
    public func id(of token: String) -> Int? {
        pipeline.id(of: Array(token.utf8))
    }

    /// Ids of the tokens that are control marks rather than text, in ascending order.
    public var controlTokenIDs: [Int] { pipeline.specialIDs.sorted() }

    // MARK: Encoding

    /// The token ids of a text.
    /// - Parameters:
    ///   - addSpecialTokens: puts the tokens around the text that the model expects (a beginning of text, `[CLS]` … `[SEP]`).
    ///   - readsControlTokens: finds control tokens that are written in the text. Pass false for text from strangers,
    ///     which then cannot pretend to end a turn of a conversation.
    ///   - maximumCount: cuts the result to so many ids, added ones included.
    public func encode(
        _ text: String, addSpecialTokens: Bool = true, readsControlTokens: Bool = true, maximumCount: Int? = nil
    ) -> [Int] {
        withWorkspace {
            pipeline.encode(
                text, isTracking: false, addSpecialTokens: addSpecialTokens, readsControlTokens: readsControlTokens,
                maximumCount: maximumCount, &$0
            ).ids
        }
    }

    /// The token ids of a text with their places in it. Parameters as in
    /// ``encode(_:addSpecialTokens:readsControlTokens:maximumCount:)``.
    public func encoding(
        of text: String, addSpecialTokens: Bool = true, readsControlTokens: Bool = true, maximumCount: Int? = nil
    ) -> Encoding {
        withWorkspace {
            pipeline.encode(
                text, isTracking: true, addSpecialTokens: addSpecialTokens, readsControlTokens: readsControlTokens,
                maximumCount: maximumCount, &$0)
        }
    }

    /// The token ids of many texts, found on several cores; the result does not depend on their number.
    public func encode(
        batch texts: [String], addSpecialTokens: Bool = true, readsControlTokens: Bool = true, maximumCount: Int? = nil
    ) -> [[Int]] {
        let chunkSize = 64
        let chunks = (texts.count + chunkSize - 1) / chunkSize
        let results = Mutex([[[Int]]](repeating: [], count: chunks))
        DispatchQueue.concurrentPerform(iterations: chunks) { chunk in
            let encoded = texts[chunk * chunkSize..<min(texts.count, (chunk + 1) * chunkSize)].map {
                encode(
                    $0, addSpecialTokens: addSpecialTokens, readsControlTokens: readsControlTokens, maximumCount: maximumCount)
            }
            results.withLock { $0[chunk] = encoded }
        }
        return results.withLock { $0.flatMap { $0 } }
    }

    /// Lends a workspace (word cache and buffers) that no other thread uses meanwhile.
    private func withWorkspace<Result>(_ body: (inout EncodingWorkspace) -> Result) -> Result {
        var workspace = workspaces.withLock { $0.popLast() } ?? EncodingWorkspace()
        let result = body(&workspace)
        workspaces.withLock { [workspace] in $0.append(workspace) }
        return result
    }

    // MARK: Decoding

    /// The text of token ids. Ids outside the vocabulary are left out, bytes that are not UTF-8 become U+FFFD.
    /// - Parameter skipSpecialTokens: leaves out control tokens.
    public func decode(_ ids: some Sequence<Int>, skipSpecialTokens: Bool = true) -> String {
        String(decoding: pipeline.decode(ids, skipSpecialTokens: skipSpecialTokens), as: UTF8.self)
    }

    /// The bytes that one token contributes to a text, for showing tokens one by one; they need not be valid UTF-8.
    public func bytes(of id: Int) -> [UInt8] {
        pipeline.bytes(of: id)
    }
}
