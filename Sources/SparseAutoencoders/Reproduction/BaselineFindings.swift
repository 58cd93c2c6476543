package import Experiments

/// What the experiment found, and what that says about the claims.
package struct BaselineFindings {
    package typealias Arm = BaselineExperiment.Arm
    package typealias Outcome = BaselineExperiment.Outcome

    let setting: BaselineSetting
    let origin: String
    let width: Int
    let trainingTokens: Int
    package let l1Coefficient: Double
    package let search: [BaselineExperiment.Trial]
    package let outcomes: [Outcome]

    private func outcomes(_ arm: Arm) -> [Outcome] { outcomes.filter { $0.arm == arm }.sorted { $0.seed < $1.seed } }
    private func values(_ arm: Arm, _ value: (Outcome) -> Double) -> [Double] { outcomes(arm).map(value) }
    private func spread(_ arm: Arm, digits: Int = 3, _ value: (Outcome) -> Double) -> String {
        Spread(values(arm, value)).formatted(digits: digits)
    }

    /// Differences between two arms, seed by seed.
    private func difference(_ first: Arm, _ second: Arm, _ value: (Outcome) -> Double) -> [Double] {
        zip(values(first, value), values(second, value)).map { $0 - $1 }
    }

    package var reproduction: Reproduction {
        Reproduction(rows: rows, setting: description, evidence: [.heading("All arms"), .table(table), .figure(figure)])
    }

    // MARK: Claims

    private static func fvu(_ outcome: Outcome) -> Double { outcome.metrics.fractionOfVarianceUnexplained }
    private static func gamma(_ outcome: Outcome) -> Double { outcome.metrics.relativeReconstructionBias }
    private static func dead(_ outcome: Outcome) -> Double { outcome.metrics.density.deadFraction }

    private var rows: [Reproduction.Row] {
        [
            .init(
                claim: "At equal L0, TopK leaves less variance unexplained than ReLU with L1",
                paperFigure: "better at every L0 on GPT-2 small and GPT-4 activations (Gao et al. 2024)",
                measured: "FVU \(spread(.topK, Self.fvu)) at L0 \(spread(.topK) { $0.metrics.l0 }) against "
                    + "\(spread(.relu, Self.fvu)) at L0 \(spread(.relu) { $0.metrics.l0 })",
                verdict: Verdict.compare(difference: difference(.relu, .topK, Self.fvu)), remark: nil),
            .init(
                claim: "The same inside the language model: more of the loss is recovered",
                paperFigure: "lower downstream loss at equal L0 (Gao et al. 2024)",
                measured: "\(spread(.topK) { $0.loss.score }) against \(spread(.relu) { $0.loss.score })",
                verdict: Verdict.compare(difference: difference(.topK, .relu) { $0.loss.score })),
            .init(
                claim: "L1 shrinks reconstructions: γ < 1",
                paperFigure: "γ clearly below 1 for L1 (Rajamanoharan et al. 2024)",
                measured: "γ \(spread(.relu, Self.gamma))",
                verdict: Verdict.compare(difference: values(.relu) { 1 - Self.gamma($0) })),
            .init(
                claim: "TopK does not shrink: γ within 0.02 of 1", paperFigure: "no shrinkage without a penalty",
                measured: "γ \(spread(.topK, digits: 4, Self.gamma))",
                verdict: values(.topK) { abs(Self.gamma($0) - 1) }.allSatisfy { $0 <= 0.02 } ? .holds : .contradicted),
            .init(
                claim: "AuxK lowers the part of dead features",
                paperFigure: "7 % with all measures in 16 M features, up to 90 % without any (Gao et al. 2024)",
                measured: "\(spread(.sparserWithAuxK, Self.dead)) with, \(spread(.sparserWithoutAuxK, Self.dead)) without",
                verdict: Verdict.compare(difference: difference(.sparserWithoutAuxK, .sparserWithAuxK, Self.dead))),
        ]
    }

    // MARK: Evidence

    private var description: String {
        let trials = search.map { "\(formatNumber($0.coefficient)) → \(formatNumber($0.l0))" }.joined(separator: ", ")
        return """
            \(origin) (width \(width)): \(trainingTokens) activations for training, \
            \(setting.validationTokens) for the choice of λ, \(setting.testTokens) for all figures, cut by contexts of \
            \(setting.contextLength) tokens whose first position is left out, as are attention sinks (norms above ten times the \
            median). \(setting.dictionarySize) features, batches of \
            \(setting.batchSize), \(setting.steps) steps, the same activations in the same order for all arms of a seed; learning rates \
            from the field's table. With k = \(setting.k) hardly a feature of so small a dictionary dies, so AuxK is tried with \
            k = \(setting.sparserK). Features count as dead in training after \(setting.deadAfterTokens) tokens, in the table if they \
            are not active in the test set. λ \(formatNumber(l1Coefficient)) was found on the validation set (λ → L0: \(trials)). Loss \
            recovered is measured against zero ablation on \(outcomes.first?.loss.tokenCount ?? 0) tokens of the test set, with BOS \
            and attention sinks left as they are. Numbers are means ± standard deviations over \(outcomes(.topK).count) seeds. The language model's weights \
            carry 4-bit rounding; sizes are far below the papers', so directions are compared, not figures.
            """
    }

    private var table: Table {
        let columns: [(String, Int, (Outcome) -> Double)] = [
            ("L0", 3, { $0.metrics.l0 }), ("FVU", 3, Self.fvu), ("γ", 4, Self.gamma), ("cosine", 3, { $0.metrics.cosineSimilarity }),
            ("dead", 3, Self.dead), ("dense > 10 %", 3, { $0.metrics.density.veryDenseFraction }),
            ("loss recovered", 4, { $0.loss.score }), ("KL score", 4, { $0.loss.klScore }), ("seconds", 3, { $0.seconds }),
        ]
        return Table(
            columns: [.text("Arm")] + columns.map { .number($0.0) },
            rows: Arm.allCases.map { arm in [arm.rawValue] + columns.map { spread(arm, digits: $0.1, $0.2) } })
    }

    private var figure: Figure {
        Figure(
            title: "Unexplained variance against active features", xAxis: Axis("L0 on the test set"), yAxis: Axis("FVU"),
            traces: Arm.allCases.map { arm in
                .scatter(arm.rawValue, x: values(arm) { $0.metrics.l0 }, y: values(arm, Self.fvu), labels: outcomes(arm).map { "seed \($0.seed)" })
            })
    }
}
