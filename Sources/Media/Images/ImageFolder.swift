internal import Foundation
internal import Torch

/// The pictures of a folder.
public enum ImageFolder {
    /// Paths of the images below a folder, by their extensions, in the order of the bytes of their paths, so the same on every
    /// machine. Hidden files and folders are left out; links to files are followed, links to folders are not.
    /// - Parameter recursively: whether folders inside are looked into.
    /// - Throws: `FileAccessError` if the folder cannot be read, ``MediaError/noImages(folder:)`` if there is no picture.
    public static func paths(in folder: String, recursively: Bool = true) throws -> [String] {
        var found: [String] = []
        try collect(folder, recursively, into: &found)
        guard !found.isEmpty else { throw MediaError.noImages(folder: folder) }
        return found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private static func collect(_ folder: String, _ recursively: Bool, into found: inout [String]) throws {
        guard let directory = opendir(folder) else {
            throw FileAccessError(path: folder, action: "read", reason: String(cString: strerror(errno)))
        }
        defer { closedir(directory) }
        var inside: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name.hasPrefix(".") { continue }
            let path = folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
            var status = stat(), linkStatus = stat()
            guard stat(path, &status) == 0, lstat(path, &linkStatus) == 0 else { continue }
            if status.st_mode & S_IFMT == S_IFREG {
                if ImageFormat(path: name) != nil { found.append(path) }
            } else if recursively, linkStatus.st_mode & S_IFMT == S_IFDIR {
                inside.append(path)
            }
        }
        for path in inside { try collect(path, recursively, into: &found) }
    }
}
