import CondenseTesting
import Datasets
import Foundation
import Networks
import Testing
import Torch

@Suite struct BertTests {
    @Test func aTinyEncoderAgreesWithTransformers() throws {
        let path = LlamaFixtures.path("tiny-bert")
        let configuration = try BertConfiguration(HuggingFaceConfiguration(path: "\(path)/config.json"))
        let weights = try SafetensorsFile(path: "\(path)/model.safetensors").tensors()
        let encoder = try BertEncoder(configuration, weights: DictionaryWeights(weights))
        let golden = try LlamaFixtures.goldens("tiny-bert/expected.safetensors")
        let mask = try golden("mask")
        let hidden = try encoder.hiddenStates(tokens: golden("tokens"), mask: mask)
        let expected = try golden("hidden")
        // What stands at padding is of no meaning.
        let shown = mask.to(dtype: .float32).unsqueezed(2)
        #expect(mismatch(hidden * shown, expected * shown, relative: 1e-4, absolute: 1e-5) == nil)
    }

    @Test func sentenceVectorsOfMiniLM() throws {
        let folder = try DataStore().fetch("all-minilm-l6-v2").folder.path
        let encoder = try BertEncoder.load(folder)
        let golden = try LlamaFixtures.goldens("minilm.safetensors")
        let expected = try golden("vectors")
        func cosines(_ a: Tensor) -> Tensor { a.matmul(a.transposed()) }

        let vectors = try encoder.sentenceVectors(tokens: golden("tokens"), mask: golden("mask"))
        #expect(mismatch(vectors, expected, relative: 0, absolute: 1e-5) == nil)
        #expect(mismatch(cosines(vectors), cosines(expected), relative: 0, absolute: 1e-5) == nil)

        let data = try Data(contentsOf: URL(fileURLWithPath: LlamaFixtures.path("minilm-sentences.json")))
        let sentences = try JSONDecoder().decode([String].self, from: data)
        let fromText = try encoder.sentenceVectors(sentences, batchSize: 3)
        #expect(mismatch(cosines(fromText), cosines(expected), relative: 0, absolute: 1e-5) == nil)
        #expect(try encoder.sentenceVectors([String]()).shape == [0, 384])
    }

    @Test func wrongModelsAreExplained() throws {
        let error = #expect(throws: UnsupportedModelError.self) { try BertEncoder.load(LlamaFixtures.path("tiny-qwen2")) }
        #expect(error?.architecture == "qwen2")
        #expect(throws: UnsupportedModelError.self) { try LanguageModel.load(LlamaFixtures.path("tiny-bert")) }
    }
}
