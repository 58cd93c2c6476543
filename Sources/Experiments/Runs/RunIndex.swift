public import Foundation
import GRDB

/// The list of runs on this computer: an SQLite database that can always be rebuilt from the run directories.
///
/// Several processes may use it at the same time.
public final class RunIndex: Sendable {
    /// A run in the list.
    public struct Entry: Codable, Sendable, Equatable {
        /// Run directory.
        public var directory: URL
        public var record: RunRecord
    }

    private let queue: DatabaseQueue
    private let url: URL

    /// `$XDG_DATA_HOME/condense/runs.sqlite`, by default below `~/.local/share`.
    public static var defaultURL: URL {
        let environment = ProcessInfo.processInfo.environment
        let data = environment["XDG_DATA_HOME"].flatMap { $0.hasPrefix("/") ? URL(filePath: $0) : nil }
        let home = data ?? FileManager.default.homeDirectoryForCurrentUser.appending(path: ".local/share")
        return home.appending(path: "condense/runs.sqlite")
    }

    /// Opens or creates the list.
    ///
    /// - Throws: ``StorageError`` if the file is not a list of runs or cannot be written.
    public init(_ url: URL = RunIndex.defaultURL) throws {
        self.url = url
        try AtomicStorage.createDirectory(url.deletingLastPathComponent())
        var configuration = GRDB.Configuration()
        configuration.busyMode = .timeout(20)
        do {
            queue = try DatabaseQueue(path: url.filePath, configuration: configuration)
            try queue.write { database in
                try database.execute(
                    sql: """
                        CREATE TABLE IF NOT EXISTS run (
                            directory TEXT PRIMARY KEY NOT NULL, method TEXT NOT NULL, created REAL NOT NULL)
                        """)
            }
        } catch {
            throw Self.storageError("open", url, error)
        }
    }

    /// Adds a run or renews its entry.
    func note(_ directory: URL, _ record: RunRecord) throws {
        try write { try Self.insert(directory, record, into: $0) }
    }

    /// The runs whose directories still exist, newest first, with their present state.
    ///
    /// - Parameters:
    ///   - method: only runs of this method.
    ///   - state: only runs in this state.
    /// - Throws: ``StorageError`` if the list cannot be read.
    public func entries(method: String? = nil, state: RunState? = nil) throws -> [Entry] {
        let paths: [String]
        do {
            paths = try queue.read { database in
                try String.fetchAll(
                    database,
                    sql: "SELECT directory FROM run WHERE ?1 IS NULL OR method = ?1 ORDER BY created DESC, directory",
                    arguments: [method])
            }
        } catch {
            throw Self.storageError("read", url, error)
        }
        return paths.compactMap { path in
            let directory = URL(filePath: path, directoryHint: .isDirectory)
            guard let record = try? RunRecord.read(directory), state == nil || record.state == state else { return nil }
            return Entry(directory: directory, record: record)
        }
    }

    /// Builds the list anew from the run directories below `roots` and those listed so far.
    ///
    /// - Returns: number of runs found.
    @discardableResult
    public func rebuild(from roots: [URL]) throws -> Int {
        let known = try entries().map(\.directory)
        var found: [String: RunRecord] = [:]
        for directory in known + roots.flatMap(Self.runDirectories) {
            if let record = try? RunRecord.read(directory) { found[Self.key(directory)] = record }
        }
        try write { database in
            try database.execute(sql: "DELETE FROM run")
            for (path, record) in found {
                try Self.insert(URL(filePath: path, directoryHint: .isDirectory), record, into: database)
            }
        }
        return found.count
    }

    /// Run directories at or below `root`, without looking inside runs; links are not followed.
    private static func runDirectories(below root: URL) -> [URL] {
        func isRun(_ url: URL) -> Bool {
            FileManager.default.fileExists(atPath: RunRecord.url(in: url).filePath)
        }
        if isRun(root) { return [root] }
        guard let walk = FileManager.default.enumerator(at: root, includingPropertiesForKeys: [.isDirectoryKey]) else { return [] }
        var runs: [URL] = []
        for case let url as URL in walk {
            guard (try? url.resourceValues(forKeys: [.isDirectoryKey]))?.isDirectory == true, isRun(url) else { continue }
            runs.append(url)
            walk.skipDescendants()
        }
        return runs
    }

    private static func insert(_ directory: URL, _ record: RunRecord, into database: Database) throws {
        try database.execute(
            sql: "INSERT OR REPLACE INTO run (directory, method, created) VALUES (?, ?, ?)",
            arguments: [key(directory), record.method, record.created.timeIntervalSince1970])
    }

    private static func key(_ directory: URL) -> String {
        directory.standardizedFileURL.resolvingSymlinksInPath().filePath
    }

    private func write(_ body: (Database) throws -> Void) throws {
        do {
            try queue.write(body)
        } catch {
            throw Self.storageError("write", url, error)
        }
    }

    private static func storageError(_ operation: String, _ url: URL, _ error: any Error) -> StorageError {
        switch (error as? DatabaseError)?.resultCode {
        case .SQLITE_FULL?: StorageError(operation, url, code: ENOSPC)
        case .SQLITE_NOTADB?, .SQLITE_CORRUPT?:
            StorageError(
                operation, url, problem: "the list of runs is damaged; delete the file and run `condense runs reindex`")
        case .SQLITE_READONLY?, .SQLITE_CANTOPEN?, .SQLITE_PERM?:
            StorageError(operation, url, problem: "it cannot be opened for writing; set XDG_DATA_HOME to a writable directory")
        default: StorageError(operation, url, problem: "\(error)")
        }
    }
}
