internal import EntropyCoding
public import Torch
public import TorchNN

/// A codec with a second latent that tells the scale, or mean and scale, of each of the first (Ballé et al., arXiv:1802.01436; with means
/// Minnen et al., arXiv:1809.02736). State-dictionary keys are those of CompressAI.
public final class HyperpriorCodec: ImageCodec, DescribedLatents {
    public let configuration: ImageCodecConfiguration
    private let transforms: CodecTransforms
    let hyper: HyperTransform
    let gaussian: GaussianConditional

    init(_ configuration: ImageCodecConfiguration, generator: RandomGenerator) {
        self.configuration = configuration
        transforms = CodecTransforms(configuration, generator)
        hyper = HyperTransform(transforms, configuration, generator)
        gaussian = GaussianConditional(generator: generator)
    }

    public func visit(_ v: inout ParameterVisitor) {
        v("g_a", transforms.analysis)
        v("g_s", transforms.synthesis)
        v("", hyper)
        v("gaussian_conditional", gaussian)
    }

    public func callAsFunction(_ images: Tensor) -> ImageCodecOutput {
        configuration.check(images)
        let latents = transforms.latents(of: images)
        let described = hyper(latents)
        let distribution = distribution(described.parameters)
        let coded = gaussian(latents, scales: distribution.scales, means: distribution.means)
        return ImageCodecOutput(reconstruction: transforms.images(of: coded.values), latents: [coded, described.output])
    }

    private func distribution(_ parameters: Tensor) -> (scales: Tensor, means: Tensor?) {
        guard configuration.kind != .scaleHyperprior else { return (parameters, nil) }
        let parts = parameters.chunked(2, axis: 1)
        return (parts[0], parts[1])
    }

    public func compress(_ images: Tensor, arithmetic: CodingArithmetic) throws -> [CodedLatents] {
        configuration.check(images)
        let latents = transforms.analyze(images, arithmetic)
        let described = try hyper.compress(latents, arithmetic)
        let distribution = distribution(described.parameters)
        let streams = try gaussian.compress(latents, rows: gaussian.rows(for: distribution.scales), means: distribution.means)
        return zip(streams, described.streams).map {
            CodedLatents(streams: [$0, $1], latentHeight: described.size[0], latentWidth: described.size[1])
        }
    }

    public func decompress(_ coded: [CodedLatents], arithmetic: CodingArithmetic) throws -> Tensor {
        let (streams, size) = try coded.joined(streamCount: 2)
        let distribution = distribution(try hyper.decompress(streams[1], size: size, arithmetic))
        let latents = try gaussian.decompress(streams[0], rows: gaussian.rows(for: distribution.scales), means: distribution.means)
        return transforms.synthesize(latents)
    }
}

/// The second latent: what describes the first, coded with a distribution of its own for each channel.
final class HyperTransform: Module {
    let bottleneck: EntropyBottleneck
    private let analysis: Sequential, synthesis: Sequential
    /// The first published kind looks at magnitudes alone.
    private let seesMagnitudes: Bool

    init(_ transforms: CodecTransforms, _ configuration: ImageCodecConfiguration, _ generator: RandomGenerator) {
        guard let analysis = transforms.hyperAnalysis, let synthesis = transforms.hyperSynthesis else {
            preconditionFailure("\(configuration.kind.rawValue) has no hyperprior")
        }
        (self.analysis, self.synthesis) = (analysis, synthesis)
        seesMagnitudes = configuration.kind == .scaleHyperprior
        bottleneck = EntropyBottleneck(configuration.channels, generator: generator)
    }

    func visit(_ v: inout ParameterVisitor) {
        v("entropy_bottleneck", bottleneck)
        v("h_a", analysis)
        v("h_s", synthesis)
    }

    /// The second latent of the first, and what it tells: [batch, M or 2M, height, width] of the first's size.
    func callAsFunction(_ latents: Tensor) -> (output: EntropyModelOutput, parameters: Tensor) {
        let output = bottleneck(analysis(seesMagnitudes ? latents.abs() : latents))
        return (output, synthesis(output.values))
    }

    /// Parameters are those that the decoder will have: from what the streams decode to.
    func compress(_ latents: Tensor, _ arithmetic: CodingArithmetic) throws -> (streams: [[UInt8]], parameters: Tensor, size: [Int]) {
        let seen = seesMagnitudes ? latents.abs() : latents
        let own = arithmetic == .native ? analysis.native(seen) : withoutGradients { analysis(seen) }
        let streams = try bottleneck.compress(own), size = Array(own.shape.dropFirst(2))
        return (streams, try decompress(streams, size: size, arithmetic), size)
    }

    func decompress(_ streams: [[UInt8]], size: [Int], _ arithmetic: CodingArithmetic) throws -> Tensor {
        let own = try bottleneck.decompress(streams, size: size)
        return switch arithmetic {
        case .reproducible: OrderedNetwork(synthesis)(own)
        case .native: synthesis.native(own)
        }
    }
}

/// A codec with a second latent that describes normal distributions of the first.
protocol DescribedLatents: ImageCodec {
    var hyper: HyperTransform { get }
    var gaussian: GaussianConditional { get }
}

extension DescribedLatents {
    public func auxiliaryLoss() -> Tensor { hyper.bottleneck.auxiliaryLoss() }

    public func update(searchingQuantiles: Bool) throws {
        try hyper.bottleneck.update(searchingQuantiles: searchingQuantiles)
        try gaussian.update()
    }

    public func tablesChecksum() throws -> UInt32 {
        let checksums = [try hyper.bottleneck.tables().checksum, try gaussian.tables().checksum]
        return CRC32.checksum(checksums.flatMap { checksum in withUnsafeBytes(of: checksum.littleEndian) { Array($0) } }, .castagnoli)
    }
}
