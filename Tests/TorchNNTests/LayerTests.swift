import CondenseTesting
import Testing
import Torch
import TorchNN

@Suite("Layers against PyTorch")
struct LayerTests {
    let generator = anyGenerator()

    @Test func linearAndEmbedding() throws {
        let golden = try goldens("layers")
        try expectGolden(golden, "linear", Linear(inputSize: 5, outputSize: 4, generator: generator))
        try expectGolden(golden, "linear_no_bias", Linear(inputSize: 5, outputSize: 4, bias: false, generator: generator))
        try expectGolden(golden, "embedding", Embedding(count: 7, size: 3, generator: generator))
        try expectGolden(golden, "embedding_padding", Embedding(count: 7, size: 3, paddingIndex: 2, generator: generator))
    }

    @Test func normalization() throws {
        let golden = try goldens("layers")
        try expectGolden(golden, "layer_norm", LayerNorm([3, 5]))
        try expectGolden(golden, "layer_norm_no_bias", LayerNorm(5, epsilon: 1e-3, affine: .scale))
        try expectGolden(golden, "layer_norm_plain", LayerNorm(5, affine: .none))
        try expectGolden(golden, "rms_norm", RMSNorm(5, epsilon: 1e-5))
        try expectGolden(golden, "group_norm", GroupNorm(groupCount: 2, channels: 6))
    }

    @Test func batchNormalization() throws {
        let golden = try goldens("layers")
        try expectGolden(golden, "batch_norm1d", BatchNorm1d(4))
        try expectGolden(golden, "batch_norm1d_sequence", BatchNorm1d(4, runningStatistics: .exponential(momentum: 0.3)))
        try expectGolden(golden, "batch_norm2d", BatchNorm2d(3, epsilon: 1e-3, runningStatistics: .cumulative))
        try expectGolden(golden, "batch_norm3d", BatchNorm3d(3, affine: .none))
        try expectGolden(golden, "batch_norm2d_untracked", BatchNorm2d(3, runningStatistics: .none))
    }

    @Test func convolutions() throws {
        let golden = try goldens("convolutions")
        func conv1d(_ name: String, kernelSize: PerAxis, padding: Padding, _ mode: Tensor.PaddingMode) throws {
            try expectGolden(
                golden, name,
                Conv1d(
                    inputChannels: 2, outputChannels: 3, kernelSize: kernelSize, padding: padding, paddingMode: mode,
                    generator: generator))
        }
        try expectGolden(
            golden, "conv1d",
            Conv1d(
                inputChannels: 4, outputChannels: 6, kernelSize: 3, stride: 2, padding: .symmetric(1), dilation: 2, groups: 2,
                generator: generator))
        try conv1d("conv1d_circular", kernelSize: 3, padding: .symmetric(2), .circular)
        try conv1d("conv1d_same", kernelSize: 4, padding: .same, .constant(0))
        try conv1d("conv1d_same_reflect", kernelSize: 4, padding: .same, .reflect)
        try expectGolden(
            golden, "conv2d",
            Conv2d(
                inputChannels: 4, outputChannels: 6, kernelSize: [3, 2], stride: [2, 1], padding: .symmetric([1, 0]),
                dilation: [1, 2], groups: 2, generator: generator))
        try expectGolden(
            golden, "conv2d_no_bias", Conv2d(inputChannels: 2, outputChannels: 3, kernelSize: 3, bias: false, generator: generator))
        let modes: [(String, Tensor.PaddingMode, PerAxis)] = [
            ("reflect", .reflect, 1), ("replicate", .replicate, 2), ("circular", .circular, 1),
        ]
        for (name, mode, stride) in modes {
            try expectGolden(
                golden, "conv2d_\(name)",
                Conv2d(
                    inputChannels: 2, outputChannels: 3, kernelSize: 3, stride: stride, padding: .symmetric([1, 2]),
                    paddingMode: mode, generator: generator))
        }
        try expectGolden(
            golden, "conv3d",
            Conv3d(
                inputChannels: 2, outputChannels: 2, kernelSize: [2, 3, 1], stride: [1, 2, 1], padding: .symmetric([1, 1, 0]),
                generator: generator))
        try expectGolden(
            golden, "conv3d_replicate",
            Conv3d(
                inputChannels: 1, outputChannels: 2, kernelSize: 2, padding: .symmetric(1), paddingMode: .replicate,
                generator: generator))
    }

    @Test func transposedConvolutions() throws {
        let golden = try goldens("convolutions")
        try expectGolden(
            golden, "conv_transpose1d",
            ConvTranspose1d(
                inputChannels: 4, outputChannels: 6, kernelSize: 3, stride: 2, padding: 1, outputPadding: 1, dilation: 2, groups: 2,
                generator: generator))
        try expectGolden(
            golden, "conv_transpose2d",
            ConvTranspose2d(
                inputChannels: 2, outputChannels: 3, kernelSize: [3, 2], stride: 2, padding: [1, 0], outputPadding: [1, 0],
                generator: generator))
        try expectGolden(
            golden, "conv_transpose3d",
            ConvTranspose3d(
                inputChannels: 2, outputChannels: 2, kernelSize: 2, stride: [1, 2, 2], bias: false, generator: generator))
    }

    @Test func attention() throws {
        let golden = try goldens("attention")
        let plain = MultiHeadAttention(embeddingSize: 8, headCount: 2, generator: generator)
        try expectGolden(golden, "self", plain) { plain($0[0]) }
        let causal = MultiHeadAttention(embeddingSize: 8, headCount: 4, bias: false, generator: generator)
        try expectGolden(golden, "causal", causal) { causal($0[0], mask: .causal) }
        let cross = MultiHeadAttention(embeddingSize: 8, headCount: 2, keySize: 6, valueSize: 4, generator: generator)
        let padded = try golden("cross/padded")
        try expectGolden(golden, "cross", cross) { cross(query: $0[0], key: $0[1], value: $0[2], mask: .keyPadding(padded)) }
        let mask = try golden("additive/mask")
        try expectGolden(golden, "additive", plain) { plain($0[0], mask: .additive(mask)) }
        let input = try golden("additive/input")
        let probabilities = plain.probabilities(query: input, key: input, mask: .additive(mask))
        expectClose(probabilities, try golden("additive/probabilities"))
    }

    /// Misuse is reported with layer and shapes.
    @Test func reportsShapesThatDoNotFit() {
        let linear = Linear(inputSize: 5, outputSize: 4, generator: generator)
        let cases: [(String, () -> Tensor)] = [
            ("Linear: the last dimension of the input must be 5, found shape [2, 4].", { linear(Tensor.zeros([2, 4])) }),
            ("LayerNorm: the input must end in [3, 5], found shape [5].", { LayerNorm([3, 5])(Tensor.zeros([5])) }),
            (
                "Conv2d: the input must be [batch, 3, 2 more], found shape [3, 8, 8].",
                {
                    Conv2d(inputChannels: 3, outputChannels: 2, kernelSize: 3, generator: anyGenerator())(Tensor.zeros([3, 8, 8]))
                }
            ),
            ("BatchNorm1d: training needs more than one value per channel, found shape [1, 4].", { BatchNorm1d(4)(Tensor.zeros([1, 4])) }),
            ("meanSquaredError: input [3] and target [3, 1] differ in shape.", { Tensor.zeros([3]).meanSquaredError(Tensor.zeros([3, 1])) }),
        ]
        for (message, body) in cases {
            let error = #expect(throws: TorchError.self) { try withTorchErrors { body() } }
            #expect(error?.message == message)
        }
    }

    /// The path with dropout computes the same as the fused kernel when nothing is dropped.
    @Test func attentionWithoutFusion() throws {
        let fused = MultiHeadAttention(embeddingSize: 8, headCount: 2, generator: generator)
        let dropping = MultiHeadAttention(embeddingSize: 8, headCount: 2, dropout: 1e-12, generator: generator)
        try dropping.load(fused.stateDictionary)
        let input = Tensor.normal([2, 5, 8], generator: generator)
        let allowed = Tensor.uniform([2, 1, 5, 5], generator: generator) .> 0.5
        let masks: [AttentionMask] = [.none, .causal, .allowed(allowed.logicalOr(Tensor.identity(5, dtype: .bool)))]
        for mask in masks { expectClose(dropping(input, mask: mask), fused(input, mask: mask), absolute: 1e-5) }
    }
}
