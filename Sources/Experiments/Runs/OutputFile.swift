package import Foundation

/// A file that grows at its end, by whole pieces: a piece that does not fit is taken back.
final class OutputFile {
    let url: URL
    /// Length of the file in bytes.
    private(set) var count: Int
    private let descriptor: Int32

    /// Opens or creates a file for appending.
    ///
    /// - Parameter length: cuts the file to this many bytes first.
    /// - Throws: ``StorageError`` if the file cannot be opened, or is shorter than `length`.
    init(_ url: URL, truncatedTo length: Int? = nil) throws {
        self.url = url
        descriptor = open(url.filePath, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw StorageError("open", url) }
        count = 0
        let end = Int(lseek(descriptor, 0, SEEK_END))
        guard end >= 0 else { throw StorageError("open", url) }
        count = end
        if let length {
            guard length <= end else {
                throw StorageError(
                    "resume", url, problem: "\(length) bytes were written at the last checkpoint but only \(end) are there")
            }
            try cut(to: length)
        }
    }

    deinit { close(descriptor) }

    /// Appends all of `bytes`, or nothing.
    ///
    /// - Throws: ``StorageError``; the file is then as it was before.
    func append(_ bytes: [UInt8]) throws {
        do {
            try bytes.withUnsafeBytes { try write($0, to: descriptor, url: url) }
            count += bytes.count
        } catch {
            try? cut(to: count)
            throw error
        }
    }

    private func cut(to length: Int) throws {
        guard ftruncate(descriptor, off_t(length)) == 0, lseek(descriptor, off_t(length), SEEK_SET) >= 0 else {
            throw StorageError("truncate", url)
        }
        count = length
    }

    /// Waits until everything is on the disk.
    func synchronize() throws {
        guard fsync(descriptor) == 0 else { throw StorageError("write", url) }
    }
}

private func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, url: URL) throws {
    var rest = bytes
    while let base = rest.baseAddress, !rest.isEmpty {
        #if canImport(Darwin)
        let written = Darwin.write(descriptor, base, rest.count)
        #else
        let written = Glibc.write(descriptor, base, rest.count)
        #endif
        if written < 0 {
            if errno == EINTR { continue }
            throw StorageError("write", url)
        }
        rest = UnsafeRawBufferPointer(rebasing: rest[written...])
    }
}

extension URL {
    /// The path in the file system, relative if the URL is, without a slash at the end.
    package var filePath: String {
        let path = path(percentEncoded: false)
        return path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }
}

/// Whole files and directories that appear complete or not at all.
enum AtomicStorage {
    /// Writes a file under a temporary name, waits until it is on the disk, and renames it.
    ///
    /// - Throws: ``StorageError``; nothing is left behind then.
    static func write(_ data: Data, to url: URL) throws {
        let temporary = temporaryURL(for: url)
        do {
            let file = try OutputFile(temporary, truncatedTo: 0)
            try file.append(Array(data))
            try file.synchronize()
            try rename(temporary, to: url)
        } catch {
            unlink(temporary.filePath)
            // The user knows the file by its own name.
            if var error = error as? StorageError {
                error.path = url.filePath
                throw error
            }
            throw error
        }
    }

    /// A hidden sibling that no other process uses.
    static func temporaryURL(for url: URL) -> URL {
        url.deletingLastPathComponent().appending(
            path: ".\(url.lastPathComponent).\(ProcessInfo.processInfo.processIdentifier).tmp")
    }

    /// Renames and waits until the directory entry is on the disk.
    static func rename(_ source: URL, to target: URL) throws {
        #if canImport(Darwin)
        let result = Darwin.rename(source.filePath, target.filePath)
        #else
        let result = Glibc.rename(source.filePath, target.filePath)
        #endif
        guard result == 0 else { throw StorageError("write", target) }
        try synchronize(target.deletingLastPathComponent())
    }

    /// Waits until a file or the entries of a directory are on the disk.
    static func synchronize(_ url: URL) throws {
        let descriptor = open(url.filePath, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw StorageError("write", url) }
        defer { close(descriptor) }
        // Some file systems cannot synchronise directories (EINVAL); there is nothing more to do there.
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw StorageError("write", url) }
    }

    static func createDirectory(_ url: URL) throws {
        do {
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        } catch {
            let cause = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
            throw StorageError("create", url, code: cause.map { Int32($0.code) } ?? EIO)
        }
    }
}
