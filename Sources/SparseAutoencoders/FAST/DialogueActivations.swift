internal import Datasets
internal import Experiments
internal import Networks
internal import Torch

/// How text reaches the model whose activations are learned.
package enum DialoguePipeline: String, CaseIterable, Sendable {
    /// Blocks of plain text: BT(P).
    case plainBlocks = "BT(P)"
    /// Blocks of joined dialogues: BT(F).
    case dialogueBlocks = "BT(F)"
    /// Dialogues one at a time.
    case dialogues = "FAST"
}

/// Activations of one hook by each pipeline to train on, and those of held-out dialogues to measure on.
package struct DialogueActivations {
    package struct Part {
        package let store: ActivationStore
        package let rows: Range<Int>

        package init(_ store: ActivationStore, rows: Range<Int>) {
            self.store = store
            self.rows = rows
        }
    }

    package let training: [DialoguePipeline: Part]
    /// Dialogues one a batch, for the choice of settings and for all figures.
    package let validation: [ContextBatch]
    package let test: [ContextBatch]
    package let special: SpecialTokens
    /// The norm above which a token is an attention sink.
    package let maximumNorm: Double
    /// The language model's distributions; nil without a network.
    package let network: (any InterventionModel)?
    package let origin: String

    package init(
        training: [DialoguePipeline: Part], validation: [ContextBatch], test: [ContextBatch], special: SpecialTokens, maximumNorm: Double,
        network: (any InterventionModel)? = nil, origin: String
    ) {
        self.training = training
        self.validation = validation
        self.test = test
        self.special = special
        self.maximumNorm = maximumNorm
        self.network = network
        self.origin = origin
    }

    package struct Setting: Sendable, Equatable {
        package var model = "smollm2-135m-instruct"
        package var dialogues = "sharegpt"
        package var plainText = "prose-small"
        /// Tokens of each pipeline.
        package var trainingTokens = 60_000
        package var validationTokens = 6_000
        package var testTokens = 20_000
        /// Tokens of a dialogue at most.
        package var contextLength = 512
        package var blockLength = 512
        /// As in the paper, words that two dialogues must not have in common in sequence.
        package var ngramLength = 20

        package init() {}
    }

    /// Collects each pipeline's activations in a folder of its own, from which they are read while training.
    init(collecting setting: Setting, context: ReproductionContext) throws {
        let model = try TextModel.load(setting.model)
        guard let special = SpecialTokens(of: model.tokenizer) else { throw CollectionError.noChatTemplate(model: setting.model) }
        func collect(_ pipeline: DialoguePipeline) throws -> ActivationStore {
            try context.collect(setting.configuration(pipeline, model), of: model, named: "\(pipeline)")
        }
        let dialogues = try collect(.dialogues)
        // Whole dialogues, so that none is on both sides of a split.
        func contexts(from row: Int) throws -> Int { try dialogues.location(ofRow: row).map { $0.context + ($0.position > 0 ? 1 : 0) } ?? 0 }
        let heldOut = setting.validationTokens + setting.testTokens
        guard dialogues.rowCount > 2 * heldOut else { throw ReproductionError.tooLittleText(tokens: dialogues.rowCount) }
        let validation = try contexts(from: dialogues.rowCount - heldOut)
        let test = try contexts(from: dialogues.rowCount - setting.testTokens)
        let parts: [DialoguePipeline: Part] = [
            .dialogues: Part(dialogues, rows: try dialogues.rows(ofContexts: 0..<validation)),
            .dialogueBlocks: try Part(whole: collect(.dialogueBlocks)), .plainBlocks: try Part(whole: collect(.plainBlocks)),
        ]
        func batches(_ range: Range<Int>) throws -> [ContextBatch] { try range.map { try dialogues.contexts($0..<$0 + 1) } }
        self.init(
            training: parts, validation: try batches(validation..<test), test: try batches(test..<dialogues.contextCount), special: special,
            maximumNorm: try dialogues.rows(0..<min(dialogues.rowCount, 8_192)).outlierNorm(),
            network: try HookedLanguageModel(model, hook: dialogues.description.hook),
            origin: "\(setting.model) at \(dialogues.description.hook), dialogues of \(setting.dialogues), plain text of \(setting.plainText)")
    }

    /// The part of a pipeline's tokens that are special.
    package func specialShare(_ pipeline: DialoguePipeline) throws -> Double {
        guard let part = training[pipeline], part.store.contextCount > 0 else { return .nan }
        var counts = (special: 0, all: 0)
        for context in 0..<part.store.contextCount where try part.store.rows(ofContexts: context..<context + 1).upperBound <= part.rows.upperBound {
            let batch = try part.store.contexts(context..<context + 1)
            for token in DialogueToken.all(of: batch, context: 0) {
                counts.all += 1
                if special.ids.contains(token.id) { counts.special += 1 }
            }
        }
        return Double(counts.special) / Double(counts.all)
    }
}

extension DialogueActivations.Part {
    init(whole store: ActivationStore) { self.init(store, rows: 0..<store.rowCount) }
}

extension DialogueActivations.Setting {
    /// Every pipeline gives as many rows; dialogues come in the same order, cut to the same length, so that what the blocks hold is
    /// what FAST trains on.
    func configuration(_ pipeline: DialoguePipeline, _ model: TextModel) -> CollectionConfiguration {
        var configuration = CollectionConfiguration()
        configuration.model = self.model
        configuration.tokens = trainingTokens
        configuration.contextLength = blockLength
        configuration.documentLimit = contextLength
        configuration.batchContexts = max(1, 1_024 / blockLength)
        switch pipeline {
        case .plainBlocks:
            configuration.text = plainText
            // The text of pre-training, not turns of a dialogue, as in the paper's blocks of the Pile.
            configuration.separator = model.tokenizer.id(of: "<|endoftext|>").map { _ in "<|endoftext|>" }
        case .dialogueBlocks:
            (configuration.mode, configuration.text, configuration.deduplication) = (.dialogueBlocks, dialogues, ngramLength)
        case .dialogues:
            (configuration.mode, configuration.text, configuration.deduplication) = (.dialogues, dialogues, ngramLength)
            configuration.contextLength = contextLength
            configuration.tokens = trainingTokens + validationTokens + testTokens
        }
        return configuration
    }
}
