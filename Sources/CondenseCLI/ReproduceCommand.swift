public import ArgumentParser
import Condense
public import Experiments
import Foundation

extension ReproductionScale: ExpressibleByArgument {}

/// `condense reproduce`: the experiments that show what the papers claim.
struct ReproduceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reproduce", abstract: "Put a paper's central claim to the test, on real data with its baselines.",
        discussion: """
            Prints a table of claims: the paper's figure at the paper's scale, what was measured here, and whether it \
            holds. It is an experiment and may come out against the paper.

            Examples:
              condense reproduce sae-baselines
              condense reproduce --all --out reproductions
              condense reproduce sae-baselines --scale full --device cuda
            """)

    @Argument(help: "Name of the method; `condense methods` lists them.")
    var method: String?

    @Flag(help: "Reproduce all methods; with --out, each in a directory of its name below it.")
    var all = false

    @Option(help: "small: at most ten minutes on two cores; full: the paper's own size (default: small).")
    var scale: ReproductionScale?

    @OptionGroup var options: RunOptions

    /// The settings of a reproduction as far as they can be chosen; everything else is the experiment itself.
    struct Configuration: RunConfiguration {
        var scale = ReproductionScale.small
        /// Number of seeds, counted up from `run.seed`.
        var repetitions = 3

        init() {}

        func validate() throws(ConfigurationError) {
            try ConfigurationError.require(
                (1...100).contains(repetitions), "repetitions", "must be between 1 and 100", found: repetitions)
        }
    }

    func validate() throws {
        guard (method != nil) != all else {
            throw ValidationError("name one method, or give --all; `condense methods` lists them")
        }
        if all, options.resume != nil { throw ValidationError("--resume continues one method, not --all") }
    }

    func run() throws {
        if let method {
            let result = try reproduce(try Methods.named(method), options: options)
            return try show([result])
        }
        var results: [Result] = []
        var failures: [String] = []
        for method in Methods.all {
            do {
                var options = options
                options.out = options.out.map { "\($0)/\(method.name)" }
                results.append(try reproduce(method, options: options))
            } catch let code as ExitCode {
                throw code
            } catch {
                Terminal.error("\(method.name): \(error)")
                failures.append(method.name)
            }
        }
        try show(results)
        guard failures.isEmpty else {
            throw CommandError("\(failures.count) of \(Methods.all.count) methods failed: \(failures.joined(separator: ", "))")
        }
    }

    private struct Result: Encodable {
        var method: String
        var outcome: RunOutcome
        var rows: [Reproduction.Row]
    }

    private func reproduce(_ method: any Method.Type, options: RunOptions) throws -> Result {
        var defaults = Configuration()
        if let scale { defaults.scale = scale }
        var rows: [Reproduction.Row] = []
        let outcome = try options.execute(
            command: "reproduce \(method.name)", title: "Reproduction: \(method.title)", defaults: defaults
        ) { session in
            let context = ReproductionContext(
                run: session.run, settings: session.settings, repetitions: session.configuration.repetitions,
                progress: session.progress, cancellation: session.cancellation)
            let reproduction = try method.reproduce(scale: session.configuration.scale, context: context)
            try session.run.write(reproduction, named: "reproduction.json")
            rows = reproduction.rows
            return reproduction.report(of: method, scale: session.configuration.scale)
        }
        return Result(method: method.name, outcome: outcome, rows: rows)
    }

    private func show(_ results: [Result]) throws {
        if options.output.json { return try Terminal.printJSON(results) }
        for result in results {
            let rows = result.rows.map { [$0.claim, $0.paperFigure, $0.measured, $0.verdict.title] }
            let table = TextTable(header: ["Claim", "In the paper", "Measured here", "Verdict"], rows: rows)
            Terminal.print("\n\(result.method)\n\n\(table.text(width: Terminal.width))\n")
            for remark in result.rows.compactMap(\.remark) { Terminal.print("  \(remark)") }
            Terminal.print("report: \(result.outcome.report)")
        }
    }
}
