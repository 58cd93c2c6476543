package import Experiments
internal import Torch

/// Trains autoencoders of several kinds on the same activations in the same order, and measures them on what was held back.
package struct Comparison {
    /// What is compared.
    package struct Arm: Sendable {
        /// Name in tables and figures.
        package var name: String
        package var configuration: SAETrainingConfiguration

        package init(_ name: String, _ configuration: SAETrainingConfiguration) {
            self.name = name
            self.configuration = configuration
        }

        package init(
            _ name: String, _ architecture: SAEArchitecture, dictionarySize: Int, batchSize: Int, steps: Int, deadAfterTokens: Int
        ) {
            self.init(
                name,
                SAETrainingConfiguration(
                    architecture: architecture, dictionarySize: dictionarySize, batchSize: batchSize, steps: steps,
                    deadAfterTokens: deadAfterTokens))
        }
    }

    /// One trained model.
    package struct Outcome {
        package let arm: String
        package let seed: UInt64
        package let model: SparseAutoencoder
        package let metrics: ReconstructionMetrics
        /// nil where there is no network to splice into.
        package let loss: LossRecovered?
        /// Of the training.
        package let seconds: Double
    }

    package let data: ActivationSplit
    package let context: ReproductionContext

    package init(_ data: ActivationSplit, context: ReproductionContext) {
        self.data = data
        self.context = context
    }

    /// Every arm with every seed, a seed at a time.
    package func run(_ arms: [Arm]) throws -> Outcomes {
        var outcomes: [Outcome] = []
        for seed in context.seeds {
            for arm in arms { outcomes.append(try measure(try train(arm, seed: seed), arm, seed: seed)) }
        }
        return Outcomes(outcomes)
    }

    /// A trained model, and how long it took.
    package func train(_ arm: Arm, seed: UInt64) throws -> (model: SparseAutoencoder, seconds: Double) {
        let start = ContinuousClock.now
        let model = try trainSparseAutoencoder(
            arm.configuration, on: InMemoryActivations(data.training, seed: seed), seed: seed, task: "\(arm.name), seed \(seed)",
            progress: context.progress, cancellation: context.cancellation)
        return (model, (ContinuousClock.now - start) / .seconds(1))
    }

    /// Measures a model on the test set and logs the figures, one step of the run for each seed.
    package func measure(
        _ trained: (model: SparseAutoencoder, seconds: Double), _ arm: Arm, seed: UInt64
    ) throws -> Outcome {
        try context.cancellation.check()
        let metrics = trained.model.evaluate(data.test)
        let loss = try data.lossRecovered?(trained.model)
        var values = [
            "\(arm.name)/l0": metrics.l0, "\(arm.name)/fvu": metrics.fractionOfVarianceUnexplained,
            "\(arm.name)/gamma": metrics.relativeReconstructionBias, "\(arm.name)/dead": metrics.density.deadFraction,
        ]
        if let loss { values["\(arm.name)/loss_recovered"] = loss.score }
        try context.run.log(values, step: Int(seed &- context.seeds[0]))
        return Outcome(arm: arm.name, seed: seed, model: trained.model, metrics: metrics, loss: loss, seconds: trained.seconds)
    }
}

/// What a comparison found.
package struct Outcomes {
    package private(set) var all: [Comparison.Outcome]

    package init(_ all: [Comparison.Outcome]) { self.all = all }

    package mutating func append(_ outcome: Comparison.Outcome) { all.append(outcome) }

    /// Names of the arms in the order in which they were run.
    package var arms: [String] {
        var names: [String] = []
        for outcome in all where !names.contains(outcome.arm) { names.append(outcome.arm) }
        return names
    }

    /// An arm's models, seeds rising.
    package func of(_ arm: String) -> [Comparison.Outcome] { all.filter { $0.arm == arm }.sorted { $0.seed < $1.seed } }

    package func values(_ arm: String, _ value: (Comparison.Outcome) -> Double) -> [Double] { of(arm).map(value) }

    /// `mean ± standard deviation` over the seeds.
    package func spread(_ arm: String, digits: Int = 3, _ value: (Comparison.Outcome) -> Double) -> String {
        Spread(values(arm, value)).formatted(digits: digits)
    }

    /// Differences between two arms, seed by seed.
    package func difference(_ first: String, _ second: String, _ value: (Comparison.Outcome) -> Double) -> [Double] {
        zip(values(first, value), values(second, value)).map { $0 - $1 }
    }

    /// Every arm's figures.
    package var table: Table {
        var columns: [(String, Int, (Comparison.Outcome) -> Double)] = [
            ("L0", 3, \.metrics.l0), ("FVU", 3, \.fvu), ("γ", 4, \.gamma), ("cosine", 3, \.metrics.cosineSimilarity), ("dead", 3, \.dead),
            ("dense > 10 %", 3, \.metrics.density.veryDenseFraction),
        ]
        if all.allSatisfy({ $0.loss != nil }) {
            columns += [("loss recovered", 4, { $0.loss?.score ?? .nan }), ("KL score", 4, { $0.loss?.klScore ?? .nan })]
        }
        columns.append(("seconds", 3, \.seconds))
        return Table(
            columns: [.text("Arm")] + columns.map { .number($0.0) },
            rows: arms.map { arm in [arm] + columns.map { spread(arm, digits: $0.1, $0.2) } })
    }

    /// Unexplained variance against active features, a point for each model.
    package var figure: Figure {
        Figure(
            title: "Unexplained variance against active features", xAxis: Axis("L0 on the test set"), yAxis: Axis("FVU"),
            traces: arms.map { arm in
                .scatter(arm, x: values(arm, \.metrics.l0), y: values(arm, \.fvu), labels: of(arm).map { "seed \($0.seed)" })
            })
    }
}

extension Comparison.Outcome {
    package var fvu: Double { metrics.fractionOfVarianceUnexplained }
    package var gamma: Double { metrics.relativeReconstructionBias }
    package var dead: Double { metrics.density.deadFraction }
}
