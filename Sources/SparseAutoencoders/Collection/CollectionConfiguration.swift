public import Datasets
public import Experiments
public import Foundation
import Networks
import Torch

/// What to collect: model, hook, text and how it is cut.
public struct CollectionConfiguration: Codable, Sendable, Equatable {
    /// Catalogue name or path of the language model.
    public var model = "smollm2-135m-instruct"
    /// TransformerLens's name; the residual stream after the middle block if nil.
    public var hook: String?
    /// As `TextSource` reads it: a catalogue name, a file or folder, `file.jsonl:field`, `file.csv:column`.
    public var text = "prose-small"
    /// What becomes a context.
    public var mode = Mode.text
    /// Dialogues are left out that share a sequence of so many words with an earlier one; nil keeps all.
    public var deduplication: Int?
    /// Activations wanted.
    public var tokens = 1_000_000
    /// Tokens per context; of separate dialogues at most. nil for 128, and 2,048 for separate dialogues.
    public var contextLength: Int?
    /// Whether contexts begin with the tokenizer's beginning-of-sequence token; to separate dialogues the chat template gives what
    /// they begin with.
    public var prependsBOS = true
    /// The token that ends documents of plain text, as the vocabulary spells it; nil for the tokenizer's end of sequence.
    public var separator: String?
    /// Positions at the beginning of each context that are left out; nil for 1, and none of separate dialogues.
    public var droppedPositions: Int?
    /// Tokens taken of each document at most; nil for all.
    public var documentLimit: Int?
    public var elementType = StoreDescription.ElementType.float16
    /// Whether the gradients of the model's loss with respect to the activations are collected too, for architectures that choose
    /// features by their effect: the whole model is run, and the blocks behind the hook backwards.
    public var gradients = false
    /// Contexts that go through the model together.
    public var batchContexts = 8
    /// Size of a shard's activations; a collection that is interrupted loses less than one shard.
    public var shardMegabytes = 16
    /// Seed of the order of documents.
    public var seed: UInt64 = 0

    public init() {}

    /// What becomes a context.
    public enum Mode: String, Codable, Sendable, CaseIterable {
        /// Documents joined and cut into blocks of equal length.
        case text
        /// A dialogue in the model's chat template, from its beginning and alone (FAST, Li et al. 2025, arXiv:2506.07691).
        case dialogues
        /// Dialogues in the model's chat template, joined and cut into blocks of equal length.
        case dialogueBlocks
    }

    /// Tokens per context as it is used.
    var effectiveContextLength: Int { contextLength ?? (mode == .dialogues ? 2_048 : 128) }

    /// - Throws: ``CollectionError/invalidSetting(name:requirement:found:)``.
    public func validate() throws(CollectionError) {
        func require(_ condition: Bool, _ name: String, _ requirement: String, _ found: Int) throws(CollectionError) {
            if !condition { throw .invalidSetting(name: name, requirement: requirement, found: "\(found)") }
        }
        try require(tokens > 0, "the number of tokens", "positive", tokens)
        try require(tokens <= 1 << 48, "the number of tokens", "at most 2⁴⁸", tokens)
        let length = effectiveContextLength
        try require((2...1 << 20).contains(length), "the context length", "between 2 and 2²⁰", length)
        try require(
            (0..<length).contains(droppedPositions ?? 0), "the number of dropped positions", "less than the context length \(length)",
            droppedPositions ?? 0)
        try require((1...1 << 16).contains(deduplication ?? 1), "the number of words compared", "between 1 and 65,536", deduplication ?? 0)
        if mode == .text, let deduplication {
            throw .invalidSetting(name: "the number of words compared", requirement: "left out with --mode text", found: "\(deduplication)")
        }
        try require((1...1 << 16).contains(batchContexts), "the number of contexts per batch", "between 1 and 65,536", batchContexts)
        try require((1...1 << 16).contains(shardMegabytes), "the size of shards in megabytes", "between 1 and 65,536", shardMegabytes)
        try require(documentLimit ?? 1 > 0, "the number of tokens per document", "positive", documentLimit ?? 0)
    }

    /// What the store is going to be.
    func description(for model: TextModel, hook: String, width: Int) throws(CollectionError) -> StoreDescription {
        let layout = try contextLayout(model.tokenizer)
        var description = StoreDescription(
            model: model.identity, hook: hook, width: width, elementType: elementType,
            gradientType: gradients ? elementType.forGradients : nil, contexts: layout, text: text, seed: seed, plannedRows: tokens,
            rowsPerShard: layout.rowsPerContext)
        // The shard of separate dialogues has to hold the longest.
        description.rowsPerShard *= max(1, shardMegabytes * 1_000_000 / (description.rowByteCount * layout.rowsPerContext))
        return description
    }

    private func contextLayout(_ tokenizer: Tokenizer) throws(CollectionError) -> ContextLayout {
        let special = tokenizer.specialTokens
        let beginning = (prependsBOS ? special.bos ?? special.eos : nil).map { Int32($0) }
        var layout = ContextLayout(
            length: effectiveContextLength, beginningToken: nil, separatorToken: nil,
            firstPosition: droppedPositions ?? (mode == .dialogues ? 0 : 1), documentLimit: mode == .dialogues ? nil : documentLimit)
        func dialogues(_ arrangement: DialogueLayout.Arrangement) -> DialogueLayout {
            DialogueLayout(
                arrangement: arrangement, templateDigest: tokenizer.chatTemplate.map(DialogueDocuments.digest) ?? "",
                ngramLength: deduplication)
        }
        switch mode {
        case .text:
            let end = separator.map { tokenizer.id(of: $0) } ?? special.eos ?? special.bos
            if let separator, end == nil {
                throw .invalidSetting(name: "the separator", requirement: "a token of the model's vocabulary", found: "'\(separator)'")
            }
            (layout.beginningToken, layout.separatorToken) = (beginning, end.map { Int32($0) })
        case .dialogues: layout.dialogues = dialogues(.separate)
        case .dialogueBlocks: (layout.beginningToken, layout.dialogues) = (beginning, dialogues(.joined))
        }
        return layout
    }

    /// The text as tokens, as the mode says.
    func documents(_ reader: DocumentReader, _ model: TextModel) throws(CollectionError) -> any TokenizedDocuments {
        switch mode {
        case .text: TextDocuments(reader, tokenizer: model.tokenizer)
        case .dialogues, .dialogueBlocks: try DialogueDocuments(reader, model: model, text: text, deduplication: deduplication)
        }
    }
}

/// Collects activations as a configuration says.
///
/// - Parameters:
///   - folder: where the store is to be.
///   - model: the configuration's model, loaded.
///   - resuming: whether to continue a store that is there.
/// - Throws: ``CollectionError``, ``StoreError``, `DataError`, `UnknownHookPointError`, `RunInterrupted`.
public func collectActivations(
    _ configuration: CollectionConfiguration, to folder: URL, model: TextModel, resuming: Bool = false, dataStore: DataStore = DataStore(),
    progress: any ProgressReporter = SilentProgress(), cancellation: Cancellation = Cancellation()
) throws -> ActivationStore {
    try configuration.validate()
    let hook = try model.model.hookPoint(configuration.hook ?? model.middleHook)
    if configuration.gradients { try model.requireGradients(at: hook) }
    let description = try configuration.description(for: model, hook: hook.name, width: try model.width(of: hook))
    let source = TextSource(configuration.text, items: dataStore.items)
    if case .catalog(let name) = source { _ = try dataStore.fetch(name) }
    let reader = try DocumentReader(source, in: dataStore, order: .shuffled(seed: configuration.seed))
    let collector = ActivationCollector(
        to: folder, description: description, batchContexts: configuration.batchContexts,
        documents: try configuration.documents(reader, model)
    ) { contexts in
        configuration.gradients
            ? try model.activationsWithGradients(at: hook, contexts: contexts)
            : ActivationBatch(try model.activations(at: hook, contexts: contexts))
    }
    return try collector.run(resuming: resuming, progress: progress, cancellation: cancellation)
}

extension TextModel {
    /// The residual stream after the middle block, where features tend to be most abstract.
    public var middleHook: String { HookPoint.residualPost(middleLayer).name }
    var middleLayer: Int { model.configuration.layerCount / 2 }
}
