package import Experiments

/// What the experiment found, and what that says about the claims.
package struct BaselineFindings {
    private typealias Arm = BaselineExperiment.Arm

    let setting: BaselineSetting
    /// The activations and how they were cut.
    let data: String
    package let l1Coefficient: Double
    package let search: [L1Trial]
    package let outcomes: Outcomes

    package var reproduction: Reproduction {
        Reproduction(rows: rows, setting: description, evidence: [.heading("All arms"), .table(outcomes.table), .figure(outcomes.figure)])
    }

    private func spread(_ arm: Arm, digits: Int = 3, _ value: (Comparison.Outcome) -> Double) -> String {
        outcomes.spread(arm.rawValue, digits: digits, value)
    }

    private func difference(_ first: Arm, _ second: Arm, _ value: (Comparison.Outcome) -> Double) -> [Double] {
        outcomes.difference(first.rawValue, second.rawValue, value)
    }

    private static func recovered(_ outcome: Comparison.Outcome) -> Double { outcome.loss?.score ?? .nan }

    private var rows: [Reproduction.Row] {
        [
            .init(
                claim: "At equal L0, TopK leaves less variance unexplained than ReLU with L1",
                paperFigure: "better at every L0 on GPT-2 small and GPT-4 activations (Gao et al. 2024)",
                measured: "FVU \(spread(.topK, \.fvu)) at L0 \(spread(.topK, \.metrics.l0)) against "
                    + "\(spread(.relu, \.fvu)) at L0 \(spread(.relu, \.metrics.l0))",
                verdict: Verdict.compare(difference: difference(.relu, .topK, \.fvu))),
            .init(
                claim: "The same inside the language model: more of the loss is recovered",
                paperFigure: "lower downstream loss at equal L0 (Gao et al. 2024)",
                measured: "\(spread(.topK, Self.recovered)) against \(spread(.relu, Self.recovered))",
                verdict: Verdict.compare(difference: difference(.topK, .relu, Self.recovered))),
            .init(
                claim: "L1 shrinks reconstructions: γ < 1",
                paperFigure: "γ clearly below 1 for L1 (Rajamanoharan et al. 2024)",
                measured: "γ \(spread(.relu, \.gamma))",
                verdict: Verdict.compare(difference: outcomes.values(Arm.relu.rawValue) { 1 - $0.gamma })),
            .init(
                claim: "TopK does not shrink: γ within 0.02 of 1", paperFigure: "no shrinkage without a penalty",
                measured: "γ \(spread(.topK, digits: 4, \.gamma))",
                verdict: outcomes.values(Arm.topK.rawValue) { abs($0.gamma - 1) }.allSatisfy { $0 <= 0.02 } ? .holds : .contradicted),
            .init(
                claim: "AuxK lowers the part of dead features",
                paperFigure: "7 % with all measures in 16 M features, up to 90 % without any (Gao et al. 2024)",
                measured: "\(spread(.sparserWithAuxK, \.dead)) with, \(spread(.sparserWithoutAuxK, \.dead)) without",
                verdict: Verdict.compare(difference: difference(.sparserWithoutAuxK, .sparserWithAuxK, \.dead))),
        ]
    }

    private var description: String {
        let trials = search.map { "\(formatNumber($0.coefficient)) → \(formatNumber($0.l0))" }.joined(separator: ", ")
        let tokens = outcomes.all.first?.loss?.tokenCount ?? 0
        return """
            \(data) \(setting.dictionarySize) features, batches of \(setting.batchSize), \(setting.steps) steps, the same activations in \
            the same order for all arms of a seed; learning rates from the field's table. With k = \(setting.k) hardly a feature of so \
            small a dictionary dies, so AuxK is tried with k = \(setting.sparserK). Features count as dead in training after \
            \(setting.deadAfterTokens) tokens, in the table if they are not active in the test set. λ \(formatNumber(l1Coefficient)) was \
            found on the validation set (λ → L0: \(trials)). Loss recovered is measured against zero ablation on \(tokens) tokens of the \
            test set, with BOS and attention sinks left as they are. Numbers are means ± standard deviations over \
            \(outcomes.of(Arm.topK.rawValue).count) seeds. The language model's weights carry 4-bit rounding; sizes are far below the \
            papers', so directions are compared, not figures.
            """
    }
}
