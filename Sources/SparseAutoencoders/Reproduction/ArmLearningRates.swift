package import Experiments

extension LearningRateSearch {
    /// Among autoencoders.
    package static var ofAutoencoders: LearningRateSearch { LearningRateSearch(columns: ["L0"]) }

    /// The rate with which autoencoders of a name rebuild best.
    /// - Parameter measure: trains with a rate, and measures L0 and the error on the validation set.
    mutating func autoencoderRate(
        for name: String, from field: Double, _ measure: (Double) throws -> (l0: Double, error: Double)
    ) throws -> Double {
        try rate(for: name, from: field) { rate in
            do {
                let measured = try measure(rate)
                return Outcome(error: measured.error, details: [measured.l0])
            } catch TrainingError.diverged { return nil }
        }
    }

    /// The rate that is best for an arm, with the first seed.
    /// - Parameter finish: what is done with every trained model of this arm before it is measured.
    package mutating func rate(
        for arm: Comparison.Arm, in comparison: Comparison, finish: (SparseAutoencoder) -> Void = { _ in }
    ) throws -> Double {
        try autoencoderRate(for: arm.name, from: arm.configuration.effectiveLearningRate) { rate in
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
}

extension Comparison.Arm {
    /// - Parameter rate: nil leaves the kind's own.
    package func learning(at rate: Double?) -> Comparison.Arm {
        var arm = self
        arm.configuration.learningRate = rate
        return arm
    }
}
