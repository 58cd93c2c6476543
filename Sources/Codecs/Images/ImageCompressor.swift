public import EntropyCoding
internal import Foundation
public import Torch
internal import TorchNN

/// A trained codec that turns images of any size into files (`.cnd`) and back.
///
/// Files name the codec that wrote them by a fingerprint of its weights and a checksum of its tables; with another they are refused instead of
/// decoded into something else.
public struct ImageCompressor {
    public let codec: any ImageCodec
    private let fingerprint: ModelFingerprint
    private let tablesChecksum: UInt32

    /// - Parameter codec: put into evaluation mode.
    /// - Throws: `EntropyCodingError` without tables.
    public init(_ codec: any ImageCodec) throws {
        codec.setMode(.evaluation)
        self.codec = codec
        fingerprint = ModelFingerprint(of: codec)
        tablesChecksum = try codec.tablesChecksum()
    }

    private var kind: ImageCodecKind { codec.configuration.kind }

    /// - Parameters:
    ///   - image: shape [3, height, width], values in 0…1.
    ///   - quality: noted in the file, for people.
    /// - Throws: `EntropyCodingError` for NaN in image or weights.
    public func compress(_ image: Tensor, quality: UInt8 = 0) throws -> CodedFile {
        require(image.rank == 3 && image.size(0) == 3 && image.elementCount > 0, "compress: an image must be [3, height, width], found shape \(image.shape).")
        let (height, width) = (image.size(1), image.size(2))
        let below = padded(height) - height, beside = padded(width) - width
        // What is added is cut off again: the edge repeated costs the fewest bits.
        let whole = below + beside > 0 ? image.unsqueezed(0).padded([0, beside, 0, below], mode: .replicate) : image.unsqueezed(0)
        let coded = try codec.compress(whole)[0]
        return CodedFile(
            model: kind.fileNumber, quality: quality, height: height, width: width, latentHeight: coded.latentHeight,
            latentWidth: coded.latentWidth, fingerprint: fingerprint, tablesChecksum: tablesChecksum, streams: coded.streams)
    }

    /// - Parameter path: named in errors.
    /// - Returns: shape [3, height, width], values in 0…1.
    /// - Throws: ``CodedImageError``, `CodedFileError` for files of another codec; `EntropyCodingError` for damaged streams.
    public func decompress(_ file: CodedFile, path: String = "bytes in memory") throws -> Tensor {
        guard file.model == kind.fileNumber else {
            let found = ImageCodecKind.allCases.first { $0.fileNumber == file.model }
            throw CodedImageError.otherKind(path: path, expected: kind.rawValue, found: found?.rawValue ?? "kind \(file.model)")
        }
        try file.check(path: path, fingerprint: fingerprint, tablesChecksum: tablesChecksum)
        let expected = (padded(file.height) / kind.sizeMultiple, padded(file.width) / kind.sizeMultiple)
        guard file.channels == 3 && (file.latentHeight, file.latentWidth) == expected else {
            throw CodedImageError.impossibleSize(
                path: path, problem: "\(file.channels) channels and latents of \(file.latentHeight) × \(file.latentWidth) for \(file.height) × \(file.width) pixels")
        }
        let coded = CodedLatents(streams: file.streams, latentHeight: file.latentHeight, latentWidth: file.latentWidth)
        return try codec.decompress([coded])[0, .all, ..<file.height, ..<file.width].contiguous()
    }

    /// The next multiple that the codec can work on. The coarsest latent has one place for each.
    private func padded(_ size: Int) -> Int { (size + kind.sizeMultiple - 1) / kind.sizeMultiple * kind.sizeMultiple }
}

extension ImageCodecKind {
    /// In files; the numbers of CompressAI's example program.
    public var fileNumber: Int {
        switch self {
        case .factorized: 0
        case .scaleHyperprior: 2
        case .meanScaleHyperprior: 3
        case .jointAutoregressive: 4
        case .chengAnchor: 5
        case .chengAttention: 6
        }
    }
}

/// A compressed image that this codec cannot decode.
public enum CodedImageError: Error, CustomStringConvertible, Equatable, Sendable {
    case otherKind(path: String, expected: String, found: String)
    case impossibleSize(path: String, problem: String)

    public var description: String {
        switch self {
        case .otherKind(let path, let expected, let found):
            "'\(path)' was compressed by a codec of \(found), and this one is of \(expected); decompress it with the codec that wrote it."
        case .impossibleSize(let path, let problem): "'\(path)' says it has \(problem), which no codec of its kind writes."
        }
    }
}

// MARK: Codecs in folders

/// Reads a codec that ``saveImageCodec(_:to:)`` wrote, in evaluation mode.
/// - Parameter folder: with `codec.json` and `codec.safetensors`.
/// - Throws: `FileAccessError`, `FileFormatError`, `StateMismatch`.
public func loadImageCodec(at folder: String) throws -> any ImageCodec {
    let path = "\(folder)/codec.json"
    let bytes = try MappedBytes(path: path)
    guard let configuration = try? JSONDecoder().decode(ImageCodecConfiguration.self, from: Data(bytes.buffer)) else {
        throw FileFormatError(path: path, format: "the configuration of an image codec", problem: "it does not name kind, channels and latentChannels")
    }
    let tensors = try SafetensorsFile(path: "\(folder)/codec.safetensors").tensors()
    // Before anything is made as large as a file says.
    let (n, m) = (configuration.channels, configuration.latentChannels), most = 1 << 16
    guard 1...most ~= n, 1...most ~= m, configuration.leastWeightCount <= tensors.values.reduce(0, { $0 + $1.elementCount }) else {
        throw FileFormatError(
            path: path, format: "the configuration of an image codec", problem: "it says \(n) and \(m) channels, for which there are not enough weights")
    }
    let codec = configuration.makeCodec(generator: RandomGenerator(seed: 0))
    try codec.load(tensors)
    codec.setMode(.evaluation)
    return codec
}

extension ImageCodecConfiguration {
    /// No codec of this size has fewer weights: those of one of its 3 × 3 or larger convolutions.
    fileprivate var leastWeightCount: Int {
        switch kind {
        case .factorized, .scaleHyperprior: 9 * channels * max(channels, latentChannels)
        case .meanScaleHyperprior, .jointAutoregressive: 9 * max(channels, latentChannels) * max(channels, latentChannels)
        case .chengAnchor, .chengAttention: 9 * channels * channels
        }
    }
}

/// Writes a codec with its tables: `codec.json` and `codec.safetensors` with CompressAI's keys.
/// - Throws: `FileAccessError`, `SafetensorsError`.
public func saveImageCodec(_ codec: any ImageCodec, to folder: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try SafetensorsWriter.write(codec.stateDictionary, to: "\(folder)/codec.safetensors")
    try AtomicFile.write(json: codec.configuration, to: "\(folder)/codec.json")
}
