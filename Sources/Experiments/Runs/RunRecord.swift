public import Foundation

/// How a run stands.
public enum RunState: String, Codable, Sendable, CaseIterable {
    case running
    case finished
    /// Ended by an error.
    case failed
    /// Stopped by the user or killed; can be resumed.
    case interrupted
}

/// What is known of a run without reading its metrics: the contents of `run.json`.
public struct RunRecord: Codable, Sendable, Equatable {
    /// Layout of the run directory.
    static let currentVersion = 1

    var version = currentVersion
    /// Method or command in words separated by `-`, e.g. `sae-train`.
    public var method: String
    public var title: String
    public var state: RunState
    public var created: Date
    public var updated: Date
    /// Step of the last checkpoint, or the last step.
    public var step: Int
    /// The command that made the run, without the path of the program.
    public var command: [String]
    /// Headline numbers of a finished run.
    public var keyNumbers: [KeyNumber]
    /// The sentence of the error that ended a failed run.
    public var failure: String?

    static func url(in directory: URL) -> URL { directory.appending(path: "run.json") }

    /// Reads the record of a run directory.
    ///
    /// A run marked as running whose process no longer exists is reported as interrupted.
    ///
    /// - Throws: ``StorageError`` if `directory` is not a run directory or was made by a later version.
    public static func read(_ directory: URL) throws -> RunRecord {
        let url = url(in: directory)
        guard let data = try? Data(contentsOf: url) else {
            throw StorageError("read", directory, problem: "this is not a run directory (it has no run.json)")
        }
        guard var record = try? Self.decoder.decode(RunRecord.self, from: data) else {
            throw StorageError("read", url, problem: "it is damaged or not written by condense")
        }
        guard record.version <= currentVersion else {
            throw StorageError(
                "read", url, problem: "it has version \(record.version), this program knows \(currentVersion); update condense")
        }
        if record.state == .running, !RunLock.isHeld(in: directory) { record.state = .interrupted }
        return record
    }

    func write(to directory: URL) throws {
        try AtomicStorage.write(try Self.encoder.encode(self), to: Self.url(in: directory))
    }

    static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        return encoder
    }

    static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        return decoder
    }
}

/// A lock that the system releases when the process ends, however it ends.
final class RunLock {
    private let descriptor: Int32

    private static func url(in directory: URL) -> URL { directory.appending(path: ".lock") }

    /// - Throws: ``StorageError`` if another process works on the run.
    init(_ directory: URL) throws {
        let url = Self.url(in: directory)
        descriptor = open(url.filePath, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw StorageError("open", url) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw StorageError("use", directory, problem: "another process is working on this run")
        }
    }

    deinit { close(descriptor) }

    static func isHeld(in directory: URL) -> Bool {
        let descriptor = open(url(in: directory).filePath, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }
}
