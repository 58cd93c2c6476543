internal import EntropyCoding
public import Torch
public import TorchNN

/// A codec whose latents have a distribution of their own for each channel (Ballé et al., arXiv:1802.01436, without the hyperprior).
/// State-dictionary keys are those of CompressAI.
public final class FactorizedCodec: ImageCodec {
    public let configuration: ImageCodecConfiguration
    private let transforms: CodecTransforms
    private let bottleneck: EntropyBottleneck

    init(_ configuration: ImageCodecConfiguration, generator: RandomGenerator) {
        self.configuration = configuration
        transforms = CodecTransforms(configuration, generator)
        bottleneck = EntropyBottleneck(configuration.latentChannels, generator: generator)
    }

    public func visit(_ v: inout ParameterVisitor) {
        v("entropy_bottleneck", bottleneck)
        v("g_a", transforms.analysis)
        v("g_s", transforms.synthesis)
    }

    public func callAsFunction(_ images: Tensor) -> ImageCodecOutput {
        configuration.check(images)
        let latents = bottleneck(transforms.latents(of: images))
        return ImageCodecOutput(reconstruction: transforms.images(of: latents.values), latents: [latents])
    }

    public func auxiliaryLoss() -> Tensor { bottleneck.auxiliaryLoss() }
    public func update(searchingQuantiles: Bool) throws { try bottleneck.update(searchingQuantiles: searchingQuantiles) }
    public func tablesChecksum() throws -> UInt32 { try bottleneck.tables().checksum }

    /// Kinds of arithmetic differ in the last bits of latents alone: nothing but tables is needed to decode.
    public func compress(_ images: Tensor, arithmetic: CodingArithmetic) throws -> [CodedLatents] {
        configuration.check(images)
        let latents = transforms.analyze(images, arithmetic)
        return try bottleneck.compress(latents).map {
            CodedLatents(streams: [$0], latentHeight: latents.size(2), latentWidth: latents.size(3))
        }
    }

    public func decompress(_ coded: [CodedLatents], arithmetic: CodingArithmetic) throws -> Tensor {
        let (streams, size) = try coded.joined(streamCount: 1)
        let latents = try bottleneck.decompress(streams[0], size: size)
        return transforms.synthesize(latents)
    }
}

extension ImageCodecConfiguration {
    func check(_ images: Tensor) {
        let multiple = kind.sizeMultiple
        require(
            images.rank == 4 && images.size(1) == 3 && images.size(2) % multiple == 0 && images.size(3) % multiple == 0,
            "\(kind.rawValue): images must be [batch, 3, height, width] with sides that are multiples of \(multiple), found shape \(images.shape).")
    }
}

extension [CodedLatents] {
    /// For each latent the streams of all images, and the size they share.
    /// - Throws: `EntropyCodingError` if the images differ in size or have another number of streams.
    func joined(streamCount: Int) throws -> (streams: [[[UInt8]]], size: [Int]) {
        guard let first else { return (Array<[[UInt8]]>(repeating: [], count: streamCount), [0, 0]) }
        for image in self {
            guard image.streams.count == streamCount else {
                throw EntropyCodingError.damagedStream("there are \(image.streams.count) of them, where this model writes \(streamCount)")
            }
            require(
                image.latentHeight == first.latentHeight && image.latentWidth == first.latentWidth,
                "decompress: images decoded together must have one size.")
        }
        return ((0..<streamCount).map { place in map { $0.streams[place] } }, [first.latentHeight, first.latentWidth])
    }
}
