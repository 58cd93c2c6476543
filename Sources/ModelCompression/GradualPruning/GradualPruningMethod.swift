public import Experiments
internal import Foundation
internal import Networks
internal import Torch

/// Weights become zero little by little while a network is trained.
public enum GradualPruning: Method {
    public typealias Configuration = NetworkTrainingConfiguration

    public static let name = "gradual-pruning"
    public static let title = "Gradual magnitude pruning"
    public static let summary =
        "A network goes in, one with a chosen part of its weights at zero comes out; the smallest are masked along a cubic schedule while it learns."
    public static let paper = Paper(
        title: "To prune, or not to prune: exploring the efficacy of pruning for model compression", authors: "Zhu, Gupta", year: 2017,
        arXiv: "1710.01878")
    public static let family = MethodFamily.modelCompression

    public static var defaultConfiguration: NetworkTrainingConfiguration {
        var configuration = NetworkTrainingConfiguration()
        configuration.pruning = PruningPlan(schedule: PruningSchedule(final: 0.8, steps: configuration.steps))
        return configuration
    }

    public static func reproduce(scale: ReproductionScale, context: ReproductionContext) throws -> Reproduction {
        let setting = GradualPruningSetting(scale)
        let text = try CharacterText(setting.text, progress: context.progress), digits = try DigitExamples(progress: context.progress)
        return try GradualPruningExperiment(setting, text, digits, context: context).run()
    }
}

/// The size of the experiment.
package struct GradualPruningSetting: Sendable, Equatable {
    package var text = CharacterText.Setting()
    /// Of the LSTM.
    package var embeddingSize = 64
    package var hiddenSize: Int
    package var length = 48
    package var textSteps: Int
    package var textBatchSize = 32
    package var textSparsities = [0.5, 0.8, 0.9]
    /// Where the search for learning rates begins.
    package var textLearningRate = 6e-3
    /// Of the first hidden layer of the perceptron; the second has a third.
    package var perceptronWidth = 300
    package var digitSteps: Int
    package var digitBatchSize = 100
    package var digitSparsities = [0.9, 0.95]
    package var digitLearningRate = 1e-3

    package init(_ scale: ReproductionScale) {
        switch scale {
        case .small: (hiddenSize, textSteps, digitSteps) = (256, 1_500, 800)
        case .full:
            (hiddenSize, textSteps, digitSteps, textBatchSize, textLearningRate) = (1_024, 50_000, 20_000, 128, 5e-4)
            (text.trainingCharacters, text.heldOutCharacters) = (18_000_000, 500_000)
        }
    }
}
