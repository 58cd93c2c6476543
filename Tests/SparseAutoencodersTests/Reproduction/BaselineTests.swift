import CondenseTesting
import Experiments
import Foundation
import SparseAutoencoders
import Testing
import Torch

@Suite struct BaselineTests {
    /// The whole experiment at the size of seconds, on activations with a known dictionary instead of a language model's.
    @Test func theExperimentRunsOnSyntheticActivations() throws {
        var setting = BaselineSetting(.small)
        (setting.dictionarySize, setting.k, setting.sparserK, setting.batchSize, setting.steps) = (96, 4, 2, 128, 400)
        (setting.deadAfterTokens, setting.searchRuns, setting.tolerance) = (3_000, 8, 0.1)
        let source = SyntheticActivations(inputSize: 24, featureCount: 64, activeCount: 4, noise: 0.02, meanNorm: 3, seed: 2)
        let data = ActivationSplit(
            training: source.next(16_000), validation: source.next(1_000), test: source.next(2_000), origin: "synthetic activations"
        ) { _ in
            LossRecovered(
                tokenCount: 1, ablation: .zero, originalCE: 1, reconstructedCE: 2, ablatedCE: 5, reconstructedKL: 1, ablatedKL: 4)
        }
        let (findings, metrics) = try withReproductionContext(of: SAEBaselines.self) {
            (try BaselineExperiment(setting, data, context: $0).run(), try MetricWriter.read($0.run.directory))
        }

        #expect(findings.outcomes.all.count == 8)
        let distances: [Double] = findings.search.map { abs(log($0.l0 / 4)) }
        let nearest = try #require(distances.indices.min { distances[$0] < distances[$1] })
        #expect(findings.search[nearest].coefficient == findings.l1Coefficient, "the run with the nearest L0 counts")
        #expect(distances[nearest] < 0.3, "L0 was matched: \(findings.search.map(\.l0))")
        for outcome in findings.outcomes.all where outcome.arm.contains("TopK") {
            #expect(outcome.metrics.l0 <= 4)
            #expect(outcome.metrics.fractionOfVarianceUnexplained < 0.9)
        }
        let reproduction = findings.reproduction
        #expect(reproduction.rows.count == 5)
        #expect(reproduction.setting.contains("synthetic activations"))
        #expect(metrics.count == 8)
    }

    @Test func theSearchFollowsTheLine() {
        typealias Trial = L1Trial
        // L0 = 100 · (λ/0.01)^−0.5 reaches 32 at λ = 0.01 · (100/32)².
        let trials = [Trial(coefficient: 0.01, l0: 100), Trial(coefficient: 0.04, l0: 50)]
        let next = Trial.nextCoefficient(after: trials, k: 32)
        #expect(abs(next / (0.01 * 3.125 * 3.125) - 1) < 1e-9)
        // One run alone is taken to lie on a line of slope −1; steps are limited, also where nothing is active.
        #expect(abs(Trial.nextCoefficient(after: [trials[1]], k: 25) - 0.08) < 1e-12)
        #expect(abs(Trial.nextCoefficient(after: [Trial(coefficient: 1, l0: 0)], k: 32) - exp(-2)) < 1e-12)
        // Between a run with too many features and one with none, the next is the middle.
        let collapsed = [Trial(coefficient: 0.01, l0: 46), Trial(coefficient: 0.04, l0: 33), Trial(coefficient: 0.16, l0: 0)]
        #expect(abs(Trial.nextCoefficient(after: collapsed, k: 32) / 0.08 - 1) < 1e-9)
        // A rising line is not believed.
        let noise = [Trial(coefficient: 0.02, l0: 40), Trial(coefficient: 0.03, l0: 50)]
        #expect(Trial.nextCoefficient(after: noise, k: 32) > 0.02)
    }
}
