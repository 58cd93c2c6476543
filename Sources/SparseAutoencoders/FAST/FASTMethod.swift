public import Experiments

/// FAST: autoencoders for instruct models learn from dialogues one at a time, as the model was tuned on them.
public enum FASTTraining: Method {
    public typealias Configuration = SAETrainingConfiguration

    public static let name = "fast-sae"
    public static let title = "FAST: sparse autoencoders of instruct models"
    public static let summary =
        "Dialogues go through the model one by one in its chat template instead of in blocks of joined text; "
        + "for autoencoders that rebuild turns and roles too."
    public static let paper = Paper(
        title: "Training Superior Sparse Autoencoders for Instruct Models", authors: "Li et al.", year: 2025, arXiv: "2506.07691")
    public static let family = MethodFamily.sparseAutoencoders

    public static func reproduce(scale: ReproductionScale, context: ReproductionContext) throws -> Reproduction {
        let setting = FASTSetting(scale)
        defer { context.removeActivations() }
        let data = try DialogueActivations(collecting: setting.activations, context: context)
        return try FASTExperiment(setting, data, context: context).run().reproduction
    }
}

/// The size of the experiment.
package struct FASTSetting: Sendable, Equatable {
    package var activations = DialogueActivations.Setting()
    package var dictionarySize: Int
    /// Features per token of the TopK models; at the last of them, L0 of ReLU with L1 is matched.
    package var ks = [16, 32]
    package var batchSize = 512
    package var steps: Int
    package var deadAfterTokens = 50_000
    /// Where the search for λ begins, and its runs at most for each pipeline.
    package var firstL1Coefficient = 0.1
    package var searchRuns = 4
    /// How near L0 must come to k.
    package var tolerance = 0.05
    /// As in the paper, in the scale of activations.
    package var steeringStrengths: [Double] = [0, 15, 25, 50, 100, 150, 200]

    package init(_ scale: ReproductionScale) {
        switch scale {
        case .small:
            (dictionarySize, steps) = (1_024, 500)
        case .full:
            (dictionarySize, steps, batchSize, deadAfterTokens, searchRuns) = (4_608, 20_000, 2_048, 10_000_000, 8)
            (activations.trainingTokens, activations.testTokens) = (10_000_000, 500_000)
            (activations.contextLength, activations.blockLength) = (8_192, 2_048)
        }
    }

    /// Tokens of the dialogue in which the model is steered.
    package var steeringTokens = 128

    /// At which L0 the kinds of autoencoders are compared.
    var matchedK: Int { ks.last ?? 32 }

    /// The settings of a model.
    /// - Parameter learningRate: nil for the field's.
    func configuration(_ architecture: SAEArchitecture, learningRate: Double?) -> SAETrainingConfiguration {
        SAETrainingConfiguration(
            architecture: architecture, dictionarySize: dictionarySize, batchSize: batchSize, steps: steps, learningRate: learningRate,
            deadAfterTokens: deadAfterTokens)
    }
}
