package import Experiments
internal import Torch

/// TopK, Mutual Choice and Feature Choice with the same budget of matches, at several budgets; and at the smallest one, where most
/// features die, without auxiliary losses, and with equal quotas.
package struct FeatureChoiceExperiment {
    private let setting: FeatureChoiceSetting
    private let comparison: Comparison
    /// The same without the language model, which takes longer than training.
    private let quickComparison: Comparison

    package enum Arm: String, CaseIterable, Sendable {
        case topK = "TopK + AuxK"
        case batchTopK = "BatchTopK + AuxK"
        case mutual = "Mutual Choice + aux_zipf"
        case feature = "Feature Choice + aux_zipf"
        case topKAlone = "TopK alone"
        case mutualAlone = "Mutual Choice alone"
        case featureAlone = "Feature Choice alone"
        case uniformAlone = "Uniform quotas alone"

        /// The one whose learning rate is taken: that of the same selection, with the auxiliary loss it is compared with.
        var selection: Arm {
            switch self {
            case .topK, .topKAlone: .topK
            case .batchTopK, .mutual, .mutualAlone: .batchTopK
            case .feature, .featureAlone, .uniformAlone: .feature
            }
        }

        /// Those that are trained with every budget.
        static let everywhere: [Arm] = [.topK, .batchTopK, .feature]
        /// Those that are put into the language model.
        static let spliced: [Arm] = [.topK, .batchTopK, .mutual, .feature]

        func architecture(k: Int) -> SAEArchitecture {
            let none = AuxZipf.Settings(coefficient: 0)
            return switch self {
            case .topK: .topK(TopKSettings(k: k))
            case .batchTopK: SAEArchitecture(BatchTopKSettings(k: k))
            case .mutual: SAEArchitecture(MutualChoiceSettings(k: k))
            case .feature: SAEArchitecture(FeatureChoiceSettings(k: k))
            case .topKAlone: .topK(TopKSettings(k: k, auxiliaryCoefficient: 0))
            case .mutualAlone: SAEArchitecture(MutualChoiceSettings(k: k, auxiliary: none))
            case .featureAlone: SAEArchitecture(FeatureChoiceSettings(k: k, auxiliary: none))
            case .uniformAlone: SAEArchitecture(FeatureChoiceSettings(k: k, quotas: .uniform, auxiliary: none))
            }
        }
    }

    package init(_ setting: FeatureChoiceSetting, _ data: ActivationSplit, context: ReproductionContext) {
        self.setting = setting
        comparison = Comparison(data, context: context)
        var activations = data
        activations.lossRecovered = nil
        quickComparison = Comparison(activations, context: context)
    }

    package func run() throws -> FeatureChoiceFindings {
        var search = LearningRateSearch.ofAutoencoders
        let middle = setting.ks[setting.ks.count / 2]
        var rates: [Arm: Double] = [:]
        for kind in Arm.everywhere {
            rates[kind] = try search.rate(for: arm(kind, k: middle), in: quickComparison) { limitToBudget($0, k: middle) }
        }
        var findings = FeatureChoiceFindings(setting: setting, data: comparison.data.description, learningRates: search.evidence)
        for k in setting.ks {
            let isLast = k == setting.ks.last
            for seed in comparison.context.seeds {
                for kind in isLast ? Arm.allCases : Arm.everywhere {
                    let arm = arm(kind, k: k).learning(at: rates[kind.selection])
                    let outcome = try measure(arm, k: k, seed: seed, measuresLoss: isLast && Arm.spliced.contains(kind))
                    findings.add(outcome, of: kind, k: k, use: FeatureUse(of: outcome.model, on: comparison.data.test))
                }
            }
        }
        return findings
    }

    private func arm(_ kind: Arm, k: Int) -> Comparison.Arm {
        Comparison.Arm(
            "\(kind.rawValue), k \(k)", kind.architecture(k: k), dictionarySize: setting.dictionarySize, batchSize: setting.batchSize,
            steps: setting.steps, deadAfterTokens: setting.deadAfterTokens)
    }

    /// Models that select by thresholds are brought to the same L0 on the validation set.
    private func limitToBudget(_ model: SparseAutoencoder, k: Int) {
        if model.encoder is JumpReLUEncoder { model.rescaleThresholds(toL0: k, on: comparison.data.validation) }
    }

    private func measure(_ arm: Comparison.Arm, k: Int, seed: UInt64, measuresLoss: Bool) throws -> Comparison.Outcome {
        let trained = try comparison.train(arm, seed: seed)
        limitToBudget(trained.model, k: k)
        return try (measuresLoss ? comparison : quickComparison).measure(trained, arm, seed: seed)
    }
}
