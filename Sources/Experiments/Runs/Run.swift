public import Foundation
import Logging

/// A run directory and the right to write to it.
///
/// ```
/// config.yaml         complete settings; run again with --config
/// environment.json    versions, computer, seed, git commit
/// run.json            method, state, step, headline numbers
/// metrics.jsonl       one line per logged step
/// tensorboard/        the same for TensorBoard
/// checkpoints/        step-000001000/ with its files and their checksums
/// report.html         the page to read
/// ```
///
/// A run belongs to one process at a time, and to the thread that trains.
public final class Run {
    /// The run directory.
    public let directory: URL
    /// Method, state, step.
    public private(set) var record: RunRecord
    /// The checkpoint this run was resumed from; nil if it starts at the beginning.
    public let resumedFrom: Checkpoint?
    /// Number of checkpoints that are kept.
    public var checkpointsKept = 2

    private let metrics: MetricWriter
    private let lock: RunLock
    private let index: RunIndex?
    private static let logger = Logger(label: "condense.runs")

    private init(
        directory: URL, record: RunRecord, checkpoint: Checkpoint?, metrics: MetricWriter, lock: RunLock, index: RunIndex?
    ) throws {
        self.directory = directory
        self.record = record
        self.metrics = metrics
        self.lock = lock
        self.index = index
        resumedFrom = checkpoint
        try update { $0.state = .running }
    }

    // MARK: Beginning

    /// Creates a run directory.
    ///
    /// - Parameters:
    ///   - directory: a directory that does not exist or is empty; `runs/<method>-<date and time>` if nil.
    ///   - method: method or command in words separated by `-`.
    ///   - title: name for people.
    ///   - configuration: complete settings, written to `config.yaml`.
    ///   - command: the command that makes the run, for the records.
    ///   - libraries: names and versions for `environment.json`, e.g. `libtorch`.
    ///   - index: where the run is listed; nil to list it nowhere.
    /// - Throws: ``StorageError`` if the directory has contents or cannot be written.
    public static func create<C: RunConfiguration>(
        in directory: URL? = nil, method: String, title: String, configuration: ResolvedConfiguration<C>,
        command: [String] = [], libraries: [String: String] = [:], index: RunIndex? = nil
    ) throws -> Run {
        let directory = try directory ?? Self.unusedDirectory(method: method)
        let path = directory.filePath
        if let contents = try? FileManager.default.contentsOfDirectory(atPath: path), !contents.isEmpty {
            let isRun = contents.contains("run.json")
            throw StorageError(
                "create", directory,
                problem: isRun
                    ? "there is a run already; continue it with --resume or choose another directory with --out"
                    : "the directory is not empty; choose another with --out")
        }
        let now = Date()
        let record = RunRecord(
            method: method, title: title, state: .running, created: now, updated: now, step: 0, command: command,
            keyNumbers: [])
        let lock = try appear(directory) { place in
            let words = ["condense"] + command.prefix { !$0.hasPrefix("-") }
            let heading = "# Written by condense \(condenseVersion). To run again: \(words.joined(separator: " ")) --config config.yaml\n"
            let environment = RunEnvironment.current(settings: configuration.settings, libraries: libraries)
            let settings = Data((heading + (try configuration.yaml())).utf8)
            try AtomicStorage.createDirectory(place.appending(path: "checkpoints"))
            try AtomicStorage.write(settings, to: place.appending(path: "config.yaml"))
            try AtomicStorage.write(
                try RunRecord.encoder.encode(environment), to: place.appending(path: "environment.json"))
            try record.write(to: place)
        }
        return try Run(
            directory: directory, record: record, checkpoint: nil,
            metrics: try MetricWriter(in: directory, from: nil), lock: lock, index: index)
    }

    /// Continues a run from its last intact checkpoint.
    ///
    /// Metrics written after that checkpoint are removed; the run writes them again. Without a checkpoint the run
    /// begins anew.
    ///
    /// - Throws: ``StorageError`` if this is no run, the run is finished, or another process works on it.
    public static func resume(_ directory: URL, index: RunIndex? = nil) throws -> Run {
        let record = try RunRecord.read(directory)
        guard record.state != .finished else {
            throw StorageError(
                "resume", directory, problem: "this run is finished; start another with --config \(directory.lastPathComponent)/config.yaml")
        }
        let lock = try RunLock(directory)
        let store = CheckpointStore(run: directory)
        let (checkpoint, damaged) = store.latest()
        if !damaged.isEmpty {
            let steps = damaged.map(String.init).joined(separator: ", ")
            let next = checkpoint.map { "step \($0.step)" } ?? "the beginning"
            logger.warning("checkpoint of step \(steps) in \(directory.lastPathComponent) is damaged; continuing from \(next)")
        }
        store.removeAll(after: checkpoint?.step)
        let metrics = try MetricWriter(in: directory, from: checkpoint?.position ?? .start)
        return try Run(
            directory: directory, record: record, checkpoint: checkpoint, metrics: metrics, lock: lock, index: index)
    }

    /// The settings a run was started with.
    ///
    /// - Throws: ``ConfigurationError`` if `config.yaml` was damaged or belongs to another method.
    public static func configuration<C: RunConfiguration>(
        _ type: C.Type, of directory: URL
    ) throws -> ResolvedConfiguration<C> {
        try ConfigurationSource(file: directory.appending(path: "config.yaml")).resolve()
    }

    /// Fills a locked directory and gives it its name when it is complete; one that exists is filled where it is.
    private static func appear(_ directory: URL, _ fill: (URL) throws -> Void) throws -> RunLock {
        let exists = FileManager.default.fileExists(atPath: directory.filePath)
        let place = exists ? directory : AtomicStorage.temporaryURL(for: directory)
        do {
            try AtomicStorage.createDirectory(place)
            let lock = try RunLock(place)
            try fill(place)
            if !exists { try AtomicStorage.rename(place, to: directory) }
            return lock
        } catch var error as StorageError where !exists {
            try? FileManager.default.removeItem(at: place)
            error.path = error.path.replacing(place.filePath, with: directory.filePath)
            throw error
        }
    }

    private static func unusedDirectory(method: String) throws -> URL {
        let format = Date.ISO8601FormatStyle(timeZone: .current).year().month().day().time(includingFractionalSeconds: false)
            .dateSeparator(.omitted).timeSeparator(.omitted).dateTimeSeparator(.standard)
        let name = "\(method)-\(Date().formatted(format).replacing("T", with: "-"))"
        let parent = URL(filePath: "runs", directoryHint: .isDirectory)
        for attempt in 1...100 {
            let url = parent.appending(path: attempt == 1 ? name : "\(name)-\(attempt)")
            if !FileManager.default.fileExists(atPath: url.filePath) { return url }
        }
        throw StorageError("create", parent.appending(path: name), problem: "it exists already; choose another with --out")
    }

    // MARK: Working

    /// Logs values of a step to `metrics.jsonl` and TensorBoard.
    ///
    /// - Throws: ``StorageError`` when the disk is full; no partial line is left.
    public func log(_ values: [String: Double], step: Int) throws {
        try metrics.write(values, step: step)
        record.step = max(record.step, step)
    }

    /// Logs a histogram of values for TensorBoard.
    public func log(histogram values: [Float], named name: String, step: Int) throws {
        try metrics.write(histogram: values, named: name, step: step)
    }

    /// Writes a checkpoint: everything that `body` writes appears together or not at all.
    ///
    /// - Parameters:
    ///   - step: number of optimiser steps done.
    ///   - body: writes state and tensors.
    /// - Throws: ``StorageError``; earlier checkpoints are untouched then.
    @discardableResult
    public func saveCheckpoint(step: Int, _ body: (CheckpointWriter) throws -> Void) throws -> Checkpoint {
        let position = try metrics.synchronize()
        let checkpoint = try CheckpointStore(run: directory).save(
            step: step, position: position, keeping: checkpointsKept, body)
        try update { $0.step = step }
        return checkpoint
    }

    /// Writes a value as a JSON file of the run directory.
    ///
    /// - Throws: ``StorageError``; the file is then as it was before.
    public func write(_ value: some Encodable, named name: String) throws {
        try AtomicStorage.write(try RunRecord.encoder.encode(value), to: directory.appending(path: name))
    }

    // MARK: Ending

    /// Writes the report and marks the run as finished.
    ///
    /// - Parameters:
    ///   - report: the page.
    ///   - plotlyScript: the text of plotly.js, if at hand.
    public func finish(_ report: Report, plotlyScript: String? = nil) throws {
        _ = try metrics.synchronize()
        try write(report, plotlyScript: plotlyScript)
        // A run that was killed between writing its last checkpoint and removing older ones still has those.
        CheckpointStore(run: directory).prune(keeping: checkpointsKept)
        try update {
            $0.state = .finished
            $0.keyNumbers = report.keyNumbers
            $0.failure = nil
        }
    }

    /// Writes `report.html`.
    public func write(_ report: Report, plotlyScript: String? = nil) throws {
        let configuration = try? String(contentsOf: directory.appending(path: "config.yaml"), encoding: .utf8)
        let data = try? Data(contentsOf: directory.appending(path: "environment.json"))
        let environment = data.flatMap { try? RunRecord.decoder.decode(RunEnvironment.self, from: $0) }
        let duration = formatDuration(Date().timeIntervalSince(record.created))
        let date = record.created.formatted(.iso8601.year().month().day().dateSeparator(.dash))
        let page = HTMLReport(
            report, plotlyScript: plotlyScript, configuration: configuration,
            environment: [KeyNumber(label: "Started", value: "\(date), \(duration) before this page was written")]
                + (environment?.summary ?? []))
        try AtomicStorage.write(Data(page.html().utf8), to: directory.appending(path: "report.html"))
    }

    /// Marks the run as stopped by the user.
    public func markInterrupted() throws { try update { $0.state = .interrupted } }

    /// Marks the run as failed with the sentence of the error.
    public func markFailed(_ error: any Error) throws {
        try update {
            $0.state = .failed
            $0.failure = "\(error)"
        }
    }

    private func update(_ change: (inout RunRecord) -> Void) throws {
        change(&record)
        record.updated = Date()
        try record.write(to: directory)
        do {
            try index?.note(directory, record)
        } catch {
            // The directories are the truth; a run must not end because its listing failed.
            Self.logger.warning("the run is not listed: \(error)")
        }
    }
}
