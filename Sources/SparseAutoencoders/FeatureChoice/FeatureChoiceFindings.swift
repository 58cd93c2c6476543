package import Experiments

/// What the experiment found, and what that says about the claims.
package struct FeatureChoiceFindings {
    package typealias Arm = FeatureChoiceExperiment.Arm

    let setting: FeatureChoiceSetting
    /// The activations and how they were cut.
    let data: String
    let learningRates: [ReportBlock]
    private var entries: [Entry] = []

    private struct Entry {
        var arm: Arm
        var k: Int
        var outcome: Comparison.Outcome
        var use: FeatureUse
    }

    init(setting: FeatureChoiceSetting, data: String, learningRates: [ReportBlock]) {
        self.setting = setting
        self.data = data
        self.learningRates = learningRates
    }

    mutating func add(_ outcome: Comparison.Outcome, of arm: Arm, k: Int, use: FeatureUse) {
        entries.append(Entry(arm: arm, k: k, outcome: outcome, use: use))
    }

    package var outcomes: [Comparison.Outcome] { entries.map(\.outcome) }

    /// The smallest budget, with which all arms are trained.
    private var smallest: Int { setting.ks.last ?? 0 }

    /// A quantity of an arm, a number for each seed.
    private func values(_ arm: Arm, k: Int, _ value: (Entry) -> Double) -> [Double] {
        entries.filter { $0.arm == arm && $0.k == k }.sorted { $0.outcome.seed < $1.outcome.seed }.map(value)
    }

    private func spread(_ arm: Arm, k: Int, digits: Int = 3, _ value: (Entry) -> Double) -> String {
        Spread(values(arm, k: k, value)).formatted(digits: digits)
    }

    private func difference(_ first: Arm, _ second: Arm, k: Int, _ value: (Entry) -> Double) -> [Double] {
        zip(values(first, k: k, value), values(second, k: k, value)).map { $0 - $1 }
    }

    private static func fvu(_ entry: Entry) -> Double { entry.outcome.fvu }
    private static func dead(_ entry: Entry) -> Double { entry.outcome.dead * 100 }
    private static func recovered(_ entry: Entry) -> Double { entry.outcome.loss?.score ?? .nan }

    /// The law of the densities on the test set; nil if none fits.
    private static func law(_ entry: Entry) -> ZipfLaw? {
        let density = entry.outcome.metrics.density
        return ZipfLaw(fitting: density.densities, smallest: 1 / Double(density.inputCount))
    }

    private static func explained(_ entry: Entry) -> Double { law(entry)?.explainedVariation ?? 0 }

    package var reproduction: Reproduction {
        Reproduction(
            rows: rows, setting: description,
            evidence: setting.ks.flatMap { [.heading("\($0) features per input"), .table(table(k: $0))] }
                + [.heading("Densities and budgets of inputs"), .figure(densityFigure), .figure(countFigure), .figure(frontFigure)]
                + learningRates)
    }

    // MARK: Claims

    private var rows: [Reproduction.Row] {
        [
            lowerError(.batchTopK, "Mutual Choice (BatchTopK, both with AuxK) rebuilds better than TopK at equal L0"),
            lowerError(.feature, "Feature Choice with Zipf quotas and aux_zipf rebuilds better than TopK with AuxK at equal L0"),
            lossRow, deadRow,
            .init(
                claim: "aux_zipf leaves fewer dead features than AuxK (both on Mutual Choice)",
                paperFigure: "a remedy for dead and under-used features; figures not available to us",
                measured: "\(spread(.mutual, k: smallest, Self.dead)) % against \(spread(.batchTopK, k: smallest, Self.dead)) %, "
                    + "\(spread(.mutualAlone, k: smallest, Self.dead)) % without any (k = \(smallest))",
                verdict: Verdict.compare(difference: difference(.batchTopK, .mutual, k: smallest, Self.dead))),
            .init(
                claim: "Quotas by Zipf's law rebuild better than equal ones", paperFigure: "follows from the choice of the law",
                measured: "FVU \(spread(.featureAlone, k: smallest, Self.fvu)) against \(spread(.uniformAlone, k: smallest, Self.fvu)) "
                    + "(k = \(smallest), without auxiliary losses)",
                verdict: Verdict.compare(difference: difference(.uniformAlone, .featureAlone, k: smallest, Self.fvu))),
            lawRow, budgetRow,
        ]
    }

    /// An arm's error over TopK's at the same L0, less 1, for each seed: thresholds leave it with an L0 that is not quite k.
    private func excess(_ arm: Arm, k: Int) -> [Double] {
        entries.filter { $0.arm == arm && $0.k == k }.sorted { $0.outcome.seed < $1.outcome.seed }.map { entry in
            let curve = ErrorCurve(
                entries.filter { $0.arm == .topK && $0.outcome.seed == entry.outcome.seed }.map(\.outcome), error: \.fvu)
            return curve.excess(of: entry.outcome, error: \.fvu)
        }
    }

    /// The verdict of most budgets.
    private func lowerError(_ arm: Arm, _ claim: String) -> Reproduction.Row {
        let verdicts = setting.ks.map { k in Verdict.compare(difference: excess(arm, k: k).map { -$0 }) }
        let measured = setting.ks.map { k in
            "k = \(k): FVU \(spread(arm, k: k, Self.fvu)) at L0 \(spread(arm, k: k) { $0.outcome.metrics.l0 }), "
                + "\(Spread(excess(arm, k: k).map { $0 * 100 }).formatted()) % above TopK's curve"
        }
        let most = [Verdict.holds, .contradicted].first { verdict in verdicts.count { $0 == verdict } * 2 > verdicts.count }
        return .init(
            claim: claim, paperFigure: "lower error at equal sparsity on GPT-2 small; figures not available to us",
            measured: measured.joined(separator: "; "), verdict: most ?? .inconclusive)
    }

    private var lossRow: Reproduction.Row {
        let gains = difference(.feature, .topK, k: smallest, Self.recovered)
        return .init(
            claim: "The same inside the language model: more of the loss is recovered", paperFigure: "figures not available to us",
            measured: "Feature Choice \(spread(.feature, k: smallest, Self.recovered)), BatchTopK "
                + "\(spread(.batchTopK, k: smallest, Self.recovered)), TopK \(spread(.topK, k: smallest, Self.recovered)) (k = \(smallest))",
            verdict: gains.contains { $0.isNaN } ? .inconclusive : Verdict.compare(difference: gains))
    }

    private var deadRow: Reproduction.Row {
        let arms: [Arm] = [.featureAlone, .mutualAlone, .topKAlone, .feature, .mutual, .topK]
        let measured = arms.map { "\($0.rawValue) \(spread($0, k: smallest, Self.dead)) %" }
        let feature = values(.featureAlone, k: smallest, Self.dead)
        let fewer = zip(feature, values(.mutualAlone, k: smallest, Self.dead)).allSatisfy { $0 <= $1 }
            && zip(feature, values(.topKAlone, k: smallest, Self.dead)).allSatisfy { $0 <= $1 }
        let all = setting.ks.flatMap { values(.feature, k: $0, Self.dead) } + feature
        return .init(
            claim: "Feature Choice has no dead features, Mutual Choice few",
            paperFigure: "none, up to 34 million features; a few",
            measured: measured.joined(separator: ", ") + " without a firing in the test set, by thresholds (k = \(smallest))",
            verdict: fewer && all.allSatisfy { $0 == 0 } ? .holds : fewer && all.allSatisfy { $0 < 0.5 } ? .directionOnly : .contradicted)
    }

    private var lawRow: Reproduction.Row {
        let fits = [Arm.topK, .batchTopK].map { arm in (arm, setting.ks.flatMap { values(arm, k: $0, Self.explained) }) }
        return .init(
            claim: "Densities follow a law of Zipf but for the rare end (R² of at least 0.9 over the ranks from 1 to 90 %)",
            paperFigure: "shown as a figure",
            measured: fits.map { "\($0.0.rawValue): R² \(Spread($0.1).formatted())" }.joined(separator: ", ") + " over all k",
            verdict: fits.allSatisfy { $0.1.allSatisfy { $0 >= 0.9 } } ? .holds : .contradicted)
    }

    private var budgetRow: Reproduction.Row {
        let arms: [Arm] = [.batchTopK, .feature]
        let measured = arms.map { arm in
            let variation = setting.ks.flatMap { values(arm, k: $0) { $0.use.variationOfCounts } }
            let correlation = setting.ks.flatMap { values(arm, k: $0) { $0.use.countsWithDistance } }
            return (arm, variation, correlation)
        }
        return .init(
            claim: "Inputs get unequal budgets (variation of at least 0.2 of the mean), and more the farther they are from the mean (ρ ≥ 0.2)",
            paperFigure: "the motivation: some tokens are harder than others",
            measured: measured.map {
                "\($0.0.rawValue): variation \(Spread($0.1).formatted()), rank correlation \(Spread($0.2).formatted())"
            }.joined(separator: "; ") + " over all k",
            verdict: measured.allSatisfy { $0.1.allSatisfy { $0 >= 0.2 } && $0.2.allSatisfy { $0 >= 0.2 } } ? .holds
                : measured.allSatisfy { $0.1.allSatisfy { $0 >= 0.2 } } ? .directionOnly : .contradicted)
    }

    // MARK: Tables and figures

    private func table(k: Int) -> Table {
        let arms = Arm.allCases.filter { arm in entries.contains { $0.arm == arm && $0.k == k } }
        var columns: [(String, Int, (Entry) -> Double)] = [
            ("L0", 3, \.outcome.metrics.l0), ("FVU", 3, Self.fvu), ("γ", 4, \.outcome.gamma), ("dead %", 3, Self.dead),
            ("negligible %", 3, { $0.use.negligibleFraction() * 100 }), ("largest cosine", 3, { $0.outcome.model.meanMaximumCosine() }),
            ("R² of Zipf", 3, Self.explained), ("variation of L0", 3, \.use.variationOfCounts),
            ("ρ with ‖x − x̄‖", 3, \.use.countsWithDistance),
        ]
        if entries.contains(where: { $0.k == k && $0.outcome.loss != nil }) { columns.append(("loss recovered", 4, Self.recovered)) }
        columns.append(("seconds", 3, \.outcome.seconds))
        return Table(
            columns: [.text("Arm")] + columns.map { .number($0.0) },
            rows: arms.map { arm in
                [arm.rawValue]
                    + columns.map { _, digits, value in
                        let found = values(arm, k: k, value)
                        return found.contains { $0.isNaN } ? "–" : Spread(found).formatted(digits: digits)
                    }
            })
    }

    private func first(_ arm: Arm) -> Entry? { entries.first { $0.arm == arm && $0.k == smallest } }

    private var densityFigure: Figure {
        let arms: [Arm] = [.topK, .batchTopK, .mutual, .feature, .uniformAlone]
        var traces = arms.compactMap { arm in
            first(arm).map { Self.ranked(arm.rawValue, $0.outcome.metrics.density.densities) }
        }
        if let entry = first(.batchTopK), let law = Self.law(entry) {
            let densities = law.densities(count: setting.dictionarySize, sum: entry.outcome.metrics.l0, minimum: 1e-9, maximum: 1)
            traces.append(Self.ranked("law fitted to BatchTopK", densities))
        }
        return Figure(
            title: "Density of features by rank, k = \(smallest), first seed", xAxis: Axis("rank", scale: .logarithmic),
            yAxis: Axis("part of the test set in which the feature is active", scale: .logarithmic), traces: traces,
            caption: "Dead features have no point. Quotas lift the rare end.")
    }

    private static func ranked(_ name: String, _ densities: [Double]) -> Trace {
        let falling = densities.filter { $0 > 0 }.sorted(by: >)
        return .line(name, x: falling.indices.map { Double($0 + 1) }, y: falling)
    }

    private var countFigure: Figure {
        let arms: [Arm] = [.batchTopK, .feature]
        return Figure(
            title: "Active features of an input, k = \(smallest), first seed", xAxis: Axis("active features"), yAxis: Axis("inputs"),
            traces: arms.compactMap { arm in first(arm).map { .histogram(arm.rawValue, values: $0.use.counts.map { Double($0) }) } },
            height: 300)
    }

    private var frontFigure: Figure {
        Figure(
            title: "Unexplained variance against active features", xAxis: Axis("L0 on the test set"), yAxis: Axis("FVU"),
            traces: Arm.allCases.map { arm in
                let own = entries.filter { $0.arm == arm }
                return .scatter(
                    arm.rawValue, x: own.map(\.outcome.metrics.l0), y: own.map(Self.fvu),
                    labels: own.map { "k \($0.k), seed \($0.outcome.seed)" })
            })
    }

    private var description: String {
        """
        \(data) \(setting.dictionarySize) features, batches of \(setting.batchSize), \(setting.steps) steps, the same activations in \
        the same order for all arms of a seed. \(LearningRateSearch.description) Features count as dead in training after \
        \(formatCount(setting.deadAfterTokens)) tokens, in the tables if they are not active in the test set. Mutual Choice selects as \
        BatchTopK does; it is trained with AuxK under that name, and with aux_zipf. Feature Choice begins with 80 % of the steps as Mutual \
        Choice. Trained models of both are used with thresholds, one for all features or one of each, which are multiplied by one factor \
        so that L0 on the validation set is k; TopK selects k for each input. "Negligible" are features whose Σ|f|·‖atom‖ over the \
        test set is below a hundredth of the median. Numbers are means ± standard deviations over \
        \(values(.topK, k: smallest, Self.fvu).count) seeds. The language model's weights carry 4-bit rounding; sizes are far below the \
        paper's, so directions are compared, not figures.
        """
    }
}
