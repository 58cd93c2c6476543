package import Experiments
internal import Foundation
internal import Torch

/// TopK against variational models with and without noise, with everything else equal: start, projection of gradients, bias,
/// learning rate and AuxK.
package struct VariationalExperiment {
    private let setting: VariationalSetting
    private let comparison: Comparison

    package init(_ setting: VariationalSetting, _ data: ActivationSplit, context: ReproductionContext) {
        self.setting = setting
        comparison = Comparison(data, context: context)
    }

    package func run() throws -> Reproduction {
        let arms = arms
        var findings = VariationalFindings(setting: setting, data: comparison.data.description, arms: arms)
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

    private var arms: Arms {
        let (k, beta) = (setting.k, formatNumber(setting.penaltyCoefficient, digits: 1))
        return Arms(
            topK: arm("TopK", .topK(TopKSettings(k: k))),
            penalty: arm(
                "TopK + ½β‖μ‖², β \(beta)", SAEArchitecture(PenalizedTopKSettings(k: k, coefficient: setting.penaltyCoefficient))),
            fixed: arm(
                "fixed variance, β \(beta)",
                SAEArchitecture(VariationalSettings(k: k, variance: .fixed, klCoefficient: setting.penaltyCoefficient))),
            sampled: setting.logVariances.map { sampledArm($0, setting.klCoefficient) },
            middle: sampledArm(setting.middleLogVariance, setting.klCoefficient),
            withoutDivergence: sampledArm(setting.middleLogVariance, 0),
            collapsed: sampledArm(setting.middleLogVariance, setting.largeCoefficient),
            batch: arm("BatchTopK", SAEArchitecture(BatchTopKSettings(k: k))))
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
