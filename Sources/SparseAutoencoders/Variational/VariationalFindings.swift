internal import Experiments
internal import Foundation
internal import Torch

/// What the experiment found, and what that says about the claims.
struct VariationalFindings {
    let setting: VariationalSetting
    /// The activations and how they were cut.
    let data: String
    let arms: VariationalExperiment.Arms
    /// How they were chosen.
    let learningRates: [ReportBlock]
    private var outcomes = Outcomes([])
    private var noises: [(arm: String, seed: UInt64, noise: SelectionNoise)] = []

    private typealias Arm = Comparison.Arm

    init(setting: VariationalSetting, data: String, arms: VariationalExperiment.Arms, learningRates: [ReportBlock]) {
        self.setting = setting
        self.learningRates = learningRates
        self.data = data
        self.arms = arms
    }

    mutating func add(_ outcome: Comparison.Outcome, _ noise: SelectionNoise?) {
        outcomes.append(outcome)
        if let noise { noises.append((outcome.arm, outcome.seed, noise)) }
    }

    var reproduction: Reproduction {
        Reproduction(
            rows: rows, setting: description,
            evidence: [
                .heading("All arms"), .table(table), .figure(noiseFigure), .figure(frequencyFigure), .figure(deviationFigure),
                .figure(cosineFigure),
            ] + learningRates)
    }

    // MARK: Figures of arms

    private static func explained(_ outcome: Comparison.Outcome) -> Double { 1 - outcome.fvu }
    private static func rare(_ outcome: Comparison.Outcome) -> Double { outcome.metrics.density.rareFraction(below: 0.1) }

    private func spread(_ arm: Arm, _ value: (Comparison.Outcome) -> Double) -> String { outcomes.spread(arm.name, value) }
    private func mean(_ arm: Arm, _ value: (Comparison.Outcome) -> Double) -> Double { Spread(outcomes.values(arm.name, value)).mean }
    private func values(_ arm: Arm) -> [Double] { outcomes.values(arm.name, Self.explained) }
    private func noise(_ arm: Arm, _ value: (SelectionNoise) -> Double) -> [Double] {
        noises.filter { $0.arm == arm.name }.sorted { $0.seed < $1.seed }.map { value($0.noise) }
    }

    /// One value for each seed of each arm: [arm][seed] turned into [seed][arm].
    private func bySeed(_ values: [[Double]]) -> [[Double]] {
        (values.first ?? []).indices.map { seed in values.map { $0[seed] } }
    }

    /// The largest cosine of each live atom with another live one.
    private static func liveCosines(_ outcome: Comparison.Outcome) -> [Double] {
        let live = outcome.metrics.density.firingCounts.indices.filter { outcome.metrics.density.firingCounts[$0] > 0 }
        guard live.count > 1 else { return [] }
        let units = outcome.model.decoderDirections.gathered(indices: Tensor(live)).unitRows()
        let cosines = units.matmul(units.transposed())
        cosines.diagonal().fillInPlace(-.infinity)
        return cosines.max(axes: [1]).scalars(as: Double.self)
    }

    private static func meanLiveCosine(_ outcome: Comparison.Outcome) -> Double {
        let cosines = liveCosines(outcome)
        return cosines.reduce(0, +) / Double(max(1, cosines.count))
    }

    // MARK: Claims

    private var rows: [Reproduction.Row] { noiseRows + divergenceRows + penaltyRows }

    private var noiseRows: [Reproduction.Row] {
        let best = arms.noisy.max { mean($0, Self.explained) < mean($1, Self.explained) } ?? arms.middle
        let gap = outcomes.difference(arms.topK.name, arms.middle.name, Self.explained)
        let curves = bySeed(arms.sampled.map(values))
        let falls = curves.allSatisfy { curve in zip(curve, curve.dropFirst()).allSatisfy { $0 > $1 } }
        let overlaps = bySeed(arms.sampled.map { noise($0, \.overlap) })
        let correlations = zip(curves, overlaps).map { correlation($0, $1) }
        return [
            .init(
                claim: "TopK explains more variance than every model that draws noise",
                paperFigure: "0.900 against 0.0001 to 0.834 (layer 0 of gelu-1l, 2,048 features, k 256)",
                measured: "\(spread(arms.topK, Self.explained)) against at most \(spread(best, Self.explained)) (\(best.name))",
                verdict: Verdict.compare(difference: outcomes.difference(arms.topK.name, best.name, Self.explained))),
            .init(
                claim: "Starting at log σ² = \(formatNumber(setting.middleLogVariance, digits: 1)), noise costs at least 0.1",
                paperFigure: "0.414 (0.486 against 0.900)", measured: Spread(gap).formatted(),
                verdict: Verdict.compare(difference: gap, size: 0.1...1)),
            .init(
                claim: "The more noise at the start, the less is explained",
                paperFigure: "0.834, 0.743, 0.486, 0.377 for log σ² of −8, −4, −2, −1",
                measured: arms.sampled.map { spread($0, Self.explained) }.joined(separator: ", ") + " for "
                    + setting.logVariances.map { formatNumber($0, digits: 1) }.joined(separator: ", "),
                verdict: falls ? .holds : .contradicted),
            .init(
                claim: "It is the selection that becomes random: explained variance goes with the overlap of two draws",
                paperFigure: "correlation 0.9993; overlap 0.952, 0.918, 0.812, 0.766",
                measured: "correlation \(Spread(correlations).formatted()); overlap "
                    + arms.sampled.map { Spread(noise($0, \.overlap)).formatted() }.joined(separator: ", "),
                verdict: correlations.allSatisfy { $0 >= 0.95 } ? .holds : correlations.allSatisfy { $0 > 0 } ? .directionOnly : .contradicted),
            .init(
                claim: "Noise pushes atoms apart: a live atom's largest cosine with another one is smaller than TopK's",
                paperFigure: "the motivation; the blog version measured the opposite sign (mean cosine 0.0058 against 0.0001 at k 64)",
                measured: "\(spread(arms.middle, Self.meanLiveCosine)) against \(spread(arms.topK, Self.meanLiveCosine))",
                verdict: Verdict.compare(difference: outcomes.difference(arms.topK.name, arms.middle.name, Self.meanLiveCosine))),
        ]
    }

    private var divergenceRows: [Reproduction.Row] {
        let whole = outcomes.difference(arms.topK.name, arms.middle.name, Self.explained)
        let ofNoise = outcomes.difference(arms.topK.name, arms.withoutDivergence.name, Self.explained)
        let shares = zip(ofNoise, whole).map { $0 / $1 * 100 }
        return [
            .init(
                claim: "With β = \(formatNumber(setting.largeCoefficient, digits: 1)) the model collapses (below 0.1)",
                paperFigure: "0.0001", measured: spread(arms.collapsed, Self.explained),
                verdict: values(arms.collapsed).allSatisfy { $0 < 0.1 } ? .holds : .contradicted),
            .init(
                claim: "Nearly all of the gap is the noise's, not the divergence's (at least 80 %)",
                paperFigure: "93.6 % (0.486 without divergence, 0.458 with β = 1e-4)",
                measured: "\(Spread(shares).formatted()) % (\(spread(arms.withoutDivergence, Self.explained)) without, "
                    + "\(spread(arms.middle, Self.explained)) with)",
                verdict: shares.allSatisfy { $0 >= 80 } ? .holds : shares.allSatisfy { $0 > 50 } ? .directionOnly : .contradicted),
        ]
    }

    private var penaltyRows: [Reproduction.Row] {
        let fewer = outcomes.difference(arms.topK.name, arms.penalty.name, Self.rare)
        let cost = outcomes.difference(arms.topK.name, arms.penalty.name, Self.explained)
        let apart = outcomes.difference(arms.fixed.name, arms.penalty.name, Self.explained).map(abs)
        return [
            .init(
                claim: "A penalty ½β‖μ‖² leaves far fewer features near death (selected in less than a tenth of an equal share)",
                paperFigure: "0.0005 against TopK's 0.754",
                measured: "\(spread(arms.penalty, Self.rare)) against \(spread(arms.topK, Self.rare))",
                verdict: Verdict.compare(difference: fewer, size: mean(arms.topK, Self.rare) / 2...1)),
            .init(
                claim: "It does not explain more variance than TopK", paperFigure: "difference −0.0003, not significant",
                measured: "\(spread(arms.penalty, Self.explained)) against \(spread(arms.topK, Self.explained))",
                verdict: Verdict.compare(difference: cost) == .contradicted ? .contradicted : .holds),
            .init(
                claim: "A variational model with a fixed variance is this penalty and nothing else",
                paperFigure: "equal objectives, by the published code",
                measured: "explained variance differs by at most \(formatNumber(apart.max() ?? 0, digits: 2)) over the seeds",
                verdict: apart.allSatisfy { $0 < 1e-3 } ? .holds : .contradicted),
        ]
    }

    // MARK: Tables and figures

    private var table: Table {
        let columns: [(String, (Comparison.Outcome) -> Double)] = [
            ("explained variance", Self.explained), ("L0", \.metrics.l0), ("γ", \.gamma), ("dead", \.dead),
            ("< 0.1 k/F", Self.rare), ("< 0.5 k/F", { $0.metrics.density.rareFraction(below: 0.5) }),
            ("largest cosine", Self.meanLiveCosine),
        ]
        return Table(
            columns: [.text("Arm")] + columns.map { .number($0.0) }
                + [.number("overlap"), .number("σ"), .number("margin"), .number("seconds")],
            rows: arms.all.map { arm in
                func drawn(_ value: (SelectionNoise) -> Double) -> String {
                    let values = noise(arm, value)
                    return values.isEmpty ? "–" : Spread(values).formatted()
                }
                return [arm.name] + columns.map { spread(arm, $0.1) }
                    + [drawn(\.overlap), drawn(\.meanDeviation), drawn(\.margin), spread(arm, \.seconds)]
            })
    }

    private var noiseFigure: Figure {
        let overlaps = arms.sampled.map { Spread(noise($0, \.overlap)) }, explained = arms.sampled.map { Spread(values($0)) }
        return Figure(
            title: "Explained variance and overlap of two draws", xAxis: Axis("log σ² at the start"), yAxis: Axis("part", range: 0...1),
            traces: [
                .line("explained variance", x: setting.logVariances, y: explained.map(\.mean), markers: true, spread: explained.map(\.standardDeviation)),
                .line("overlap", x: setting.logVariances, y: overlaps.map(\.mean), markers: true, spread: overlaps.map(\.standardDeviation)),
                .line(
                    "TopK, explained variance", x: [setting.logVariances.min() ?? 0, setting.logVariances.max() ?? 0],
                    y: Array(repeating: mean(arms.topK, Self.explained), count: 2)),
            ], caption: "Below −6, log σ² is clamped.")
    }

    private var frequencyFigure: Figure {
        let share = Double(setting.k) / Double(setting.dictionarySize)
        let curves = [arms.topK, arms.penalty, arms.middle].compactMap { arm in
            outcomes.of(arm.name).first.map { (arm.name, $0.metrics.density.densities.sorted().map { max($0, 1e-5) }) }
        }
        let last = Double(setting.dictionarySize - 1)
        return Figure(
            title: "How often features are selected", xAxis: Axis("features, the rarest first"),
            yAxis: Axis("part of the inputs", scale: .logarithmic),
            traces: curves.map { .line($0.0, x: $0.1.indices.map(Double.init), y: $0.1) }
                + [0.1, 0.5].map { .line("\(formatNumber($0)) k/F", x: [0, last], y: [$0 * share, $0 * share]) },
            caption: "First seed. Features that are never selected are drawn at 1e-5.")
    }

    private var deviationFigure: Figure {
        Figure(
            title: "Learned σ", xAxis: Axis("σ of a feature, mean over inputs"), yAxis: Axis("features"),
            traces: arms.sampled.compactMap { arm in
                noises.first { $0.arm == arm.name }.map { .histogram(arm.name, values: $0.noise.deviations) }
            }, caption: "First seed.", height: 300)
    }

    private var cosineFigure: Figure {
        Figure(
            title: "Atoms' nearest neighbours", xAxis: Axis("largest cosine with another live atom"), yAxis: Axis("live features"),
            traces: [arms.topK, arms.penalty, arms.middle].compactMap { arm in
                outcomes.of(arm.name).first.map { .histogram(arm.name, values: Self.liveCosines($0)) }
            }, caption: "First seed.", height: 300)
    }

    private var description: String {
        return """
            \(data) \(setting.dictionarySize) features, k = \(setting.k), batches of \(setting.batchSize), \(setting.steps) steps, the same \
            start, activations, projected gradients and AuxK for all arms of a seed; β rises over the first tenth. \
            \(LearningRateSearch.description) Explained variance (1 − FVU) is that of the mean, without noise, as in the paper; inputs have the mean \
            square norm 1 while training, and σ is in that scale. The weights of log σ² start at 0. Overlap is the mean Jaccard index of the \
            features that two draws select, margin the median step from the k-th largest mean to the next. Numbers are means ± standard deviations over \(outcomes.of(arms.topK.name).count) seeds. \
            The paper's figures are those of its authors' later analysis, which corrects the preprint; training there is 10,000 steps.
            """
    }
}
