package import Experiments
internal import Foundation

/// TopK against ReLU with L1 at equal L0, and a sparser TopK with and without AuxK.
package struct BaselineExperiment {
    let setting: BaselineSetting
    let comparison: Comparison

    package enum Arm: String, CaseIterable, Sendable {
        case topK = "TopK"
        case relu = "ReLU + L1"
        case sparserWithAuxK = "Sparser TopK with AuxK"
        case sparserWithoutAuxK = "Sparser TopK without AuxK"
    }

    package init(_ setting: BaselineSetting, _ data: ActivationSplit, context: ReproductionContext) {
        self.setting = setting
        comparison = Comparison(data, context: context)
    }

    package func run() throws -> BaselineFindings {
        let search = try findL1Coefficient()
        var outcomes = Outcomes([])
        let first = comparison.context.seeds[0]
        for seed in comparison.context.seeds {
            for kind in Arm.allCases {
                let arm = arm(kind, l1Coefficient: search.coefficient)
                let trained = kind == .relu && seed == first ? search.trained : try comparison.train(arm, seed: seed)
                outcomes.append(try comparison.measure(trained, arm, seed: seed))
            }
        }
        return BaselineFindings(
            setting: setting, data: comparison.data.description, l1Coefficient: search.coefficient, search: search.trials, outcomes: outcomes)
    }

    private func arm(_ kind: Arm, l1Coefficient: Double) -> Comparison.Arm {
        let architecture: SAEArchitecture =
            switch kind {
            case .topK: .topK(TopKSettings(k: setting.k))
            case .sparserWithAuxK: .topK(TopKSettings(k: setting.sparserK))
            case .sparserWithoutAuxK: .topK(TopKSettings(k: setting.sparserK, auxiliaryCoefficient: 0))
            case .relu: .relu(ReLUSettings(l1Coefficient: l1Coefficient))
            }
        return Comparison.Arm(kind.rawValue, setting.configuration(architecture))
    }

    // MARK: The search for λ

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
        var trained: (model: SparseAutoencoder, seconds: Double)
        var distance: Double
        var trials: [Trial] = []
    }

    /// Chooses λ so that L0 on the validation set is TopK's k, by full training runs with the first seed; the nearest counts.
    private func findL1Coefficient() throws -> Search {
        var coefficient = setting.firstL1Coefficient
        var best: Search?
        var trials: [Trial] = []
        for _ in 0..<setting.searchRuns {
            let trained = try comparison.train(arm(.relu, l1Coefficient: coefficient), seed: comparison.context.seeds[0])
            let trial = Trial(coefficient: coefficient, l0: trained.model.evaluate(comparison.data.validation).l0)
            trials.append(trial)
            comparison.context.progress.message("λ \(formatNumber(coefficient)) gives L0 \(formatNumber(trial.l0)), wanted \(setting.k)")
            let distance = abs(trial.logL0 - log(Double(setting.k)))
            if distance < best?.distance ?? .infinity { best = Search(coefficient: coefficient, trained: trained, distance: distance) }
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
}
