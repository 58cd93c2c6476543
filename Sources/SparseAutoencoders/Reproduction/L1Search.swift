internal import Experiments
internal import Foundation

/// One run of the search for λ.
package struct L1Trial: Sendable {
    package let coefficient: Double
    /// On the validation set.
    package let l0: Double

    package init(coefficient: Double, l0: Double) {
        self.coefficient = coefficient
        self.l0 = l0
    }

    /// log L0, also where no feature is active.
    private var logL0: Double { log(max(l0, 1e-3)) }

    /// How far log L0 is from that of k.
    fileprivate func distance(to k: Int) -> Double { abs(logL0 - log(Double(k))) }

    /// Where the line of log L0 against log λ through the runs nearest on both sides of the target meets it, or the middle
    /// between them if they are far from each other; while there is one side only, where the line through the two nearest runs
    /// meets it, by a factor of at most e² from the nearer one.
    package static func nextCoefficient(after trials: [L1Trial], k: Int) -> Double {
        let target = log(Double(k))
        // Few features need a large λ, so the runs with too many are below the wanted one.
        let below = trials.filter { $0.logL0 > target }.max { $0.coefficient < $1.coefficient }
        let above = trials.filter { $0.logL0 <= target }.min { $0.coefficient < $1.coefficient }
        if let below, let above, below.coefficient < above.coefficient {
            let height = below.logL0 - above.logL0
            let part = height < 2 ? min(0.95, max(0.05, (below.logL0 - target) / height)) : 0.5
            return below.coefficient * pow(above.coefficient / below.coefficient, part)
        }
        let nearest = trials.sorted { $0.distance(to: k) < $1.distance(to: k) }
        var slope = -1.0
        if nearest.count > 1 {
            let measured = (nearest[0].logL0 - nearest[1].logL0) / log(nearest[0].coefficient / nearest[1].coefficient)
            // Noise and dead features can make the line rise or stand.
            if measured.isFinite { slope = min(-0.3, max(-4, measured)) }
        }
        return nearest[0].coefficient * exp(max(-2, min(2, (target - nearest[0].logL0) / slope)))
    }
}

/// Chooses λ so that L0 on a validation set is k, by full training runs; the nearest counts.
package struct L1Search<Trained> {
    /// λ of the nearest run, and what that run trained.
    package let coefficient: Double
    package let trained: Trained
    /// All runs in their order.
    package let trials: [L1Trial]

    /// - Parameters:
    ///   - first: the λ of the first run.
    ///   - runs: at most so many, and at least one.
    ///   - tolerance: of log L0; the search ends within it.
    ///   - name: what is searched for, before the messages about runs.
    ///   - train: trains with a λ and measures L0.
    init(
        k: Int, first: Double, runs: Int, tolerance: Double, name: String = "", progress: any ProgressReporter,
        train: (Double) throws -> (trained: Trained, l0: Double)
    ) rethrows {
        var coefficient = first
        var trials: [L1Trial] = []
        var best: (trial: L1Trial, trained: Trained)?
        for _ in 0..<runs {
            let (trained, l0) = try train(coefficient)
            let trial = L1Trial(coefficient: coefficient, l0: l0)
            trials.append(trial)
            progress.message("\(name)λ \(formatNumber(coefficient)) gives L0 \(formatNumber(l0)), wanted \(k)")
            if trial.distance(to: k) < best?.trial.distance(to: k) ?? .infinity { best = (trial, trained) }
            if trial.distance(to: k) <= tolerance { break }
            coefficient = L1Trial.nextCoefficient(after: trials, k: k)
        }
        guard let best else { preconditionFailure("the search for λ has at least one run") }
        self.coefficient = best.trial.coefficient
        trained = best.trained
        self.trials = trials
    }
}
