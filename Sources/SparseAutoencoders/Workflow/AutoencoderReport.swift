public import Experiments

/// Parts of a page about a sparse autoencoder.
public enum AutoencoderReport {
    /// Curves of training from a run's metrics.
    public static func trainingCurves(_ records: [MetricRecord]) -> [ReportBlock] {
        records.curves([
            MetricCurve(
                "train/fvu", "Variance unexplained in training", Axis("FVU", scale: .logarithmic),
                caption: "Fraction of the variance of a training batch that the reconstruction leaves."),
            MetricCurve("train/dead", "Dead features in training", Axis("features"), caption: "Features that were not active for a while."),
        ])
    }

    /// Headline numbers of an evaluation.
    public static func keyNumbers(_ evaluation: StoreEvaluation) -> [KeyNumber] {
        let metrics = evaluation.reconstruction
        var numbers = [
            KeyNumber(
                label: "Variance explained", value: "\(formatNumber(metrics.explainedVariance * 100, digits: 3)) %",
                note: "FVU \(formatNumber(metrics.fractionOfVarianceUnexplained, digits: 3)) on held-out text"),
            KeyNumber(
                label: "Active features per token", value: formatNumber(metrics.l0, digits: 3),
                note: "of \(formatCount(metrics.density.firingCounts.count))"),
        ]
        if let loss = evaluation.loss {
            numbers.append(
                KeyNumber(
                    label: "Loss recovered", value: "\(formatNumber(loss.score * 100, digits: 3)) %",
                    note: "cross-entropy \(formatNumber(loss.reconstructedCE, digits: 4)) with, \(formatNumber(loss.originalCE, digits: 4)) without the autoencoder"
                ))
        }
        return numbers
    }

    /// Every measure with its definition.
    public static func metricTable(_ evaluation: StoreEvaluation) -> Table {
        let metrics = evaluation.reconstruction
        func number(_ value: Double) -> String { formatNumber(value, digits: 4) }
        var rows = [
            ["FVU", number(metrics.fractionOfVarianceUnexplained), "Σ‖x − x̂‖² / Σ‖x − x̄‖²"],
            ["Explained variance", number(metrics.explainedVariance), "1 − FVU"],
            ["L0", number(metrics.l0), "mean number of active features"],
            ["L1", number(metrics.l1), "mean Σ|f|"],
            ["Mean squared error", number(metrics.meanSquaredError), "mean ‖x − x̂‖²"],
            ["Cosine similarity", number(metrics.cosineSimilarity), "mean cosine of x and x̂"],
            ["Normalised MSE", number(metrics.normalizedMSE), "mean ‖x − x̂‖² / ‖x‖²"],
            ["Relative reconstruction bias", number(metrics.relativeReconstructionBias), "E‖x̂‖² / E⟨x, x̂⟩; 1 is no shrinkage"],
            ["Norm ratio", number(metrics.l2Ratio), "mean ‖x̂‖ / ‖x‖"],
            ["Dead features", number(metrics.density.deadFraction), "fraction never active on this text"],
            ["Dense features", number(metrics.density.denseFraction), "fraction active on more than 1 % of the tokens"],
        ]
        rows.append(["Outliers", formatCount(evaluation.outlierCount), "tokens left out above: norm over 10 times the median"])
        if let loss = evaluation.loss {
            rows += [
                ["Cross-entropy", number(loss.originalCE), "nats per token, the model as it is"],
                ["Cross-entropy with reconstructions", number(loss.reconstructedCE), "activations replaced by x̂"],
                ["Cross-entropy without", number(loss.ablatedCE), loss.ablation == .zero ? "activations set to 0" : "activations set to their mean"],
                ["Loss recovered", number(loss.score), "(CE_ablated − CE_SAE) / (CE_ablated − CE)"],
                ["KL divergence", number(loss.reconstructedKL), "KL(original ‖ with reconstructions)"],
                ["KL score", number(loss.klScore), "(KL_ablated − KL_SAE) / KL_ablated"],
            ]
        }
        if let dialogues = evaluation.dialogues {
            rows += dialogues.errors.filter { $0.tokenCount > 0 }.map { error in
                [
                    "MSE, \(error.group.title)", number(error.perDialogue),
                    "per dimension, mean within dialogues, then over them; log₂ \(number(error.log2PerDialogue)); over all tokens "
                        + "\(number(error.perToken)) (\(formatCount(error.tokenCount)) tokens)",
                ]
            }
        }
        return Table(columns: [.text("Measure"), .number("Value"), .text("Definition")], rows: rows)
    }

    /// How many features are active how often.
    public static func densityHistogram(_ density: FeatureDensity) -> ReportBlock {
        let bins = density.histogram(bins: 40)
        return .figure(
            Figure(
                title: "Feature density", xAxis: Axis("log₁₀ of the fraction of tokens"), yAxis: Axis("features"),
                traces: [.line("features", x: bins.map { ($0.from + $0.to) / 2 }, y: bins.map { Double($0.count) }, markers: true)],
                caption: "\(formatNumber(density.aliveFraction * 100, digits: 3)) % of the features are active somewhere in this text, "
                    + "\(formatNumber(density.denseFraction * 100, digits: 2)) % on more than one token in a hundred.", height: 300))
    }

    /// Baseline and steered text side by side.
    public static func steering(_ texts: [SteeredText], feature: String, how: String) -> [ReportBlock] {
        [
            .table(
                Table(
                    columns: [.text("Prompt"), .text("The model"), .text("Steered")],
                    rows: texts.map { [$0.prompt, $0.baseline, $0.steered] }, caption: "\(feature), \(how)."))
        ]
    }
}
