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
                let trained = try comparison.train(Comparison.Arm(arm.name, configuration(arm.architecture)), seed: seed)
                let outcome = try comparison.measure(
                    trained, Comparison.Arm(arm.name, configuration(arm.architecture)), seed: seed, measuresLoss: arm.measuresLoss)
                let rows = comparison.data.test[..<min(setting.noiseRows, comparison.data.test.size(0))]
                findings.add(outcome, SelectionNoise(of: outcome.model, on: rows, seed: seed))
            }
        }
        return findings.reproduction
    }

    private func configuration(_ architecture: SAEArchitecture) -> SAETrainingConfiguration {
        var configuration = SAETrainingConfiguration(
            architecture: architecture, dictionarySize: setting.dictionarySize, batchSize: setting.batchSize, steps: setting.steps)
        configuration.sparsityWarmupSteps = setting.steps / 10
        configuration.deadAfterTokens = setting.deadAfterTokens
        return configuration
    }

    private var arms: Arms {
        func variational(_ settings: VariationalSettings) -> SAEArchitecture { SAEArchitecture(settings) }
        func sampled(_ logVariance: Double, _ coefficient: Double) -> Arm {
            Arm(
                name: "noise, log σ² \(formatNumber(logVariance, digits: 1)), β \(formatNumber(coefficient, digits: 1))",
                architecture: variational(
                    VariationalSettings(k: setting.k, initialLogVariance: logVariance, klCoefficient: coefficient)),
                measuresLoss: logVariance == setting.middleLogVariance && coefficient == setting.klCoefficient)
        }
        let beta = formatNumber(setting.penaltyCoefficient, digits: 1)
        return Arms(
            topK: Arm(name: "TopK", architecture: .topK(TopKSettings(k: setting.k)), measuresLoss: true),
            penalty: Arm(
                name: "TopK + ½β‖μ‖², β \(beta)",
                architecture: SAEArchitecture(PenalizedTopKSettings(k: setting.k, coefficient: setting.penaltyCoefficient)),
                measuresLoss: true),
            fixed: Arm(
                name: "fixed variance, β \(beta)",
                architecture: variational(VariationalSettings(k: setting.k, variance: .fixed, klCoefficient: setting.penaltyCoefficient)),
                measuresLoss: false),
            sampled: setting.logVariances.map { sampled($0, setting.klCoefficient) },
            middle: sampled(setting.middleLogVariance, setting.klCoefficient),
            withoutDivergence: sampled(setting.middleLogVariance, 0),
            collapsed: sampled(setting.middleLogVariance, setting.largeCoefficient),
            batch: Arm(name: "BatchTopK", architecture: SAEArchitecture(BatchTopKSettings(k: setting.k)), measuresLoss: false))
    }

    /// What is trained.
    struct Arm {
        let name: String
        let architecture: SAEArchitecture
        /// Whether the model is also spliced into the language model.
        let measuresLoss: Bool
    }

    struct Arms {
        let topK, penalty, fixed: Arm
        /// In the order of ``VariationalSetting/logVariances``.
        let sampled: [Arm]
        /// One of the sampled, the reference of the next two.
        let middle: Arm
        let withoutDivergence, collapsed, batch: Arm

        var all: [Arm] { [topK, batch, penalty, fixed] + sampled + [withoutDivergence, collapsed] }
        /// Those that draw noise.
        var noisy: [Arm] { sampled + [withoutDivergence, collapsed] }
    }
}
