import ArgumentParser
import Condense
import Foundation
import Torch

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure speed, against a baseline in the same run.",
        discussion: """
            Times are wall-clock medians of several repetitions; a ratio below 1 is faster than its baseline.

            Benchmarks:
            \(Benchmark.all.map { "  \($0.name.padding(toLength: 12, withPad: " ", startingAt: 0)) \($0.summary)" }.joined(separator: "\n"))

            Examples:
              condense bench
              condense bench sae --threads 2
              condense bench lm --python ~/venv/bin/python
              condense bench sae-scaling --report scaling.html
            """)

    @Argument(help: "Which benchmarks; all if none is named.")
    var names: [String] = []

    @Option(help: "Python interpreter with the reference packages, to compare with them.")
    var python: String?

    @Option(help: "Threads inside one operation.")
    var threads: Int?

    @Option(help: "HTML file for tables and figures.")
    var report: String?

    @Flag(help: "Print the rows as JSON.")
    var json = false

    func validate() throws {
        for name in names where !Benchmark.all.contains(where: { $0.name == name }) {
            throw ValidationError("there is no benchmark '\(name)': use \(Benchmark.all.map(\.name).joined(separator: ", "))")
        }
    }

    func run() throws {
        if let threads { Engine.threadCount = threads }
        var groups: [String: [BenchmarkRow]] = [:]
        var blocks: [ReportBlock] = []
        for benchmark in Benchmark.all where names.isEmpty || names.contains(benchmark.name) {
            let rows = try benchmark.run(python: python) { FileHandle.standardError.write(Data("\(benchmark.name): \($0)\n".utf8)) }
            groups[benchmark.name] = rows
            blocks += benchmark.report(rows)
            if !json { Self.printTable(benchmark.name, rows) }
        }
        if let report {
            let machine = "\(Engine.threadCount) threads, libtorch \(Engine.version)"
            try writePage(Report(title: "Benchmarks", subtitle: machine, blocks: blocks), plotlyScript: PlotlyScript.text(), to: URL(filePath: report))
        }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            print(String(decoding: try encoder.encode(groups), as: UTF8.self))
        }
    }

    private static func printTable(_ name: String, _ rows: [BenchmarkRow]) {
        print("\n\(name)")
        let width = rows.map(\.name.count).max() ?? 0
        for row in rows {
            let label = row.name.padding(toLength: width, withPad: " ", startingAt: 0)
            let ratio = row.ratio.map { String(format: "%6.2f × %@", $0, row.baseline ?? "") } ?? ""
            print("  \(label)  \(formatted(row.median))  (fastest \(formatted(row.fastest)))  \(ratio)  \(row.remark)")
        }
    }

    private static func formatted(_ seconds: Double) -> String {
        switch seconds {
        case ..<1e-5: String(format: "%7.1f ns", seconds * 1e9)
        case ..<1: String(format: "%7.2f ms", seconds * 1e3)
        default: String(format: "%7.3f s ", seconds)
        }
    }
}
