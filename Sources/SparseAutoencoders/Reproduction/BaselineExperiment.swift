package import Experiments
internal import Foundation
internal import Torch

/// Trains the arms on one set of activations and measures them on text that was held back.
package struct BaselineExperiment {
    let setting: BaselineSetting
    let data: BaselineData
    let context: ReproductionContext

    /// What is compared.
    package enum Arm: String, CaseIterable, Sendable {
        case topK = "TopK"
        case relu = "ReLU + L1"
        case sparserWithAuxK = "Sparser TopK with AuxK"
        case sparserWithoutAuxK = "Sparser TopK without AuxK"
    }

    /// One trained model.
    package struct Outcome {
        package let arm: Arm
        package let seed: UInt64
        package let metrics: ReconstructionMetrics
        package let loss: LossRecovered
        let seconds: Double
    }

    package init(_ setting: BaselineSetting, _ data: BaselineData, context: ReproductionContext) {
        self.setting = setting
        self.data = data
        self.context = context
    }

    package func run() throws -> BaselineFindings {
        let search = try findL1Coefficient()
        var outcomes: [Outcome] = []
        for seed in context.seeds {
            for arm in Arm.allCases {
                let (model, seconds) =
                    arm == .relu && seed == context.seeds[0]
                    ? (search.model, search.seconds) : try train(arm, seed: seed, l1Coefficient: search.coefficient)
                outcomes.append(try measure(model, arm, seed, seconds: seconds))
            }
        }
        return BaselineFindings(
            setting: setting, origin: data.origin, width: data.training.size(1), trainingTokens: data.training.size(0),
            l1Coefficient: search.coefficient, search: search.trials, outcomes: outcomes)
    }

    // MARK: Training

    private func architecture(_ arm: Arm, l1Coefficient: Double) -> SAEArchitecture {
        switch arm {
        case .topK: .topK(TopKSettings(k: setting.k))
        case .sparserWithAuxK: .topK(TopKSettings(k: setting.sparserK))
        case .sparserWithoutAuxK: .topK(TopKSettings(k: setting.sparserK, auxiliaryCoefficient: 0))
        case .relu: .relu(ReLUSettings(l1Coefficient: l1Coefficient))
        }
    }

    private func train(_ arm: Arm, seed: UInt64, l1Coefficient: Double) throws -> (model: SparseAutoencoder, seconds: Double) {
        let start = ContinuousClock.now
        let model = try trainSparseAutoencoder(
            setting.configuration(architecture(arm, l1Coefficient: l1Coefficient)),
            on: InMemoryActivations(data.training, seed: seed), seed: seed, task: "\(arm.rawValue), seed \(seed)",
            progress: context.progress, cancellation: context.cancellation)
        return (model, (ContinuousClock.now - start) / .seconds(1))
    }

    /// One run of the search for λ.
    package struct Trial: Sendable {
        package let coefficient: Double
        /// On the validation set.
        package let l0: Double

        package init(coefficient: Double, l0: Double) {
            self.coefficient = coefficient
            self.l0 = l0
        }

        /// log L0, also where no feature is active.
        var logL0: Double { log(max(l0, 1e-3)) }
    }

    private struct Search {
        var coefficient: Double
        var model: SparseAutoencoder
        var seconds: Double
        var distance: Double
        var trials: [Trial] = []
    }

    /// Chooses λ so that L0 on the validation set is TopK's k, by full training runs with the first seed; the nearest counts.
    private func findL1Coefficient() throws -> Search {
        var coefficient = setting.firstL1Coefficient
        var best: Search?
        var trials: [Trial] = []
        for _ in 0..<setting.searchRuns {
            let (model, seconds) = try train(.relu, seed: context.seeds[0], l1Coefficient: coefficient)
            let trial = Trial(coefficient: coefficient, l0: model.evaluate(data.validation).l0)
            trials.append(trial)
            context.progress.message("λ \(formatNumber(coefficient)) gives L0 \(formatNumber(trial.l0)), wanted \(setting.k)")
            let distance = abs(trial.logL0 - log(Double(setting.k)))
            if distance < best?.distance ?? .infinity {
                best = Search(coefficient: coefficient, model: model, seconds: seconds, distance: distance)
            }
            if distance <= setting.tolerance { break }
            coefficient = Self.nextCoefficient(after: trials, k: setting.k)
        }
        guard var best else { preconditionFailure("the search for λ has at least one run") }
        best.trials = trials
        return best
    }

    /// Where the line of log L0 against log λ through the runs nearest on both sides of the target meets it, or the middle
    /// between them if they are far from each other; while there is one side only, where the line through the two nearest runs
    /// meets it, by a factor of at most e² from the nearer one.
    package static func nextCoefficient(after trials: [Trial], k: Int) -> Double {
        let target = log(Double(k))
        // Few features need a large λ, so the runs with too many are below the wanted one.
        let below = trials.filter { $0.logL0 > target }.max { $0.coefficient < $1.coefficient }
        let above = trials.filter { $0.logL0 <= target }.min { $0.coefficient < $1.coefficient }
        if let below, let above, below.coefficient < above.coefficient {
            let height = below.logL0 - above.logL0
            let part = height < 2 ? min(0.95, max(0.05, (below.logL0 - target) / height)) : 0.5
            return below.coefficient * pow(above.coefficient / below.coefficient, part)
        }
        let nearest = trials.sorted { abs($0.logL0 - target) < abs($1.logL0 - target) }
        var slope = -1.0
        if nearest.count > 1 {
            let measured = (nearest[0].logL0 - nearest[1].logL0) / log(nearest[0].coefficient / nearest[1].coefficient)
            // Noise and dead features can make the line rise or stand.
            if measured.isFinite { slope = min(-0.3, max(-4, measured)) }
        }
        return nearest[0].coefficient * exp(max(-2, min(2, (target - nearest[0].logL0) / slope)))
    }

    // MARK: Measuring

    private func measure(_ model: SparseAutoencoder, _ arm: Arm, _ seed: UInt64, seconds: Double) throws -> Outcome {
        try context.cancellation.check()
        let metrics = model.evaluate(data.test)
        let loss = try data.lossRecovered(model)
        try context.run.log(
            [
                "\(arm)/l0": metrics.l0, "\(arm)/fvu": metrics.fractionOfVarianceUnexplained,
                "\(arm)/gamma": metrics.relativeReconstructionBias, "\(arm)/dead": metrics.density.deadFraction,
                "\(arm)/loss_recovered": loss.score,
            ], step: Int(seed &- context.seeds[0]))
        return Outcome(arm: arm, seed: seed, metrics: metrics, loss: loss, seconds: seconds)
    }
}
