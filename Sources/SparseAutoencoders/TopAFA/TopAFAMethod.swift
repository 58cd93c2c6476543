public import Experiments

/// Codes whose norm is that of the input, so that no number of features has to be chosen; and the plot that shows how far the codes of
/// any autoencoder are from it.
public enum TopAFA: Method {
    public typealias Configuration = SAETrainingConfiguration

    public static let name = "top-afa"
    public static let title = "top-AFA sparse autoencoders"
    public static let summary =
        "Activations of a network go in, as many features per token come out as their norm asks for; for codes without a k to choose, "
        + "and for diagnosing any autoencoder by its norms."
    public static let paper = Paper(
        title: "Evaluating and Designing Sparse Autoencoders by Approximating Quasi-Orthogonality", authors: "Lee, Davies, Canby, Hockenmaier",
        year: 2025, arXiv: "2503.24277")
    public static let family = MethodFamily.sparseAutoencoders

    public static var defaultConfiguration: SAETrainingConfiguration {
        SAETrainingConfiguration(architecture: SAEArchitecture(TopAFASettings()))
    }

    public static func reproduce(scale: ReproductionScale, context: ReproductionContext) throws -> Reproduction {
        let setting = TopAFASetting(scale)
        let data = try ActivationSplit(collecting: setting.activations, context: context)
        return try TopAFAExperiment(setting, data, context: context).run()
    }
}

/// The size of the experiment.
package struct TopAFASetting: Sendable, Equatable {
    package var activations = ActivationSplit.Setting()
    package var dictionarySize: Int
    /// Of the TopK arms, rising: the curve that top-AFA is held against.
    package var ks: [Int]
    /// Of the BatchTopK arms.
    package var batchKs: [Int]
    /// λ of the top-AFA arms, rising from 0.
    package var coefficients: [Double]
    package var batchSize: Int
    package var steps: Int
    package var deadAfterTokens: Int

    package init(_ scale: ReproductionScale) {
        coefficients = [0, 1.0 / 128, 1.0 / 32, 1.0 / 16]
        switch scale {
        case .small:
            activations.tokens = 120_000
            (dictionarySize, batchSize, steps, deadAfterTokens) = (1_024, 512, 500, 50_000)
            (ks, batchKs) = ([32, 128, 384, 768], [128])
        case .full:
            (activations.tokens, activations.testTokens, activations.splicedContexts) = (50_000_000, 200_000, 500)
            (dictionarySize, batchSize, steps, deadAfterTokens) = (9_216, 4_096, 20_001, 20_480)
            (ks, batchKs) = ([32, 64, 128, 256, 512, 1_024, 2_048], [32, 64, 128, 256, 512, 1_024])
            coefficients = [0, 1.0 / 128, 1.0 / 64, 1.0 / 32, 1.0 / 24, 1.0 / 16]
        }
    }
}
