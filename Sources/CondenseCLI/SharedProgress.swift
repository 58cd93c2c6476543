import Experiments
import Foundation
import Synchronization

/// Shows progress on standard error: one line that is redrawn, or plain lines every few seconds.
final class TerminalProgress: ProgressReporter {
    enum Style {
        case bar, lines, json

        /// Seconds between two showings.
        var interval: TimeInterval { self == .bar ? 0.1 : 5 }
    }

    private struct Task {
        var name: String
        var unit: String
        var detail: String?
        var estimate: ProgressEstimate
        let start: TimeInterval
        let before: Int
        var shown: TimeInterval
    }

    private let style: Style
    private let task = Mutex<Task?>(nil)

    init(_ style: Style) { self.style = style }

    private static var now: TimeInterval { ProcessInfo.processInfo.systemUptime }

    func begin(_ name: String, total: Int?, completed: Int, unit: String) {
        end()
        let now = Self.now
        task.withLock {
            let task = Task(
                name: name, unit: unit, detail: nil, estimate: ProgressEstimate(total: total, completed: completed, at: now),
                start: now, before: completed, shown: now)
            if style == .bar { show(task, at: now) }
            $0 = task
        }
    }

    func update(_ completed: Int, detail: String?) {
        let now = Self.now
        task.withLock { task in
            guard var current = task else { return }
            current.estimate.update(completed, at: now)
            current.detail = detail ?? current.detail
            if now - current.shown >= style.interval {
                show(current, at: now)
                current.shown = now
            }
            task = current
        }
    }

    func end() {
        task.withLock { task in
            guard let current = task else { return }
            task = nil
            let seconds = Self.now - current.start
            let done = current.estimate.completed - current.before
            switch style {
            case .json: show(current, at: Self.now)
            case .bar, .lines:
                var text = "\(current.name)  \(formatCount(done)) \(current.unit) in \(formatDuration(seconds))"
                if seconds > 0.5, done > 0 { text += " (\(Self.rate(Double(done) / seconds, current.unit)))" }
                if let detail = current.detail { text += "  \(detail)" }
                write(text, keep: true)
            }
        }
    }

    func message(_ text: String) {
        task.withLock { task in
            switch style {
            case .json: Terminal.write("{\"message\":\(Self.quoted(text))}\n", to: STDERR_FILENO)
            case .bar, .lines:
                write(text, keep: true)
                if style == .bar, let task { show(task, at: Self.now) }
            }
        }
    }

    // MARK: Showing

    private func show(_ task: Task, at now: TimeInterval) {
        switch style {
        case .json:
            var fields = ["\"task\":\(Self.quoted(task.name))", "\"completed\":\(task.estimate.completed)"]
            if let total = task.estimate.total { fields.append("\"total\":\(total)") }
            if let rate = task.estimate.rate(at: now) { fields.append("\"rate\":\(rate)") }
            if let left = task.estimate.timeLeft(at: now) { fields.append("\"secondsLeft\":\(left)") }
            if let detail = task.detail { fields.append("\"detail\":\(Self.quoted(detail))") }
            Terminal.write("{\(fields.joined(separator: ","))}\n", to: STDERR_FILENO)
        case .lines: write("\(task.name)  \(parts(of: task, at: now).joined(separator: "  "))", keep: true)
        case .bar:
            let bar = task.estimate.fraction.map { "  " + Self.bar($0) } ?? ""
            write("\(task.name)\(bar)  \(parts(of: task, at: now).joined(separator: "  "))", keep: false)
        }
    }

    private func parts(of task: Task, at now: TimeInterval) -> [String] {
        let estimate = task.estimate
        var parts: [String] = []
        if let fraction = estimate.fraction { parts.append("\(Int(fraction * 100))%") }
        let total = estimate.total.map { "/\(formatCount($0))" } ?? ""
        parts.append("\(formatCount(estimate.completed))\(total) \(task.unit)")
        if let rate = estimate.rate(at: now) { parts.append(Self.rate(rate, task.unit)) }
        if let left = estimate.timeLeft(at: now) { parts.append("\(left < 60 ? "\(Int(left.rounded(.up))) s" : formatDuration(left)) left") }
        if let detail = task.detail { parts.append(detail) }
        return parts
    }

    private static func rate(_ rate: Double, _ unit: String) -> String { "\(formatNumber(rate, digits: 3)) \(unit)/s" }

    private static let usesUnicode: Bool = {
        let environment = ProcessInfo.processInfo.environment
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
        return locale.uppercased().contains("UTF")
    }()

    private static func bar(_ fraction: Double, width: Int = 24) -> String {
        let full = Int(fraction * Double(width))
        let (mark, rest) = usesUnicode ? ("━", "─") : ("#", "-")
        return String(repeating: mark, count: full) + String(repeating: rest, count: width - full)
    }

    /// Writes over the current line; a line that is kept ends with a line feed.
    private func write(_ text: String, keep: Bool) {
        guard style == .bar else { return Terminal.write(text + "\n", to: STDERR_FILENO) }
        let columns = Terminal.columns(of: STDERR_FILENO) ?? 80
        let shown = keep ? text : String(text.prefix(columns - 1))
        Terminal.write("\r\u{1B}[K\(shown)\(keep ? "\n" : "")", to: STDERR_FILENO)
    }

    private static func quoted(_ text: String) -> String {
        (try? JSONEncoder().encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
    }
}
