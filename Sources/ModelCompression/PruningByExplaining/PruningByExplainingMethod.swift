public import Experiments
internal import Networks

/// Channels that hand the least relevance to the right class go first.
public enum PruningByExplaining: Method {
    public typealias Configuration = PruningByExplainingConfiguration

    public static let name = "pruning-by-explaining"
    public static let title = "Pruning by explaining"
    public static let summary =
        "A trained network and a few labelled examples go in, a smaller network comes out, cut where layer-wise relevance propagation finds little; "
        + "for when there are no data to train it again."
    public static let paper = Paper(
        title: "Pruning by Explaining: A Novel Criterion for Deep Neural Network Pruning", authors: "Yeom et al.", year: 2021, arXiv: "1912.08881")
    public static let family = MethodFamily.modelCompression

    public static func reproduce(scale: ReproductionScale, context: ReproductionContext) throws -> Reproduction {
        try ExplainingExperiment(ExplainingSetting(scale), try DigitExamples(progress: context.progress), context: context).run()
    }
}

/// What is cut, and by what.
public struct PruningByExplainingConfiguration: RunConfiguration {
    public var pruning = ChannelPruningPlan(.channels(0.5))
    /// Labelled examples of each class that the criterion sees.
    public var examplesPerClass = 10

    public init() {}

    public func validate() throws(ConfigurationError) {
        try pruning.validate()
        try ConfigurationError.require(examplesPerClass > 0, "examplesPerClass", "must be positive", found: examplesPerClass)
    }
}

/// The size of the experiment.
package struct ExplainingSetting: Sendable, Equatable {
    /// Of the perceptron on points: neurons of each of its three hidden layers.
    package var width: Int
    package var pointsPerClass = 1_000
    package var pointSteps: Int
    package var pointBatchSize = 200
    package var pointLearningRate: Double
    /// Reference examples of each class.
    package var references = [1, 5, 20, 100]
    /// How often they are drawn for each trained network.
    package var draws: Int
    /// Channels of the convolutions on digits.
    package var channels = [16, 32, 32, 64]
    package var digitSteps: Int
    package var digitReferences = 10
    package var digitStep = 0.05
    package var digitPart = 0.6
    /// Steps of training after the last cut, where there is any.
    package var tuningSteps = 50

    package init(_ scale: ReproductionScale) {
        switch scale {
        // A tenth of the steps at ten times the rate.
        case .small: (width, pointSteps, pointLearningRate, draws, digitSteps) = (1_000, 1_000, 1e-2, 5, 400)
        case .full: (width, pointSteps, pointLearningRate, draws, digitSteps) = (1_000, 10_000, 1e-3, 50, 2_000)
        }
    }
}
