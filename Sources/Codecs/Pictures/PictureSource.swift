public import Datasets
internal import Foundation
internal import Media
internal import Suggestions

/// The pictures that a name stands for: an item of the catalogue (`photos`), a folder, or one file.
///
/// A path wins over an item of the same name when it begins with `./` or `/`.
public struct PictureSource: Sendable, Equatable {
    /// As the user wrote it.
    public let name: String
    /// Files, in the order of the bytes of their paths; at least one.
    public let paths: [String]
    /// The folder that they lie below; nil for a file, and for items of the catalogue.
    public let folder: String?

    /// Nothing is fetched or read.
    /// - Throws: ``PictureError`` if the name stands for nothing, for an item that is not in the cache or holds no pictures;
    ///   `MediaError.noImages` for a folder without any.
    public init(_ name: String, store: DataStore = DataStore()) throws {
        self.name = name
        if let item = store.items.first(where: { $0.name == name }) {
            guard item.kind == .images else { throw PictureError.notPictures(name: name, kind: item.kind.rawValue) }
            guard let found = try store.location(of: name) else { throw PictureError.notFetched(name: name) }
            folder = nil
            paths = found.files.map(\.path).filter { ImageFormat(path: $0) != nil }
            guard !paths.isEmpty else { throw MediaError.noImages(folder: name) }
            return
        }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: name, isDirectory: &isFolder) else {
            let items = store.items.filter { $0.kind == .images }.map(\.name)
            throw PictureError.nothing(name: name, nearest: name.contains("/") ? nil : nearestName(to: name, among: items))
        }
        folder = isFolder.boolValue ? name : nil
        paths = isFolder.boolValue ? try ImageFolder.paths(in: name) : [name]
    }

    /// Some of its files under its name.
    func keeping(_ paths: [String]) -> PictureSource { PictureSource(name: name, paths: paths, folder: folder) }

    private init(name: String, paths: [String], folder: String?) {
        self.name = name
        self.paths = paths
        self.folder = folder
    }

    /// A path as it is told to people: without the folder.
    public func shortName(_ path: String) -> String {
        guard let folder, path.hasPrefix(folder) else { return path.split(separator: "/").last.map(String.init) ?? path }
        return String(path.dropFirst(folder.count).drop { $0 == "/" })
    }
}

/// Pictures that cannot be used.
public enum PictureError: Error, CustomStringConvertible, Equatable, Sendable {
    case nothing(name: String, nearest: String?)
    case notPictures(name: String, kind: String)
    case notFetched(name: String)
    case hasAlpha(path: String)
    case allUnreadable(source: String, count: Int, first: String)
    case changed(path: String)
    case tooFew(source: String, count: Int, needed: String)

    public var description: String {
        switch self {
        case .nothing(let name, let nearest):
            "there is no file, folder or data item '\(name)'" + (nearest.map { "; did you mean '\($0)'?" } ?? "; 'condense data list' shows the items")
        case .notPictures(let name, let kind): "the data item '\(name)' is of the kind '\(kind)'; give one of the kind 'images', a folder or a file"
        case .notFetched(let name): "the data item '\(name)' is not in the cache; fetch it with 'condense data fetch \(name)'"
        case .hasAlpha(let path):
            "'\(path)' has transparent pixels, which codecs of three channels cannot keep; give --alpha white or --alpha black to put it before a background"
        case .allUnreadable(let source, let count, let first): "none of the \(count) pictures of '\(source)' can be used; the first: \(first)"
        case .changed(let path): "'\(path)' has another size than at the beginning; let files be while they are trained on"
        case .tooFew(let source, let count, let needed): "'\(source)' holds \(count) pictures, which are too few \(needed)"
        }
    }
}
