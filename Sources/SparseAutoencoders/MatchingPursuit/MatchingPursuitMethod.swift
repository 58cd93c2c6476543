public import Experiments

/// Features picked one after another from what is left, for dictionaries of correlated and hierarchical features.
public enum MatchingPursuitSAE: Method {
    public typealias Configuration = SAETrainingConfiguration

    public static let name = "mp-sae"
    public static let title = "Matching-pursuit sparse autoencoders"
    public static let summary =
        "Activations of a network go in, an ordered list of features per token comes out, as long as wanted when used; for features that are correlated or depend on each other."
    public static let paper = Paper(
        title: "From Flat to Hierarchical: Extracting Sparse Representations with Matching Pursuit",
        authors: "Costa, Fel, Lubana, Tolooshams, Ba", year: 2025, arXiv: "2506.03093")
    public static let family = MethodFamily.sparseAutoencoders

    public static var defaultConfiguration: SAETrainingConfiguration {
        SAETrainingConfiguration(architecture: SAEArchitecture(MatchingPursuitSettings()))
    }

    public static func reproduce(scale: ReproductionScale, context: ReproductionContext) throws -> Reproduction {
        let setting = MatchingPursuitSetting(scale)
        let data = try ActivationSplit(collecting: setting.activations, context: context)
        return try MatchingPursuitExperiment(setting, data, context: context).run()
    }
}

/// The size of the experiment.
package struct MatchingPursuitSetting: Sendable, Equatable {
    package var tree: TreeExperiment.Setting
    package var activations = ActivationSplit.Setting()
    package var dictionarySize: Int
    /// Features per input in training.
    package var k: Int
    /// Features per input with which the trained models are used.
    package var budgets: [Int]
    /// Those of them at which the language model's loss is measured.
    package var lossBudgets: [Int]
    package var batchSize: Int
    package var steps: Int
    package var deadAfterTokens: Int
    /// Test rows on which features that are active together are compared.
    package var coherenceRows = 400
    /// r of the Babel function.
    package var babelCounts = [1, 2, 4, 8, 12]

    package init(_ scale: ReproductionScale) {
        let all = FeatureTree.Correlation.all
        switch scale {
        case .small:
            tree = TreeExperiment.Setting(correlations: [all[0], all[4], all[8]], steps: 3_000)
            activations.tokens = 90_000
            (dictionarySize, k, batchSize, steps, deadAfterTokens) = (2_048, 16, 512, 600, 50_000)
            (budgets, lossBudgets) = ([1, 2, 4, 8, 16, 32, 64], [4, 16, 64])
        case .full:
            tree = TreeExperiment.Setting(correlations: all, steps: 15_000)
            (activations.tokens, activations.testTokens, activations.splicedContexts) = (50_000_000, 200_000, 500)
            (dictionarySize, k, batchSize, steps, deadAfterTokens) = (14_400, 32, 4_096, 30_000, 10_000_000)
            (budgets, lossBudgets) = ([1, 2, 4, 8, 16, 32, 64, 128], [8, 32, 128])
        }
    }
}

/// The tree, and activations of a language model.
package struct MatchingPursuitExperiment {
    private let setting: MatchingPursuitSetting
    private let comparison: Comparison

    package init(_ setting: MatchingPursuitSetting, _ data: ActivationSplit, context: ReproductionContext) {
        self.setting = setting
        comparison = Comparison(data, context: context)
    }

    package func run() throws -> Reproduction {
        let tree = TreeFindings(setting.tree, try TreeExperiment(setting.tree, context: comparison.context).run())
        let budgets = try BudgetExperiment(setting, comparison).run()
        return Reproduction(
            rows: tree.rows + budgets.rows,
            setting: """
                \(tree.description) Activations: \(budgets.description) Numbers are means ± standard deviations over \
                \(comparison.context.seeds.count) seeds.
                """,
            evidence: tree.evidence + budgets.evidence)
    }
}
