internal import Torch

/// A format with its settings, as pictures are written.
public enum ImageEncoding: Sendable, Equatable {
    /// Lossless; grey or RGB, with or without alpha.
    case png(Image.BitDepth)
    /// The quality, 1 to 100, scales the example tables of the JPEG specification (annex K.1) as libjpeg's does. FFmpeg
    /// always divides the mean of a block by 8 and no coarser, so files are larger than libjpeg's at low qualities. No alpha;
    /// grey becomes three equal channels.
    case jpeg(quality: Int, chroma: ChromaSubsampling = .quarter)
    /// The quality is libwebp's, 0 to 100. 8 bits; grey becomes three equal channels.
    case webP(quality: Double)
    /// 8 bits; grey becomes three equal channels. Colours under fully transparent pixels are not kept.
    case losslessWebP
    /// Compressed with deflate; grey or RGB, with or without alpha.
    case tiff(Image.BitDepth)
    /// PGM for grey, PPM for RGB; no alpha.
    case portableMap(Image.BitDepth)

    /// How many pixels share a sample of chroma.
    public enum ChromaSubsampling: Sendable, Equatable {
        /// Each has its own (4:4:4).
        case none
        /// Two by two (4:2:0).
        case quarter
    }

    public var format: ImageFormat {
        switch self {
        case .png: .png
        case .jpeg: .jpeg
        case .webP, .losslessWebP: .webP
        case .tiff: .tiff
        case .portableMap: .portableMap
        }
    }

    /// The usual settings of a format: lossless ones keep `bitDepth`, JPEG and WebP have quality 90.
    public init(_ format: ImageFormat, bitDepth: Image.BitDepth) {
        self = switch format {
        case .png: .png(bitDepth)
        case .jpeg: .jpeg(quality: 90)
        case .webP: .webP(quality: 90)
        case .tiff: .tiff(bitDepth)
        case .portableMap: .portableMap(bitDepth)
        }
    }

    /// Bits of a sample in the file.
    var bitDepth: Image.BitDepth {
        switch self {
        case .png(let depth), .tiff(let depth), .portableMap(let depth): depth
        case .jpeg, .webP, .losslessWebP: .eight
        }
    }
}

extension Image {
    /// Writes the picture under a temporary name and renames it.
    ///
    /// Numbers below 0 and above 1 become 0 and 1; the rest is rounded to the nearest level, halves away from 0. A color profile is not written.
    /// - Parameter encoding: by the path's extension, with the picture's own bit depth, if nil.
    /// - Throws: ``MediaError`` if the extension is unknown, the format cannot hold the picture, the pixels are not finite
    ///   or the encoder is missing; `FileAccessError` when the disk is full or the folder is not writable.
    public func write(_ path: String, as encoding: ImageEncoding? = nil) throws {
        guard let encoding = encoding ?? ImageFormat(path: path).map({ ImageEncoding($0, bitDepth: bitDepth) }) else {
            throw MediaError.cannotWrite(
                path: path, problem: "its extension stands for no image format", advice: "use .png, .jpg, .webp, .tiff, .ppm or .pgm")
        }
        let bytes = try encoded(as: encoding, path: path)
        let file = try AtomicFile(path: path)
        try bytes.withUnsafeBytes(file.write)
        try file.commit()
    }

    /// The bytes of the picture's file. See ``write(_:as:)``.
    public func encoded(as encoding: ImageEncoding) throws -> [UInt8] { try encoded(as: encoding, path: encoding.format.rawValue) }

    private func encoded(as encoding: ImageEncoding, path: String) throws -> [UInt8] {
        func refuse(_ problem: String, _ advice: String) -> MediaError { .cannotWrite(path: path, problem: problem, advice: advice) }
        if alpha != nil && (encoding.format == .jpeg || encoding.format == .portableMap) {
            throw refuse("\(encoding.format) holds no alpha", "drop it (withoutAlpha) or write PNG, WebP or TIFF")
        }
        switch encoding {
        case .jpeg(let quality, _) where !(1...100 ~= quality): throw refuse("the quality \(quality) is not within 1…100", "give one that is")
        case .webP(let quality) where !(0...100 ~= quality): throw refuse("the quality \(quality) is not within 0…100", "give one that is")
        default: break
        }
        let greatest = switch encoding.format {
        case .jpeg: 65500
        case .webP: 16383
        case .png, .tiff, .portableMap: 1 << 28
        }
        if max(width, height) > greatest { throw refuse("\(width) × \(height) is too large for \(encoding.format)", "write PNG or TIFF") }
        if pixels.isFinite().logicalNot().to(dtype: .float32).max().item() > 0 {
            throw refuse("its pixels hold NaN or infinity", "check what they were computed from")
        }
        do {
            return try encodeImage(self, encoding)
        } catch let failure as FFmpegFailure {
            throw MediaError.writingFailed(path: path, reason: failure.reason)
        }
    }
}
