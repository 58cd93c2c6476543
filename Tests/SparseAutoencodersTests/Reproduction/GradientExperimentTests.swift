import CondenseTesting
import Experiments
import Foundation
import SparseAutoencoders
import Testing
import Torch

@Suite struct GradientExperimentTests {
    /// A network whose logits are a product with random directions, on sums of known features.
    private func network(contexts: Int, length: Int, seed: UInt64) throws -> DownstreamNetwork {
        let generator = RandomGenerator(seed: seed)
        let directions = Tensor.normal([10, 16], generator: RandomGenerator(seed: 77))
        let rows = TinySource(seed: 1).activations
        rows.position.rowsServed = Int(seed) * 4_096
        let activations = rows.next(contexts * length).reshaped([contexts, length, 16])
        let tokens = Tensor.integers(in: 0..<10, [contexts, length], generator: generator)
        let leaf = activations.cloned().requiringGrad()
        let loss = leaf.linear(weight: directions).narrowed(axis: 1, from: 0, count: length - 1).reshaped([-1, 10])
            .crossEntropy(tokens.narrowed(axis: 1, from: 1, count: length - 1).reshaped([-1]), reduction: .sum)
        let isFirst = (Tensor.arange(0, length) .< 1).reshaped([1, -1, 1])
        return try DownstreamNetwork(
            contexts: ActivationBatch(activations, gradients: gradients(of: loss, withRespectTo: [leaf])[0]), tokens: tokens, isSpared: isFirst
        ) { $0.linear(weight: directions) }
    }

    private func rows(_ network: DownstreamNetwork) -> ActivationBatch { network.contexts.mapped { $0.reshaped([-1, 16]) } }

    /// The whole experiment at the size of seconds.
    @Test func theExperimentRunsOnASmallNetwork() throws {
        var setting = GradientSetting(.small)
        (setting.dictionarySize, setting.ks, setting.betas, setting.learningRates) = (48, [2, 3], [1, 10], [1e-3, 3e-3])
        (setting.batchSize, setting.steps, setting.deadAfterTokens, setting.steeredFeatures, setting.steeredLength) = (128, 120, 2_000, 20, 8)
        let test = try network(contexts: 12, length: 12, seed: 3)
        let data = GradientSplit(
            training: rows(try network(contexts: 200, length: 20, seed: 1)), test: rows(test),
            validationNetwork: try network(contexts: 4, length: 12, seed: 2), testNetwork: test, origin: "a small network")
        let reproduction = try withReproductionContext(of: GradientSAE.self) {
            try GradientExperiment(setting, data, context: $0).run()
        }
        #expect(reproduction.rows.count == 6)
        #expect(reproduction.setting.contains("a small network"))
        #expect(reproduction.rows.allSatisfy { !$0.measured.lowercased().contains("nan") }, "\(reproduction.rows)")
    }

    @Test func replacingNothingCostsNothing() throws {
        let network = try network(contexts: 6, length: 9, seed: 4)
        let logits = network.contexts.activations.linear(weight: Tensor.normal([10, 16], generator: RandomGenerator(seed: 77)))
        let expected = logits[0..., 0..<8].reshaped([-1, 10]).crossEntropy(network.tokens[0..., 1...].reshaped([-1]))
        #expect(abs(network.originalCE - expected.item()) < 1e-6)
        let zero = DownstreamNetwork.Push(context: 1, position: 3, change: Tensor.zeros([16]))
        let some = DownstreamNetwork.Push(context: 5, position: 7, change: Tensor.ones([16]))
        let found = try network.divergences(of: [zero, some], length: 8)
        #expect(abs(found[0]) < 1e-6)
        let original = logits[5, 7].logSoftmax(axis: 0)
        let changed = (network.contexts.activations[5, 7] + 1).unsqueezed(0)
            .linear(weight: Tensor.normal([10, 16], generator: RandomGenerator(seed: 77))).squeezed(0).logSoftmax(axis: 0)
        #expect(abs(found[1] - (original.exp() * (original - changed)).sum().item()) < 1e-4)
    }
}
