public import ArgumentParser
public import Experiments
import Foundation
import Suggestions

extension RunState: ExpressibleByArgument {}

/// `condense runs`: what has been run.
struct RunsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runs", abstract: "List and show runs.", subcommands: [List.self, Show.self, Reindex.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List runs, newest first.",
            discussion: """
                Examples:
                  condense runs list
                  condense runs list --method sae-train --state finished --json
                """)

        @Option(help: "Only runs of this method or command, e.g. sae-train.")
        var method: String?

        @Option(help: "Only runs in this state: running, finished, failed or interrupted.")
        var state: RunState?

        @OptionGroup var output: OutputOptions

        func run() throws {
            let entries = try RunIndex().entries(method: method, state: state)
            if output.json { return try Terminal.printJSON(entries.map(RunListing.init)) }
            let rows = entries.map { entry in
                let record = entry.record
                return [
                    record.created.formatted(date: .numeric, time: .shortened), record.method, record.state.rawValue,
                    formatCount(record.step), record.keyNumbers.prefix(2).map { "\($0.label) \($0.value)" }.joined(separator: ", "),
                    entry.directory.filePath,
                ]
            }
            let table = TextTable(
                header: ["Started", "Method", "State", "Step", "Results", "Directory"], rows: rows,
                alignment: [.left, .left, .left, .right])
            Terminal.print(rows.isEmpty ? "no runs" : table.text(width: Terminal.width))
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show one run: state, headline numbers, last metrics, settings.",
            discussion: """
                Examples:
                  condense runs show latest
                  condense runs show runs/sae-train-20260102-131415
                """)

        @Argument(help: ArgumentHelp("A run directory, the name of a listed one, or 'latest'.", valueName: "run"))
        var name: String

        @OptionGroup var output: OutputOptions

        func run() throws {
            let directory = try find()
            let record = try RunRecord.read(directory)
            let metrics = (try? MetricWriter.read(directory))?.last
            if output.json {
                return try Terminal.printJSON(RunListing(directory: directory, record: record, metrics: metrics))
            }
            var rows = [
                ["Directory", directory.filePath], ["Method", record.title],
                ["State", record.state.rawValue], ["Step", formatCount(record.step)],
                ["Started", record.created.formatted(date: .numeric, time: .standard)],
                ["Last change", record.updated.formatted(date: .numeric, time: .standard)],
                ["Command", "condense " + record.command.joined(separator: " ")],
            ]
            if let failure = record.failure { rows.append(["Error", failure]) }
            rows += record.keyNumbers.map { [$0.label, $0.value + ($0.note.map { " (\($0))" } ?? "")] }
            if let metrics {
                rows += metrics.values.sorted { $0.key < $1.key }.map { [$0.key, formatNumber($0.value)] }
            }
            Terminal.print(TextTable(rows: rows).text(width: Terminal.width))
            if let settings = try? String(contentsOf: directory.appending(path: "config.yaml"), encoding: .utf8) {
                Terminal.print("\n\(settings)")
            }
        }

        private func find() throws -> URL {
            let url = URL(filePath: name, directoryHint: .isDirectory)
            if FileManager.default.fileExists(atPath: url.filePath) { return url }
            let entries = try RunIndex().entries()
            if name == "latest", let latest = entries.first { return latest.directory }
            if let entry = entries.first(where: { $0.directory.lastPathComponent == name }) { return entry.directory }
            let hint =
                nearestName(to: name, among: entries.map(\.directory.lastPathComponent)).map { "did you mean '\($0)'?" }
                ?? "`condense runs list` lists those known; `condense runs reindex <directory>` finds others"
            throw CommandError("there is no run '\(name)'; \(hint)")
        }
    }

    struct Reindex: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Build the list of runs anew from their directories.",
            discussion: """
                Examples:
                  condense runs reindex
                  condense runs reindex runs /data/experiments
                """)

        @Argument(help: ArgumentHelp("Directories to search, with all below them (default: runs).", valueName: "directory"))
        var roots: [String] = ["runs"]

        @OptionGroup var output: OutputOptions

        private struct Outcome: Encodable { var runs: Int }

        func run() throws {
            let count = try RunIndex().rebuild(from: roots.map { URL(filePath: $0, directoryHint: .isDirectory) })
            if output.json { return try Terminal.printJSON(Outcome(runs: count)) }
            if !output.quiet { Terminal.print("\(formatCount(count)) runs") }
        }
    }
}

/// A run as JSON.
private struct RunListing: Encodable {
    var directory: String
    var record: RunRecord
    var lastStep: Int?
    var lastMetrics: [String: Double]?

    init(directory: URL, record: RunRecord, metrics: MetricRecord?) {
        self.directory = directory.filePath
        self.record = record
        lastStep = metrics?.step
        lastMetrics = metrics?.values.filter { $0.value.isFinite }
    }

    init(_ entry: RunIndex.Entry) { self.init(directory: entry.directory, record: entry.record, metrics: nil) }
}
