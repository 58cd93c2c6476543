internal import Experiments
internal import Foundation
public import Networks
internal import Torch

/// A network in a run directory or a folder, with what its ids stand for.
public struct TrainedNetwork {
    public let network: GraphNetwork
    /// Of a network that takes ids; nil for others, and where nobody wrote it down.
    public let characters: [Character]?

    /// Below a run directory.
    package static let folderName = "network"
    private static let charactersFile = "characters.json"

    init(_ network: GraphNetwork, characters: [Character]?) { (self.network, self.characters) = (network, characters) }

    /// Opens a run directory, or what `GraphNetwork.open(_:imageSize:)` opens.
    /// - Throws: as that does.
    public init(_ name: String, imageSize: Int? = nil) throws {
        let inside = "\(name)/\(Self.folderName)", folder = FileManager.default.fileExists(atPath: inside) ? inside : name
        network = try GraphNetwork.open(folder, imageSize: imageSize)
        let path = "\(folder)/\(Self.charactersFile)"
        if let data = FileManager.default.contents(atPath: path) {
            guard let texts = try? JSONDecoder().decode([String].self, from: data), texts.allSatisfy({ $0.count == 1 }) else {
                throw FileFormatError(path: path, format: "a list of characters", problem: "it is not a list of texts of one character")
            }
            characters = texts.compactMap(\.first)
        } else {
            characters = nil
        }
    }

    /// Writes the folder `network` of a run; one that is there from before an interruption is replaced.
    func write(to run: Run, mode: ExportMode, details: ExportDetails) throws -> ExportRecord {
        let folder = run.directory.appending(path: Self.folderName).filePath
        if FileManager.default.fileExists(atPath: folder) { try FileManager.default.removeItem(atPath: folder) }
        let record = try network.export(to: folder, mode: mode, details: details)
        if let characters { try AtomicFile.write(json: characters.map(String.init), to: "\(folder)/\(Self.charactersFile)") }
        return record
    }
}
