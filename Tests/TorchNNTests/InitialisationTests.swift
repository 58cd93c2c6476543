import CondenseTesting
import Foundation
import Testing
import Torch
import TorchNN

@Suite("Initial weights")
struct InitialisationTests {
    /// The same generator state gives PyTorch's own numbers.
    @Test func defaultsOfLayers() throws {
        let golden = try goldens("initial")
        let layers: [(String, (RandomGenerator) -> any Module)] = [
            ("linear", { Linear(inputSize: 19, outputSize: 7, generator: $0) }),
            ("embedding", { Embedding(count: 9, size: 5, paddingIndex: 3, generator: $0) }),
            ("layer_norm", { _ in LayerNorm(5) }),
            ("batch_norm2d", { _ in BatchNorm2d(5) }),
            ("conv1d", { Conv1d(inputChannels: 4, outputChannels: 6, kernelSize: 3, groups: 2, generator: $0) }),
            ("conv2d", { Conv2d(inputChannels: 3, outputChannels: 4, kernelSize: [3, 2], generator: $0) }),
            ("conv_transpose2d", { ConvTranspose2d(inputChannels: 4, outputChannels: 6, kernelSize: [3, 2], groups: 2, generator: $0) }),
            ("attention", { MultiHeadAttention(embeddingSize: 8, headCount: 2, generator: $0) }),
            ("attention_cross", { MultiHeadAttention(embeddingSize: 8, headCount: 2, keySize: 6, valueSize: 4, generator: $0) }),
            ("prelu", { _ in PReLU(channels: 3) }),
        ]
        for (name, make) in layers {
            let state = make(RandomGenerator(seed: 7)).stateDictionary, expected = try golden.group("\(name)/")
            #expect(Set(state.keys) == Set(expected.keys), "\(name)")
            for (key, tensor) in expected {
                expectClose(try #require(state[key]), tensor, relative: 1e-6, absolute: 1e-7, "\(name)/\(key)")
            }
        }
    }

    @Test func initialisers() throws {
        let golden = try goldens("initial")
        let initialisers: [(String, Initializer)] = [
            ("uniform", .uniform(from: -0.3, to: 0.7)),
            ("normal", .normal(mean: 0.1, standardDeviation: 0.3)),
            ("truncated_normal", .truncatedNormal(mean: 0.2, standardDeviation: 0.5, from: -0.4, to: 0.9)),
            ("truncated_normal_tail", .truncatedNormal(mean: 0, standardDeviation: 1, from: 1.5, to: 2.5)),
            ("xavier_uniform", .xavierUniform(gain: .factor(1.3))),
            ("xavier_normal", .xavierNormal(gain: .tanh)),
            ("kaiming_uniform", .kaimingUniform(fan: .fanIn, gain: .leakyReLU(negativeSlope: 0.2))),
            ("kaiming_normal", .kaimingNormal(fan: .fanOut, gain: .relu)),
            ("orthogonal", .orthogonal(gain: .factor(1.1))),
        ]
        for (name, initialiser) in initialisers {
            let tensor = initialiser.parameter([5, 4, 3], generator: RandomGenerator(seed: 7))
            expectClose(tensor, try golden("init/\(name)"), absolute: 2e-6, name)
            #expect(try JSONDecoder().decode(Initializer.self, from: JSONEncoder().encode(initialiser)) == initialiser)
        }
        let tall = Initializer.orthogonal().parameter([6, 4], generator: RandomGenerator(seed: 7))
        expectClose(tall, try golden("init/orthogonal_tall"), absolute: 2e-6)
        expectClose(tall.transposed().matmul(tall), Tensor.identity(4), absolute: 1e-6)
    }

    /// Mean and variance of many weights are those of the distribution, within five standard errors.
    @Test(arguments: [0, 1, 2]) func statistics(_ seed: Int) {
        let generator = RandomGenerator(seed: UInt64(seed))
        func expectMoments(_ tensor: Tensor, variance: Double, kurtosis: Double, _ name: String) {
            let count = Double(tensor.elementCount), values = tensor.detached().to(dtype: .float64)
            let mean = values.mean().item(), spread = values.variance(correction: 0).item()
            #expect(abs(mean) < 5 * (variance / count).squareRoot(), "\(name): mean \(mean)")
            #expect(
                abs(spread - variance) < 5 * variance * ((kurtosis - 1) / count).squareRoot(),
                "\(name): variance \(spread), expected \(variance)")
        }
        // Kurtosis: 1.8 for uniform, 3 for normal numbers.
        let linear = Linear(inputSize: 300, outputSize: 400, generator: generator)
        expectMoments(linear.weight, variance: 1 / 900, kurtosis: 1.8, "Linear.weight")
        expectMoments(Linear(inputSize: 300, outputSize: 5000, generator: generator).bias!, variance: 1 / 900, kurtosis: 1.8, "Linear.bias")
        expectMoments(Embedding(count: 500, size: 200, generator: generator).weight, variance: 1, kurtosis: 3, "Embedding")
        let conv = Conv2d(inputChannels: 32, outputChannels: 64, kernelSize: [3, 5], groups: 2, generator: generator)
        expectMoments(conv.weight, variance: 1 / (3 * 16 * 15), kurtosis: 1.8, "Conv2d")
        let attention = MultiHeadAttention(embeddingSize: 128, headCount: 4, generator: generator)
        expectMoments(attention.stateDictionary["in_proj_weight"]!, variance: 2 / (4 * 128), kurtosis: 1.8, "MultiHeadAttention")
        let kaiming = Initializer.kaimingNormal(fan: .fanOut, gain: .relu).parameter([100, 20, 5], generator: generator)
        expectMoments(kaiming, variance: 2 / 500, kurtosis: 3, "kaimingNormal")
    }
}
