internal import Experiments
internal import Networks
internal import Torch

/// Activations with gradients of one hook, cut into what is trained on and what figures are measured on, and the network behind the
/// hook.
package struct GradientSplit {
    package var training: ActivationBatch
    package var test: ActivationBatch
    /// Contexts for the choice of settings, and those for figures.
    package var validationNetwork: DownstreamNetwork
    package var testNetwork: DownstreamNetwork
    /// Where they come from.
    package var origin: String

    package init(
        training: ActivationBatch, test: ActivationBatch, validationNetwork: DownstreamNetwork, testNetwork: DownstreamNetwork, origin: String
    ) {
        self.training = training
        self.test = test
        self.validationNetwork = validationNetwork
        self.testNetwork = testNetwork
        self.origin = origin
    }

    /// What to collect, and how to cut it.
    package struct Setting: Sendable, Equatable {
        package var model = "smollm2-135m-instruct"
        package var text = "prose-small"
        package var contextLength = 128
        /// Activations collected; the last of them are held back.
        package var tokens = 72_000
        package var testTokens = 12_000
        /// Contexts in which reconstructions are put into the language model: to choose settings, and for figures.
        package var validationContexts = 8
        package var splicedContexts = 16

        package init() {}
    }

    /// Collects at a language model's middle layer, in a folder of the run that is removed afterwards. First positions of contexts
    /// and attention sinks are left out.
    init(collecting setting: Setting, context: ReproductionContext) throws {
        let model = try TextModel.load(setting.model)
        var collection = CollectionConfiguration()
        (collection.model, collection.text, collection.gradients) = (setting.model, setting.text, true)
        (collection.tokens, collection.contextLength) = (setting.tokens, setting.contextLength)
        let store = try context.collect(collection, of: model)
        defer { context.removeActivations() }

        // Whole contexts, so that no context is on both sides of a split.
        let dropped = store.description.contexts?.firstPosition ?? 0
        let perContext = setting.contextLength - dropped
        let testStart = store.contextCount - max(setting.splicedContexts, setting.testTokens / perContext)
        let validationStart = testStart - setting.validationContexts
        guard validationStart > 0 else { throw ReproductionError.tooLittleText(tokens: store.rowCount) }
        let training = try store.rowsWithGradients(0..<validationStart * perContext)
        let limit = training.activations.outlierNorm()
        func network(_ first: Int, _ count: Int) throws -> DownstreamNetwork {
            try DownstreamNetwork(
                behindMiddleOf: model, tokens: tokenTensor(store.contexts(first..<first + count).tokens),
                sparedPositions: dropped, sparedNorm: limit)
        }
        self.init(
            training: training.rows(ofNormAtMost: limit),
            test: try store.rowsWithGradients(testStart * perContext..<store.contextCount * perContext).rows(ofNormAtMost: limit),
            validationNetwork: try network(validationStart, setting.validationContexts),
            testNetwork: try network(testStart, setting.splicedContexts),
            origin: "\(setting.model) at \(store.description.hook) on the text \(setting.text)")
    }

    /// What is the same for every arm, as sentences.
    var description: String {
        """
        \(origin) (width \(training.activations.size(1))): \(formatCount(training.activations.size(0))) activations with the gradients \
        of the summed next-token loss for training, \(formatCount(test.activations.size(0))) for FVU and densities, \
        \(testNetwork.tokens.size(0)) other contexts of \(testNetwork.tokens.size(1)) tokens for the loss inside the model, \
        \(validationNetwork.tokens.size(0)) for the choice of β. First positions of contexts and attention sinks (norms above ten times \
        the median) are left out, and left as they are inside the model.
        """
    }
}

extension DownstreamNetwork {
    /// The blocks behind the residual stream of a language model's middle block.
    /// - Parameters:
    ///   - tokens: int64, [N, T].
    ///   - sparedPositions: at the beginning of each context.
    ///   - sparedNorm: activations of a greater norm are left as they are.
    fileprivate convenience init(behindMiddleOf model: TextModel, tokens: Tensor, sparedPositions: Int, sparedNorm: Double) throws {
        let layer = model.middleLayer
        let pieces = try tokens.split(size: 4).map { tokens in
            let found = try model.model.lossGradients(at: .residualPost(layer), tokens: tokens)
            return ActivationBatch(found.activations, gradients: found.gradients)
        }
        let contexts = ActivationBatch.concatenated(pieces)
        let isFirst = (Tensor.arange(0, tokens.size(1)) .< Double(sparedPositions)).reshaped([1, -1, 1])
        let isLarge = contexts.activations.norm(axes: [-1], keepingDimensions: true) .> sparedNorm
        try self.init(contexts: contexts, tokens: tokens, isSpared: isLarge.logicalOr(isFirst)) { activations in
            try model.model.logits(residual: model.model.run(residual: activations, startAtLayer: layer + 1))
        }
    }
}
