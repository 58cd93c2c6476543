public import Experiments

/// Features chosen by what they do to the network's loss.
public enum GradientSAE: Method {
    public typealias Configuration = SAETrainingConfiguration

    public static let name = "gradient-sae"
    public static let title = "Gradient sparse autoencoders"
    public static let summary =
        "Activations and their loss gradients go in, the k features per token that matter most to the model's output come out."
    public static let paper = Paper(
        title: "Features that Make a Difference: Leveraging Gradients for Improved Dictionary Learning",
        authors: "Olmo, Wilson, Forsey, Hepner, Howe, Wingate", year: 2024, arXiv: "2411.10397")
    public static let family = MethodFamily.sparseAutoencoders

    public static var defaultConfiguration: SAETrainingConfiguration {
        SAETrainingConfiguration(architecture: SAEArchitecture(GradientTopKSettings()))
    }

    public static func reproduce(scale: ReproductionScale, context: ReproductionContext) throws -> Reproduction {
        let setting = GradientSetting(scale)
        let data = try GradientSplit(collecting: setting.activations, context: context)
        return try GradientExperiment(setting, data, context: context).run()
    }
}

/// The size of the experiment.
package struct GradientSetting: Sendable, Equatable {
    package var activations = GradientSplit.Setting()
    package var dictionarySize: Int
    /// Features per input that are tried, rising.
    package var ks: [Int]
    /// Values of β, of which one is chosen for each use at the middle k.
    package var betas: [Double]
    /// Of which one is chosen with each β, rising: short runs want larger ones than the field's table has.
    package var learningRates: [Double]
    package var batchSize: Int
    package var steps: Int
    package var deadAfterTokens: Int
    /// Features that are steered with, and positions of the contexts in which they are.
    package var steeredFeatures: Int
    package var steeredLength = 32

    package init(_ scale: ReproductionScale) {
        switch scale {
        case .small:
            (dictionarySize, ks, betas, learningRates) = (1_024, [8, 16, 32], [1, 3, 10, 30, 100], [8e-4, 2.4e-3, 7.2e-3])
            (batchSize, steps, deadAfterTokens, steeredFeatures) = (512, 600, 50_000, 128)
        case .full:
            (activations.tokens, activations.testTokens) = (50_000_000, 200_000)
            (activations.validationContexts, activations.splicedContexts) = (200, 500)
            (dictionarySize, ks, betas, learningRates) = (16_384, [16, 32, 64, 128], [0.3, 1, 3, 10, 30], [2e-4, 6e-4])
            (batchSize, steps, deadAfterTokens, steeredFeatures) = (4_096, 30_000, 10_000_000, 2_000)
        }
    }

    /// The k at which β is chosen and features are looked at.
    package var middleK: Int { ks[ks.count / 2] }
}
