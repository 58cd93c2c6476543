public import Torch

/// A picture: numbers from 0 (no light) to 1 (the most that the file can say) as they lie in the file, so with its transfer
/// curve, which for photographs is nearly always that of sRGB.
///
/// Samples of 8 bits are n/255 and those of 16 bits n/65535, exactly as float32 rounds them. A color profile is noted but not
/// applied; EXIF's orientation is applied, so that row 0 is the top.
public struct Image {
    /// Bits of a sample in a file. Those of less than 8 are read as 8, over the whole range.
    public enum BitDepth: Int, Sendable, Codable {
        case eight = 8
        case sixteen = 16

        /// The number that stands for 1.
        var maximum: Float { self == .eight ? 255 : 65535 }
    }

    /// What the channels mean.
    public enum ColorKind: Int, Sendable, Codable {
        case grey = 1
        case rgb = 3
    }

    /// `[C, H, W]`, float32 in [0, 1]; one channel is grey, three are red, green and blue.
    public let pixels: Tensor
    /// `[H, W]`, float32 in [0, 1], 1 is opaque; nil where the file has no alpha. Colours are not multiplied by it.
    public let alpha: Tensor?
    /// That of the file the picture was read from, and what it is written with unless told otherwise.
    public let bitDepth: BitDepth
    /// Whether the file carried an ICC profile: its colours may then mean something other than sRGB.
    public let hasColorProfile: Bool

    /// - Parameters:
    ///   - pixels: `[1, H, W]` or `[3, H, W]` with at least one pixel, float32.
    ///   - alpha: `[H, W]`.
    public init(pixels: Tensor, alpha: Tensor? = nil, bitDepth: BitDepth = .eight, hasColorProfile: Bool = false) {
        let shape = pixels.shape
        require(
            shape.count == 3 && (shape[0] == 1 || shape[0] == 3) && shape[1] > 0 && shape[2] > 0 && pixels.dtype == .float32,
            "Image: pixels \(shape) of \(pixels.dtype), where [1 or 3, H, W] of float32 is expected")
        if let alpha {
            require(
                alpha.shape == Array(shape.dropFirst()) && alpha.dtype == .float32, "Image: alpha \(alpha.shape) of \(alpha.dtype) for pixels \(shape)")
        }
        self.pixels = pixels
        self.alpha = alpha
        self.bitDepth = bitDepth
        self.hasColorProfile = hasColorProfile
    }

    public var height: Int { pixels.size(1) }
    public var width: Int { pixels.size(2) }
    public var color: ColorKind { pixels.size(0) == 1 ? .grey : .rgb }

    /// The picture as if it were opaque.
    public var withoutAlpha: Image { Image(pixels: pixels, bitDepth: bitDepth, hasColorProfile: hasColorProfile) }

    /// The picture as it looks before a background of one grey level, 0 (black) to 1 (white).
    public func blended(over level: Double) -> Image {
        guard let alpha else { return self }
        return Image(pixels: pixels * alpha + (1 - alpha) * level, bitDepth: bitDepth, hasColorProfile: hasColorProfile)
    }

    /// The picture in three channels: grey becomes three equal ones.
    public var rgb: Image {
        if color == .rgb { return self }
        return Image(
            pixels: pixels.expanded(to: [3, height, width]).contiguous(), alpha: alpha, bitDepth: bitDepth, hasColorProfile: hasColorProfile)
    }
}

/// Rows and columns of a picture.
public struct ImageSize: Sendable, Equatable, Codable {
    public var height: Int
    public var width: Int

    public init(height: Int, width: Int) {
        self.height = height
        self.width = width
    }
}

extension Image {
    /// Reads a PNG, JPEG, WebP, TIFF, PPM or PGM file; which of them it is tells its content, not its name.
    ///
    /// JPEG's luma and chroma become RGB by BT.601 over the full range, chroma upsampled with libjpeg's triangle filter ("fancy
    /// upsampling") and rounded to 8 bits as libjpeg does; WebP's as libwebp does. Everything but JPEG gives exactly the levels that
    /// Pillow gives; JPEG's inverse transform may round luma or chroma to the level beside, so RGB lies within 3 levels. Of a TIFF with several pictures the first
    /// is read.
    /// - Throws: `FileAccessError` if the file cannot be opened, `FileFormatError` if it is damaged or cut off, ``MediaError``
    ///   if it is of another kind (CMYK, floating point, animations) or larger than `limits`. A damaged file is never
    ///   given as a partial picture.
    public static func read(_ path: String, limits: ImageLimits = ImageLimits()) throws -> Image {
        try read(MappedBytes(path: path), limits: limits)
    }

    /// Reads a picture file's bytes; `name` stands for the path in errors. See ``read(_:limits:)``.
    public init(decoding bytes: [UInt8], name: String = "bytes in memory", limits: ImageLimits = ImageLimits()) throws {
        self = try Image.read(MappedBytes(copying: bytes, name: name), limits: limits)
    }

    /// Height and width of the picture that ``read(_:limits:)`` gives, as the structure of its file says: its pixels are not decoded.
    /// - Throws: as ``read(_:limits:)``, but for damage that only decoding finds.
    public static func size(of path: String, limits: ImageLimits = ImageLimits()) throws -> ImageSize {
        let scanned = try scan(MappedBytes(path: path), limits: limits)
        let isTurned = scanned.orientation.swapsAxes
        return ImageSize(height: isTurned ? scanned.width : scanned.height, width: isTurned ? scanned.height : scanned.width)
    }

    private static func read(_ file: MappedBytes, limits: ImageLimits) throws -> Image {
        let scanned = try scan(file, limits: limits)
        do {
            return try decodeImage(scanned)
        } catch {
            throw FileFormatError(path: file.path, format: scanned.format.rawValue, problem: error.reason)
        }
    }

    private static func scan(_ file: MappedBytes, limits: ImageLimits) throws -> ScannedImage {
        let view = ByteView(bytes: file.buffer)
        let scanned: ScannedImage
        var format: ImageFormat?
        do {
            let found = try ImageFormat.identified(view)
            format = found
            scanned = try found.scan(view)
        } catch {
            switch error.kind {
            case .damaged(let problem): throw FileFormatError(path: file.path, format: format?.rawValue ?? "an image", problem: problem)
            case .unsupported(let feature, let advice): throw MediaError.unsupported(path: file.path, feature: feature, advice: advice)
            }
        }
        let (width, height) = (scanned.width, scanned.height)
        guard width > 0, height > 0 else {
            throw FileFormatError(path: file.path, format: scanned.format.rawValue, problem: "its header says \(width) × \(height) pixels")
        }
        let count = width.multipliedReportingOverflow(by: height)
        guard !count.overflow, count.partialValue <= limits.pixelCount else {
            throw MediaError.tooLarge(path: file.path, size: "\(width) × \(height) pixels", limit: "\(limits.pixelCount) pixels")
        }
        return scanned
    }
}
