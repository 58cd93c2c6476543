public import Torch
public import TorchNN

// Layers of image codecs, under the names their tensors have in CompressAI's checkpoints.

/// Half of height and width by a 5 × 5 convolution.
func halving(_ input: Int, _ output: Int, _ generator: RandomGenerator) -> Conv2d {
    Conv2d(inputChannels: input, outputChannels: output, kernelSize: 5, stride: 2, padding: .symmetric(2), generator: generator)
}

/// Twice the height and width by a transposed 5 × 5 convolution.
func doubling(_ input: Int, _ output: Int, _ generator: RandomGenerator) -> ConvTranspose2d {
    ConvTranspose2d(
        inputChannels: input, outputChannels: output, kernelSize: 5, stride: 2, padding: 2, outputPadding: 1, generator: generator)
}

func conv3x3(_ input: Int, _ output: Int, stride: PerAxis = 1, _ generator: RandomGenerator) -> Conv2d {
    Conv2d(inputChannels: input, outputChannels: output, kernelSize: 3, stride: stride, padding: .symmetric(1), generator: generator)
}

func conv1x1(_ input: Int, _ output: Int, stride: PerAxis = 1, _ generator: RandomGenerator) -> Conv2d {
    Conv2d(inputChannels: input, outputChannels: output, kernelSize: 1, stride: stride, generator: generator)
}

/// Twice the height and width: four times the channels, turned into space.
func subpixelDoubling(_ input: Int, _ output: Int, _ generator: RandomGenerator) -> Sequential {
    Sequential(conv3x3(input, 4 * output, generator), PixelShuffle(2))
}

func leakyReLU() -> ActivationLayer { ActivationLayer(.leakyReLU()) }

/// Two 3 × 3 convolutions beside the input (Cheng et al., arXiv:2001.01568).
final class CodecResidualBlock: RowStreaming {
    let first: Conv2d, second: Conv2d

    init(_ channels: Int, _ generator: RandomGenerator) {
        first = conv3x3(channels, channels, generator)
        second = conv3x3(channels, channels, generator)
    }

    func visit(_ v: inout ParameterVisitor) {
        v("conv1", first)
        v("conv2", second)
    }

    func callAsFunction(_ input: Tensor) -> Tensor { second(first(input).leakyReLU()).leakyReLU() + input }

    func rowStream() -> any RowStream {
        JoinedRows(rows(of: Sequential(first, leakyReLU(), second, leakyReLU())), PassedRows(), +)
    }
}

/// Halves height and width, with GDN (Cheng et al.).
final class HalvingResidualBlock: RowStreaming {
    let first: Conv2d, second: Conv2d, skip: Conv2d, normalization: GDN

    init(_ input: Int, _ output: Int, _ generator: RandomGenerator) {
        first = conv3x3(input, output, stride: 2, generator)
        second = conv3x3(output, output, generator)
        normalization = GDN(output, device: generator.device)
        skip = conv1x1(input, output, stride: 2, generator)
    }

    func visit(_ v: inout ParameterVisitor) {
        v("conv1", first)
        v("conv2", second)
        v("gdn", normalization)
        v("skip", skip)
    }

    func callAsFunction(_ input: Tensor) -> Tensor { normalization(second(first(input).leakyReLU())) + skip(input) }

    func rowStream() -> any RowStream {
        JoinedRows(rows(of: Sequential(first, leakyReLU(), second, normalization)), rows(of: skip), +)
    }
}

/// Doubles height and width, with inverse GDN (Cheng et al.).
final class DoublingResidualBlock: RowStreaming {
    let enlarge: Sequential, second: Conv2d, skip: Sequential, normalization: GDN

    init(_ input: Int, _ output: Int, _ generator: RandomGenerator) {
        enlarge = subpixelDoubling(input, output, generator)
        second = conv3x3(output, output, generator)
        normalization = GDN(output, direction: .multiplying, device: generator.device)
        skip = subpixelDoubling(input, output, generator)
    }

    func visit(_ v: inout ParameterVisitor) {
        v("subpel_conv", enlarge)
        v("conv", second)
        v("igdn", normalization)
        v("upsample", skip)
    }

    func callAsFunction(_ input: Tensor) -> Tensor { normalization(second(enlarge(input).leakyReLU())) + skip(input) }

    func rowStream() -> any RowStream {
        JoinedRows(rows(of: Sequential(enlarge, leakyReLU(), second, normalization)), rows(of: skip), +)
    }
}

/// Weighs what it adds by what a second branch says of each place (Cheng et al., the simplified attention without non-local block).
final class CodecAttention: RowStreaming {
    let branch: Sequential, gate: Sequential

    init(_ channels: Int, _ generator: RandomGenerator) {
        func units() -> [any Layer] { (0..<3).map { _ in Bottleneck(channels, generator) } }
        branch = Sequential(units())
        gate = Sequential(units() + [conv1x1(channels, channels, generator)])
    }

    func visit(_ v: inout ParameterVisitor) {
        v("conv_a", branch)
        v("conv_b", gate)
    }

    func callAsFunction(_ input: Tensor) -> Tensor { branch(input) * gate(input).sigmoid() + input }

    func rowStream() -> any RowStream {
        JoinedRows(JoinedRows(rows(of: branch), rows(of: gate)) { $0 * $1.sigmoid() }, PassedRows(), +)
    }

    /// A 3 × 3 convolution in half as many channels.
    private final class Bottleneck: RowStreaming {
        let body: Sequential

        init(_ channels: Int, _ generator: RandomGenerator) {
            let half = channels / 2
            body = Sequential(
                conv1x1(channels, half, generator), ActivationLayer(.relu), conv3x3(half, half, generator), ActivationLayer(.relu),
                conv1x1(half, channels, generator))
        }

        func visit(_ v: inout ParameterVisitor) { v("conv", body) }
        func callAsFunction(_ input: Tensor) -> Tensor { (body(input) + input).relu() }
        func rowStream() -> any RowStream { JoinedRows(rows(of: body), PassedRows()) { ($0 + $1).relu() } }
    }
}

/// A 5 × 5 convolution that sees only what comes before a place in reading order (van den Oord et al., arXiv:1601.06759, mask A).
public final class ContextConvolution: Layer {
    /// Shape [output, input, 5, 5]; only what ``mask`` leaves counts.
    public let weight: Tensor
    /// Shape [output].
    public let bias: Tensor
    /// 1 before the middle, 0 from it on; in the weight's shape.
    public let mask: Tensor

    static let size = 5
    /// Places that count, in reading order: two whole rows and the beginning of the third.
    static let taps = size * (size / 2) + size / 2

    init(_ input: Int, _ output: Int, _ generator: RandomGenerator) {
        let convolution = Conv2d(inputChannels: input, outputChannels: output, kernelSize: PerAxis(Self.size), generator: generator)
        weight = convolution.weight
        bias = convolution.bias!
        let places = (Tensor.arange(0, Self.size * Self.size, device: generator.device) .< Double(Self.taps)).to(dtype: .float32)
        mask = places.reshaped([1, 1, Self.size, Self.size]).expanded(to: weight.shape).contiguous()
    }

    public func visit(_ v: inout ParameterVisitor) {
        v("weight", weight)
        v("bias", bias)
        v.buffer("mask", mask)
    }

    /// - Parameter input: shape [batch, input, height, width].
    /// - Returns: shape [batch, output, height, width].
    public func callAsFunction(_ input: Tensor) -> Tensor {
        input.convolved(weight: weight * mask, bias: bias, stride: [1, 1], padding: [Self.size / 2, Self.size / 2], dilation: [1, 1])
    }

    /// The weight of the places that count, shape [output, taps · input] with the channels of a place side by side.
    var tapWeight: Tensor {
        weight.detached().reshaped([weight.size(0), weight.size(1), -1])[.all, .all, ..<Self.taps].transposed(1, 2).contiguous()
            .reshaped([weight.size(0), -1])
    }
}
