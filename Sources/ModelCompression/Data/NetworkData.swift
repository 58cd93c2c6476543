internal import Datasets
public import Experiments
internal import Foundation
public import Networks
internal import Torch

/// Where a network's examples come from.
public struct NetworkDataConfiguration: Codable, Sendable, Equatable {
    /// For networks that take pictures: a folder with one folder inside for each class, or the data item `elpv` or `mnist-5k`. For networks that
    /// take ids: text, as ``TextSource`` reads it.
    public var source = ""
    /// Other examples to measure on; nil holds some of the first back.
    public var test: String?
    /// Part of the examples that is measured on and not trained on.
    public var heldOut = 0.2
    /// At most so many examples, or thousands of characters, drawn by the seed; nil for all.
    public var limit: Int?
    /// Whether half of the pictures that are trained on are mirrored.
    public var mirrors = true

    public init(_ source: String = "") { self.source = source }

    public func validate(_ name: String = "data") throws(ConfigurationError) {
        try ConfigurationError.require(!source.isEmpty, "\(name).source", "must name a folder, a file or a data item", found: "nothing")
        try ConfigurationError.require(heldOut > 0 && heldOut < 1, "\(name).heldOut", "must be more than 0 and less than 1", found: heldOut)
        try ConfigurationError.require(limit ?? 2 > 1, "\(name).limit", "must be at least 2", found: limit ?? 2)
    }
}

/// Data that a network cannot be given.
public enum NetworkDataError: Error, CustomStringConvertible, Equatable {
    case noClasses(folder: String)
    case wrongClasses(source: String, found: Int, outputs: Int)
    case unsuitableInput(shape: [Int])
    case unsuitableItem(name: String, shape: [Int])
    case tooFew(source: String, count: Int, needed: Int)
    case noCharacters
    case otherCharacters(count: Int, ids: Int)

    public var description: String {
        switch self {
        case .noClasses(let folder): "'\(folder)' has no folders of pictures inside; make one for each class"
        case .wrongClasses(let source, let found, let outputs):
            "'\(source)' has \(found) classes, and the network has scores for \(outputs); name the folders by the classes' numbers, or train a new last layer "
                + "with 'condense model train --new-classes'"
        case .unsuitableInput(let shape): "the network takes \(shape), and data can be read for networks that take pictures or ids of characters"
        case .unsuitableItem(let name, let shape): "the data item '\(name)' does not fit a network that takes \(shape)"
        case .tooFew(let source, let count, let needed): "'\(source)' has \(count) examples, and \(needed) are needed"
        case .noCharacters:
            "the network takes ids, and nothing says of which characters: its folder has no characters.json, as 'condense model train' writes it"
        case .otherCharacters(let count, let ids): "characters.json lists \(count) characters, and the network takes \(ids) ids, one more than it should list"
        }
    }
}

/// The examples of a network: to train on, and to measure on.
public struct NetworkData {
    public let training: any ExampleSet
    public let test: any ExampleSet
    /// Names of classes by their numbers; empty for text.
    public let classes: [String]
    /// What the ids of a text stand for, from 1 on; 0 is all others.
    public let characters: [Character]
    private let ids: Tensor?
    private let mirrors: Bool

    /// Reads text, or the names of pictures.
    /// - Parameters:
    ///   - graph: of the network.
    ///   - characters: of a network that takes ids.
    ///   - replacingClasses: whether the network is to get a new last layer, so that its number of classes does not matter.
    /// - Throws: ``NetworkDataError``, `DataError`, `FileAccessError`.
    public init(
        _ configuration: NetworkDataConfiguration, for graph: NetworkGraph, characters: [Character]?, replacingClasses: Bool = false, seed: UInt64,
        progress: any ProgressReporter = SilentProgress()
    ) throws {
        mirrors = configuration.mirrors
        let source = configuration.source
        if let length = graph.sequenceLength {
            let vocabulary = try Self.vocabulary(characters, of: graph)
            let text = try CharacterText.parts(
                of: source, test: configuration.test, heldOut: configuration.heldOut, limit: configuration.limit.map { $0 * 1_000 }, seed: seed)
            let ids = vocabulary.ids(text.training)
            training = try Self.windows(ids, length, source)
            test = try Self.windows(vocabulary.ids(text.test), length, configuration.test ?? source)
            (self.ids, self.characters, classes) = (ids, vocabulary.characters, [])
            return
        }
        (ids, self.characters) = (nil, [])
        func read(_ name: String, _ limit: Int?) throws -> (examples: any ExampleSet, classes: [String]) {
            try Self.labelled(name, limit, graph, replacingClasses: replacingClasses, seed: seed, progress)
        }
        let all = try read(source, configuration.limit)
        classes = all.classes
        if let name = configuration.test {
            (training, test) = (all.examples, try read(name, nil).examples)
        } else {
            guard all.examples.count > 1 else { throw NetworkDataError.tooFew(source: source, count: all.examples.count, needed: 2) }
            (training, test) = all.examples.split(heldOut: configuration.heldOut, seed: seed)
        }
    }

    /// All examples of a source, to measure on.
    /// - Parameter limit: of examples, drawn by chance, or of thousands of characters; nil for all.
    /// - Throws: as the initialiser.
    static func all(
        _ source: String, limit: Int?, for graph: NetworkGraph, characters: [Character]?, progress: any ProgressReporter
    ) throws -> (examples: any ExampleSet, classes: [String]) {
        guard let length = graph.sequenceLength else { return try labelled(source, limit, graph, replacingClasses: false, seed: 0, progress) }
        let vocabulary = try vocabulary(characters, of: graph), text = try CharacterText.whole(source, limit: limit.map { $0 * 1_000 }, seed: 0)
        return (try windows(vocabulary.ids(text), length, source), [])
    }

    private static func vocabulary(_ characters: [Character]?, of graph: NetworkGraph) throws -> CharacterVocabulary {
        guard let characters else { throw NetworkDataError.noCharacters }
        guard characters.count + 1 == graph.vocabularySize else {
            throw NetworkDataError.otherCharacters(count: characters.count, ids: graph.vocabularySize ?? 0)
        }
        return CharacterVocabulary(characters)
    }

    private static func windows(_ ids: Tensor, _ length: Int, _ source: String) throws -> Examples {
        guard ids.size(0) > length else { throw NetworkDataError.tooFew(source: source, count: ids.size(0), needed: length + 1) }
        return TextWindows.all(of: ids, length: length)
    }

    private static func labelled(
        _ source: String, _ limit: Int?, _ graph: NetworkGraph, replacingClasses: Bool, seed: UInt64, _ progress: any ProgressReporter
    ) throws -> (examples: any ExampleSet, classes: [String]) {
        let (all, names) = try examples(source, graph, progress)
        if !replacingClasses {
            let outputs = try graph.classCount(), isByNumber = names == names.indices.map(String.init)
            guard isByNumber ? names.count <= outputs : names.count == outputs else {
                throw NetworkDataError.wrongClasses(source: source, found: names.count, outputs: outputs)
            }
        }
        guard let limit, limit < all.count else { return (all, names) }
        var random = SplitMix64(seed: seed, stream: -2)
        return (ExampleSubset(all, random.permutation(all.count).prefix(limit).sorted()), names)
    }

    private static func examples(
        _ source: String, _ graph: NetworkGraph, _ progress: any ProgressReporter
    ) throws -> (examples: any ExampleSet, classes: [String]) {
        let shape = graph.inputShape, takesPictures = shape.count == 3 && (shape[0] == 1 || shape[0] == 3)
        if FileManager.default.fileExists(atPath: source) {
            guard takesPictures else { throw NetworkDataError.unsuitableInput(shape: shape) }
            let pictures = try LabelledPictures(folder: source, for: graph) { progress.message("skipped: \($0)") }
            return (pictures, pictures.classes)
        }
        switch source {
        case "mnist-5k":
            guard shape == [784] || shape == [1, 28, 28] else { throw NetworkDataError.unsuitableItem(name: source, shape: shape) }
            let all = try DigitExamples(progress: progress).all
            return (Examples(inputs: all.inputs.reshaped([-1] + shape), targets: all.targets), (0...9).map(String.init))
        case "elpv":
            guard takesPictures else { throw NetworkDataError.unsuitableItem(name: source, shape: shape) }
            let cells = try LabelledPictures(solarCellsFor: graph)
            return (cells, cells.classes)
        default: throw FileAccessError(path: source, action: "opened", reason: "there is no such folder, and of the data items 'elpv' and 'mnist-5k' have classes")
        }
    }

    /// Batches to train on.
    public func batches(seed: UInt64) -> any ExampleSource {
        if let ids, let windows = training as? Examples { return TextWindows(ids, length: windows.inputs.size(1), seed: seed) }
        return ShuffledExamples(training, seed: seed, mirrors: mirrors)
    }

    /// Examples to measure on what channels matter for: so many of each class, or windows of the text.
    public func references(perClass count: Int) throws -> Examples { try training.chosen(training.places(perClass: count)) }
}

extension NetworkGraph {
    /// Without the batch.
    package var inputShape: [Int] { if case .input(let shape)? = nodes.first?.operation { shape } else { [] } }

    /// Ids that the network takes at once; nil if it takes none.
    var sequenceLength: Int? { vocabularySize == nil ? nil : inputShape.first }

    /// How many ids there are; nil if the network takes none.
    var vocabularySize: Int? {
        nodes.compactMap { node in if case .embedding(let count, _) = node.operation, node.inputs == [input] { count } else { nil } }.min()
    }

    /// The number of scores that the network gives, of each place of a sequence.
    /// - Throws: `GraphProblem` if its output is not a vector.
    package func classCount() throws(GraphProblem) -> Int {
        guard let shape = try shapes().last, let count = shape.last, shape.count == 1 || sequenceLength != nil else {
            throw GraphProblem("the network does not give scores of classes")
        }
        return count
    }
}
