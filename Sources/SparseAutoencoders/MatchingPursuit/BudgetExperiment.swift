internal import Experiments
internal import Torch

/// MP, TopK and BatchTopK trained with the same number of features per input and then used with fewer and with more; and how
/// alike the features are that each picks together.
struct BudgetExperiment {
    private let setting: MatchingPursuitSetting
    private let comparison: Comparison

    init(_ setting: MatchingPursuitSetting, _ comparison: Comparison) {
        self.setting = setting
        self.comparison = comparison
    }

    /// A trained model used with a number of features.
    struct Use {
        let arm: String
        let seed: UInt64
        let budget: Int
        let l0: Double
        let fvu: Double
        /// nil where it was not measured.
        let lossRecovered: Double?
    }

    /// A trained model's directions.
    struct Likeness {
        let arm: String
        let seed: UInt64
        /// Babel function of all atoms, at the setting's counts.
        let babel: [Double]
        let together: CoActivation
    }

    func run() throws -> BudgetFindings {
        var search = LearningRateSearch.ofAutoencoders
        let outcomes = try comparison.run(
            try BudgetFindings.Arm.allCases.map { arm in
                let architecture: SAEArchitecture =
                    switch arm {
                    case .pursuit: SAEArchitecture(MatchingPursuitSettings(steps: setting.k))
                    case .topK: .topK(TopKSettings(k: setting.k))
                    case .batchTopK: SAEArchitecture(BatchTopKSettings(k: setting.k))
                    }
                return try search.tuned(
                    Comparison.Arm(
                        arm.rawValue, architecture, dictionarySize: setting.dictionarySize, batchSize: setting.batchSize, steps: setting.steps,
                        deadAfterTokens: setting.deadAfterTokens),
                    in: comparison)
            })
        var uses: [Use] = [], likenesses: [Likeness] = []
        let progress = comparison.context.progress
        progress.begin("Using models with other budgets", total: outcomes.all.count, unit: "models")
        for (count, outcome) in outcomes.all.enumerated() {
            for budget in setting.budgets { uses.append(try use(outcome, budget)) }
            likenesses.append(likeness(outcome))
            progress.update(count + 1)
        }
        progress.end()
        return BudgetFindings(
            setting: setting, data: comparison.data.description, learningRates: search.evidence, outcomes: outcomes, uses: uses, likenesses: likenesses)
    }

    private func use(_ outcome: Comparison.Outcome, _ budget: Int) throws -> Use {
        try comparison.context.cancellation.check()
        let model = outcome.model.spending(budget)
        let metrics = model.evaluate(comparison.data.test)
        let loss = budget == setting.k ? outcome.loss : setting.lossBudgets.contains(budget) ? try comparison.data.lossRecovered?(model) : nil
        return Use(
            arm: outcome.arm, seed: outcome.seed, budget: budget, l0: metrics.l0, fvu: metrics.fractionOfVarianceUnexplained,
            lossRecovered: loss?.score)
    }

    private func likeness(_ outcome: Comparison.Outcome) -> Likeness {
        let rows = comparison.data.test.narrowed(axis: 0, from: 0, count: min(setting.coherenceRows, comparison.data.test.size(0)))
        return Likeness(
            arm: outcome.arm, seed: outcome.seed, babel: Coherence.babel(outcome.model.decoderDirections, counts: setting.babelCounts),
            together: CoActivation(of: outcome.model.spending(setting.k), on: rows, counts: setting.babelCounts))
    }
}

extension SparseAutoencoder {
    /// The same weights used with another number of features: steps of a pursuit, or the largest pre-activations of each input,
    /// for BatchTopK of each batch.
    fileprivate func spending(_ budget: Int) -> SparseAutoencoder {
        if isMatchingPursuit { return pursuing { $0.steps = budget } }
        guard let linear = encoder as? any LinearFeatureEncoder else { return self }
        let kind: EncoderKind = encoder is TopKEncoder ? .topK(k: budget) : .batchTopK(k: budget)
        var changed = configuration
        (changed.encoder, changed.inference) = (kind, .asTrained)
        return SparseAutoencoder(
            configuration: changed, encoder: kind.settings.makeEncoder(weight: linear.weight, bias: linear.bias), atoms: atoms,
            decoderBias: decoderBias)
    }
}
