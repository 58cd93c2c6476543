internal import Experiments
package import Torch

/// Activations of one hook, cut into what is trained on, what settings are chosen on, and what all figures are measured on.
package struct ActivationSplit {
    /// Shapes [N, D], float32.
    package var training: Tensor
    package var validation: Tensor
    package var test: Tensor
    /// Where they come from, e.g. "smollm2-135m-instruct at blocks.15.hook_resid_post".
    package var origin: String
    /// Splices a dictionary into the network on test text; nil without a network.
    package var lossRecovered: ((any ActivationDictionary) throws -> LossRecovered)?

    package init(
        training: Tensor, validation: Tensor, test: Tensor, origin: String,
        lossRecovered: ((any ActivationDictionary) throws -> LossRecovered)? = nil
    ) {
        self.training = training
        self.validation = validation
        self.test = test
        self.origin = origin
        self.lossRecovered = lossRecovered
    }

    /// What to collect, and how to cut it.
    package struct Setting: Sendable, Equatable {
        package var model = "smollm2-135m-instruct"
        package var text = "prose-small"
        package var contextLength = 128
        /// Activations collected; the last of them are held back.
        package var tokens = 150_000
        /// For the choice of settings.
        package var validationTokens = 8_000
        /// For all numbers that are reported.
        package var testTokens = 16_000
        /// Contexts of the test set in which dictionaries are spliced into the language model.
        package var splicedContexts = 8

        package init() {}
    }

    /// Collects activations of a language model's middle layer, in a folder of the run that is removed afterwards.
    ///
    /// The first position of each context is left out, as are attention sinks: tokens with norms above ten times the median,
    /// which would make up nearly all of the variance and hide everything else.
    init(collecting setting: Setting, context: ReproductionContext) throws {
        let languageModel = try TextModel.load(setting.model)
        var collection = CollectionConfiguration()
        (collection.model, collection.text) = (setting.model, setting.text)
        (collection.tokens, collection.contextLength) = (setting.tokens, setting.contextLength)
        let store = try context.collect(collection, of: languageModel)
        defer { context.removeActivations() }

        // Whole contexts, so that no context is on both sides of a split.
        let perContext = store.description.contexts?.rowsPerContext ?? 1
        func contexts(_ tokens: Int) -> Int { (tokens + perContext - 1) / perContext }
        let testStart = store.contextCount - contexts(setting.testTokens)
        let validationStart = testStart - contexts(setting.validationTokens)
        guard validationStart > 0 else { throw ReproductionError.tooLittleText(tokens: store.rowCount) }
        let text = try store.contexts(testStart..<min(store.contextCount, testStart + setting.splicedContexts)).tokens
        let tokens = tokenTensor(text)
        let hooked = try HookedLanguageModel(languageModel, hook: store.description.hook)
        // Beginnings of contexts are not among the activations the models see.
        let layout = store.description.contexts
        let spared = layout.flatMap { $0.firstPosition > 0 ? $0.beginningToken : nil }.map { Set([Int($0)]) } ?? []
        let training = try store.rows(0..<validationStart * perContext)
        let limit = training.outlierNorm()
        self.init(
            training: training.rows(ofNormAtMost: limit),
            validation: try store.rows(validationStart * perContext..<testStart * perContext).rows(ofNormAtMost: limit),
            test: try store.rows(testStart * perContext..<store.contextCount * perContext).rows(ofNormAtMost: limit),
            origin: "\(setting.model) at \(store.description.hook) on the text \(setting.text)"
        ) { dictionary in
            let evaluation = LossRecoveredEvaluation(of: dictionary, in: hooked, sparedTokens: spared, sparedNorm: limit)
            for batch in tokens.split(size: 4) { try evaluation.add(batch) }
            return evaluation.result
        }
    }

    /// What is the same for every experiment on such activations, as sentences for its setting.
    var description: String {
        """
        \(origin) (width \(training.size(1))): \(formatCount(training.size(0))) activations for training, \
        \(formatCount(validation.size(0))) for the choice of settings, \(formatCount(test.size(0))) for all figures. First positions \
        of contexts and attention sinks (norms above ten times the median) are left out.
        """
    }
}

/// A reproduction that cannot begin.
enum ReproductionError: Error, CustomStringConvertible {
    case tooLittleText(tokens: Int)

    var description: String {
        switch self {
        case .tooLittleText(let tokens): "the text gave only \(tokens) activations, too few to hold some back; choose a longer text"
        }
    }
}
