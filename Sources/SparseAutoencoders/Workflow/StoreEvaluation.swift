public import Experiments
internal import Networks
import Torch

/// How well a dictionary rebuilds a store's activations, and what putting its reconstructions into the model costs.
public struct StoreEvaluation: Codable, Sendable, Equatable {
    /// Without outliers, which would make up nearly all of the variance and hide the rest.
    public var reconstruction: ReconstructionMetrics
    /// Rows left out of ``reconstruction``, and left as they are inside the model: their norm is more than ten times the median
    /// of the first 16 contexts' rows.
    public var outlierCount = 0
    /// nil if no model was given.
    public var loss: LossRecovered?
    /// Errors by kind of token, of stores of separate dialogues; nil if no model was given.
    public var dialogues: DialogueMetrics?

    /// - Parameters:
    ///   - source: contexts of a store to measure on, best some that were not trained on.
    ///   - model: the store's model for the loss; nil measures reconstruction alone.
    ///   - usesGradients: whether an autoencoder that chooses by gradients gets them, those of the store and those of the model's loss:
    ///     an upper bound, since they know the next tokens.
    ///   - lossContexts: the loss is measured on at most so many of the contexts, since it costs three passes of the whole model.
    /// - Throws: ``StoreError``, `RunInterrupted`.
    public init(
        of dictionary: any ActivationDictionary, on source: FeatureSource, model: TextModel?, usesGradients: Bool = false,
        lossContexts: Int = 64, progress: any ProgressReporter = SilentProgress(),
        cancellation: Cancellation = Cancellation()
    ) throws {
        let autoencoder = usesGradients ? dictionary as? SparseAutoencoder : nil
        let evaluation = ReconstructionEvaluation(of: dictionary)
        let outliers = try source.forEachOrdinaryBatch("Evaluating reconstruction", withGradients: autoencoder != nil, progress, cancellation) {
            evaluation.add($0.activations, by: autoencoder?.guided(byGradientsOf: $0))
        }
        outlierCount = outliers.count
        reconstruction = evaluation.metrics
        dialogues = try model.flatMap { model in
            try Self.dialogueMetrics(of: dictionary, on: source, model: model, maximumNorm: outliers.norm, cancellation: cancellation)
        }
        guard let model else { return }

        let layout = source.layout
        let inModel = LossRecoveredEvaluation(
            of: dictionary, in: try HookedLanguageModel(model, hook: source.store.description.hook),
            sparedTokens: Set([layout.beginningToken].compactMap { $0.map(Int.init) }), sparedNorm: outliers.norm)
        let first = source.contexts.lowerBound
        let contexts = first..<min(source.contexts.upperBound, first + max(1, lossContexts))
        progress.begin("Evaluating inside the model", total: contexts.count, unit: "contexts")
        // Dialogues of different lengths go through the model one by one.
        let together = layout.hasEqualLengths ? 4 : 1
        for start in stride(from: first, to: contexts.upperBound, by: together) {
            try cancellation.check()
            let tokens = try source.store.contexts(start..<min(contexts.upperBound, start + together)).tokens
            if tokens[0].count > 1 {
                let guided = try autoencoder?.guided(byGradientsOf: Self.gradients(of: tokens, in: model, source.store))
                try inModel.add(tokenTensor(tokens), by: guided)
            }
            progress.update(min(contexts.count, start + together - first))
        }
        progress.end()
        loss = inModel.result
    }

    /// nil where contexts are no separate dialogues.
    private static func dialogueMetrics(
        of dictionary: any ActivationDictionary, on source: FeatureSource, model: TextModel, maximumNorm: Double?, cancellation: Cancellation
    ) throws -> DialogueMetrics? {
        guard !source.layout.hasEqualLengths, let special = SpecialTokens(of: model.tokenizer) else { return nil }
        let evaluation = DialogueEvaluation(of: dictionary, special: special, maximumNorm: maximumNorm)
        for context in source.contexts {
            try cancellation.check()
            evaluation.add(try source.store.contexts(context..<context + 1))
        }
        return evaluation.metrics
    }

    /// The rows of contexts `[contexts][length]`, those of all positions, with their gradients.
    private static func gradients(of tokens: [[Int32]], in model: TextModel, _ store: ActivationStore) throws -> ActivationBatch {
        let point = try model.model.hookPoint(store.description.hook)
        return try model.activationsWithGradients(at: point, contexts: tokens).mapped { $0.reshaped([-1, $0.size(-1)]) }
    }
}
