import Experiments
import Foundation

/// Standard output and standard error.
enum Terminal {
    /// Whether somebody sees standard error as it is written.
    static var isInteractive: Bool {
        isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
    }

    /// Columns of the terminal; nil if standard output is not one.
    static var width: Int? {
        isatty(STDOUT_FILENO) == 1 ? columns(of: STDOUT_FILENO) : nil
    }

    static func columns(of descriptor: Int32) -> Int? {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }

    static func print(_ line: String) { write(line + "\n", to: STDOUT_FILENO) }

    /// Prints `condense: …` on standard error.
    static func error(_ sentence: String) { write("condense: \(sentence)\n", to: STDERR_FILENO) }

    static func printJSON(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        print(String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    /// A report's table, numbers to the right, and an empty line.
    static func show(_ table: Table) {
        let alignment = table.columns.map { $0.isNumber ? TextTable.Alignment.right : .left }
        print(TextTable(header: table.columns.map(\.title), rows: table.rows, alignment: alignment).text(width: width) + "\n")
    }

    static func write(_ text: String, to descriptor: Int32) {
        try? FileHandle(fileDescriptor: descriptor, closeOnDealloc: false).write(contentsOf: Data(text.utf8))
    }
}

/// Cells in columns, wrapped to the width of a terminal.
struct TextTable {
    enum Alignment { case left, right }

    var header: [String] = []
    var rows: [[String]]
    var alignment: [Alignment] = []

    private static let gap = 2

    /// The table as lines.
    ///
    /// - Parameter width: columns of the terminal; nothing is wrapped if nil.
    func text(width: Int?) -> String {
        let all = (header.isEmpty ? [] : [header]) + rows
        guard let count = all.first?.count, count > 0 else { return "" }
        let natural = (0..<count).map { column in all.map { $0[column].count }.max() ?? 0 }
        let widths = width.map { fit(natural, into: $0) } ?? natural
        var lines: [String] = []
        for (index, row) in all.enumerated() {
            lines += self.lines(of: row, widths: widths)
            if index == 0, !header.isEmpty {
                lines.append(widths.map { String(repeating: "─", count: $0) }.joined(separator: "  "))
            }
        }
        return lines.joined(separator: "\n")
    }

    /// Takes from the widest columns until the row fits.
    private func fit(_ natural: [Int], into width: Int) -> [Int] {
        var widths = natural
        while widths.reduce(0, +) + Self.gap * (widths.count - 1) > width, let widest = widths.max(), widest > 12,
            let column = widths.firstIndex(of: widest)
        {
            widths[column] -= 1
        }
        return widths
    }

    private func lines(of row: [String], widths: [Int]) -> [String] {
        let wrapped = zip(row, widths).map { wrap($0, $1) }
        let height = wrapped.map(\.count).max() ?? 1
        return (0..<height).map { line in
            var text = ""
            for (column, cell) in wrapped.enumerated() {
                let content = line < cell.count ? cell[line] : ""
                let padding = String(repeating: " ", count: max(0, widths[column] - content.count))
                let isRight = column < alignment.count && alignment[column] == .right
                text += (isRight ? padding + content : content + padding) + String(repeating: " ", count: Self.gap)
            }
            return String(text.reversed().drop { $0 == " " }.reversed())
        }
    }

    private func wrap(_ text: String, _ width: Int) -> [String] {
        guard text.count > width, width > 0 else { return [text] }
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ", omittingEmptySubsequences: true) {
            var rest = Substring(word)
            if !line.isEmpty, line.count + 1 + rest.count > width {
                lines.append(line)
                line = ""
            }
            while rest.count > width {
                lines.append(String(rest.prefix(width)))
                rest = rest.dropFirst(width)
            }
            line += (line.isEmpty ? "" : " ") + rest
        }
        return line.isEmpty ? lines : lines + [line]
    }
}
