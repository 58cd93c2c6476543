import Foundation
internal import Torch

/// How the learning rate changes over training: a pure function from the step to a factor on the base rate.
///
/// A schedule has no state, so a resumed run continues exactly from the step alone:
///
/// ```swift
/// let schedule = LearningRateSchedule.warmup(steps: 1_000, then: .cosine(from: 1, to: 0.1, steps: 20_000))
/// optimizer.step(learningRateFactor: schedule.factor(at: step))
/// ```
///
/// Steps count from 0. After its last step a schedule keeps its final factor.
public indirect enum LearningRateSchedule: Codable, Sendable, Equatable {
    /// The base rate, always.
    case constant
    /// A straight line from one factor at step 0 to another at step `steps`.
    case linear(from: Double, to: Double, steps: Int)
    /// Half a cosine from one factor at step 0 to another at step `steps` (Loshchilov & Hutter, arXiv:1608.03983, eq. 5).
    case cosine(from: Double, to: Double, steps: Int)
    /// `(1 − step/steps)^power`, 0 at step `steps`.
    case polynomial(power: Double, steps: Int)
    /// Multiplied by `decay` every `interval` steps.
    case step(interval: Int, decay: Double)
    /// Multiplied by `decay` at each milestone.
    case milestones([Int], decay: Double)
    /// `decay^step`.
    case exponential(decay: Double)
    /// One cycle with cosine flanks (Smith & Topin, arXiv:1708.07120): up from `initial` to 1 during the fraction
    /// `rise` of the steps, then down to `final`, which is reached at the last step, `steps − 1`.
    case oneCycle(steps: Int, rise: Double, initial: Double, final: Double)
    /// A straight rise that reaches the full rate at step `steps − 1` (factor `(step + 1)/steps`, never 0),
    /// then another schedule from its own step 0.
    case warmup(steps: Int, then: LearningRateSchedule)
    /// Schedules one after the other, each from its own step 0 for `steps` steps; the last has no end.
    case sequence([Phase])
    /// Schedules multiplied with each other.
    case product([LearningRateSchedule])

    /// A schedule and how long it lasts within a ``LearningRateSchedule/sequence(_:)``.
    public struct Phase: Codable, Sendable, Equatable {
        public var schedule: LearningRateSchedule
        public var steps: Int

        public init(_ schedule: LearningRateSchedule, steps: Int) {
            self.schedule = schedule
            self.steps = steps
        }
    }

    /// The factor on the base learning rate at a step, which counts from 0.
    public func factor(at step: Int) -> Double {
        require(step >= 0, "LearningRateSchedule.factor(at: \(step)): a step counts from 0.")
        switch self {
        case .constant:
            return 1
        case .linear(let from, let to, let steps):
            return from + (to - from) * Self.progress(step, of: steps)
        case .cosine(let from, let to, let steps):
            return Self.cosine(from: from, to: to, at: Self.progress(step, of: steps))
        case .polynomial(let power, let steps):
            return pow(1 - Self.progress(step, of: steps), power)
        case .step(let interval, let decay):
            return pow(decay, Double(step / max(interval, 1)))
        case .milestones(let milestones, let decay):
            return pow(decay, Double(milestones.count { $0 <= step }))
        case .exponential(let decay):
            return pow(decay, Double(step))
        case .oneCycle(let steps, let rise, let initial, let final):
            let last = Double(max(steps - 1, 1))
            let peak = rise * Double(steps) - 1
            let position = min(Double(step), last)
            if position <= peak { return Self.cosine(from: initial, to: 1, at: position / peak) }
            return Self.cosine(from: 1, to: final, at: (position - peak) / (last - peak))
        case .warmup(let steps, let next):
            return step < steps ? Double(step + 1) / Double(steps) : next.factor(at: step - steps)
        case .sequence(let phases):
            return Self.factor(at: step, of: phases)
        case .product(let factors):
            return factors.reduce(1) { $0 * $1.factor(at: step) }
        }
    }

    /// Checks a schedule that comes from a configuration.
    /// - Throws: ``InvalidSetting`` that names the kind of schedule.
    public func validate() throws(InvalidSetting) {
        func check(_ condition: Bool, _ kind: String, _ requirement: String) throws(InvalidSetting) {
            try InvalidSetting.check(condition, kind, requirement, self)
        }
        func isFactor(_ value: Double) -> Bool { value >= 0 && value.isFinite }
        let decays = "must have a decay of 0 or more"
        switch self {
        case .constant: break
        case .linear(let from, let to, let steps), .cosine(let from, let to, let steps):
            try check(steps > 0 && isFactor(from) && isFactor(to), "schedule", "must have steps and factors of 0 or more")
        case .polynomial(let power, let steps):
            try check(steps > 0 && isFactor(power), "polynomial", "must have steps and a power of 0 or more")
        case .step(let interval, let decay):
            try check(interval > 0 && isFactor(decay), "step", "must have a positive interval and a decay of 0 or more")
        case .milestones(_, let decay): try check(isFactor(decay), "milestones", decays)
        case .exponential(let decay): try check(isFactor(decay), "exponential", decays)
        case .oneCycle(let steps, let rise, let initial, let final):
            try check(
                steps > 0 && (0...1).contains(rise) && isFactor(initial) && isFactor(final), "oneCycle",
                "must have steps, a rise between 0 and 1 and factors of 0 or more")
        case .warmup(let steps, let next):
            try check(steps >= 0, "warmup", "must have 0 steps or more")
            try next.validate()
        case .sequence(let phases):
            try check(!phases.isEmpty && phases.allSatisfy { $0.steps > 0 }, "sequence", "must have phases, each with steps")
            for phase in phases { try phase.schedule.validate() }
        case .product(let factors):
            for factor in factors { try factor.validate() }
        }
    }

    private static func progress(_ step: Int, of steps: Int) -> Double {
        steps <= 0 ? 1 : min(Double(step) / Double(steps), 1)
    }

    private static func cosine(from: Double, to: Double, at progress: Double) -> Double {
        to + (from - to) * (1 + cos(.pi * progress)) / 2
    }

    private static func factor(at step: Int, of phases: [Phase]) -> Double {
        var local = step
        for phase in phases.dropLast() {
            if local < phase.steps { return phase.schedule.factor(at: local) }
            local -= phase.steps
        }
        return phases.last?.schedule.factor(at: local) ?? 1
    }
}
