public import Foundation

/// An item that lies complete in the cache.
public struct FetchedItem: Sendable {
    public let item: CatalogItem
    /// Its folder, named by its version. For a collection: the folder that holds its members' folders.
    public let folder: URL
    /// Its files, sorted by path; for a collection, those of its members one after another.
    public let files: [URL]
    /// A collection's members in its order; empty otherwise.
    public let members: [FetchedItem]
    /// Sum of the files' sizes in bytes.
    public let totalBytes: Int
    /// Package files it was made of: name, SHA-256 and who vouches for the digest.
    public let provenance: [String]

    /// What a loader opens: the item's main file, or its folder where it is one, as a model folder.
    public var mainFile: URL { item.mainFile.map(folder.appendingPathComponent) ?? folder }
}

/// How far a fetch is.
public struct FetchProgress: Sendable, Equatable {
    public enum Phase: String, Sendable {
        /// Another process is fetching the same item.
        case waiting
        case downloading
        case unpacking
        /// Turning packages into the item's files.
        case preparing
        case done
    }

    public let item: String
    public let phase: Phase
    /// Bytes that have arrived of all packages of this item, and what they come to.
    public let completedBytes: Int
    public let totalBytes: Int
}

/// What an item's folder says about itself; written last, before the folder gets its final name.
struct Manifest: Codable {
    struct File: Codable {
        let path: String
        let bytes: Int
    }

    static let fileName = "manifest.json"

    let name: String
    let version: String
    let license: String
    let artefacts: [Artefact]
    let files: [File]

    func write(to folder: URL) throws(DataError) {
        let url = folder.appendingPathComponent(Manifest.fileName)
        try Files.access(url) {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try encoder.encode(self).write(to: url)
        }
    }

    /// The manifest of a folder all of whose files are there in full; nil otherwise.
    init?(of folder: URL) {
        guard let data = try? Data(contentsOf: folder.appendingPathComponent(Manifest.fileName)),
            let manifest = try? JSONDecoder().decode(Manifest.self, from: data),
            manifest.files.allSatisfy({ Files.size(folder.appendingPathComponent($0.path)) == $0.bytes })
        else { return nil }
        self = manifest
    }

    init(name: String, version: String, license: String, artefacts: [Artefact], files: [File]) {
        self.name = name
        self.version = version
        self.license = license
        self.artefacts = artefacts
        self.files = files
    }
}
