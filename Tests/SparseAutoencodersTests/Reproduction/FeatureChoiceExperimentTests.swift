import CondenseTesting
import Experiments
import SparseAutoencoders
import Testing
import Torch

@Suite struct FeatureChoiceExperimentTests {
    /// The whole experiment at the size of seconds, on activations with a known dictionary instead of a language model's.
    @Test func theExperimentRunsOnSyntheticActivations() throws {
        var setting = FeatureChoiceSetting(.small)
        (setting.dictionarySize, setting.ks, setting.batchSize, setting.steps, setting.deadAfterTokens) = (64, [4, 2], 128, 200, 2_000)
        let source = SyntheticActivations(inputSize: 24, featureCount: 48, activeCount: 4, noise: 0.02, meanNorm: 3, seed: 2)
        let data = ActivationSplit(
            training: source.next(16_000), validation: source.next(2_000), test: source.next(2_000), origin: "synthetic activations"
        ) { _ in
            LossRecovered(
                tokenCount: 1, ablation: .zero, originalCE: 1, reconstructedCE: 2, ablatedCE: 5, reconstructedKL: 1, ablatedKL: 4)
        }
        let findings = try withReproductionContext(of: FeatureChoice.self) {
            try FeatureChoiceExperiment(setting, data, context: $0).run()
        }

        #expect(findings.outcomes.count == 2 * (3 + 8))
        for outcome in findings.outcomes {
            let k = outcome.arm.hasSuffix("k 4") ? 4.0 : 2
            #expect(abs(outcome.metrics.l0 / k - 1) < 0.05, "\(outcome.arm): L0 \(outcome.metrics.l0)")
            #expect(outcome.metrics.fractionOfVarianceUnexplained < 0.9)
        }
        let reproduction = findings.reproduction
        #expect(reproduction.rows.count == 8)
        #expect(reproduction.rows.allSatisfy { !$0.measured.contains("nan") }, "\(reproduction.rows)")
        #expect(reproduction.setting.contains("synthetic activations"))
    }

    @Test func budgetsAndContributionsAreCounted() {
        let use = FeatureUse(of: Identity(), on: Tensor([[1.0, 0, 0], [-2, 3, 0], [0, 0, 0], [4, 1, 0]]))
        #expect(use.counts == [1, 2, 0, 2])
        #expect(use.contributions == [7, 4, 0])
        #expect(abs(use.variationOfCounts - (0.6875).squareRoot() / 1.25) < 1e-12)
        #expect(use.negligibleFraction() == 1.0 / 3)
    }

    @Test func rankCorrelations() {
        #expect(abs(rankCorrelation([1, 2, 3, 9], [2, 3, 5, 100]) - 1) < 1e-12)
        #expect(abs(rankCorrelation([1, 2, 3], [9, 4, 1]) + 1) < 1e-12)
        // Ties share their mean rank: ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3.
        #expect(abs(rankCorrelation([1, 2, 2, 3], [1, 2, 3, 4]) - 4.5 / (4.5 * 5).squareRoot()) < 1e-12)
        #expect(rankCorrelation([1, 1, 1], [1, 2, 3]).isNaN)
    }

    @Test func thresholdsAreBroughtToAnL0() throws {
        let source = SyntheticActivations(inputSize: 16, featureCount: 32, activeCount: 3, noise: 0.01, meanNorm: 2, seed: 1)
        let configuration = SAETrainingConfiguration(
            architecture: SAEArchitecture(FeatureChoiceSettings(k: 3)), dictionarySize: 48, batchSize: 64, steps: 60, learningRate: 2e-3)
        let model = try trainSparseAutoencoder(configuration, on: source, seed: 4)
        let inputs = source.next(1_000)
        let before = (model.encoder as! JumpReLUEncoder).threshold
        for k in [3, 1, 5] {
            model.rescaleThresholds(toL0: k, on: inputs)
            #expect(abs(model.evaluate(inputs).l0 - Double(k)) < 0.01)
        }
        let ratios = (model.encoder as! JumpReLUEncoder).threshold / before
        #expect((ratios.max() - ratios.min()).item() < 1e-4 * ratios.max().item(), "one factor for all")
    }

    private final class Identity: ActivationDictionary {
        let inputSize = 3
        let dictionarySize = 3
        var decoderDirections: Tensor { Tensor.identity(3, dtype: .float64) }
        func encode(_ input: Tensor) -> FeatureCode { .dense(input) }
        func decode(_ code: FeatureCode, of input: Tensor?) -> Tensor { code.dense() }
    }
}
