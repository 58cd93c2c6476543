internal import Torch
internal import TorchNN

// The networks between the latent and the bands of sound, under the names that their tensors have in released checkpoints: those of
// diffusers' AutoencoderOobleck with two stages that keep the rate.

/// x + sin²(e^α x)/(e^β + 1e-9), α and β of each channel (Ziyin et al., arXiv:2006.08195, with a logarithmic scale).
final class Snake: Layer {
    /// Shape [1, channels, 1].
    let alpha: Tensor, beta: Tensor

    init(_ channels: Int, _ generator: RandomGenerator) {
        alpha = Initializer.zeros.parameter([1, channels, 1], generator: generator)
        beta = Initializer.zeros.parameter([1, channels, 1], generator: generator)
    }

    func visit(_ v: inout ParameterVisitor) {
        v("alpha", alpha)
        v("beta", beta)
    }

    func callAsFunction(_ input: Tensor) -> Tensor {
        input + (input * alpha.exp()).sin().squared() * (beta.exp() + 1e-9).reciprocal()
    }
}

/// A convolution along time whose weight has its length apart from its direction, g·v/‖v‖ for each index of the first axis (Salimans &
/// Kingma, arXiv:1602.07868).
final class WeightNormalizedConvolution: Layer {
    enum Form {
        case plain(dilation: Int = 1)
        /// Two taps with one place cut off either end: one place fewer.
        case transposed
        /// Two taps with a place of zeros at either end: one place more.
        case widening
    }

    private let form: Form, kernel: Int
    /// Shape [first axis, 1, 1].
    let length: Tensor
    /// Shape [output, input, kernel], or [input, output, kernel] if transposed.
    let direction: Tensor
    let bias: Tensor?

    init(_ input: Int, _ output: Int, kernel: Int, form: Form = .plain(), bias: Bool = true, _ generator: RandomGenerator) {
        self.form = form
        self.kernel = kernel
        let isTransposed = if case .transposed = form { true } else { false }
        let direction = Initializer.linearDefault.parameter(isTransposed ? [input, output, kernel] : [output, input, kernel], generator: generator)
        self.direction = direction
        length = withoutGradients { direction.norm(axes: [1, 2], keepingDimensions: true) }.requiringGrad()
        // PyTorch's default counts what lies behind the weight's first axis.
        let fanIn = (isTransposed ? output : input) * kernel
        self.bias = bias ? Initializer.biasDefault(fanIn: fanIn).parameter([output], generator: generator) : nil
    }

    func visit(_ v: inout ParameterVisitor) {
        v("bias", bias)
        v("weight_g", length)
        v("weight_v", direction)
    }

    func callAsFunction(_ input: Tensor) -> Tensor {
        let weight = direction * (length / direction.norm(axes: [1, 2], keepingDimensions: true))
        return switch form {
        case .plain(let dilation):
            input.convolved(weight: weight, bias: bias, stride: [1], padding: [(kernel - 1) * dilation / 2], dilation: [dilation])
        case .transposed: input.convolved(weight: weight, bias: bias, stride: [1], padding: [1], dilation: [1], transposed: true)
        case .widening: input.convolved(weight: weight, bias: bias, stride: [1], padding: [1], dilation: [1])
        }
    }
}

/// x + conv₁(snake(conv₇(snake(x)))), the wider one dilated.
private final class SnakeResidualUnit: Layer {
    let snake1: Snake, snake2: Snake, conv1: WeightNormalizedConvolution, conv2: WeightNormalizedConvolution

    init(_ channels: Int, dilation: Int, _ generator: RandomGenerator) {
        snake1 = Snake(channels, generator)
        conv1 = WeightNormalizedConvolution(channels, channels, kernel: 7, form: .plain(dilation: dilation), generator)
        snake2 = Snake(channels, generator)
        conv2 = WeightNormalizedConvolution(channels, channels, kernel: 1, generator)
    }

    func visit(_ v: inout ParameterVisitor) {
        v("snake1", snake1)
        v("conv1", conv1)
        v("snake2", snake2)
        v("conv2", conv2)
    }

    func callAsFunction(_ input: Tensor) -> Tensor { input + conv2(snake2(conv1(snake1(input)))) }
}

private let dilations = [1, 3, 9]

/// One stage of the decoder.
private final class SnakeDecoderStage: Layer {
    let snake: Snake, convolution: WeightNormalizedConvolution, units: [SnakeResidualUnit]

    init(_ input: Int, _ output: Int, _ generator: RandomGenerator) {
        snake = Snake(input, generator)
        convolution = WeightNormalizedConvolution(input, output, kernel: 2, form: .transposed, generator)
        units = dilations.map { SnakeResidualUnit(output, dilation: $0, generator) }
    }

    func visit(_ v: inout ParameterVisitor) {
        v("snake1", snake)
        v("conv_t1", convolution)
        for (index, unit) in units.enumerated() { v("res_unit\(index + 1)", unit) }
    }

    func callAsFunction(_ input: Tensor) -> Tensor { units.reduce(convolution(snake(input))) { $1($0) } }
}

/// One stage of the deep encoder.
private final class SnakeEncoderStage: Layer {
    let snake: Snake, convolution: WeightNormalizedConvolution, units: [SnakeResidualUnit]

    init(_ input: Int, _ output: Int, _ generator: RandomGenerator) {
        units = dilations.map { SnakeResidualUnit(input, dilation: $0, generator) }
        snake = Snake(input, generator)
        convolution = WeightNormalizedConvolution(input, output, kernel: 2, form: .widening, generator)
    }

    func visit(_ v: inout ParameterVisitor) {
        for (index, unit) in units.enumerated() { v("res_unit\(index + 1)", unit) }
        v("snake1", snake)
        v("conv1", convolution)
    }

    func callAsFunction(_ input: Tensor) -> Tensor { convolution(snake(units.reduce(input) { $1($0) })) }
}

/// Both networks: a wide convolution, two stages, Snake, and a last convolution.
final class AudioLatentNetwork: Layer {
    let first: WeightNormalizedConvolution, last: WeightNormalizedConvolution, snake: Snake, stages: [any Layer]

    /// Places on either side of one that the decoder depends on: of the two wide convolutions, the transposed ones and three dilated ones
    /// a stage.
    static let decoderReach = 2 * 3 + 2 + 2 * dilations.reduce(0) { $0 + 3 * $1 }

    private init(first: WeightNormalizedConvolution, stages: [any Layer], snake: Snake, last: WeightNormalizedConvolution) {
        (self.first, self.stages, self.snake, self.last) = (first, stages, snake, last)
    }

    /// [batch, d, n + 2] → [batch, bands, n].
    static func decoder(latentChannels: Int, width: Int, bands: Int, _ generator: RandomGenerator) -> AudioLatentNetwork {
        AudioLatentNetwork(
            first: WeightNormalizedConvolution(latentChannels, width, kernel: 7, generator),
            stages: [SnakeDecoderStage(width, width, generator), SnakeDecoderStage(width, latentChannels, generator)],
            snake: Snake(latentChannels, generator), last: WeightNormalizedConvolution(latentChannels, bands, kernel: 7, bias: false, generator))
    }

    /// [batch, bands, n] → [batch, d, n + 2].
    static func encoder(bands: Int, width: Int, latentChannels: Int, _ generator: RandomGenerator) -> AudioLatentNetwork {
        AudioLatentNetwork(
            first: WeightNormalizedConvolution(bands, latentChannels, kernel: 7, generator),
            stages: [SnakeEncoderStage(latentChannels, width, generator), SnakeEncoderStage(width, width, generator)],
            snake: Snake(width, generator), last: WeightNormalizedConvolution(width, latentChannels, kernel: 3, generator))
    }

    func visit(_ v: inout ParameterVisitor) {
        v("conv1", first)
        v("block", stages)
        v("snake1", snake)
        v("conv2", last)
    }

    func callAsFunction(_ input: Tensor) -> Tensor { last(snake(stages.reduce(first(input)) { $1($0) })) }
}
