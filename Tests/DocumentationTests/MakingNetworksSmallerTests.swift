import Condense
import Foundation
import Testing

/// The code of the article "Making networks smaller".
@Suite struct MakingNetworksSmallerTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "smaller-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }

    private static var examples: Examples {
        let random = RandomGenerator(seed: 1)
        return Examples(inputs: Tensor.uniform([64, 784], generator: random), targets: Tensor.integers(in: 0..<10, [64], generator: random))
    }

    @Test func networks() throws {
        try withFolder { path in
            try GraphNetwork(.perceptron([4, 3, 2]), generator: RandomGenerator(seed: 0)).export(to: path)
            let known = try GraphNetwork.open(path)
            let fresh = try GraphNetwork(.perceptron([784, 300, 100, 10]), generator: RandomGenerator(seed: 0))
            #expect(known.graph != fresh.graph)
        }
    }

    @Test func weights() throws {
        let network = try GraphNetwork(.perceptron([784, 30, 10]), generator: RandomGenerator(seed: 0)), examples = Self.examples
        var configuration = NetworkTrainingConfiguration()
        configuration.pruning = PruningPlan(schedule: PruningSchedule(final: 0.9, steps: configuration.steps))
        let pruned = try trainNetwork(network, configuration, on: ShuffledExamples(examples, seed: 0))
        let fast = SparseNetwork(pruned.foldingBatchNorms(), measuredWith: examples.chosen([0]).inputs)
        #expect(fast(examples.inputs).shape == [64, 10] && pruned.weightCounts.nonzero < pruned.weightCounts.all / 5)
    }

    @Test func channels() throws {
        let network = try GraphNetwork(.perceptron([784, 30, 20, 10]), generator: RandomGenerator(seed: 0)), references = Self.examples
        var pruning = try ChannelPruning(network, ChannelPruningPlan(.multiplyAdds, less: 0.5, criterion: .taylor))
        while try !pruning.isFinished { try pruning.cutNext(on: references) }
        #expect(try pruning.part(gone: .multiplyAdds) >= 0.5)

        let source = ShuffledExamples(references, seed: 0)
        var configuration = NetworkTrainingConfiguration()
        configuration.steps = 20
        configuration.channels = ChannelPruningPlan(.multiplyAdds, schedule: PruningSchedule(final: 0.5, steps: configuration.steps))
        let smaller = try trainNetwork(network, configuration, on: source, references: references)
        #expect(smaller.parameterCount() < network.parameterCount() * 6 / 10)
    }

    @Test func languageModels() throws {
        let model = try LanguageModel.load(try DataStore().fetch("smollm2-135m-instruct").mainFile.path)
        let tokens = Tensor.integers(in: 0..<1_000, [2, 16], generator: RandomGenerator(seed: 0))
        try withFolder { folder in
            let importance = try DecoderImportance(of: model, by: .taylor, on: tokens)
            let smaller = try model.cutting(to: importance.cut(neurons: 0.2, blocks: 2))
            try smaller.save(to: folder)
            #expect(try LanguageModel.load(folder).configuration == smaller.configuration)
        }
    }
}
