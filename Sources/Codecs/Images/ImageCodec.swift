public import EntropyCoding
public import Torch
public import TorchNN

/// A network that turns images into integers whose cost in bits it knows, and back.
///
/// Images are [batch, 3, height, width] in 0…1, height and width multiples of ``ImageCodecKind/sizeMultiple``. Train with
/// ``callAsFunction(_:)`` and ``auxiliaryLoss()``; call ``update()`` once, then ``compress(_:)`` and ``decompress(_:)``.
public protocol ImageCodec: Module {
    var configuration: ImageCodecConfiguration { get }
    /// While training noise stands for rounding, in evaluation values are those that ``decompress(_:)`` gives.
    func callAsFunction(_ images: Tensor) -> ImageCodecOutput
    /// Makes the quantiles of the entropy bottleneck those of its distributions. Only they have a gradient of it.
    func auxiliaryLoss() -> Tensor
    /// Makes the tables that symbols are coded with.
    /// - Parameter searchingQuantiles: find the places where the entropy bottleneck's distributions end, instead of trusting what
    ///   training made of them.
    /// - Throws: `EntropyCodingError` where parameters are NaN or infinite.
    func update(searchingQuantiles: Bool) throws
    /// - Returns: the streams of each image.
    /// - Throws: `EntropyCodingError` without tables, and for NaN or huge latents.
    func compress(_ images: Tensor, arithmetic: CodingArithmetic) throws -> [CodedLatents]
    /// - Parameter arithmetic: with which the streams were written.
    /// - Returns: [coded.count, 3, height, width] in 0…1.
    /// - Throws: `EntropyCodingError` for streams that were not written by this model with this arithmetic.
    func decompress(_ coded: [CodedLatents], arithmetic: CodingArithmetic) throws -> Tensor
    /// Of all tables, for files.
    /// - Throws: `EntropyCodingError` without tables.
    func tablesChecksum() throws -> UInt32
}

extension ImageCodec {
    /// Makes the tables that symbols are coded with, from the quantiles that training found.
    public func update() throws { try update(searchingQuantiles: false) }
    /// To streams that every machine can read.
    public func compress(_ images: Tensor) throws -> [CodedLatents] { try compress(images, arithmetic: .reproducible) }
    /// From streams of ``compress(_:)``.
    public func decompress(_ coded: [CodedLatents]) throws -> Tensor { try decompress(coded, arithmetic: .reproducible) }
}

/// What a codec makes of images.
public struct ImageCodecOutput {
    /// Shape [batch, 3, height, width], not limited to 0…1.
    public let reconstruction: Tensor
    /// What the latents cost: those of the image, then those that describe their distribution.
    public let latents: [EntropyModelOutput]

    /// Of all images together.
    public var bits: Tensor { latents.dropFirst().reduce(latents[0].bits) { $0 + $1.bits } }
    /// Bits for each pixel of the images.
    public var bitsPerPixel: Tensor {
        bits / Double(reconstruction.size(0) * reconstruction.size(2) * reconstruction.size(3))
    }
}

/// A compressed image.
public struct CodedLatents: Sendable, Equatable {
    /// In the order of ``ImageCodecOutput/latents``.
    public var streams: [[UInt8]]
    /// Height and width of the last latent, from which the sizes of all others follow.
    public var latentHeight: Int, latentWidth: Int

    public init(streams: [[UInt8]], latentHeight: Int, latentWidth: Int) {
        self.streams = streams
        self.latentHeight = latentHeight
        self.latentWidth = latentWidth
    }
}

/// The published kinds of codec; names are those of CompressAI's model zoo.
public enum ImageCodecKind: String, Codable, Sendable, CaseIterable {
    /// Ballé et al. 2018 (arXiv:1802.01436) without the hyperprior: a distribution of its own for each channel.
    case factorized = "bmshj2018-factorized"
    /// The same with a scale for each latent, which a second latent tells.
    case scaleHyperprior = "bmshj2018-hyperprior"
    /// Minnen et al. 2018 (arXiv:1809.02736) without context: a mean as well.
    case meanScaleHyperprior = "mbt2018-mean"
    /// Minnen et al. 2018: the latents already decoded around a place help to predict it.
    case jointAutoregressive = "mbt2018"
    /// Cheng et al. 2020 (arXiv:2001.01568) with residual blocks and one normal distribution.
    case chengAnchor = "cheng2020-anchor"
    /// The same with attention.
    case chengAttention = "cheng2020-attn"

    /// Sides of images must be multiples of this.
    public var sizeMultiple: Int { self == .factorized ? 16 : 64 }
    /// Channels at qualities 1 to 8, as published: N of the layers, M of the latents.
    public func channels(quality: Int) -> (channels: Int, latentChannels: Int) {
        switch self {
        case .factorized, .scaleHyperprior: quality <= 5 ? (128, 192) : (192, 320)
        case .meanScaleHyperprior: quality <= 4 ? (128, 192) : (192, 320)
        case .jointAutoregressive: quality <= 4 ? (192, 192) : (192, 320)
        case .chengAnchor, .chengAttention: quality <= 3 ? (128, 128) : (192, 192)
        }
    }
}

/// Which codec, and its size.
public struct ImageCodecConfiguration: Codable, Sendable, Equatable {
    public var kind: ImageCodecKind
    /// N, channels of the layers.
    public var channels: Int
    /// M, channels of the latents; those of Cheng et al. have N.
    public var latentChannels: Int

    public init(_ kind: ImageCodecKind, channels: Int, latentChannels: Int) {
        self.kind = kind
        self.channels = channels
        self.latentChannels = latentChannels
    }

    /// As published for a quality from 1 to 8.
    public init(_ kind: ImageCodecKind, quality: Int) {
        let (channels, latentChannels) = kind.channels(quality: quality)
        self.init(kind, channels: channels, latentChannels: latentChannels)
    }

    /// A codec with random weights.
    /// - Parameter generator: of the weights, and of the noise while training.
    public func makeCodec(generator: RandomGenerator) -> any ImageCodec {
        require(channels > 0 && latentChannels > 0, "ImageCodec: \(channels) and \(latentChannels) channels must be positive.")
        return switch kind {
        case .factorized: FactorizedCodec(self, generator: generator)
        case .scaleHyperprior, .meanScaleHyperprior: HyperpriorCodec(self, generator: generator)
        case .jointAutoregressive, .chengAnchor, .chengAttention: AutoregressiveCodec(self, generator: generator)
        }
    }
}
