import Foundation
import Networks
import Testing
import Torch

@Suite struct LanguageModelCutTests {
    static let cut = LanguageModelCut(blocks: [
        .init(layer: 0, keyValueHeads: [1], neurons: [0, 3, 7, 39]), .init(layer: 2, keyValueHeads: [0], neurons: [1, 2, 20, 21]),
    ])

    /// What is left computes the same as if what is gone gave zeros.
    @Test func cuttingEqualsMasking() throws {
        let model = try LlamaFixtures.tinyModel(), tokens = LlamaFixtures.tokens(), small = try model.cutting(to: Self.cut)
        #expect(small.configuration.layerCount == 2 && small.configuration.headCount == 2 && small.configuration.keyValueHeadCount == 1)
        #expect(small.configuration.feedForwardSize == 4 && small.configuration.hiddenSize == model.configuration.hiddenSize)
        let cut = try small.logits(tokens: tokens), masked = try model.logits(tokens: tokens, hooks: model.masking(Self.cut))
        #expect((cut - masked).abs().max().item() < 1e-5 * masked.abs().max().item())
        let all = LanguageModelCut(all: model.configuration)
        #expect(try model.cutting(to: all).logits(tokens: tokens).isEqual(to: model.logits(tokens: tokens)))
    }

    /// A cut model is one of the family: written, it is read again, and can be cut once more.
    @Test func savedAndCutAgain() throws {
        let folder = try LlamaFixtures.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var configuration = try LlamaFixtures.tinyConfiguration()
        configuration.attentionBias = .all
        let whole = try LanguageModel(configuration, weights: DictionaryWeights(LlamaFixtures.weights(configuration)))
        let small = try whole.cutting(to: Self.cut), tokens = LlamaFixtures.tokens()
        try small.save(to: folder)
        let read = try LanguageModel.load(folder)
        #expect(read.configuration.feedForwardSize == 4 && read.configuration.headSize == 8)
        let (first, second) = (try read.logits(tokens: tokens), try small.logits(tokens: tokens))
        #expect(first.isEqual(to: second), "\((first - second).abs().max().item())")
        #expect(throws: ModelConfigurationError.self) { try LlamaFixtures.tinyModel().save(to: folder) }
        let less = try small.cutting(to: LanguageModelCut(blocks: [.init(layer: 1, keyValueHeads: [0], neurons: [2])]))
        #expect(try less.logits(tokens: tokens).shape == [2, 12, 50])
    }

    @Test func cutsThatAreNoneAreRefused() throws {
        let model = try LlamaFixtures.tinyModel()
        func problem(_ blocks: [LanguageModelCut.Block]) throws -> String {
            try #require(throws: GraphProblem.self) { _ = try model.cutting(to: LanguageModelCut(blocks: blocks)) }.description
        }
        #expect(try problem([]) == "no block would be left; keep at least one")
        #expect(try problem([.init(layer: 3, keyValueHeads: [0], neurons: [0])]).contains("rising numbers below 3"))
        #expect(try problem([.init(layer: 0, keyValueHeads: [], neurons: [0])]) == "block 0 would have no heads left; keep at least one")
        #expect(try problem([.init(layer: 0, keyValueHeads: [0], neurons: [5, 5])]).contains("rising numbers below 40"))
        #expect(try problem([.init(layer: 0, keyValueHeads: [0], neurons: [1]), .init(layer: 1, keyValueHeads: [0, 1], neurons: [1])]).contains("equally many"))
    }
}
