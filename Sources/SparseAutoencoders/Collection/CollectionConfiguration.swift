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
    /// Activations wanted.
    public var tokens = 1_000_000
    public var contextLength = 128
    /// Whether contexts begin with the tokenizer's beginning-of-sequence token.
    public var prependsBOS = true
    /// Positions at the beginning of each context that are left out.
    public var droppedPositions = 1
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

    /// - Throws: ``CollectionError/invalidSetting(name:requirement:found:)``.
    public func validate() throws(CollectionError) {
        func require(_ condition: Bool, _ name: String, _ requirement: String, _ found: Int) throws(CollectionError) {
            if !condition { throw .invalidSetting(name: name, requirement: requirement, found: "\(found)") }
        }
        try require(tokens > 0, "the number of tokens", "positive", tokens)
        try require(tokens <= 1 << 48, "the number of tokens", "at most 2⁴⁸", tokens)
        try require((2...1 << 20).contains(contextLength), "the context length", "between 2 and 2²⁰", contextLength)
        try require(
            (0..<contextLength).contains(droppedPositions), "the number of dropped positions", "less than the context length \(contextLength)",
            droppedPositions)
        try require((1...1 << 16).contains(batchContexts), "the number of contexts per batch", "between 1 and 65,536", batchContexts)
        try require((1...1 << 16).contains(shardMegabytes), "the size of shards in megabytes", "between 1 and 65,536", shardMegabytes)
        try require(documentLimit ?? 1 > 0, "the number of tokens per document", "positive", documentLimit ?? 0)
    }

    /// What the store is going to be.
    func description(for model: TextModel, hook: String, width: Int) -> StoreDescription {
        let special = model.tokenizer.specialTokens
        let beginning = prependsBOS ? special.bos ?? special.eos : nil
        let layout = ContextLayout(
            length: contextLength, beginningToken: beginning.map { Int32($0) }, separatorToken: (special.eos ?? special.bos).map { Int32($0) },
            firstPosition: droppedPositions, documentLimit: documentLimit)
        var description = StoreDescription(
            model: model.identity, hook: hook, width: width, elementType: elementType,
            gradientType: gradients ? elementType.forGradients : nil, contexts: layout, text: text, seed: seed, plannedRows: tokens,
            rowsPerShard: layout.rowsPerContext)
        description.rowsPerShard *= max(1, shardMegabytes * 1_000_000 / (description.rowByteCount * layout.rowsPerContext))
        return description
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
    let description = configuration.description(for: model, hook: hook.name, width: try model.width(of: hook))
    let source = TextSource(configuration.text, items: dataStore.items)
    if case .catalog(let name) = source { _ = try dataStore.fetch(name) }
    let reader = try DocumentReader(source, in: dataStore, order: .shuffled(seed: configuration.seed))
    let collector = ActivationCollector(
        to: folder, description: description, batchContexts: configuration.batchContexts,
        documents: TextDocuments(reader, tokenizer: model.tokenizer)
    ) { contexts in
        configuration.gradients
            ? try model.activationsWithGradients(at: hook, contexts: contexts)
            : ActivationBatch(try model.activations(at: hook, contexts: contexts))
    }
    return try collector.run(resuming: resuming, progress: progress, cancellation: cancellation)
}

extension TextModel {
    /// The residual stream after the middle block, where features tend to be most abstract.
    public var middleHook: String { HookPoint.residualPost(model.configuration.layerCount / 2).name }
}
