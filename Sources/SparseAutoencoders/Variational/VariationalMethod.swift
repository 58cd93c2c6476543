public import Experiments

/// Gaussian codes with a divergence: a controlled alternative to TopK, and mostly a negative result.
public enum VariationalSAE: Method {
    public typealias Configuration = SAETrainingConfiguration

    public static let name = "variational-sae"
    public static let title = "Variational sparse autoencoders"
    public static let summary =
        "Activations of a network go in, the k largest of noisy codes come out; to see what noise and a prior do to features."
    public static let paper = Paper(
        title: "Analysis of Variational Sparse Autoencoders", authors: "Baker, Li", year: 2025, arXiv: "2509.22994")
    public static let family = MethodFamily.sparseAutoencoders

    public static var defaultConfiguration: SAETrainingConfiguration {
        SAETrainingConfiguration(architecture: SAEArchitecture(VariationalSettings()))
    }

    public static func reproduce(scale: ReproductionScale, context: ReproductionContext) throws -> Reproduction {
        let setting = VariationalSetting(scale)
        var data = try ActivationSplit(collecting: setting.activations, context: context)
        if let width = setting.width { data = data.projected(onto: width) }
        return try VariationalExperiment(setting, data, context: context).run()
    }
}

/// The size of the experiment.
package struct VariationalSetting: Sendable, Equatable {
    package var activations = ActivationSplit.Setting()
    /// Leading principal components that are used of the activations; nil for the activations themselves.
    package var width: Int?
    package var dictionarySize: Int
    package var k: Int
    package var batchSize: Int
    package var steps: Int
    package var deadAfterTokens: Int
    /// Values of log σ² that sampled models start with, rising.
    package var logVariances = [-8.0, -4, -2, -1]
    /// That of the models whose β is varied.
    package var middleLogVariance = -2.0
    /// β of sampled models.
    package var klCoefficient = 1e-4
    /// β of the sampled model that is to collapse.
    package var largeCoefficient = 1.0
    /// β of the penalty ½β‖μ‖² and of the models with a fixed variance.
    package var penaltyCoefficient = 0.5
    /// Test activations on which draws are compared.
    package var noiseRows = 4_096

    /// Small: the paper's proportions of width, features and k, an eighth as wide.
    package init(_ scale: ReproductionScale) {
        switch scale {
        case .small:
            (activations.tokens, width) = (100_000, 64)
            (dictionarySize, k, batchSize, steps, deadAfterTokens) = (256, 32, 512, 1_500, 10_000)
        case .full:
            (activations.tokens, activations.testTokens, activations.splicedContexts) = (4_000_000, 100_000, 200)
            (dictionarySize, k, batchSize, steps, deadAfterTokens) = (2_048, 256, 512, 10_000, 10_000)
        }
    }
}
