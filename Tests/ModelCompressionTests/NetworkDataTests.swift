import Experiments
import Foundation
import Media
import ModelCompression
import Networks
import Testing
import Torch
import TorchNN

@Suite struct NetworkDataTests {
    /// A folder of pictures in folders of classes, each of one brightness.
    static func withPictures(_ classes: [String], each count: Int = 4, _ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "classes-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        for (label, name) in classes.enumerated() {
            let inside = folder.appending(path: name)
            try FileManager.default.createDirectory(at: inside, withIntermediateDirectories: true)
            for number in 0..<count {
                let brightness = (Double(label) + 0.1 * Double(number)) / Double(classes.count)
                try Image(pixels: Tensor.full([3, 20 + number, 24], brightness)).write(inside.appending(path: "\(number).png").path)
            }
        }
        try body(folder.path)
    }

    static func graph(classes: Int) -> NetworkGraph {
        var graph = NetworkGraph(input: [3, 8, 8])
        let flat = graph.add("flatten", .flatten, to: graph.input)
        let hidden = graph.add("relu", .activation(.relu), to: graph.add("hidden", .linear(inputSize: 192, outputSize: 12, bias: true), to: flat))
        graph.add("classes", .linear(inputSize: 12, outputSize: classes, bias: true), to: hidden)
        return graph
    }

    private func data(_ folder: String, classes: Int, seed: UInt64 = 1, replacing: Bool = false, limit: Int? = nil) throws -> NetworkData {
        var configuration = NetworkDataConfiguration(folder)
        (configuration.heldOut, configuration.limit) = (0.25, limit)
        return try NetworkData(configuration, for: Self.graph(classes: classes), characters: nil, replacingClasses: replacing, seed: seed)
    }

    @Test func foldersAreClasses() throws {
        try Self.withPictures(["cat", "dog", "ape"]) { folder in
            let data = try data(folder, classes: 3)
            #expect(data.classes == ["ape", "cat", "dog"] && data.training.count == 9 && data.test.count == 3)
            let examples = try data.training.chosen([0, 8])
            #expect(examples.inputs.shape == [2, 3, 8, 8] && examples.targets.scalars(as: Int.self) == [data.training.labels![0], data.training.labels![8]])
            // As the network for ImageNet wants them, and the same from the cache.
            let again = try data.training.chosen([0, 8])
            #expect(again.inputs.isEqual(to: examples.inputs))
            #expect(try data.training.chosen(Array(0..<9)).inputs.min().item() < -1)
            #expect(try data.references(perClass: 1).count == 3)
            let batches = data.batches(seed: 3), batch = try batches.batch(2, size: 4)
            #expect(try batch.inputs.shape == [4, 3, 8, 8] && batches.batch(2, size: 4).inputs.isEqual(to: batch.inputs))
            #expect(try self.data(folder, classes: 3, limit: 8).training.count == 6)
        }
    }

    @Test func numbersOfFoldersAreClasses() throws {
        try Self.withPictures(["7", "281"]) { folder in
            let data = try data(folder, classes: 1_000)
            #expect(Set(data.training.labels!) == [7, 281])
            #expect(throws: NetworkDataError.wrongClasses(source: folder, found: 282, outputs: 100)) { _ = try self.data(folder, classes: 100) }
        }
    }

    @Test func whatDoesNotFitIsSaid() throws {
        try Self.withPictures(["cat", "dog"]) { folder in
            #expect(throws: NetworkDataError.wrongClasses(source: folder, found: 2, outputs: 3)) { _ = try self.data(folder, classes: 3) }
            #expect(try self.data(folder, classes: 3, replacing: true).classes == ["cat", "dog"])
            #expect(throws: NetworkDataError.noClasses(folder: folder + "/cat")) { _ = try self.data(folder + "/cat", classes: 2) }
            try Data("no picture".utf8).write(to: URL(filePath: folder + "/dog/broken.png"))
            #expect(try self.data(folder, classes: 2).training.count == 6)
        }
        #expect(throws: FileAccessError.self) { _ = try self.data("nowhere", classes: 2) }
        let vector = NetworkGraph.perceptron([5, 4, 2])
        #expect(throws: NetworkDataError.unsuitableItem(name: "mnist-5k", shape: [5])) {
            _ = try NetworkData(NetworkDataConfiguration("mnist-5k"), for: vector, characters: nil, seed: 0)
        }
        let text = NetworkGraph.lstmLanguageModel(vocabulary: 9, embeddingSize: 4, hiddenSize: 6, length: 5)
        #expect(throws: NetworkDataError.noCharacters) { _ = try NetworkData(NetworkDataConfiguration("a.txt"), for: text, characters: nil, seed: 0) }
        #expect(throws: NetworkDataError.otherCharacters(count: 2, ids: 9)) {
            _ = try NetworkData(NetworkDataConfiguration("a.txt"), for: text, characters: ["a", "b"], seed: 0)
        }
    }

    @Test func halfOfTheBatchIsMirrored() throws {
        let inputs = Tensor.uniform([16, 1, 2, 3], generator: RandomGenerator(seed: 1)), examples = Examples(inputs: inputs, targets: Tensor(Array(0..<16)))
        let plain = try ShuffledExamples(examples, seed: 2).batch(0, size: 16), mirrored = try ShuffledExamples(examples, seed: 2, mirrors: true).batch(0, size: 16)
        #expect(plain.targets.isEqual(to: mirrored.targets))
        let turned = (0..<16).filter { mirrored.inputs[$0].isEqual(to: plain.inputs[$0].flipped(axes: [2])) }
        let same = (0..<16).filter { mirrored.inputs[$0].isEqual(to: plain.inputs[$0]) }
        #expect(turned.count + same.count == 16 && (3...13).contains(turned.count))
    }

    @Test func partsOfASet() {
        let examples = Examples(inputs: Tensor.arange(0, 10).unsqueezed(1), targets: Tensor([0, 0, 0, 1, 1, 1, 1, 2, 2, 2]))
        let (training, heldOut) = examples.split(heldOut: 0.3, seed: 4)
        #expect(training.count == 7 && heldOut.count == 3)
        #expect(Set(training.labels! + heldOut.labels!).count == 3)
        #expect(examples.places(perClass: 2) == [0, 1, 3, 4, 7, 8])
    }

    /// What is measured of a set that is read is what is measured of the examples in memory.
    @Test func scoresByClass() throws {
        let network = try GraphNetwork(.perceptron([4, 8, 3]), generator: RandomGenerator(seed: 1)), random = RandomGenerator(seed: 2)
        let examples = Examples(inputs: Tensor.normal([50, 4], generator: random), targets: Tensor.integers(in: 0..<3, [50], generator: random))
        let score = try network.quality(on: examples, batchSize: 7, progress: SilentProgress()), whole = network.quality(on: examples)
        #expect(abs(score.all.crossEntropy - whole.crossEntropy) < 1e-6 && score.all.accuracy == whole.accuracy)
        #expect(score.classes.values.reduce(0) { $0 + $1.examples } == 50)
        #expect(score.classes.values.reduce(0) { $0 + $1.right } == Int((whole.accuracy * 50).rounded()))
    }
}
