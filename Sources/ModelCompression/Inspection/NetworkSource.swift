internal import Datasets
internal import Foundation
public import Networks
internal import Torch

extension GraphNetwork {
    /// The network of a name: a folder that ``export(to:mode:details:)`` wrote, a file of weights of a known network, or a vision model
    /// of the catalogue that has been fetched. Folders and files win over items of the same name.
    /// - Parameter imageSize: height and width of images, of networks that leave them open; their own if nil.
    /// - Throws: `FileAccessError`, `FileFormatError`, `DataError`; `GraphProblem` for weights of a network that is not known.
    public static func open(_ name: String, imageSize: Int? = nil) throws -> GraphNetwork {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: name, isDirectory: &isFolder) {
            if isFolder.boolValue { return try ExportedNetwork(folder: name).network }
            return try GraphNetwork(weights: name, imageSize: imageSize)
        }
        let store = DataStore()
        guard store.items.contains(where: { $0.name == name && $0.kind == .visionModel }), let item = try store.location(of: name) else {
            throw FileAccessError(
                path: name, action: "opened", reason: "there is no such file, exported network or fetched vision model; 'condense data list' names models")
        }
        return try GraphNetwork(weights: item.mainFile.path, imageSize: imageSize)
    }
}
