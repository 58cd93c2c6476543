import Synchronization

/// A flag that asks a loop to stop at its next step; set by a signal, another thread or a button.
public final class Cancellation: Sendable {
    private let flag = Atomic<Bool>(false)

    public init() {}

    /// Whether the work should stop.
    public var isCancelled: Bool { flag.load(ordering: .relaxed) }

    /// Asks the work to stop; safe to call from any thread and from a signal handler.
    public func cancel() { flag.store(true, ordering: .relaxed) }

    /// Stops work that has nothing to save.
    ///
    /// - Throws: ``RunInterrupted`` when cancelled.
    public func check() throws(RunInterrupted) {
        if isCancelled { throw RunInterrupted() }
    }
}

/// Thrown by work that stopped because it was asked to, after saving what it could.
public struct RunInterrupted: Error, CustomStringConvertible, Equatable {
    public init() {}
    public var description: String { "interrupted" }
}
