import CondenseTesting
import Datasets
import Foundation
import Networks
import Torch

/// Models and expected values that the language model tests share.
enum LlamaFixtures {
    static func path(_ name: String) -> String { GGUFTests.fixture(name) }

    static func goldens(_ name: String) throws -> Goldens { try Goldens(URL(fileURLWithPath: path(name))) }

    /// SmolLM2 from the cache, fetched if needed.
    static func smolLM2() throws -> String { try DataStore().fetch("smollm2-135m-instruct").mainFile.path }

    static func tinyConfiguration() throws -> LanguageModelConfiguration {
        try LanguageModelConfiguration(
            vocabularySize: 50, hiddenSize: 24, layerCount: 3, headCount: 4, keyValueHeadCount: 2, headSize: 8, feedForwardSize: 40,
            contextLength: 64, attentionBias: .queryKeyValue, endTokens: [2])
    }

    /// Random weights for `configuration`.
    static func weights(_ configuration: LanguageModelConfiguration, seed: UInt64 = 3) -> [String: Tensor] {
        let generator = RandomGenerator(seed: seed)
        let pairs = configuration.weightShapes.map { name, shape in
            (name, Tensor.normal(shape, generator: generator) * 0.3 + (shape.count == 1 ? 1 : 0))
        }
        return Dictionary(uniqueKeysWithValues: pairs)
    }

    static func tinyModel() throws -> LanguageModel {
        let configuration = try tinyConfiguration()
        return try LanguageModel(configuration, weights: DictionaryWeights(weights(configuration)))
    }

    static func tokens(_ batch: Int = 2, _ length: Int = 12, vocabulary: Int = 50, seed: UInt64 = 5) -> Tensor {
        Tensor.integers(in: 0..<vocabulary, [batch, length], generator: RandomGenerator(seed: seed))
    }

    static func temporaryFolder() throws -> String {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("condense-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        return folder
    }
}
