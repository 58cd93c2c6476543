package import Experiments
internal import Foundation
internal import Torch

/// TopK against variational models with and without noise, with everything else equal: start, projection of gradients, bias and AuxK, and
/// each kind at its own best learning rate.
package struct VariationalExperiment {
    private let setting: VariationalSetting
    private let comparison: Comparison

    package init(_ setting: VariationalSetting, _ data: ActivationSplit, context: ReproductionContext) {
        self.setting = setting
        comparison = Comparison(data, context: context)
    }

    package func run() throws -> Reproduction {
        var search = LearningRateSearch.ofAutoencoders
        let arms = try tunedArms(&search)
        var findings = VariationalFindings(setting: setting, data: comparison.data.description, arms: arms, learningRates: search.evidence)
        for seed in comparison.context.seeds {
            for arm in arms.all {
                let trained = try comparison.train(arm, seed: seed)
                let outcome = try comparison.measure(trained, arm, seed: seed)
                let rows = comparison.data.test[..<min(setting.noiseRows, comparison.data.test.size(0))]
                findings.add(outcome, SelectionNoise(of: outcome.model, on: rows, seed: seed))
            }
        }
        return findings.reproduction
    }

    private func arm(_ name: String, _ architecture: SAEArchitecture) -> Comparison.Arm {
        var arm = Comparison.Arm(
            name, architecture, dictionarySize: setting.dictionarySize, batchSize: setting.batchSize, steps: setting.steps,
            deadAfterTokens: setting.deadAfterTokens)
        arm.configuration.sparsityWarmupSteps = setting.steps / 10
        return arm
    }

    private func sampledArm(_ logVariance: Double, _ coefficient: Double) -> Comparison.Arm {
        arm(
            "noise, log σ² \(formatNumber(logVariance, digits: 1)), β \(formatNumber(coefficient, digits: 1))",
            SAEArchitecture(VariationalSettings(k: setting.k, initialLogVariance: logVariance, klCoefficient: coefficient)))
    }

    /// Arms that are held against each other because they differ in one thing have one rate: the two penalties, and all that draw noise.
    private func tunedArms(_ search: inout LearningRateSearch) throws -> Arms {
        let (k, beta) = (setting.k, formatNumber(setting.penaltyCoefficient, digits: 1))
        let penalties = try search.tuned(
            [
                arm("TopK + ½β‖μ‖², β \(beta)", SAEArchitecture(PenalizedTopKSettings(k: k, coefficient: setting.penaltyCoefficient))),
                arm(
                    "fixed variance, β \(beta)",
                    SAEArchitecture(VariationalSettings(k: k, variance: .fixed, klCoefficient: setting.penaltyCoefficient))),
            ], in: comparison)
        let middle = try search.tuned(sampledArm(setting.middleLogVariance, setting.klCoefficient), in: comparison)
        func noisy(_ logVariance: Double, _ coefficient: Double) -> Comparison.Arm {
            sampledArm(logVariance, coefficient).learning(at: middle.configuration.learningRate)
        }
        return Arms(
            topK: try search.tuned(arm("TopK", .topK(TopKSettings(k: k))), in: comparison), penalty: penalties[0], fixed: penalties[1],
            sampled: setting.logVariances.map { noisy($0, setting.klCoefficient) }, middle: middle,
            withoutDivergence: noisy(setting.middleLogVariance, 0), collapsed: noisy(setting.middleLogVariance, setting.largeCoefficient),
            batch: try search.tuned(arm("BatchTopK", SAEArchitecture(BatchTopKSettings(k: k))), in: comparison))
    }

    /// What is trained.
    struct Arms {
        let topK, penalty, fixed: Comparison.Arm
        /// In the order of ``VariationalSetting/logVariances``.
        let sampled: [Comparison.Arm]
        /// One of the sampled, the reference of the next two.
        let middle: Comparison.Arm
        let withoutDivergence, collapsed, batch: Comparison.Arm

        var all: [Comparison.Arm] { [topK, batch, penalty, fixed] + sampled + [withoutDivergence, collapsed] }
        /// Those that draw noise.
        var noisy: [Comparison.Arm] { sampled + [withoutDivergence, collapsed] }
    }
}
