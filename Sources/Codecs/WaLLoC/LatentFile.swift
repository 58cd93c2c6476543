internal import Foundation
public import Media
public import Torch

/// A latent with what it takes to decode it, as an ordinary lossless picture: every viewer shows it, every lossless coder may pack it.
///
/// A PNG, WebP or TIFF file whose pixels are the latent's numbers (see ``LatentPicture``). Sizes, layout, the fingerprint of the codec and a
/// checksum of the pixels are a line of JSON beside them in the file: in a text chunk of PNG ("condense-walloc"), a chunk "WLoC" of WebP, or the
/// image description of TIFF. So a file is one file, which may be renamed and sent; what rewrites it and drops the line makes it undecodable.
public struct LatentFile {
    /// The line of JSON.
    public struct Header: Codable, Sendable, Equatable {
        /// Of this format.
        public var version = 1
        public var signal: WaLLoCConfiguration.Signal
        /// Height and width, or samples, of what was encoded.
        public var size: [Int]
        /// C, J, d and b of the codec.
        public var channels: Int, levels: Int, latentChannels: Int, bits: Int
        /// Sixteen hexadecimal digits, by which the codec is known.
        public var codec: String
        /// CRC-32 of the picture's samples.
        public var checksum: UInt32
        /// Of sound: samples per second.
        public var sampleRate: Int?
        /// Of sound: what each channel was moved and scaled by, x = 2·peak·x̂ + mean.
        public var mean: Double?, peak: Double?
    }

    public var header: Header
    /// int8 [d, height, width] or [d, places].
    public let latents: Tensor

    /// The formats that hold latents.
    public static let formats = [ImageFormat.png, .webP, .tiff]

    init(header: Header, latents: Tensor) {
        self.header = header
        self.latents = latents
    }

    private static func layout(_ header: Header) -> LatentPicture { LatentPicture(channels: header.latentChannels, of: header.signal) }

    /// Puts the checksum into a header.
    static func make(_ header: Header, latents: Tensor) -> LatentFile {
        var header = header
        header.checksum = checksum(layout(header).tiled(latents, bits: header.bits))
        return LatentFile(header: header, latents: latents)
    }

    /// The numbers as a picture, uint8 [1 or 3, height, width].
    public var picture: Tensor { Self.layout(header).tiled(latents, bits: header.bits) }

    // MARK: Writing

    /// The bytes of a file.
    /// - Throws: `MediaError` if the format holds no latents or is too small for this one (WebP: 16,383 pixels a side).
    public func encoded(as format: ImageFormat) throws -> [UInt8] {
        let encoding: ImageEncoding = switch format {
        case .webP: .losslessWebP
        case .tiff: .tiff(.eight)
        default: .png(.eight)
        }
        guard Self.formats.contains(format) else {
            throw MediaError.cannotWrite(path: format.rawValue, problem: "a latent needs a lossless format with room for a description", advice: "use .png, .webp or .tiff")
        }
        let bytes = try Image(pixels: picture.to(dtype: .float32) / 255).encoded(as: encoding)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return PictureDescription.embedded(Array(try encoder.encode(header)), in: bytes, format)
    }

    /// Writes the file under a temporary name and renames it.
    /// - Parameter path: its extension says the format.
    /// - Returns: the number of bytes.
    /// - Throws: as ``encoded(as:)``; `FileAccessError` when the disk is full.
    @discardableResult
    public func write(_ path: String) throws -> Int {
        guard let format = ImageFormat(path: path), Self.formats.contains(format) else {
            throw MediaError.cannotWrite(path: path, problem: "its extension stands for no format that holds latents", advice: "use .png, .webp or .tiff")
        }
        let bytes = try encoded(as: format)
        try AtomicFile.write(bytes, to: path)
        return bytes.count
    }

    // MARK: Reading

    /// - Throws: ``LatentFileError`` for pictures that hold no latent or a damaged one; errors of `Image.read`.
    public init(path: String, limits: ImageLimits = ImageLimits()) throws {
        let mapped = try MappedBytes(path: path)
        try self.init(decoding: Array(mapped.buffer), name: path, limits: limits)
    }

    /// Reads a file's bytes; `name` stands for the path in errors.
    public init(decoding bytes: [UInt8], name: String = "bytes in memory", limits: ImageLimits = ImageLimits()) throws {
        func damaged(_ problem: String) -> LatentFileError { .damaged(path: name, problem: problem) }
        let image = try Image(decoding: bytes, name: name, limits: limits)
        guard let line = PictureDescription.extracted(from: bytes) else { throw LatentFileError.noLatent(path: name) }
        guard let header = try? JSONDecoder().decode(Header.self, from: Data(line)) else { throw damaged("its description cannot be read") }
        guard header.version == 1 else { throw LatentFileError.version(path: name, found: header.version) }
        // Bounds before any product of what a file says: none overflows.
        let most = 1 << 28
        guard 1...64 ~= header.channels, 1...12 ~= header.levels, 1...(1 << 20) ~= header.latentChannels, 2...8 ~= header.bits,
            header.size.count == (header.signal == .image ? 2 : 1), header.size.allSatisfy({ 1...most ~= $0 })
        else { throw damaged("its description says sizes that no codec has") }
        guard [header.mean ?? 0, header.peak ?? 1].allSatisfy(\.isFinite), (header.sampleRate ?? 1) > 0, (header.sampleRate ?? 1) <= 768_000 else {
            throw damaged("its description says a level or sample rate that no sound has")
        }
        let layout = Self.layout(header)
        // Pictures that were coded in three equal planes are grey again.
        let planes = image.pixels.size(0) > layout.planes ? image.pixels.narrowed(axis: 0, from: 0, count: 1) : image.pixels
        let samples = (planes * 255).rounded().to(dtype: .uint8)
        let block = 1 << header.levels
        // Encoders may pad to a larger multiple than is needed, as the authors' does; the picture then tells.
        let places = header.signal == .image ? [samples.size(1) / layout.rows, samples.size(2) / layout.columns] : [samples.size(2)]
        let needed = header.size.map { ($0 + block - 1) / block + (header.signal == .audio ? 2 : 0) }
        guard zip(places, needed).allSatisfy({ $0 >= $1 && $0 <= $1 + 4 }), let latents = layout.untiled(samples, shape: places, bits: header.bits) else {
            throw damaged("its \(image.width) × \(image.height) pixels do not fit a latent of \(header.latentChannels) channels for \(header.size.map(String.init).joined(separator: " × "))")
        }
        guard Self.checksum(samples) == header.checksum, latents.to(dtype: .int16).abs().max().item() < Double(1 << (header.bits - 1)) else {
            throw damaged("its pixels were changed")
        }
        self.init(header: header, latents: latents)
    }

    private static func checksum(_ samples: Tensor) -> UInt32 {
        var checksum = CRC32(.castagnoli)
        samples.withBytes { checksum.update($0) }
        return checksum.value
    }
}

/// A picture that does not decode.
public enum LatentFileError: Error, CustomStringConvertible, Equatable, Sendable {
    case noLatent(path: String)
    case damaged(path: String, problem: String)
    case version(path: String, found: Int)
    case otherSignal(path: String, expected: String, found: String)
    case otherCodec(path: String, expected: String, found: String)
    case otherLayout(path: String, problem: String)

    public var description: String {
        switch self {
        case .noLatent(let path): "'\(path)' is a picture without a latent's description; give a file that 'condense walloc encode' wrote and no program has rewritten"
        case .damaged(let path, let problem): "the latent '\(path)' is damaged: \(problem); get the file anew"
        case .version(let path, let found): "the latent '\(path)' is of version \(found), and this program reads version 1; use a newer one"
        case .otherSignal(let path, let expected, let found): "'\(path)' holds the latent of \(found), and the codec is for \(expected); give the codec that wrote it"
        case .otherCodec(let path, let expected, let found): "'\(path)' was written by the codec \(found), and this is \(expected); decode it with the codec that wrote it"
        case .otherLayout(let path, let problem): "'\(path)' does not fit the codec: \(problem)"
        }
    }
}
