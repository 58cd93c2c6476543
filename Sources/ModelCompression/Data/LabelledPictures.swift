internal import Datasets
internal import Foundation
internal import Media
public import Networks
internal import Torch

/// Pictures with their classes as a network takes them, read when they are asked for and kept as bytes up to a limit of memory.
public final class LabelledPictures: ExampleSet {
    /// A file and its class.
    public struct Picture: Sendable, Equatable {
        public let path: String
        public let label: Int

        public init(path: String, label: Int) { (self.path, self.label) = (path, label) }
    }

    public let pictures: [Picture]
    /// Names of the classes, by their numbers.
    public let classes: [String]
    private let preparation: ImagePreparation
    private let shape: [Int]
    private var cache: PictureCache

    /// - Parameters:
    ///   - shape: of the network's input, [1 or 3, height, width].
    ///   - cacheBytes: memory for pictures, cropped and in their final size.
    public init(_ pictures: [Picture], classes: [String], preparation: ImagePreparation, shape: [Int], cacheBytes: Int = 1 << 30) {
        (self.pictures, self.classes, self.preparation, self.shape) = (pictures, classes, preparation, shape)
        cache = PictureCache(limit: cacheBytes)
    }

    public var count: Int { pictures.count }
    public var labels: [Int]? { pictures.map(\.label) }

    /// - Throws: `MediaError`, `FileAccessError` of a file that cannot be read.
    public func chosen(_ places: [Int]) throws -> Examples {
        let pixels = Tensor.stacked(try places.map(pixels)).to(dtype: .float32) / 255
        return Examples(inputs: preparation.normalized(pixels), targets: Tensor(places.map { pictures[$0].label }))
    }

    /// uint8 [channels, height, width].
    private func pixels(_ place: Int) throws -> Tensor {
        if let found = cache[place] { return found }
        let pixels = (preparation.cropped(try Image.read(pictures[place].path), to: shape) * 255).rounded().to(dtype: .uint8)
        cache.insert(pixels, place)
        return pixels
    }
}

extension LabelledPictures {
    /// The pictures of a folder with one folder inside for each class.
    ///
    /// Where all of these have whole numbers for names, the numbers are the classes; otherwise the classes are the names in the order of their
    /// bytes. Files that are no pictures by their first bytes are left out.
    /// - Parameters:
    ///   - graph: of the network that is to take them.
    ///   - onSkip: called with a sentence about each file that is left out.
    /// - Throws: `FileAccessError`; ``NetworkDataError`` for a folder without classes.
    public convenience init(folder: String, for graph: NetworkGraph, onSkip: (String) -> Void = { _ in }) throws {
        let names: [String]
        do { names = try FileManager.default.contentsOfDirectory(atPath: folder) } catch {
            throw FileAccessError(path: folder, action: "read", reason: error.localizedDescription)
        }
        let folders = names.filter { name in
            var isFolder: ObjCBool = false
            return !name.hasPrefix(".") && FileManager.default.fileExists(atPath: "\(folder)/\(name)", isDirectory: &isFolder) && isFolder.boolValue
        }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        guard !folders.isEmpty else { throw NetworkDataError.noClasses(folder: folder) }
        let numbers = folders.compactMap { Int($0) }, areNumbers = numbers.count == folders.count && numbers.allSatisfy { (0..<1_000_000).contains($0) }
        var pictures: [Picture] = []
        for (place, name) in folders.enumerated() {
            let paths: [String]
            do { paths = try ImageFolder.paths(in: "\(folder)/\(name)") } catch MediaError.noImages { continue }
            for path in paths {
                do {
                    _ = try Image.size(of: path)
                    pictures.append(Picture(path: path, label: areNumbers ? numbers[place] : place))
                } catch { onSkip("\(error)") }
            }
        }
        guard !pictures.isEmpty else { throw MediaError.noImages(folder: folder) }
        self.init(
            pictures, classes: areNumbers ? (0...numbers.max()!).map(String.init) : folders, preparation: ImagePreparation(for: graph),
            shape: graph.inputShape)
    }

    /// The solar cells of the data item `elpv`, class 1 where experts found a defect more likely than not; fetched if needed.
    convenience init(solarCellsFor graph: NetworkGraph) throws {
        self.init(
            try SolarCell.all().map { Picture(path: $0.path, label: $0.isDefective ? 1 : 0) }, classes: ["sound", "defective"],
            preparation: ImagePreparation(for: graph), shape: graph.inputShape)
    }
}
