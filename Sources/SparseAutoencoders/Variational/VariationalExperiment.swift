package import Experiments
internal import Foundation
internal import Torch

/// TopK against variational models with and without noise, with everything else equal: start, projection of gradients, bias,
/// learning rate and AuxK.
package struct VariationalExperiment {
    private let setting: VariationalSetting
    private let comparison: Comparison
    /// The same without the language model, which takes longer than training.
    private let quickComparison: Comparison

    package init(_ setting: VariationalSetting, _ data: ActivationSplit, context: ReproductionContext) {
        self.setting = setting
        comparison = Comparison(data, context: context)
        var activations = data
        activations.lossRecovered = nil
        quickComparison = Comparison(activations, context: context)
    }

    package func run() throws -> Reproduction {
        let arms = arms
        var findings = VariationalFindings(setting: setting, data: comparison.data.description, arms: arms)
        for seed in comparison.context.seeds {
            for arm in arms.all {
                let trained = try comparison.train(arm.training, seed: seed)
                let outcome = try (arm.measuresLoss ? comparison : quickComparison).measure(trained, arm.training, seed: seed)
                let rows = comparison.data.test[..<min(setting.noiseRows, comparison.data.test.size(0))]
                findings.add(outcome, SelectionNoise(of: outcome.model, on: rows, seed: seed))
            }
        }
        return findings.reproduction
    }

    private func arm(_ name: String, _ architecture: SAEArchitecture, measuresLoss: Bool = false) -> Arm {
        var training = Comparison.Arm(
            name, architecture, dictionarySize: setting.dictionarySize, batchSize: setting.batchSize, steps: setting.steps,
            deadAfterTokens: setting.deadAfterTokens)
        training.configuration.sparsityWarmupSteps = setting.steps / 10
        return Arm(training: training, measuresLoss: measuresLoss)
    }

    private func sampledArm(_ logVariance: Double, _ coefficient: Double) -> Arm {
        arm(
            "noise, log σ² \(formatNumber(logVariance, digits: 1)), β \(formatNumber(coefficient, digits: 1))",
            SAEArchitecture(VariationalSettings(k: setting.k, initialLogVariance: logVariance, klCoefficient: coefficient)),
            measuresLoss: logVariance == setting.middleLogVariance && coefficient == setting.klCoefficient)
    }

    private var arms: Arms {
        let (k, beta) = (setting.k, formatNumber(setting.penaltyCoefficient, digits: 1))
        return Arms(
            topK: arm("TopK", .topK(TopKSettings(k: k)), measuresLoss: true),
            penalty: arm(
                "TopK + ½β‖μ‖², β \(beta)", SAEArchitecture(PenalizedTopKSettings(k: k, coefficient: setting.penaltyCoefficient)),
                measuresLoss: true),
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
    struct Arm {
        let training: Comparison.Arm
        var name: String { training.name }
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
