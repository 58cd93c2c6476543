package import Experiments
internal import Foundation

/// What the experiment found, and what that says about the claims.
package struct FASTFindings {
    /// What was trained.
    package enum Kind: Sendable, Equatable {
        case topK(Int)
        case relu

        var title: String {
            switch self {
            case .topK(let k): "TopK \(k)"
            case .relu: "ReLU + L1"
            }
        }
    }

    /// One trained model.
    package struct Outcome {
        package let pipeline: DialoguePipeline
        package let kind: Kind
        package let seed: UInt64
        package let metrics: DialogueMetrics
        /// Where features were looked at.
        let tops: TopTokens?

        /// For the run's metrics.
        var values: [String: Double] {
            let name = "\(pipeline.rawValue)/\(kind.title)"
            return [
                "\(name)/l0": metrics.l0, "\(name)/mse": metrics[.ordinary].perDialogue, "\(name)/mse_st": metrics[.ordinarySpecial].perDialogue,
            ]
        }
    }

    package struct SteeringCurve {
        let feature: Int
        let strengths: [Double]
        /// KL(as it is ‖ steered) in nats, mean over positions.
        let divergences: [Double]
        var isRising: Bool { zip(divergences, divergences.dropFirst()).allSatisfy { $0 < $1 } }
    }

    private let setting: FASTSetting
    private let data: DialogueActivations
    private let seeds: [UInt64]
    package var outcomes: [Outcome] = []
    var l1Coefficients: [DialoguePipeline: Double] = [:]
    /// How they were chosen.
    var learningRates: [ReportBlock] = []
    var specialShares: [DialoguePipeline: Double] = [:]
    var steering: SteeringCurve?

    init(setting: FASTSetting, data: DialogueActivations, seeds: [UInt64]) {
        self.setting = setting
        self.data = data
        self.seeds = seeds
    }

    package var reproduction: Reproduction { Reproduction(rows: rows, setting: description, evidence: evidence) }

    // MARK: Numbers

    private func values(_ pipeline: DialoguePipeline, _ kind: Kind, _ value: (Outcome) -> Double) -> [Double] {
        outcomes.filter { $0.pipeline == pipeline && $0.kind == kind }.sorted { $0.seed < $1.seed }.map(value)
    }

    private func error(_ group: TokenGroup) -> (Outcome) -> Double { { $0.metrics[group].perDialogue } }

    private func spread(_ pipeline: DialoguePipeline, _ kind: Kind, _ value: (Outcome) -> Double) -> String {
        Spread(values(pipeline, kind, value)).formatted()
    }

    /// All pipelines' figures in a sentence.
    private func figures(_ kind: Kind, _ value: (Outcome) -> Double) -> String {
        DialoguePipeline.allCases.reversed().map { "\($0.rawValue) \(spread($0, kind, value))" }.joined(separator: ", ")
    }

    /// First over second minus 1, seed by seed, in per cent.
    private func excess(_ first: DialoguePipeline, _ second: DialoguePipeline, _ kind: Kind, _ group: TokenGroup) -> [Double] {
        zip(values(first, kind, error(group)), values(second, kind, error(group))).map { ($0 / $1 - 1) * 100 }
    }

    // MARK: Claims

    private var kinds: [Kind] { setting.ks.map(Kind.topK) + [.relu] }

    private var rows: [Reproduction.Row] {
        let matched = Kind.topK(setting.matchedK)
        var rows = [matched, .relu].flatMap { errorRows($0) }
        let purity = zip(values(.dialogues, matched) { $0.tops?.pureShare ?? .nan }, values(.plainBlocks, matched) { $0.tops?.pureShare ?? .nan })
        rows.append(
            .init(
                claim: "More features speak for one thing: their five strongest tokens, in five dialogues, share role or special token",
                paperFigure: "21.1 % of the features score 4–5 by a judge against 7.0 % of BT(P) (Llama-3.2-3B)",
                measured: figures(matched) { ($0.tops?.pureShare ?? .nan) * 100 } + " % of the features",
                verdict: Verdict.compare(difference: purity.map { $0 - $1 }),
                remark: "Chance is high: most tokens are an assistant's."))
        if let steering {
            rows.append(
                .init(
                    claim: "Adding the atom of a special-token feature moves the model's distributions further with every strength",
                    paperFigure: "useful strengths 25–100 (Qwen), 15–25 (Llama)",
                    measured: zip(steering.strengths, steering.divergences)
                        .map { "α \(formatNumber($0)): \(formatNumber($1, digits: 2)) nats" }.joined(separator: ", "),
                    verdict: steering.isRising ? .holds : .contradicted))
        }
        return rows
    }

    private func errorRows(_ kind: Kind) -> [Reproduction.Row] {
        let name = kind == .relu ? "ReLU + L1 at the same L0" : kind.title
        let special = error(.ordinarySpecial)
        let againstPlain = excess(.dialogues, .plainBlocks, kind, .ordinarySpecial)
        let againstBlocks = excess(.dialogues, .dialogueBlocks, kind, .ordinarySpecial)
        let overall = excess(.dialogues, .dialogueBlocks, kind, .ordinary)
        return [
            .init(
                claim: "\(name): special tokens are rebuilt better by FAST than by BT(P), by at least 20 %",
                paperFigure: "MSE_st 1.57 against 36.7 (Qwen2.5-7B; log₂ 0.65 and 5.20)",
                measured: "MSE_st \(figures(kind, special)); FAST \(Spread(againstPlain).formatted()) % against BT(P)",
                verdict: Verdict.compare(difference: againstPlain.map { -$0 }, size: 20...100)),
            .init(
                claim: "\(name): special tokens are rebuilt better by FAST than by BT(F)",
                paperFigure: "MSE_st 1.57 against 2.85 (log₂ 0.65 and 1.51)",
                measured: "FAST \(Spread(againstBlocks).formatted()) % against BT(F)",
                verdict: Verdict.compare(difference: againstBlocks.map { -$0 })),
            .init(
                claim: "\(name): the same where dialogues do not begin alike, behind the first words of a message",
                paperFigure: "not measured",
                measured: "\(figures(kind, error(.laterSpecial))); FAST "
                    + "\(Spread(excess(.dialogues, .dialogueBlocks, kind, .laterSpecial)).formatted()) % against BT(F)",
                verdict: Verdict.compare(difference: excess(.dialogues, .dialogueBlocks, kind, .laterSpecial).map { -$0 }),
                remark: "The template begins every dialogue with the same tokens, whose activations are constants that FAST sees again in the test."
            ),
            .init(
                claim: "\(name): over all tokens, FAST is better than BT(P)", paperFigure: "MSE 2.62 against 4.01 (log₂ 1.39 and 2.00)",
                measured: "MSE \(figures(kind, error(.ordinary)))",
                verdict: Verdict.compare(difference: excess(.dialogues, .plainBlocks, kind, .ordinary).map { -$0 })),
            .init(
                claim: "\(name): over all tokens, FAST is within 5 % of BT(F) or better", paperFigure: "MSE 2.62 against 2.78 (log₂ 1.39 and 1.47)",
                measured: "FAST \(Spread(overall).formatted()) % against BT(F)", verdict: overall.allSatisfy { $0 <= 5 } ? .holds : .contradicted),
        ]
    }

    // MARK: Evidence

    private var evidence: [ReportBlock] {
        [
            .heading("All models"), .table(table(weighting: \.perDialogue)),
            .note(
                "Errors are squares per dimension, means over the tokens of a dialogue and then over dialogues, without first positions and "
                    + "attention sinks but in the columns named 'with sinks', which are the paper's measures."),
            .figure(groupFigure), .figure(frontFigure), .figure(compositionFigure),
            .details("The same, every token counting alike", [.table(table(weighting: \.perToken))]),
        ] + learningRates
    }

    private func table(weighting: @escaping (DialogueMetrics.GroupError) -> Double) -> Table {
        let groups: [(String, TokenGroup)] = [
            ("MSE", .ordinary), ("MSE_st", .ordinarySpecial), ("MSE_st behind messages", .laterSpecial), ("user", .user),
            ("assistant", .assistant), ("MSE with sinks", .all), ("MSE_st with sinks", .special),
        ]
        let columns: [(String, (Outcome) -> Double)] =
            [("L0", \.metrics.l0)] + groups.map { name, group in (name, { weighting($0.metrics[group]) }) }
            + [("log₂ MSE_st with sinks", { log2(weighting($0.metrics[.special])) })]
        return Table(
            columns: [.text("Model"), .text("Pipeline")] + columns.map { .number($0.0) },
            rows: kinds.flatMap { kind in
                DialoguePipeline.allCases.map { pipeline in
                    [kind.title, pipeline.rawValue] + columns.map { spread(pipeline, kind, $0.1) }
                }
            })
    }

    private var groupFigure: Figure {
        let groups: [(String, TokenGroup)] = [
            ("all", .ordinary), ("special", .ordinarySpecial), ("special behind messages", .laterSpecial), ("template", .template),
            ("user", .user), ("assistant", .assistant),
        ]
        let kind = Kind.topK(setting.matchedK)
        return Figure(
            title: "Error by kind of token, \(kind.title)", xAxis: Axis("tokens"), yAxis: Axis("squared error per dimension"),
            traces: DialoguePipeline.allCases.map { pipeline in
                let spreads = groups.map { Spread(values(pipeline, kind, error($0.1))) }
                return .bar(pipeline.rawValue, categories: groups.map(\.0), y: spreads.map(\.mean), spread: spreads.map(\.standardDeviation))
            })
    }

    private var frontFigure: Figure {
        Figure(
            title: "Error on special tokens against active features", xAxis: Axis("L0 on the test dialogues"), yAxis: Axis("MSE_st"),
            traces: DialoguePipeline.allCases.map { pipeline in
                let found = outcomes.filter { $0.pipeline == pipeline }
                return .scatter(
                    pipeline.rawValue, x: found.map(\.metrics.l0), y: found.map(error(.ordinarySpecial)),
                    labels: found.map { "\($0.kind.title), seed \($0.seed)" })
            })
    }

    private var compositionFigure: Figure {
        let pipelines = DialoguePipeline.allCases
        return Figure(
            title: "Special tokens among the activations that are trained on", xAxis: Axis("pipeline"), yAxis: Axis("% of the tokens"),
            traces: [.bar("special", categories: pipelines.map(\.rawValue), y: pipelines.map { (specialShares[$0] ?? .nan) * 100 })],
            height: 300)
    }

    private var description: String {
        let coefficients = DialoguePipeline.allCases.map { "\($0.rawValue) \(formatNumber(l1Coefficients[$0] ?? .nan))" }.joined(separator: ", ")
        let rows = DialoguePipeline.allCases.map { "\($0.rawValue) \(formatCount(data.training[$0]?.rows.count ?? 0))" }
        return """
            \(data.origin). Activations to train on: \(rows.joined(separator: ", ")); \(formatCount(data.test.count)) other dialogues for \
            all figures. FAST and BT(F) hold the same dialogues in the model's chat template, cut to \
            \(setting.activations.contextLength) tokens; blocks have \(setting.activations.blockLength). Dialogues that share \
            \(setting.activations.ngramLength) words in sequence with an earlier one are left out. Special tokens are the template's \
            control tokens and the words for roles, by their ids (\(data.special.ids.count) of them). \(setting.dictionarySize) features, \
            batches of \(setting.batchSize), \(setting.steps) steps through the mixing buffer; λ of ReLU + L1 was chosen for each pipeline \
            so that L0 on validation dialogues is \(setting.matchedK) (\(coefficients)). Unlike in the paper, attention sinks (norms above \
            ten times the median) are not trained on. Learning rates are chosen for each kind and pipeline on the validation dialogues (first seed). Numbers are means ± \
            standard deviations over \(seeds.count) seeds. The language model's weights carry 4-bit rounding; sizes are far below the \
            paper's, so directions are compared, not figures.
            """
    }
}
