internal import Experiments
internal import Foundation
internal import Torch

/// What the experiment found, and what that says about the claims.
struct GradualPruningFindings {
    typealias Arm = GradualPruningExperiment.Arm
    typealias Outcome = GradualPruningExperiment.Outcome

    /// All networks of a task.
    struct TaskResult {
        let task: GradualPruningExperiment.Task
        let outcomes: [Outcome]
        /// Of the sparsest network: how its layers are computed fastest for one example.
        let choices: [LayerChoice]
        let rates: [ReportBlock]

        /// In the order of the seeds.
        func values(_ arm: Arm, _ value: (Outcome) -> Double) -> [Double] { outcomes.filter { $0.arm == arm }.map(value) }
        func errors(_ arm: Arm) -> [Double] { values(arm) { task.error($0.quality) } }
        func spread(_ arm: Arm, digits: Int = 4) -> String { Spread(errors(arm)).formatted(digits: digits) }
        /// By how much the second is worse, seed by seed.
        func advantage(of arm: Arm, over other: Arm) -> [Double] { zip(errors(arm), errors(other)).map { $1 - $0 } }
        func weights(_ arm: Arm) -> String { formatCount(Int(Spread(values(arm) { Double($0.nonzero) }).mean)) }
    }

    let setting: GradualPruningSetting
    let text: CharacterText
    let seeds: Int
    let onText: TaskResult
    let onDigits: TaskResult

    var reproduction: Reproduction {
        Reproduction(
            rows: rows, setting: description,
            evidence: [onText, onDigits].flatMap { result in
                [.heading(result.task.name), .figure(weightFigure(result)), .table(table(result)), .figure(curveFigure(result))]
                    + (result.choices.isEmpty
                        ? []
                        : [
                            .subheading("How the sparsest network's layers are computed, one example at a time"), .table(LayerChoice.table(result.choices)),
                        ])
            } + onText.rates + onDigits.rates)
    }

    // MARK: Claims

    private var rows: [Reproduction.Row] {
        let paper = [0.8: "PTB LSTM: perplexity 77.52 with 13.2 M weights against 83.37 with 19.8 M", 0.9: "PTB LSTM: perplexity 80.24 with 6.6 M weights against 115.30 with 4.6 M"]
        var rows = setting.textSparsities.dropFirst().map { sparsity in
            largeAgainstSmall(onText, sparsity, unit: "bits per character", paper: paper[sparsity] ?? "not measured", size: sparsity >= 0.9 ? 0.02...2 : nil)
        }
        rows += setting.digitSparsities.map { largeAgainstSmall(onDigits, $0, unit: "% of the digits wrong", paper: "not measured") }
        if let least = setting.textSparsities.first {
            let loss = onText.advantage(of: .dense, over: .sparse(least))
            rows.append(
                .init(
                    claim: "\(percentage(least)) sparsity costs the language model at most 0.02 bits per character",
                    paperFigure: "InceptionV3: 78.1 % right without zeros, 78.0 % with 50 %",
                    measured: "\(onText.spread(.sparse(least))) against \(onText.spread(.dense)) without zeros",
                    verdict: loss.allSatisfy { $0 <= 0.02 } ? .holds : .contradicted))
        }
        for (result, sparsity) in [(onText, setting.textSparsities.last), (onDigits, setting.digitSparsities.last)] {
            guard let sparsity else { continue }
            rows.append(
                .init(
                    claim: "\(result.task.name), \(percentage(sparsity)): little by little is better than all at once", paperFigure: "stated without figures",
                    measured: "\(result.spread(.sparse(sparsity))) \(result.task.errorName) against \(result.spread(.sparse(sparsity, .oneShot)))",
                    verdict: Verdict.compare(difference: result.advantage(of: .sparse(sparsity), over: .sparse(sparsity, .oneShot)))))
        }
        if let sparsity = setting.textSparsities.last {
            let parts = onText.values(.sparse(sparsity)) { Double($0.fileBytes) / Double($0.denseBytes) }
            rows.append(
                .init(
                    claim: "At \(percentage(sparsity)) the file has at most a fifth of the bytes", paperFigure: "overheads of storage are counted in the paper, without files",
                    measured: "\(Spread(parts.map { $0 * 100 }).formatted()) % of single precision, places of weights included",
                    verdict: parts.allSatisfy { $0 <= 0.2 } ? .holds : .contradicted))
        }
        return rows
    }

    private func largeAgainstSmall(_ result: TaskResult, _ sparsity: Double, unit: String, paper: String, size: ClosedRange<Double>? = nil) -> Reproduction.Row {
        let (sparse, small) = (Arm.sparse(sparsity), Arm.small(sparsity))
        return .init(
            claim: "\(result.task.name), \(percentage(sparsity)) of the weights zero: better than a small dense network with as many that are not"
                + (size.map { ", by \($0.lowerBound) or more" } ?? ""),
            paperFigure: paper,
            measured: "\(result.spread(sparse)) \(unit) with \(result.weights(sparse)) weights against \(result.spread(small)) with \(result.weights(small)); "
                + "\(result.spread(.dense)) dense with \(result.weights(.dense))",
            verdict: Verdict.compare(difference: result.advantage(of: sparse, over: small), size: size))
    }

    // MARK: Evidence

    private func table(_ result: TaskResult) -> Table {
        Table(
            columns: [.text("Network"), .number(result.task.errorName), .number("weights not zero"), .number("weights"), .number("file, bytes"), .number("of dense, %")],
            rows: result.task.arms.map { arm in
                let own = result.outcomes.filter { $0.arm == arm }
                func mean(_ value: (Outcome) -> Int) -> Double { Spread(own.map { Double(value($0)) }).mean }
                return [
                    arm.name, result.spread(arm), formatCount(Int(mean(\.nonzero))), formatCount(Int(mean(\.weights))), formatCount(Int(mean(\.fileBytes))),
                    formatNumber(mean(\.fileBytes) / mean(\.denseBytes) * 100, digits: 3),
                ]
            })
    }

    private func weightFigure(_ result: TaskResult) -> Figure {
        func trace(_ name: String, _ arms: [Arm]) -> Trace {
            let sorted = arms.sorted { result.values($0) { Double($0.nonzero) }[0] < result.values($1) { Double($0.nonzero) }[0] }
            return .line(
                name, x: sorted.map { Spread(result.values($0) { Double($0.nonzero) }).mean }, y: sorted.map { Spread(result.errors($0)).mean },
                spread: sorted.map { Spread(result.errors($0)).standardDeviation })
        }
        let arms = result.task.arms
        let sparse = arms.filter { if case .sparse(_, .usual) = $0 { true } else { false } }, small = arms.filter { if case .small = $0 { true } else { false } }
        return Figure(
            title: "Error against weights that are not zero", xAxis: Axis("weights that are not zero", scale: .logarithmic), yAxis: Axis(result.task.errorName),
            traces: [trace("large, sparse", sparse + [.dense]), trace("small, dense", small + [.dense])])
    }

    private func curveFigure(_ result: TaskResult) -> Figure {
        let shown = result.task.arms.filter { if case .small = $0 { false } else { true } }
        return Figure(
            title: "Loss while weights go", xAxis: Axis("step"), yAxis: Axis("loss on the batch, nats"),
            traces: shown.compactMap { arm in
                result.outcomes.first { $0.arm == arm && !$0.curve.isEmpty }.map { outcome in
                    .line(arm.name, x: outcome.curve.map { Double($0.step) }, y: outcome.curve.map(\.loss))
                }
            }, caption: "First seed.")
    }

    private var description: String {
        """
        A language model of characters: embedding of \(setting.embeddingSize), one LSTM layer of \(setting.hiddenSize), \(text.vocabularySize) ids, trained on \
        \(formatCount(text.training.elementCount)) characters of \(setting.text.source) in batches of \(setting.textBatchSize) × \(setting.length) for \
        \(setting.textSteps) steps; matrices of the LSTM and the output are pruned. A perceptron of 784, \(setting.perceptronWidth), \
        \(setting.perceptronWidth / 3) and 10 on 5,000 digits, \(setting.digitSteps) steps of \(setting.digitBatchSize). Weights go between a fifth and seven tenths of \
        the steps, in twenty-five choices, each matrix to the same sparsity. Small dense networks have the width at which their number of weights, biases and \
        embeddings included, is nearest to that of the sparse network's that are not zero. Adam, the rate falling along half a cosine to a tenth; rates are \
        chosen for each network on the validation set (first seed); the language model's rise over the first twentieth of the steps. Errors are of the test set; numbers are means ± standard \
        deviations over \(seeds) seeds.
        """
    }
}
