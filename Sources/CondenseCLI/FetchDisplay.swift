import Datasets
import Foundation

/// Shows on standard error how far a fetch is: one line that changes on a terminal, a line per phase elsewhere.
final class FetchDisplay {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let clock = ContinuousClock()
    private var item = ""
    private var phase: FetchProgress.Phase?
    private var phaseStart = ContinuousClock.now
    private var bytesAtStart = 0
    private var lineIsOpen = false

    func show(_ progress: FetchProgress) {
        let isNewPhase = progress.item != item || progress.phase != phase
        if isNewPhase {
            item = progress.item
            phase = progress.phase
            phaseStart = clock.now
            bytesAtStart = progress.completedBytes
        }
        if isTerminal {
            write("\r\u{1B}[K" + line(progress))
            lineIsOpen = true
        } else if isNewPhase, progress.phase != .done {
            write(line(progress) + "\n")
        }
    }

    /// Ends the changing line.
    func end() {
        if lineIsOpen { write("\r\u{1B}[K") }
        lineIsOpen = false
    }

    private func line(_ progress: FetchProgress) -> String {
        switch progress.phase {
        case .waiting: "\(progress.item): waiting for another process that is fetching it"
        case .downloading: "\(progress.item): downloading \(byteCount(progress.totalBytes))" + downloadRate(progress)
        case .unpacking: "\(progress.item): unpacking"
        case .preparing: "\(progress.item): preparing"
        case .done: "\(progress.item): done"
        }
    }

    /// Bar, rate and time left, once there is something to tell them from.
    private func downloadRate(_ progress: FetchProgress) -> String {
        guard isTerminal, progress.totalBytes > 0 else { return "" }
        let fraction = Double(progress.completedBytes) / Double(progress.totalBytes)
        let filled = Int(fraction * 24)
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 24 - filled)
        let elapsed = phaseStart.duration(to: clock.now) / .seconds(1)
        let arrived = progress.completedBytes - bytesAtStart
        guard elapsed > 0.5, arrived > 0 else { return "  \(bar) \(Int(fraction * 100)) %" }
        let rate = Double(arrived) / elapsed
        let left = Int((Double(progress.totalBytes - progress.completedBytes) / rate).rounded(.up))
        return "  \(bar) \(Int(fraction * 100)) %  \(byteCount(Int(rate)))/s  \(left) s left"
    }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
