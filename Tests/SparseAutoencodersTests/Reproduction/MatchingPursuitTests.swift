import CondenseTesting
import Experiments
import SparseAutoencoders
import Testing
import Torch

@Suite struct MatchingPursuitExperimentTests {
    /// The whole experiment at the size of seconds, on activations with known directions instead of a language model's.
    @Test func theExperimentRunsOnKnownDirections() throws {
        var setting = MatchingPursuitSetting(.small)
        setting.tree = TreeExperiment.Setting(correlations: [FeatureTree.Correlation.all[0], FeatureTree.Correlation.all[5]], steps: 60)
        (setting.tree.matchingRows, setting.tree.testRows) = (200, 500)
        (setting.dictionarySize, setting.k, setting.batchSize, setting.steps, setting.deadAfterTokens) = (64, 4, 128, 120, 2_000)
        (setting.budgets, setting.lossBudgets, setting.babelCounts, setting.coherenceRows) = ([1, 4, 8], [4], [1, 2], 50)
        let source = SyntheticActivations(inputSize: 24, featureCount: 40, activeCount: 3, noise: 0.01, seed: 5)
        let data = ActivationSplit(
            training: source.next(6_000), validation: source.next(1), test: source.next(800), origin: "sums of known directions")
        let reproduction = try withReproductionContext(of: MatchingPursuitSAE.self) {
            try MatchingPursuitExperiment(setting, data, context: $0).run()
        }
        #expect(reproduction.rows.count == 13)
        #expect(reproduction.setting.contains("known directions"))
        #expect(reproduction.rows.allSatisfy { !$0.measured.contains("not a number") }, "\(reproduction.rows)")
        // What holds for every pursuit, trained or not.
        let falls = try #require(reproduction.rows.first { $0.claim.contains("falls with every feature") })
        #expect(falls.verdict == .holds)
    }

    @Test(arguments: [0, 4, 8]) func featuresOfTheTreeHaveTheCorrelationsAsked(index: Int) {
        let correlation = FeatureTree.Correlation.all[index]
        let tree = FeatureTree(correlation, seed: 3)
        let cosines = tree.features.matmul(tree.features.transposed())
        for (a, b, expected) in [(0, 0, 1), (0, 4, correlation.value), (4, 19, correlation.value), (1, 3, correlation.value), (0, 1, 0), (1, 5, 0)] {
            #expect(abs(cosines[a, b].item() - expected) < 0.01, "\(a), \(b)")
        }
    }

    @Test func rowsOfTheTreeFollowItsRules() {
        let sample = FeatureTree(FeatureTree.Correlation.all[3], seed: 3).sample(20_000, generator: RandomGenerator(seed: 1))
        let isActive = sample.codes.notEquals(0).to(dtype: .float64)
        #expect(abs(isActive.sum(axis: 1).mean().item() - FeatureTree.meanActive) < 0.02)
        let top = isActive.gathered(indices: Tensor([0, 4, 8] + Array(12..<20)), axis: 1)
        #expect(top.sum(axis: 1).equals(1).all().item() != 0)
        // Children only with their parent, and one at most.
        for parent in [0, 4, 8] {
            let children = isActive.narrowed(axis: 1, from: parent + 1, count: 3).sum(axis: 1)
            #expect((children .<= isActive.selected(axis: 1, index: parent)).all().item() != 0)
        }
        #expect(abs(isActive.mean(axis: 0)[0].item() - 0.2) < 0.01 && abs(isActive.mean(axis: 0)[12].item() - 0.05) < 0.006)
    }

    @Test func rowsOfTheTreeDependOnThePlaceAlone() {
        let tree = FeatureTree(FeatureTree.Correlation.all[1], seed: 3)
        let whole = tree.next(2_500)
        tree.position.rowsServed = 900
        #expect(tree.next(300).equals(whole.narrowed(axis: 0, from: 900, count: 300)).all().item() != 0)
    }
}
