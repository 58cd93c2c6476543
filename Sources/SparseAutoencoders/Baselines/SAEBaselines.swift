public import Experiments

/// The field's standard sparse autoencoders: ReLU with an L1 penalty, and TopK with AuxK. Every later variant is measured
/// against them.
public enum SAEBaselines: Method {
    public typealias Configuration = SAETrainingConfiguration

    public static let name = "sae-baselines"
    public static let title = "TopK and ReLU sparse autoencoders"
    public static let summary =
        "Activations of a language model go in, a few active features per token come out, with what they fail to rebuild; "
        + "for reading what a network represents."
    public static let paper = Paper(
        title: "Scaling and evaluating sparse autoencoders", authors: "Gao et al.", year: 2024, arXiv: "2406.04093")
    public static let family = MethodFamily.sparseAutoencoders

    public static func reproduce(scale: ReproductionScale, context: ReproductionContext) throws -> Reproduction {
        let setting = BaselineSetting(scale)
        let data = try ActivationSplit(collecting: setting.activations, context: context)
        return try BaselineExperiment(setting, data, context: context).run().reproduction
    }
}

/// The size of the experiment.
package struct BaselineSetting: Sendable, Equatable {
    package var activations = ActivationSplit.Setting()
    package var dictionarySize: Int
    package var k: Int
    /// Features per input of the comparison with and without AuxK: features die where few are chosen.
    package var sparserK = 8
    package var batchSize: Int
    package var steps: Int
    package var deadAfterTokens: Int
    /// Where the search for λ begins.
    package var firstL1Coefficient = 0.1
    /// Runs of the search for λ at most.
    package var searchRuns = 6
    /// How near the two L0 must come for the search to end.
    package var tolerance = 0.03

    package init(_ scale: ReproductionScale) {
        switch scale {
        case .small:
            (dictionarySize, k, batchSize, steps, deadAfterTokens) = (2_048, 32, 512, 1_000, 50_000)
        case .full:
            (activations.tokens, activations.validationTokens) = (50_000_000, 100_000)
            (activations.testTokens, activations.splicedContexts) = (200_000, 500)
            (dictionarySize, k, batchSize, steps, deadAfterTokens) = (16_384, 32, 4_096, 50_000, 10_000_000)
        }
    }

    /// The settings of an arm.
    func configuration(_ architecture: SAEArchitecture) -> SAETrainingConfiguration {
        SAETrainingConfiguration(
            architecture: architecture, dictionarySize: dictionarySize, batchSize: batchSize, steps: steps, deadAfterTokens: deadAfterTokens)
    }
}
