package import Experiments
internal import Torch

/// What the experiment found, and what that says about the claims.
package struct GradientFindings {
    private typealias Arm = GradientExperiment.Arm
    private typealias Measurement = GradientExperiment.Measurement

    private let experiment: GradientExperiment
    private let choice: GradientExperiment.Choice
    private let measurements: [GradientExperiment.Measurement]
    private let sample: [Entry]

    init(
        experiment: GradientExperiment, choice: GradientExperiment.Choice, measurements: [GradientExperiment.Measurement], sample: [Entry]
    ) {
        self.experiment = experiment
        self.choice = choice
        self.measurements = measurements
        self.sample = sample
    }

    private var setting: GradientSetting { experiment.setting }
    private var network: DownstreamNetwork { experiment.data.testNetwork }

    package var reproduction: Reproduction {
        Reproduction(
            rows: rows, setting: description,
            evidence: [
                .heading("All arms"), .table(table), .figure(lossFigure), .figure(tradeOffFigure), .figure(densityFigure),
                .heading("Small features that matter"), .figure(entryFigure), .heading("The choice of β and learning rates"), .table(trialTable),
            ])
    }

    // MARK: Values by arm, k and seed

    private func values(_ arm: Arm, k: Int, _ value: (Measurement) -> Double) -> [Double] {
        measurements.filter { $0.arm == arm && $0.k == k }.sorted { $0.seed < $1.seed }.map(value)
    }

    private func increase(_ measurement: Measurement) -> Double { measurement.crossEntropy - network.originalCE }

    /// A value of `arm` relative to that of `other` minus 1, a number for each seed.
    private func relative(_ arm: Arm, to other: Arm, k: Int, _ value: (Measurement) -> Double) -> [Double] {
        zip(values(arm, k: k, value), values(other, k: k, value)).map { $0 / $1 - 1 }
    }

    /// The means over all k, a number for each seed.
    private func averaged(_ value: (Int) -> [Double]) -> [Double] {
        let all = setting.ks.map(value)
        return experiment.context.seeds.indices.map { seed in all.reduce(0) { $0 + $1[seed] } / Double(all.count) }
    }

    private func percent(_ values: [Double]) -> String { "\(Spread(values.map { $0 * 100 }).formatted(digits: 2)) %" }

    private func each(_ text: (Int) -> String) -> String { setting.ks.map { "k \($0): \(text($0))" }.joined(separator: "; ") }

    // MARK: Claims

    private var rows: [Reproduction.Row] {
        let gain = averaged { relative(.guided, to: .topK, k: $0, increase).map { -$0 } }
        let beyond = averaged { relative(.guided, to: .control, k: $0, increase).map { -$0 } }
        let cost = averaged { relative(.plain, to: .topK, k: $0, increase) }
        let worse = averaged { relative(.guided, to: .topK, k: $0, \.fvu) }
        let dead = averaged { k in zip(values(.topK, k: k, \.dead), values(.guided, k: k, \.dead)).map { $0 - $1 } }
        let steering = relative(.guided, to: .topK, k: setting.middleK) { $0.steering ?? .nan }
        return [
            .init(
                claim: "At the same k the reconstructions harm the language model less than TopK's (by at least 15 %)",
                paperFigure: "lower downstream loss at each sparsity on GPT-2 (abstract; the figure is ours)",
                measured: "with gradients the loss's increase is smaller by " + each { percent(relative(.guided, to: .topK, k: $0, increase).map { -$0 }) },
                verdict: Verdict.compare(difference: gain, size: 0.15...1), remark: "Chosen with gradients, which know the next tokens."),
            .init(
                claim: "It is training with gradients that helps: TopK that only chooses with them is harmed more",
                paperFigure: "no such control known",
                measured: "the loss's increase is smaller than the control's by "
                    + each { percent(relative(.guided, to: .control, k: $0, increase).map { -$0 }) },
                verdict: Verdict.compare(difference: beyond)),
            .init(
                claim: "Used without gradients, as for generating text, it harms the model no more than 5 % more than TopK",
                paperFigure: "not known which use the paper evaluates",
                measured: "the loss's increase changes by " + each { percent(relative(.plain, to: .topK, k: $0, increase)) },
                verdict: cost.allSatisfy { $0 <= 0.05 } ? .holds : .contradicted),
            .init(
                claim: "It does not rebuild better: effects are bought with variance", paperFigure: "expected from the method",
                measured: "FVU changes by " + each { percent(relative(.guided, to: .topK, k: $0, \.fvu)) } + " with gradients; "
                    + each { percent(relative(.plain, to: .topK, k: $0, \.fvu)) } + " without",
                verdict: Verdict.compare(difference: worse.map { -$0 }) == .holds ? .contradicted : .holds),
            .init(
                claim: "No more features are dead", paperFigure: "fewer dead features (abstract)",
                measured: "each used as trained, "
                    + each { "\(percent(values(.guided, k: $0, \.dead))) against \(percent(values(.topK, k: $0, \.dead)))" },
                verdict: Spread(dead).mean >= 0 ? .holds : Verdict.compare(difference: dead)),
            .init(
                claim: "Its features steer the predictions harder (by at least 5 %)", paperFigure: "larger effects on logits (abstract)",
                measured: "mean KL of adding 3 × the mean activation at k \(setting.middleK) changes by \(percent(steering))",
                verdict: Verdict.compare(difference: steering, size: 0.05 ... .infinity)),
        ]
    }

    // MARK: Evidence

    private var table: Table {
        func spread(_ arm: Arm, _ k: Int, digits: Int = 3, _ value: (Measurement) -> Double) -> String {
            Spread(values(arm, k: k, value)).formatted(digits: digits)
        }
        let ablation = network.ablatedCE - network.originalCE
        return Table(
            columns: [
                .number("k"), .text("Arm"), .number("L0"), .number("FVU"), .number("loss increase"), .number("loss recovered"),
                .number("dead"), .number("steering KL"),
            ],
            rows: setting.ks.flatMap { k in
                Arm.allCases.map { arm in
                    let isSteered = values(arm, k: k) { $0.steering ?? .nan }.allSatisfy(\.isFinite)
                    return [
                        "\(k)", arm.rawValue, spread(arm, k, \.metrics.l0), spread(arm, k, \.fvu), spread(arm, k, increase),
                        spread(arm, k, digits: 4) { 1 - increase($0) / ablation }, spread(arm, k, \.dead),
                        isSteered ? spread(arm, k) { $0.steering ?? .nan } : "",
                    ]
                }
            })
    }

    private var lossFigure: Figure {
        Figure(
            title: "What reconstructions cost the language model", xAxis: Axis("k", scale: .logarithmic),
            yAxis: Axis("increase of the next token's cross-entropy in nats"),
            traces: Arm.allCases.map { arm in
                let spreads = setting.ks.map { Spread(values(arm, k: $0, increase)) }
                return .line(arm.rawValue, x: setting.ks.map(Double.init), y: spreads.map(\.mean), markers: true, spread: spreads.map(\.standardDeviation))
            }, caption: "Means and standard deviations over seeds. Only arms without gradients can be used where the next tokens are not known.")
    }

    private var tradeOffFigure: Figure {
        Figure(
            title: "Unexplained variance against the loss's increase", xAxis: Axis("FVU"), yAxis: Axis("increase of the cross-entropy in nats"),
            traces: Arm.allCases.map { arm in
                let all = measurements.filter { $0.arm == arm }
                return .scatter(arm.rawValue, x: all.map(\.fvu), y: all.map(increase), labels: all.map { "k \($0.k), seed \($0.seed)" })
            })
    }

    private var densityFigure: Figure {
        Figure(
            title: "How often features are active, k \(setting.middleK)", xAxis: Axis("log₁₀ of the part of activations"), yAxis: Axis("features"),
            traces: [Arm.topK, .guided].map { arm in
                .histogram(arm.rawValue, values: measurements.first { $0.arm == arm && $0.k == setting.middleK }?.metrics.density.log10Densities ?? [])
            }, height: 300)
    }

    private var entryFigure: Figure {
        let groups: [(String, (Entry) -> Bool)] = [
            ("kept both ways", { $0.isLarge && $0.isEffective }), ("kept by size alone", { $0.isLarge && !$0.isEffective }),
            ("kept by effect alone", { !$0.isLarge && $0.isEffective }),
        ]
        return Figure(
            title: "Effect against size of features of a TopK model", xAxis: Axis("activation z", scale: .logarithmic),
            yAxis: Axis("|z · atom · gradient|", scale: .logarithmic),
            traces: groups.map { name, belongs in
                let entries = sample.filter { belongs($0) && $0.size > 0 && $0.effect > 0 }
                return .scatter(name, x: entries.map(\.size), y: entries.map(\.effect))
            }, caption: "A few test activations at k \(setting.middleK): choosing with gradients takes smaller features with large effects.")
    }

    private var trialTable: Table {
        Table(
            columns: [
                .text("Training"), .number("learning rate"), .number("loss increase with gradients"), .number("without"), .text("chosen for"),
            ],
            rows: choice.trials.map { trial in
                let uses = [("TopK", choice.topK), ("with gradients", choice.guided), ("without", choice.plain)]
                return [
                    trial.beta.map { "g-SAE, β \(formatNumber($0))" } ?? "TopK", formatNumber(trial.learningRate),
                    trial.guidedIncrease.map { formatNumber($0) } ?? "", formatNumber(trial.plainIncrease),
                    uses.filter { $0.1 == trial }.map(\.0).joined(separator: ", "),
                ]
            })
    }

    private func described(_ trial: GradientExperiment.Trial) -> String {
        (trial.beta.map { "β = \(formatNumber($0)), " } ?? "") + "rate \(formatNumber(trial.learningRate))"
    }

    private var description: String {
        """
        \(experiment.data.description) \(setting.dictionarySize) features, batches of \(setting.batchSize), \(setting.steps) steps, \
        AuxK for all arms; the same activations in the same order for all trainings of a seed. Of z = relu(u) the \
        k largest z·(1 + β|atom·g̃|) are kept, g̃ being the gradient in units of its root mean square norm; β rises over the first tenth of \
        the steps. β and learning rate of every training are those that were best in its own use at k = \(setting.middleK) on the validation \
        contexts (one seed): \(described(choice.guided)) with gradients, \(described(choice.plain)) without, TopK \(described(choice.topK)). The control is the TopK model, choosing its k features in the \
        same way when it is used. Loss increase is the rise of the mean next-token cross-entropy (\(formatNumber(network.originalCE)) \
        nats without a change) with reconstructions in the place of activations, loss recovered the same against zero ablation. Steering \
        adds \(setting.steeredFeatures) random live features at one position each; KL is averaged over the following positions up to \
        \(setting.steeredLength). Numbers are means ± standard deviations over \(experiment.context.seeds.count) seeds. The paper's text \
        and settings could not be read beyond its abstract: thresholds, β and the form of the score are this project's; the paper used GPT-2.
        """
    }

    // MARK: Features of a TopK model

    /// A feature of one activation that is kept by its size, by its effect, or by both.
    struct Entry {
        var size: Double
        /// |z · atom · g|.
        var effect: Double
        var isLarge: Bool
        var isEffective: Bool

        /// Those of the first few test activations.
        /// - Parameter model: chooses by gradients where there are some.
        static func sample(of model: SparseAutoencoder, on rows: ActivationBatch, count: Int = 48) -> [Entry] {
            guard let gradients = rows.gradients else { return [] }
            let rows = rows.activations.narrowed(axis: 0, from: 0, count: min(count, rows.activations.size(0)))
            let slopes = gradients.narrowed(axis: 0, from: 0, count: rows.size(0))
            return withoutGradients {
                let large = model.encode(rows).dense(), effective = model.guided(by: slopes).encode(rows).dense()
                let products = slopes.linear(weight: model.decoderDirections).abs()
                let places = (large.notEquals(0).logicalOr(effective.notEquals(0))).reshaped([-1]).nonzeroIndices().reshaped([-1])
                func chosen(_ tensor: Tensor) -> [Double] {
                    tensor.reshaped([-1]).gathered(indices: places).to(dtype: .float64).scalars(as: Double.self)
                }
                return zip(zip(chosen(large), chosen(effective)), chosen(products)).map { sizes, product in
                    let size = max(sizes.0, sizes.1)
                    return Entry(size: size, effect: size * product, isLarge: sizes.0 != 0, isEffective: sizes.1 != 0)
                }
            }
        }
    }
}

extension GradientExperiment.Measurement {
    var fvu: Double { metrics.fractionOfVarianceUnexplained }
    var dead: Double { metrics.density.deadFraction }
}
