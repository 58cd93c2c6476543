internal import Torch
internal import TorchNN

// The networks between the latent and the bands of pictures, under the names that their tensors have in released checkpoints: those of
// diffusers' AutoencoderKL with one block.

private func normalization(_ channels: Int, _ generator: RandomGenerator) -> GroupNorm {
    GroupNorm(groupCount: WaLLoCConfiguration.groupCount, channels: channels, epsilon: 1e-6, device: generator.device)
}

/// Two 3 × 3 convolutions, each after normalisation and SiLU, beside the input.
final class NormalizedResidualBlock: Layer {
    let norm1: GroupNorm, norm2: GroupNorm, conv1: Conv2d, conv2: Conv2d

    init(_ channels: Int, _ generator: RandomGenerator) {
        norm1 = normalization(channels, generator)
        conv1 = conv3x3(channels, channels, generator)
        norm2 = normalization(channels, generator)
        conv2 = conv3x3(channels, channels, generator)
    }

    func visit(_ v: inout ParameterVisitor) {
        v("norm1", norm1)
        v("conv1", conv1)
        v("norm2", norm2)
        v("conv2", conv2)
    }

    func callAsFunction(_ input: Tensor) -> Tensor { conv2(norm2(conv1(norm1(input).silu())).silu()) + input }
}

/// Every place looks at all others, with one head. libtorch's fused kernel keeps no matrix of places by places.
final class PositionAttention: Layer {
    let norm: GroupNorm, query: Linear, key: Linear, value: Linear, output: Linear

    init(_ channels: Int, _ generator: RandomGenerator) {
        func projection() -> Linear { Linear(inputSize: channels, outputSize: channels, generator: generator) }
        norm = normalization(channels, generator)
        (query, key, value, output) = (projection(), projection(), projection(), projection())
    }

    func visit(_ v: inout ParameterVisitor) {
        v("group_norm", norm)
        v("to_q", query)
        v("to_k", key)
        v("to_v", value)
        v("to_out.0", output)
    }

    func callAsFunction(_ input: Tensor) -> Tensor {
        // [batch, 1 head, places, channels].
        let places = norm(input).flattened(from: 2).transposed(1, 2).unsqueezed(1)
        let mixed = scaledDotProductAttention(query: query(places), key: key(places), value: value(places))
        return output(mixed).squeezed(1).transposed(1, 2).reshaped(input.shape) + input
    }
}

/// Residual block, attention, residual block.
final class MiddleBlock: Layer {
    let resnets: [NormalizedResidualBlock], attention: PositionAttention

    init(_ channels: Int, _ generator: RandomGenerator) {
        resnets = (0..<2).map { _ in NormalizedResidualBlock(channels, generator) }
        attention = PositionAttention(channels, generator)
    }

    func visit(_ v: inout ParameterVisitor) {
        v("attentions.0", attention)
        v("resnets", resnets)
    }

    func callAsFunction(_ input: Tensor) -> Tensor { resnets[1](attention(resnets[0](input))) }
}

/// The decoder: what is expanded of the latent becomes bands.
final class ImageLatentDecoder: Layer {
    let first: Conv2d, last: Conv2d, norm: GroupNorm, blocks: [NormalizedResidualBlock]
    let middle: MiddleBlock

    init(latentChannels: Int, width: Int, bands: Int, _ generator: RandomGenerator) {
        first = conv3x3(latentChannels, width, generator)
        middle = MiddleBlock(width, generator)
        blocks = (0..<3).map { _ in NormalizedResidualBlock(width, generator) }
        norm = normalization(width, generator)
        last = conv3x3(width, bands, generator)
    }

    func visit(_ v: inout ParameterVisitor) {
        v("conv_in", first)
        v("up_blocks.0.resnets", blocks)
        v("mid_block", middle)
        v("conv_norm_out", norm)
        v("conv_out", last)
    }

    func callAsFunction(_ input: Tensor) -> Tensor { last(norm(blocks.reduce(middle(first(input))) { $1($0) }).silu()) }
}

/// The deep encoder, the decoder's mirror image.
final class ImageLatentEncoder: Layer {
    let first: Conv2d, last: Conv2d, norm: GroupNorm, blocks: [NormalizedResidualBlock]
    private let middle: MiddleBlock

    init(bands: Int, width: Int, latentChannels: Int, _ generator: RandomGenerator) {
        first = conv3x3(bands, width, generator)
        blocks = (0..<2).map { _ in NormalizedResidualBlock(width, generator) }
        middle = MiddleBlock(width, generator)
        norm = normalization(width, generator)
        last = conv3x3(width, latentChannels, generator)
    }

    func visit(_ v: inout ParameterVisitor) {
        v("conv_in", first)
        v("down_blocks.0.resnets", blocks)
        v("mid_block", middle)
        v("conv_norm_out", norm)
        v("conv_out", last)
    }

    func callAsFunction(_ input: Tensor) -> Tensor { last(norm(middle(blocks.reduce(first(input)) { $1($0) })).silu()) }
}
