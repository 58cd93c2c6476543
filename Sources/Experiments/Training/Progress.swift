public import Foundation

/// Where long work tells how far it is, without knowing of terminals or browsers.
///
/// A task begins, is updated any number of times, and ends; tasks follow one another.
public protocol ProgressReporter: Sendable {
    /// Begins a task.
    ///
    /// - Parameters:
    ///   - task: what is done, e.g. `Training`.
    ///   - total: number of units, nil if not known.
    ///   - completed: units that were done before, e.g. in a run that is resumed.
    ///   - unit: what is counted, in the plural, e.g. `steps`.
    func begin(_ task: String, total: Int?, completed: Int, unit: String)
    /// Tells how many units are done, with an optional short remark such as the loss.
    func update(_ completed: Int, detail: String?)
    /// Ends the task.
    func end()
    /// A line that stays, e.g. a warning.
    func message(_ text: String)
}

extension ProgressReporter {
    public func begin(_ task: String, total: Int?, unit: String) {
        begin(task, total: total, completed: 0, unit: unit)
    }

    public func update(_ completed: Int) { update(completed, detail: nil) }
}

/// Says nothing.
public struct SilentProgress: ProgressReporter {
    public init() {}
    public func begin(_ task: String, total: Int?, completed: Int, unit: String) {}
    public func update(_ completed: Int, detail: String?) {}
    public func end() {}
    public func message(_ text: String) {}
}

/// Rate and time left of a task, from the times of its updates.
///
/// The rate is that of the last quarter of the elapsed time (at least five seconds), so that a slow start does not
/// spoil it and single steps do not shake it.
public struct ProgressEstimate: Sendable {
    private struct Sample { var time: TimeInterval, completed: Int }

    /// Units done.
    public private(set) var completed: Int
    public let total: Int?
    private let start: Sample
    /// Samples of the recent past in order of time; the first is the newest that is older than the window.
    private var recent: [Sample]

    /// - Parameters:
    ///   - total: number of units, nil if not known.
    ///   - completed: units done before the beginning, which do not count for the rate.
    ///   - time: time of the beginning in seconds, on any clock.
    public init(total: Int?, completed: Int = 0, at time: TimeInterval) {
        self.total = total
        self.completed = completed
        start = Sample(time: time, completed: completed)
        recent = [start]
    }

    private func window(at time: TimeInterval) -> TimeInterval { max(5, (time - start.time) / 4) }

    /// Notes that `completed` units are done at `time`.
    public mutating func update(_ completed: Int, at time: TimeInterval) {
        self.completed = completed
        let window = window(at: time)
        guard time - recent[recent.count - 1].time >= window / 64 else { return }
        recent.append(Sample(time: time, completed: completed))
        let beginning = recent.lastIndex { $0.time <= time - window } ?? 0
        recent.removeFirst(beginning)
    }

    /// Units per second, nil before anything is known.
    public func rate(at time: TimeInterval) -> Double? {
        let from = recent[0]
        guard completed > from.completed, time > from.time else { return nil }
        return Double(completed - from.completed) / (time - from.time)
    }

    /// Seconds left, nil if the total or the rate is not known.
    public func timeLeft(at time: TimeInterval) -> TimeInterval? {
        guard let total, let rate = rate(at: time), rate > 0 else { return nil }
        return Double(max(0, total - completed)) / rate
    }

    /// Fraction done in 0…1, nil if the total is not known.
    public var fraction: Double? {
        total.map { $0 > 0 ? min(1, max(0, Double(completed) / Double($0))) : 1 }
    }
}
