public import Torch

/// What the rows of an activation store are: everything that must agree between the store, the autoencoder trained on
/// it and the model it is spliced into.
public struct StoreDescription: Codable, Sendable, Equatable {
    /// The network the activations come from.
    public var model: ModelIdentity
    /// Where they were read, by TransformerLens's name, e.g. `blocks.15.hook_resid_post`.
    public var hook: String
    /// Numbers per row: the hook's width D.
    public var width: Int
    /// How numbers are stored.
    public var elementType: ElementType
    /// How the loss's gradients are stored beside the activations; nil if there are none.
    public var gradientType: ElementType?
    /// How rows belong to contexts of text; nil for rows that do not come from text.
    public var contexts: ContextLayout?
    /// The text, by catalogue name and version or path.
    public var text: String?
    /// Seed of the order of the documents.
    public var seed: UInt64
    /// Rows wanted; a store whose text ended earlier has fewer.
    public var plannedRows: Int
    /// Rows of every shard but the last.
    public var rowsPerShard: Int

    public init(
        model: ModelIdentity, hook: String, width: Int, elementType: ElementType = .float16, gradientType: ElementType? = nil,
        contexts: ContextLayout? = nil, text: String? = nil, seed: UInt64 = 0, plannedRows: Int, rowsPerShard: Int
    ) {
        self.model = model
        self.hook = hook
        self.width = width
        self.elementType = elementType
        self.gradientType = gradientType
        self.contexts = contexts
        self.text = text
        self.seed = seed
        self.plannedRows = plannedRows
        self.rowsPerShard = rowsPerShard
    }

    /// The number format of the activations on disk.
    ///
    /// `float16` is the default: half the disk and memory traffic of `float32` at a relative error of at most 2⁻¹¹,
    /// which adds below 10⁻⁶ to the fraction of variance unexplained; values beyond ±65,504 are refused rather than
    /// stored as infinities. `bfloat16` has `float32`'s range at a relative error of 2⁻⁸.
    public enum ElementType: String, Codable, Sendable, CaseIterable {
        case float16, bfloat16, float32

        /// The format for gradients beside activations of this one: their range matters more than their digits, and `float16`
        /// would round the small ones to 0.
        public var forGradients: ElementType { self == .float32 ? .float32 : .bfloat16 }

        public var dtype: DType {
            switch self {
            case .float16: .float16
            case .bfloat16: .bfloat16
            case .float32: .float32
            }
        }

        var fileType: SafetensorsFile.ElementType {
            switch self {
            case .float16: .float16
            case .bfloat16: .bfloat16
            case .float32: .float32
            }
        }
    }

    /// Bytes of one row's activations and gradients.
    public var rowByteCount: Int { width * (elementType.dtype.byteCount + (gradientType?.dtype.byteCount ?? 0)) }

    /// Where a row of a shard comes from, for messages.
    func place(ofRow row: Int) -> String {
        guard let contexts, contexts.hasEqualLengths else { return "counted from 0" }
        return "context \(row / contexts.rowsPerContext) of the shard, position \(contexts.firstPosition + row % contexts.rowsPerContext)"
    }

    /// Checks that the sizes are possible, so that later arithmetic on them cannot overflow.
    func validate() throws(StoreError.Reason) {
        func require(_ condition: Bool, _ problem: String) throws(StoreError.Reason) {
            if !condition { throw .invalidDescription(problem) }
        }
        try require((1...1 << 24).contains(width), "width must be between 1 and 2²⁴, found \(width)")
        try require((0...1 << 48).contains(plannedRows), "plannedRows must be between 0 and 2⁴⁸, found \(plannedRows)")
        try require((1...1 << 31).contains(rowsPerShard), "rowsPerShard must be between 1 and 2³¹, found \(rowsPerShard)")
        guard let contexts else { return }
        try require((1...1 << 24).contains(contexts.length), "contexts.length must be between 1 and 2²⁴, found \(contexts.length)")
        try require(
            (0..<contexts.length).contains(contexts.firstPosition),
            "contexts.firstPosition must be below the length \(contexts.length), found \(contexts.firstPosition)")
        try require(
            contexts.documentLimit ?? 1 > 0, "contexts.documentLimit must be positive, found \(contexts.documentLimit ?? 0)")
        try require(
            contexts.dialogues?.ngramLength ?? 1 > 0,
            "contexts.dialogues.ngramLength must be positive, found \(contexts.dialogues?.ngramLength ?? 0)")
        try require(
            rowsPerShard % contexts.rowsPerContext == 0,
            "rowsPerShard must be a multiple of the \(contexts.rowsPerContext) rows of a context, found \(rowsPerShard)")
    }
}

/// Which network, exactly.
public struct ModelIdentity: Codable, Sendable, Equatable {
    /// Catalogue name or path, for people.
    public var name: String
    /// Digest of the weights' file, so that another model under the same name is noticed; empty if unknown.
    public var digest: String

    public init(name: String, digest: String = "") {
        self.name = name
        self.digest = digest
    }
}

/// How text was cut into contexts, and which of their positions are rows.
///
/// Documents are tokenised one after another, each ended by the separator token, and the stream is cut into contexts of
/// equal length; what does not fill the last one is left out. A context therefore may hold pieces of several documents.
/// Separate dialogues have a context each, as long as the dialogue.
public struct ContextLayout: Codable, Sendable, Equatable {
    /// Tokens per context, a beginning-of-sequence token included; of separate dialogues at most, what is longer is cut.
    public var length: Int
    /// The token every context begins with; nil if there is none.
    public var beginningToken: Int32?
    /// The token that ends every document; nil if documents are joined directly.
    public var separatorToken: Int32?
    /// Positions before this one are run through the model but are no rows: the first ones act as attention sinks, with
    /// norms 10 to 100 times those of other positions.
    public var firstPosition: Int
    /// Tokens taken from the beginning of each document at most, so that a few long ones do not fill a small store;
    /// nil takes all.
    public var documentLimit: Int?
    /// How dialogues were written; nil for plain text.
    public var dialogues: DialogueLayout?

    public init(
        length: Int, beginningToken: Int32?, separatorToken: Int32?, firstPosition: Int, documentLimit: Int? = nil,
        dialogues: DialogueLayout? = nil
    ) {
        self.length = length
        self.beginningToken = beginningToken
        self.separatorToken = separatorToken
        self.firstPosition = firstPosition
        self.documentLimit = documentLimit
        self.dialogues = dialogues
    }

    /// Rows that each context gives; of separate dialogues at most.
    public var rowsPerContext: Int { length - firstPosition }

    /// Whether all contexts are equally long: those of separate dialogues are not.
    public var hasEqualLengths: Bool { dialogues?.arrangement != .separate }
}

/// How dialogues, written in a model's chat template, became contexts.
public struct DialogueLayout: Codable, Sendable, Equatable {
    public var arrangement: Arrangement
    /// CRC-32C of the template, so that another one under the same model's name is noticed.
    public var templateDigest: String
    /// Words of the sequences of which none may appear in two dialogues; nil if dialogues were not compared.
    public var ngramLength: Int?

    public enum Arrangement: String, Codable, Sendable {
        /// One dialogue a context, as in the tuning of instruct models.
        case separate
        /// Dialogues joined and cut into contexts of equal length.
        case joined
    }

    public init(arrangement: Arrangement, templateDigest: String, ngramLength: Int? = nil) {
        self.arrangement = arrangement
        self.templateDigest = templateDigest
        self.ngramLength = ngramLength
    }
}

/// What a token of a dialogue is: text of the chat template, or of somebody's message.
public enum TokenRole: Int32, Codable, Sendable, CaseIterable {
    case template, system, user, assistant
}

/// Where in a sequence of documents the next token comes from.
public struct TextCursor: Codable, Sendable, Equatable {
    /// Index of the document.
    public var document: Int
    /// Index of the token within it, the separator counted as its last.
    public var token: Int

    public init(document: Int = 0, token: Int = 0) {
        self.document = document
        self.token = token
    }

    public static let start = TextCursor()
}

/// The contents of `store.json`.
struct StoreIndex: Codable, Equatable {
    static let fileName = "store.json"
    static let formatName = "condense-activations"
    static let currentVersion = 1

    struct Shard: Codable, Equatable {
        var file: String
        var rows: Int
        var bytes: Int
        /// CRC-32C of the whole file, hexadecimal.
        var checksum: String
        /// Contexts of the file, where they are not equally long.
        var contexts: Int?
        /// Where the text continues after this shard.
        var next: TextCursor?
    }

    var format = StoreIndex.formatName
    var version = StoreIndex.currentVersion
    var description: StoreDescription
    var shards: [Shard] = []
    var isComplete = false

    var rowCount: Int { shards.reduce(0) { $0 + $1.rows } }

    static func shardName(_ number: Int) -> String {
        let digits = String(number)
        return "shard-\(String(repeating: "0", count: max(0, 6 - digits.count)))\(digits).safetensors"
    }
}
