package import Experiments

/// Chooses the learning rate of each kind of model by its error on the validation set, with the first seed.
///
/// The field's rates are made for runs of many thousand steps. Runs of hundreds want larger ones, and not equally much larger from kind
/// to kind, so that with the field's the order of the kinds can be that of their rates. The search begins with the field's rate and goes
/// up by factors of three for as long as the error falls.
package struct LearningRateSearch {
    private var trials: [Trial] = []

    private static let factor = 3.0
    /// More than the widest gap found between a field's rate and a short run's.
    private static let mostTrials = 5

    private struct Trial {
        let arm: String
        let rate: Double
        let l0: Double
        let error: Double
        var isChosen = false
    }

    package init() {}

    /// The rate that leaves the smallest error.
    /// - Parameters:
    ///   - name: what is trained, for the table of trials.
    ///   - field: the rate that the search begins with.
    ///   - measure: trains with a rate, and measures L0 and the error on the validation set. A rate at which training diverges
    ///     is one that is too large.
    package mutating func rate(
        for name: String, from field: Double, _ measure: (Double) throws -> (l0: Double, error: Double)
    ) throws -> Double {
        var rate = field, best: Int?
        for _ in 0..<Self.mostTrials {
            var measured = (l0: Double.nan, error: Double.infinity)
            do { measured = try measure(rate) } catch TrainingError.diverged {}
            trials.append(Trial(arm: name, rate: rate, l0: measured.l0, error: measured.error))
            if let best, !(measured.error < trials[best].error) { break }
            best = trials.count - 1
            rate *= Self.factor
        }
        guard let best else { preconditionFailure("a search makes at least one trial") }
        trials[best].isChosen = true
        return trials[best].rate
    }

    /// The rate that is best for an arm, with the first seed.
    /// - Parameter finish: what is done with every trained model of this arm before it is measured.
    package mutating func rate(
        for arm: Comparison.Arm, in comparison: Comparison, finish: (SparseAutoencoder) -> Void = { _ in }
    ) throws -> Double {
        try rate(for: arm.name, from: arm.configuration.effectiveLearningRate) { rate in
            var tried = arm.learning(at: rate)
            tried.name += ", learning rate \(formatNumber(rate, digits: 2))"
            let model = try comparison.train(tried, seed: comparison.context.seeds[0]).model
            finish(model)
            let metrics = model.evaluate(comparison.data.validation)
            return (metrics.l0, metrics.normalizedMSE)
        }
    }

    /// The arm with the rate that is best for it.
    package mutating func tuned(_ arm: Comparison.Arm, in comparison: Comparison) throws -> Comparison.Arm {
        arm.learning(at: try rate(for: arm, in: comparison))
    }

    /// Arms that differ in one size, all with the rate that is best for the middle one.
    package mutating func tuned(_ arms: [Comparison.Arm], in comparison: Comparison) throws -> [Comparison.Arm] {
        guard !arms.isEmpty else { return [] }
        let rate = try rate(for: arms[arms.count / 2], in: comparison)
        return arms.map { $0.learning(at: rate) }
    }

    /// All trials, for the report.
    package var evidence: [ReportBlock] {
        [
            .heading("The choice of learning rates"),
            .table(
                Table(
                    columns: [.text("Kind"), .number("learning rate"), .number("L0"), .number("error on validation"), .text("")],
                    rows: trials.map { trial in
                        [trial.arm] + [trial.rate, trial.l0, trial.error].map { formatNumber($0) } + [trial.isChosen ? "chosen" : ""]
                    })),
        ]
    }

    static let description = "Learning rates are chosen for each kind of model on the validation set (first seed)."
}

extension Comparison.Arm {
    /// - Parameter rate: nil leaves the kind's own.
    package func learning(at rate: Double?) -> Comparison.Arm {
        var arm = self
        arm.configuration.learningRate = rate
        return arm
    }
}
