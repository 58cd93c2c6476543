internal import Torch
internal import TorchNN

/// The networks between images, latents and what describes the latents' distribution.
struct CodecTransforms {
    /// Images to latents, and back.
    let analysis: Sequential, synthesis: Sequential
    /// Latents to the second latent, and that to the distribution of the first; nil for the factorized kind.
    let hyperAnalysis: Sequential?, hyperSynthesis: Sequential?
    /// Pixels of an image's strip whose largest tensor, of all channels at half the size, has 16 MB: what caches can hold.
    private let stripPixels: Int

    init(_ configuration: ImageCodecConfiguration, _ generator: RandomGenerator) {
        let (n, m) = (configuration.channels, configuration.latentChannels)
        stripPixels = 4 * (1 << 22) / n
        switch configuration.kind {
        case .factorized:
            (analysis, synthesis) = Self.divisive(n, m, generator)
            (hyperAnalysis, hyperSynthesis) = (nil, nil)
        case .scaleHyperprior:
            (analysis, synthesis) = Self.divisive(n, m, generator)
            hyperAnalysis = Self.hyperAnalysis(n, m, .relu, generator)
            hyperSynthesis = Sequential(
                doubling(n, n, generator), ActivationLayer(.relu), doubling(n, n, generator), ActivationLayer(.relu), conv3x3(n, m, generator),
                ActivationLayer(.relu))
        case .meanScaleHyperprior, .jointAutoregressive:
            (analysis, synthesis) = Self.divisive(n, m, generator)
            hyperAnalysis = Self.hyperAnalysis(n, m, .leakyReLU(), generator)
            hyperSynthesis = Sequential(
                doubling(n, m, generator), leakyReLU(), doubling(m, m * 3 / 2, generator), leakyReLU(), conv3x3(m * 3 / 2, 2 * m, generator))
        case .chengAnchor, .chengAttention:
            (analysis, synthesis) = Self.residual(n, attention: configuration.kind == .chengAttention, generator)
            hyperAnalysis = Sequential(
                conv3x3(n, n, generator), leakyReLU(), conv3x3(n, n, generator), leakyReLU(), conv3x3(n, n, stride: 2, generator), leakyReLU(),
                conv3x3(n, n, generator), leakyReLU(), conv3x3(n, n, stride: 2, generator))
            hyperSynthesis = Sequential(
                conv3x3(n, n, generator), leakyReLU(), subpixelDoubling(n, n, generator), leakyReLU(), conv3x3(n, n * 3 / 2, generator),
                leakyReLU(), subpixelDoubling(n * 3 / 2, n * 3 / 2, generator), leakyReLU(), conv3x3(n * 3 / 2, 2 * n, generator))
        }
    }

    /// Latents of images.
    func latents(of images: Tensor) -> Tensor { analysis(images.channelsLast()) }

    /// Images of latents, not limited to 0…1.
    func images(of latents: Tensor) -> Tensor { synthesis(latents.channelsLast()) }

    /// Latents of images of any size, without gradients; a strip at a time, unless they are to be those of libtorch's operators.
    func analyze(_ images: Tensor, _ arithmetic: CodingArithmetic) -> Tensor {
        guard arithmetic == .reproducible else { return analysis.native(images) }
        return analysis(images, inStripsOf: Self.latentStep * stripHeight(imageWidth: images.size(3), batch: images.size(0)))
    }

    /// Images in 0…1 of latents, a strip at a time, without gradients.
    func synthesize(_ latents: Tensor) -> Tensor {
        let height = stripHeight(imageWidth: Self.latentStep * latents.size(3), batch: latents.size(0))
        return synthesis(latents, inStripsOf: height).clamped(minimum: 0, maximum: 1)
    }

    /// Pixels for one place of the latents, each way.
    private static let latentStep = 16

    /// In rows of the latents.
    private func stripHeight(imageWidth: Int, batch: Int) -> Int { max(1, stripPixels / max(1, imageWidth * batch * Self.latentStep)) }

    /// Four convolutions with GDN between them (Ballé et al.).
    private static func divisive(_ n: Int, _ m: Int, _ generator: RandomGenerator) -> (Sequential, Sequential) {
        func normalization(_ direction: GDN.Direction) -> GDN { GDN(n, direction: direction, device: generator.device) }
        return (
            Sequential(
                halving(3, n, generator), normalization(.dividing), halving(n, n, generator), normalization(.dividing),
                halving(n, n, generator), normalization(.dividing), halving(n, m, generator)),
            Sequential(
                doubling(m, n, generator), normalization(.multiplying), doubling(n, n, generator), normalization(.multiplying),
                doubling(n, n, generator), normalization(.multiplying), doubling(n, 3, generator))
        )
    }

    private static func hyperAnalysis(_ n: Int, _ m: Int, _ activation: Activation, _ generator: RandomGenerator) -> Sequential {
        Sequential(
            conv3x3(m, n, generator), ActivationLayer(activation), halving(n, n, generator), ActivationLayer(activation),
            halving(n, n, generator))
    }

    private static func residual(_ n: Int, attention: Bool, _ generator: RandomGenerator) -> (Sequential, Sequential) {
        func block() -> any Layer { CodecResidualBlock(n, generator) }
        func halve(_ input: Int) -> any Layer { HalvingResidualBlock(input, n, generator) }
        func double() -> any Layer { DoublingResidualBlock(n, n, generator) }
        let attending: () -> [any Layer] = { attention ? [CodecAttention(n, generator)] : [] }
        return (
            Sequential(
                [halve(3), block(), halve(n)] + attending() + [block(), halve(n), block(), conv3x3(n, n, stride: 2, generator)] + attending()),
            Sequential(
                attending() + [block(), double(), block(), double()] + attending()
                    + [block(), double(), block(), subpixelDoubling(n, 3, generator)])
        )
    }
}
