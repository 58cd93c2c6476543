import Foundation

/// The tensors of a checkpoint: one safetensors file, or the shards that an index file names.
///
/// The index is JSON with a `weight_map` from tensor name to file name, as written by Hugging Face libraries.
public final class SafetensorsCheckpoint: Sendable {
    /// A tensor's entry and the file that holds it.
    public struct Location: Sendable {
        public let file: SafetensorsFile
        public let entry: SafetensorsFile.Entry
    }

    /// The files, in the order of their names.
    public let files: [SafetensorsFile]
    private let locations: [String: Location]

    /// Opens `path`: a `.safetensors` file, a `….safetensors.index.json`, or a folder that holds
    /// `model.safetensors` or `model.safetensors.index.json`.
    /// - Throws: `FileAccessError` when there is no such file, `FileFormatError` when one is damaged.
    public convenience init(path: String) throws {
        try self.init(file: Self.file(at: path))
    }

    private static func file(at path: String) throws -> String {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else { return path }
        let candidates = ["model.safetensors", "model.safetensors.index.json"].map { "\(path)/\($0)" }
        guard let found = candidates.first(where: FileManager.default.fileExists(atPath:)) else {
            throw FileAccessError(
                path: path, action: "opened as a checkpoint",
                reason: "the folder holds neither model.safetensors nor model.safetensors.index.json")
        }
        return found
    }

    private convenience init(file path: String) throws {
        if path.hasSuffix(".index.json") {
            let index = try Self.weightMap(MappedBytes(path: path))
            let folder = (path as NSString).deletingLastPathComponent
            let shards = try Set(index.values).sorted().map {
                try SafetensorsFile(path: folder.isEmpty ? $0 : "\(folder)/\($0)")
            }
            try self.init(files: shards)
            for (name, shard) in index.sorted(by: { $0.key < $1.key }) where locations[name] == nil {
                throw FileFormatError(
                    path: path, format: "a safetensors index", problem: "tensor '\(name)' is not in '\(shard)' where the index puts it")
            }
        } else {
            try self.init(files: [SafetensorsFile(path: path)])
        }
    }

    package init(files: [SafetensorsFile]) throws {
        self.files = files
        var locations: [String: Location] = [:]
        for file in files {
            for entry in file.entries {
                guard locations.updateValue(Location(file: file, entry: entry), forKey: entry.name) == nil else {
                    throw FileFormatError(
                        path: file.path, format: "a shard", problem: "tensor '\(entry.name)' is in another shard too")
                }
            }
        }
        self.locations = locations
    }

    /// Reads `weight_map`; shard names must be plain file names, so that an index cannot point outside its folder.
    package static func weightMap(_ bytes: MappedBytes) throws -> [String: String] {
        func invalid(_ problem: String) -> FileFormatError {
            FileFormatError(path: bytes.path, format: "a safetensors index", problem: problem)
        }
        let root: JSONValue
        do {
            root = try JSONValue(parsing: bytes.buffer)
        } catch let error as JSONValue.ParseError {
            throw invalid("it is not valid JSON (\(error))")
        }
        guard let map = root.objectValue?["weight_map"]?.objectValue else { throw invalid("it has no 'weight_map' object") }
        var result: [String: String] = [:]
        for name in map.keys {
            guard let file = map[name]?.stringValue, !file.isEmpty, file != "..", file != ".", !file.contains("/") else {
                throw invalid("the file of tensor '\(name)' is not a plain file name")
            }
            result[name] = file
        }
        return result
    }

    /// All tensor names, sorted.
    public var names: [String] { locations.keys.sorted() }

    /// Where the tensor is, or nil when the checkpoint has none of that name.
    public func location(of name: String) -> Location? { locations[name] }
}
