import CondenseTesting
import Experiments
import Foundation
import SparseAutoencoders
import Testing
import Torch

@Suite struct VariationalExperimentTests {
    /// The whole experiment at the size of seconds, on activations with known directions instead of a language model's.
    @Test func theExperimentRunsOnKnownDirections() throws {
        var setting = VariationalSetting(.small)
        (setting.dictionarySize, setting.k, setting.batchSize, setting.steps, setting.deadAfterTokens) = (64, 8, 128, 150, 2_000)
        var truth = AbsTopKSetting(.small).truth
        (truth.trainingRows, truth.testRows) = (8_000, 1_000)
        let reproduction = try withReproductionContext(of: VariationalSAE.self) {
            try VariationalExperiment(setting, BidirectionalTruth(truth, seed: 9).split, context: $0).run()
        }
        #expect(reproduction.rows.count == 10)
        #expect(reproduction.rows.allSatisfy { !$0.measured.contains("not a number")}, "\(reproduction.rows)")
        let equivalence = try #require(reproduction.rows.last)
        #expect(equivalence.verdict == .holds, "\(equivalence.measured)")
    }

    @Test func noiseChangesTheSelection() throws {
        func model(_ logVariance: Double) -> SparseAutoencoder {
            let model = makeModel(.variational(.init(k: 4, initialLogVariance: logVariance)))
            withoutGradients {
                let encoder = model.encoder as! VariationalEncoder
                encoder.varianceWeight?.zeroInPlace()
                encoder.varianceBias?.fillInPlace(logVariance)
            }
            return model
        }
        let input = normal([500, 7])
        let small = try #require(SelectionNoise(of: model(-6), on: input, seed: 3))
        let large = try #require(SelectionNoise(of: model(2), on: input, seed: 3))
        #expect(small.overlap > large.overlap && large.overlap > 0)
        #expect(small.deviations.count == 24 && small.deviations.allSatisfy { abs($0 - exp(-3)) < 1e-12 })
        #expect(abs(large.meanDeviation - exp(1)) < 1e-12)
        #expect(small.margin == large.margin && small.margin > 0)
        #expect(SelectionNoise(of: makeModel(.topK(k: 4)), on: input, seed: 3) == nil)
        // With no noise at all, both draws select the same.
        let silent = model(-6)
        withoutGradients { _ = (silent.encoder as! VariationalEncoder).noiseScale?.fillInPlace(1e-12) }
        #expect(try #require(SelectionNoise(of: silent, on: input, seed: 3)).overlap > 0.9999)
    }

    /// Rows with a known covariance: two large directions, the rest small.
    @Test func principalComponentsKeepTheLargestVariance() {
        let scales = Tensor([0.1, 5, 0.1, 3, 0.1])
        func rows(_ seed: UInt64) -> Tensor { (normal([4_000, 5], seed: seed) * scales + 7).to(dtype: .float32) }
        let split = ActivationSplit(training: rows(1), validation: rows(2), test: rows(3), origin: "noise").projected(onto: 2)
        #expect(split.training.shape == [4_000, 2] && split.test.shape == [4_000, 2])
        #expect(mismatch(split.training.mean(axis: 0), Tensor.zeros([2]), absolute: 1e-4) == nil)
        #expect(mismatch(split.test.standardDeviation(axes: [0]), Tensor([3.0, 5]).to(dtype: .float32), relative: 0.05) == nil)
        #expect(split.origin.hasPrefix("the 2 leading principal components (99."))
    }

    @Test func rareFeaturesAreCountedAgainstAnEqualShare() {
        let density = FeatureDensity(firingCounts: [0, 1, 39, 60], inputCount: 100)
        #expect(density.rareFraction(below: 0.1) == 0.5)
        #expect(density.rareFraction(below: 0.01) == 0.25)
        #expect(density.rareFraction(below: 2) == 0.75)
    }
}
