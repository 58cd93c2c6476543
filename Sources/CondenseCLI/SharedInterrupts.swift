import Experiments
import Foundation

/// Ctrl-C: the first asks the work to stop after its present step, the second ends the program.
enum Interrupts {
    private static let shared = Cancellation()

    /// The cancellation that SIGINT and SIGTERM set from now on.
    static func cancellation() -> Cancellation {
        _ = shared  // made before a handler can want it
        for number in [SIGINT, SIGTERM] { signal(number, handle) }
        // A file that would grow beyond its limit is an error to report, not a reason to die.
        signal(SIGXFSZ, SIG_IGN)
        return shared
    }

    /// Runs inside a signal handler: sets a flag, writes, exits, and does nothing else.
    private static let handle: @convention(c) (Int32) -> Void = { _ in
        if shared.isCancelled { _exit(130) }
        shared.cancel()
        let note: StaticString = "\ncondense: stopping after this step; press Ctrl-C again to stop at once\n"
        _ = write(STDERR_FILENO, note.utf8Start, note.utf8CodeUnitCount)
    }
}
