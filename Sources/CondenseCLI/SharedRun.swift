import ArgumentParser
import Experiments
import Foundation
import Torch

/// What the body of a command gets that runs inside a run directory.
struct RunSession<Configuration: RunConfiguration> {
    let run: Run
    let configuration: Configuration
    let settings: RunSettings
    let progress: any ProgressReporter
    let cancellation: Cancellation
}

/// What a command that wrote a run directory prints with `--json`.
struct RunOutcome: Codable {
    var directory: String
    var report: String
    var keyNumbers: [KeyNumber]
}

extension RunOptions {
    /// Runs `body` in a new or resumed run directory and writes its report.
    ///
    /// On an interrupt `body` saves a checkpoint and throws ``RunInterrupted``; the command then ends with exit code
    /// 130 and says how to resume.
    ///
    /// - Parameters:
    ///   - command: the command as it is typed, e.g. `sae train`.
    ///   - title: name for people.
    ///   - defaults: settings before `--config` and `--set`.
    ///   - prepare: fetches and checks what the settings name, before a run directory is made.
    func execute<C: RunConfiguration>(
        command: String, title: String, defaults: C = C(), prepare: (C) throws -> Void = { _ in },
        _ body: (RunSession<C>) throws -> Report
    ) throws -> RunOutcome {
        let session = try begin(method: command.replacing(" ", with: "-"), title: title, defaults: defaults, prepare: prepare)
        let run = session.run
        do {
            let report = try body(session)
            try run.finish(report, plotlyScript: PlotlyScript.text())
        } catch let interruption as RunInterrupted {
            try run.markInterrupted()
            session.progress.end()
            Terminal.error(
                "\(interruption) at step \(run.record.step); continue with: condense \(command) --resume \(run.directory.shellPath)")
            throw ExitCode(130)
        } catch {
            session.progress.end()
            // The first error is the one to report, also when the disk is too full to note it.
            try? run.markFailed(error)
            throw error
        }
        return RunOutcome(
            directory: run.directory.filePath,
            report: run.directory.appending(path: "report.html").filePath,
            keyNumbers: run.record.keyNumbers)
    }

    /// Prints the outcome: headline numbers and where the report is, or JSON.
    func printOutcome(_ outcome: RunOutcome) throws {
        if output.json { return try Terminal.printJSON(outcome) }
        if !outcome.keyNumbers.isEmpty {
            let rows = outcome.keyNumbers.map { [$0.label, $0.value, $0.note ?? ""] }
            Terminal.print(TextTable(rows: rows, alignment: [.left, .right, .left]).text(width: Terminal.width))
        }
        Terminal.print("report: \(outcome.report)")
    }

    private func begin<C: RunConfiguration>(
        method: String, title: String, defaults: C, prepare: (C) throws -> Void
    ) throws -> RunSession<C> {
        let index = listing()
        let run: Run
        let resolved: ResolvedConfiguration<C>
        if let resume {
            let directory = URL(filePath: resume, directoryHint: .isDirectory)
            let record = try RunRecord.read(directory)
            guard record.method == method else {
                throw CommandError("\(resume) is a run of '\(record.method)', not of '\(method)'; resume it with its own command")
            }
            resolved = try Run.configuration(C.self, of: directory)
            try ComputeOptions.apply(resolved.settings)
            try prepare(resolved.configuration)
            run = try Run.resume(directory, index: index)
        } else {
            resolved = try resolve(defaults)
            try ComputeOptions.apply(resolved.settings)
            try prepare(resolved.configuration)
            run = try Run.create(
                in: out.map { URL(filePath: $0, directoryHint: .isDirectory) }, method: method, title: title,
                configuration: resolved, command: Array(CommandLine.arguments.dropFirst()),
                libraries: ["libtorch": Engine.version], index: index)
        }
        return RunSession(
            run: run, configuration: resolved.configuration, settings: resolved.settings, progress: output.progress(),
            cancellation: Interrupts.cancellation())
    }

    /// The list of runs; a run goes on without it.
    private func listing() -> RunIndex? {
        do {
            return try RunIndex()
        } catch {
            if !output.quiet { Terminal.error("the run will not be listed: \(error)") }
            return nil
        }
    }
}

extension URL {
    /// The path as it can be pasted into a shell.
    var shellPath: String {
        let path = relativePath.count > 1 && relativePath.hasSuffix("/") ? String(relativePath.dropLast()) : relativePath
        let isPlain = path.allSatisfy { $0.isLetter || $0.isNumber || "/._-+=:@".contains($0) }
        return isPlain ? path : "'\(path.replacing("'", with: "'\\''"))'"
    }
}
