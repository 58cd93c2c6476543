public import Experiments

/// Matches between inputs and features of a batch, given out by their size or by quotas of features, instead of k to each input.
public enum FeatureChoice: Method {
    public typealias Configuration = SAETrainingConfiguration

    public static let name = "feature-choice"
    public static let title = "Mutual Choice and Feature Choice sparse autoencoders"
    public static let summary =
        "Activations of a network go in, features come out, as many per token as it needs and for each feature as many tokens as its "
        + "place in Zipf's law; for dictionaries without dead features."
    public static let paper = Paper(
        title: "Adaptive Sparse Allocation with Mutual Choice & Feature Choice Sparse Autoencoders", authors: "Ayonrinde", year: 2024,
        arXiv: "2411.02124")
    public static let family = MethodFamily.sparseAutoencoders

    public static var defaultConfiguration: SAETrainingConfiguration {
        SAETrainingConfiguration(architecture: SAEArchitecture(FeatureChoiceSettings()))
    }

    public static func reproduce(scale: ReproductionScale, context: ReproductionContext) throws -> Reproduction {
        let setting = FeatureChoiceSetting(scale)
        let data = try ActivationSplit(collecting: setting.activations, context: context)
        return try FeatureChoiceExperiment(setting, data, context: context).run().reproduction
    }
}

/// The size of the experiment.
package struct FeatureChoiceSetting: Sendable, Equatable {
    package var activations = ActivationSplit.Setting()
    package var dictionarySize: Int
    /// Features per input, falling; all arms are trained with the last, in which features die most.
    package var ks: [Int]
    package var batchSize: Int
    package var steps: Int
    package var deadAfterTokens: Int

    package init(_ scale: ReproductionScale) {
        switch scale {
        case .small:
            (activations.tokens, activations.testTokens) = (110_000, 20_000)
            (dictionarySize, ks, batchSize, steps, deadAfterTokens) = (1_024, [32, 16, 8], 512, 600, 20_000)
        case .full:
            (activations.tokens, activations.validationTokens) = (50_000_000, 100_000)
            (activations.testTokens, activations.splicedContexts) = (200_000, 500)
            (dictionarySize, ks, batchSize, steps, deadAfterTokens) = (16_384, [64, 32, 16], 4_096, 30_000, 10_000_000)
        }
    }
}
