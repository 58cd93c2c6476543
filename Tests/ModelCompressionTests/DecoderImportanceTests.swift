import Experiments
import Foundation
import ModelCompression
import Networks
import Testing
import Torch

@Suite struct DecoderImportanceTests {
    /// A model in which neuron 5, head group 1 and block 1 write nothing.
    private static func model() throws -> LanguageModel {
        let configuration = try LanguageModelConfiguration(
            vocabularySize: 30, hiddenSize: 16, layerCount: 3, headCount: 4, keyValueHeadCount: 2, headSize: 4, feedForwardSize: 12, contextLength: 32)
        let random = RandomGenerator(seed: 3)
        var weights: [String: Tensor] = [:]
        for (name, shape) in configuration.weightShapes {
            let weight = Tensor.normal(shape, generator: random) * 0.3 + (shape.count == 1 ? 1 : 0)
            if name.hasSuffix("down_proj.weight") { weight.narrowed(axis: 1, from: 5, count: 1).zeroInPlace() }
            if name.hasSuffix("o_proj.weight") { weight.narrowed(axis: 1, from: 8, count: 8).zeroInPlace() }
            if name.hasPrefix("model.layers.1."), name.hasSuffix("o_proj.weight") || name.hasSuffix("down_proj.weight") { weight.zeroInPlace() }
            weights[name] = weight
        }
        return try LanguageModel(configuration, weights: DictionaryWeights(weights))
    }

    private static var tokens: Tensor { Tensor.integers(in: 0..<30, [6, 10], generator: RandomGenerator(seed: 4)) }

    /// What writes nothing goes first, and the model loses nothing by it.
    @Test(arguments: DecoderCriterion.allCases) func whatWritesNothingGoes(_ criterion: DecoderCriterion) throws {
        let model = try Self.model(), importance = try DecoderImportance(of: model, by: criterion, on: Self.tokens)
        #expect(importance.neurons[0][5] == 0 && importance.neurons[0][4] > 0 && importance.heads[0].count == 2)
        #expect(importance.blocks[1] < 1e-9 && importance.blocks[0] > 1e-3)
        if criterion == .taylor { #expect(importance.heads[0][1] == 0 && importance.heads[2][0] > 0) }
        let cut = try importance.cut(heads: criterion == .taylor ? 0.5 : 0, neurons: 1.0 / 12, blocks: 1), small = try model.cutting(to: cut)
        #expect(cut.blocks.map(\.layer) == [0, 2] && cut.blocks[0].neurons == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11])
        let difference = (try small.logits(tokens: Self.tokens) - model.logits(tokens: Self.tokens)).abs().max().item()
        #expect(difference < 1e-4)
    }

    /// The change to first order is the derivative of the loss by a factor on the neuron.
    @Test func taylorIsADerivative() throws {
        let model = try Self.model(), tokens = Self.tokens.narrowed(axis: 0, from: 0, count: 1)
        let found = try DecoderImportance(of: model, by: .taylor, on: tokens).neurons[2][3]
        func loss(_ factor: Double) throws -> Double {
            let hook = Hook(.block(2, .gatedProduct)) { values, _ in
                let factors = Tensor((0..<12).map { $0 == 3 ? Float(factor) : 1 })
                return values * factors
            }
            return try model.nextTokenLosses(tokens: tokens, hooks: [hook]).to(dtype: .float64).sum().item()
        }
        let step = 0.05, slope = (try loss(1 + step) - loss(1 - step)) / (2 * step)
        #expect(abs(found - abs(slope)) < 0.02 * abs(slope) + 1e-3)
    }

    @Test func impossibleCutsAreRefused() throws {
        let model = try Self.model(), importance = try DecoderImportance(of: model, by: .weight)
        #expect(throws: GraphProblem("the part of the heads that goes must be at least 0 and less than 1, found 1.0")) { _ = try importance.cut(heads: 1) }
        #expect(throws: GraphProblem("of 3 blocks 0 to 2 can go, not 3")) { _ = try importance.cut(blocks: 3) }
        #expect(throws: GraphProblem("which blocks go is measured on text; give some")) { _ = try importance.cut(blocks: 1) }
        #expect(throws: GraphProblem("the criterion 'taylor' needs text")) { _ = try DecoderImportance(of: model, by: .taylor) }
        var configuration = DecoderCutConfiguration()
        #expect(throws: ConfigurationError.self) { try configuration.validate() }
        configuration.neurons = 0.5
        #expect(throws: ConfigurationError.self) { try configuration.validate() }
        configuration.criterion = .weight
        try configuration.validate()
    }
}
