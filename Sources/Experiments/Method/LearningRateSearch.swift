/// Chooses the learning rate of each kind of model by its error on a validation set.
///
/// The field's rates are made for runs of many thousand steps. Runs of hundreds want larger ones, and not equally much larger from kind
/// to kind, so that with the field's the order of the kinds can be that of their rates. The search begins with the field's rate and goes
/// up by factors of three for as long as the error falls.
package struct LearningRateSearch {
    /// What a training with one rate left.
    package struct Outcome {
        package let error: Double
        /// In the order of the search's columns.
        package let details: [Double]

        package init(error: Double, details: [Double] = []) {
            self.error = error
            self.details = details
        }
    }

    private struct Trial {
        let arm: String
        let rate: Double
        let outcome: Outcome
        var isChosen = false
    }

    private static let factor = 3.0
    /// More than the widest gap found between a field's rate and a short run's.
    private static let mostTrials = 5

    private let errorName: String
    private let columns: [String]
    private var trials: [Trial] = []

    /// - Parameters:
    ///   - error: what is made small, for the table of trials.
    ///   - columns: names of the details of outcomes.
    package init(error: String = "error on validation", columns: [String] = []) {
        errorName = error
        self.columns = columns
    }

    /// The rate that leaves the smallest error.
    /// - Parameters:
    ///   - name: what is trained, for the table of trials.
    ///   - field: the rate that the search begins with.
    ///   - train: trains with a rate, and measures on the validation set; nil where training diverges, which is a rate that is too large.
    package mutating func rate(for name: String, from field: Double, _ train: (Double) throws -> Outcome?) rethrows -> Double {
        var rate = field, best: Int?
        for _ in 0..<Self.mostTrials {
            let outcome = try train(rate) ?? Outcome(error: .infinity, details: columns.map { _ in .nan })
            trials.append(Trial(arm: name, rate: rate, outcome: outcome))
            if let best, !(outcome.error < trials[best].outcome.error) { break }
            best = trials.count - 1
            rate *= Self.factor
        }
        guard let best else { preconditionFailure("a search makes at least one trial") }
        trials[best].isChosen = true
        return trials[best].rate
    }

    /// All trials, for the report.
    package var evidence: [ReportBlock] {
        [
            .heading("The choice of learning rates"),
            .table(
                Table(
                    columns: [.text("Kind"), .number("learning rate")] + columns.map { .number($0) } + [.number(errorName), .text("")],
                    rows: trials.map { trial in
                        [trial.arm] + ([trial.rate] + trial.outcome.details + [trial.outcome.error]).map { formatNumber($0) }
                            + [trial.isChosen ? "chosen" : ""]
                    })),
        ]
    }

    package static let description = "Learning rates are chosen for each kind of model on the validation set (first seed)."
}
