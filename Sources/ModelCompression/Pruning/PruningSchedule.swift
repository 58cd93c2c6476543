internal import Foundation
public import Experiments

/// The part of the weights that is zero at each step of a training: fast in the beginning, when there is much to spare, and slow in the
/// end (Zhu & Gupta, arXiv:1710.01878, equation 1): s = final + (initial − final)·(1 − p)³ with p the part of the way from `begin` to `end`.
public struct PruningSchedule: Codable, Sendable, Equatable {
    public var initial = 0.0
    /// Reached exactly at `end`.
    public var final: Double
    /// The first step at which weights are chosen, and the last.
    public var begin: Int, end: Int
    /// Steps between two choices.
    public var every: Int
    /// 1 is a straight line.
    public var exponent = 3.0

    public init(initial: Double = 0, final: Double, begin: Int, end: Int, every: Int, exponent: Double = 3) {
        (self.initial, self.final, self.begin, self.end, self.every, self.exponent) = (initial, final, begin, end, every, exponent)
    }

    /// From a tenth to six tenths of a training, in up to a hundred choices.
    public init(final: Double, steps: Int) {
        self.init(final: final, begin: steps / 10, end: steps * 6 / 10, every: max(1, steps / 200))
    }

    /// All at once.
    public static func oneShot(_ sparsity: Double, at step: Int) -> PruningSchedule {
        PruningSchedule(final: sparsity, begin: step, end: step, every: 1)
    }

    /// At a step, which counts from 0; before `begin` the initial one.
    public func sparsity(at step: Int) -> Double {
        if step >= end { return final }
        if step < begin { return initial }
        let left = 1 - Double(step - begin) / Double(end - begin)
        return final + (initial - final) * pow(left, exponent)
    }

    /// Whether weights are chosen anew at a step. The last choice is made at `end`, also where it is not a whole number of intervals away.
    public func choosesWeights(at step: Int) -> Bool { step == end || (begin..<end).contains(step) && (step - begin) % every == 0 }

    /// - Throws: `ConfigurationError` that names the setting.
    public func validate(_ name: String = "schedule") throws(ConfigurationError) {
        for (key, value) in [("initial", initial), ("final", final)] where !(value >= 0 && value < 1) {
            throw ConfigurationError(key: "\(name).\(key)", problem: "must be at least 0 and less than 1, found \(value)")
        }
        guard final >= initial else { throw ConfigurationError(key: "\(name).final", problem: "must not be below the initial sparsity of \(initial), found \(final)") }
        guard begin >= 0, end >= begin else { throw ConfigurationError(key: "\(name).end", problem: "must not be before the beginning at step \(begin), found \(end)") }
        guard every > 0 else { throw ConfigurationError(key: "\(name).every", problem: "must be positive, found \(every)") }
        guard exponent > 0 else { throw ConfigurationError(key: "\(name).exponent", problem: "must be positive, found \(exponent)") }
    }
}
