import CondenseTesting
import Foundation
import Testing
import Torch
import TorchNN

@Suite("Activations, pooling, rearrangement against PyTorch")
struct ElementwiseTests {
    static let activations: [(String, Activation)] = [
        ("relu", .relu), ("relu6", .relu6), ("leakyReLU", .leakyReLU(negativeSlope: 0.2)), ("elu", .elu(alpha: 0.7)),
        ("selu", .selu), ("celu", .celu(alpha: 0.6)), ("gelu", .gelu), ("geluTanh", .geluTanh), ("silu", .silu), ("mish", .mish),
        ("sigmoid", .sigmoid), ("logSigmoid", .logSigmoid), ("tanh", .tanh), ("softplus", .softplus(beta: 1.5, threshold: 10)),
        ("softsign", .softsign), ("hardswish", .hardswish), ("hardsigmoid", .hardsigmoid), ("hardtanh", .hardtanh(from: -0.5, to: 2)),
        ("softshrink", .softshrink(threshold: 0.3)), ("hardshrink", .hardshrink(threshold: 0.3)), ("tanhshrink", .tanhshrink),
        ("threshold", .threshold(0.5, value: -1)),
    ]

    @Test(arguments: activations.map(\.0).indices) func activation(_ index: Int) throws {
        let (name, activation) = Self.activations[index]
        try expectGolden(goldens("elementwise"), name, ActivationLayer(activation))
        let coded = try JSONDecoder().decode(Activation.self, from: JSONEncoder().encode(activation))
        #expect(coded == activation)
    }

    @Test func prelu() throws { try expectGolden(goldens("elementwise"), "prelu", PReLU(channels: 3)) }

    @Test func pooling() throws {
        let golden = try goldens("elementwise")
        try expectGolden(golden, "max_pool1d", MaxPool1d(kernelSize: 3, stride: 2, padding: 1))
        try expectGolden(golden, "max_pool2d", MaxPool2d(kernelSize: [2, 3], dilation: [2, 1], roundsUp: true))
        try expectGolden(golden, "max_pool3d", MaxPool3d(kernelSize: 2))
        try expectGolden(golden, "avg_pool1d", AvgPool1d(kernelSize: 3, stride: 2, padding: 1, countsPadding: false))
        try expectGolden(golden, "avg_pool2d", AvgPool2d(kernelSize: [2, 3], padding: 1, roundsUp: true))
        try expectGolden(golden, "avg_pool3d", AvgPool3d(kernelSize: 2, stride: 1))
        try expectGolden(golden, "adaptive_avg_pool1d", AdaptiveAvgPool1d(outputSize: 4))
        try expectGolden(golden, "adaptive_avg_pool2d", AdaptiveAvgPool2d(outputSize: [1, 3]))
        try expectGolden(golden, "adaptive_avg_pool3d", AdaptiveAvgPool3d(outputSize: 2))
        try expectGolden(golden, "adaptive_max_pool1d", AdaptiveMaxPool1d(outputSize: 4))
        try expectGolden(golden, "adaptive_max_pool2d", AdaptiveMaxPool2d(outputSize: [1, 3]))
    }

    @Test func rearrangement() throws {
        let golden = try goldens("elementwise")
        try expectGolden(golden, "pixel_shuffle", PixelShuffle(2))
        try expectGolden(golden, "pixel_unshuffle", PixelUnshuffle(2))
        try expectGolden(golden, "upsample_nearest", Upsample(factor: 2))
        try expectGolden(golden, "upsample_bilinear", Upsample(factor: 2, interpolation: .bilinear))
        try expectGolden(golden, "flatten", Flatten())
    }
}
