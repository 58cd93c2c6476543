package import Experiments

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

    /// Chooses λ so that L0 on the validation set is TopK's k, by runs with the first seed.
    private func findL1Coefficient() throws -> L1Search<(model: SparseAutoencoder, seconds: Double)> {
        try L1Search(
            k: setting.k, first: setting.firstL1Coefficient, runs: setting.searchRuns, tolerance: setting.tolerance,
            progress: comparison.context.progress
        ) { coefficient in
            let trained = try comparison.train(arm(.relu, l1Coefficient: coefficient), seed: comparison.context.seeds[0])
            return (trained, trained.model.evaluate(comparison.data.validation).l0)
        }
    }
}
