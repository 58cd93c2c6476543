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
        let setting = ExplainingSetting(scale), digits = try DigitExamples(progress: context.progress)
        let cells = try ExplainingExperiment.Cells(imageSize: setting.cellImageSize, progress: context.progress)
        return try ExplainingExperiment(setting, digits, cells, context: context).run()
    }
}

/// What is cut, and by what.
public struct PruningByExplainingConfiguration: RunConfiguration {
    public var pruning = ChannelPruningPlan(.channels, less: 0.5)
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
    package var digitCuts = Cuts(step: 0.05, part: 0.6, references: 10, batchSize: 100, tuningSteps: 50, rules: .positiveWeights)
    /// Of the network on solar cells.
    package var cellImageSize = 128
    package var cellSteps: Int
    package var cellLearningRate = 5e-4
    /// Pictures at most that are measured on.
    package var cellTestCount: Int
    package var cellCuts = Cuts(step: 0.05, part: 0.4, references: 10, batchSize: 20, tuningSteps: 40)

    /// How channels of a network on pictures go.
    package struct Cuts: Sendable, Equatable {
        /// Part of the channels that goes at a time.
        package var step: Double
        /// Part that goes altogether.
        package var part: Double
        /// Pictures of each class.
        package var references: Int
        /// Of them, so many at a time.
        package var batchSize: Int
        /// Steps of training after the last cut.
        package var tuningSteps: Int
        /// Of relevance. By positive weights alone inputs below zero, as layers without an activation give them, would turn its sign.
        package var rules = RelevanceRules.zPlus
    }

    static let digitName = "Digits", cellName = "Solar cells"

    package init(_ scale: ReproductionScale) {
        switch scale {
        // A tenth of the steps at ten times the rate.
        case .small:
            (width, pointSteps, pointLearningRate, draws, digitSteps, cellSteps, cellTestCount) = (1_000, 1_000, 1e-2, 5, 400, 150, 300)
        case .full:
            (width, pointSteps, pointLearningRate, draws, digitSteps, cellSteps, cellTestCount) = (1_000, 10_000, 1e-3, 50, 2_000, 2_000, 1_000)
            cellImageSize = 224
        }
    }
}
