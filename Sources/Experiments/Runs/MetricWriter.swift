public import Foundation

/// Writes the metrics of a run twice: as lines of JSON (`metrics.jsonl`) and for TensorBoard (`tensorboard/`).
///
/// A line holds the step and the values in order of their names, and no times, so that equal runs have equal files.
public final class MetricWriter {
    /// How much of the files belongs to a checkpoint.
    struct Position: Codable, Equatable {
        var metrics: Int
        var events: Int

        static let start = Position(metrics: 0, events: 0)
    }

    private let metrics: OutputFile
    private let events: EventFile

    /// Opens or creates the metric files in a run directory.
    ///
    /// - Parameter position: cuts the files to this position first, so that what was written after a checkpoint is
    ///   written again by the resumed run.
    init(in directory: URL, from position: Position?) throws {
        let board = directory.appending(path: "tensorboard")
        try AtomicStorage.createDirectory(board)
        metrics = try OutputFile(directory.appending(path: "metrics.jsonl"), truncatedTo: position?.metrics)
        events = try EventFile(board.appending(path: "events.out.tfevents.condense"), truncatedTo: position?.events)
    }

    /// Writes values of a step.
    ///
    /// - Parameters:
    ///   - step: number of optimiser steps done.
    ///   - values: by name; groups are separated by `/`, e.g. `train/loss`.
    /// - Throws: ``StorageError``; no partial line is left.
    public func write(_ values: [String: Double], step: Int) throws {
        let sorted = values.sorted { $0.key < $1.key }
        let line = JSONValue.object([("step", .int(step))] + sorted.map { ($0.key, .number($0.value)) })
        try metrics.append(Array((line.text + "\n").utf8))
        try events.add(scalars: sorted.map { ($0.key, $0.value) }, step: step)
    }

    /// Writes a histogram, for TensorBoard only.
    public func write(histogram values: [Float], named name: String, step: Int) throws {
        try events.add(histogram: values, name: name, step: step)
    }

    /// Brings everything to the disk.
    ///
    /// - Returns: the position to come back to.
    func synchronize() throws -> Position {
        try metrics.synchronize()
        try events.synchronize()
        return Position(metrics: metrics.count, events: events.count)
    }

    /// Reads `metrics.jsonl`; a torn last line (of a run that was killed) is left out.
    ///
    /// - Throws: ``StorageError`` if the file cannot be read or a line other than the last is not JSON.
    public static func read(_ directory: URL) throws -> [MetricRecord] {
        let url = directory.appending(path: "metrics.jsonl")
        guard let data = try? Data(contentsOf: url) else { throw StorageError("read", url, code: ENOENT) }
        let lines = data.split(separator: UInt8(ascii: "\n"))
        let decoder = JSONDecoder()
        var records: [MetricRecord] = []
        for (index, line) in lines.enumerated() {
            if let record = try? decoder.decode(MetricRecord.self, from: line) {
                records.append(record)
            } else if index + 1 < lines.count {
                throw StorageError("read", url, problem: "line \(index + 1) is not a JSON object with a step")
            }
        }
        return records
    }
}

/// One line of `metrics.jsonl`.
public struct MetricRecord: Sendable, Equatable, Decodable {
    public let step: Int
    /// Values by name; NaN for those that were not finite.
    public let values: [String: Double]

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.singleValueContainer().decode([String: Double?].self)
        guard let step = fields["step"].flatMap({ $0 }).flatMap({ Int(exactly: $0) }) else {
            throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "no step"))
        }
        self.step = step
        values = fields.filter { $0.key != "step" }.mapValues { $0 ?? .nan }
    }
}
