/// The formats of pictures that are read and written.
public enum ImageFormat: String, Sendable, CaseIterable, CustomStringConvertible {
    case png = "PNG"
    case jpeg = "JPEG"
    case webP = "WebP"
    case tiff = "TIFF"
    /// The binary forms of PGM (grey, P5) and PPM (RGB, P6).
    case portableMap = "PPM"

    public var description: String { rawValue }

    /// Ends of file names, lower-case; the first one is the usual one.
    public var extensions: [String] {
        switch self {
        case .png: ["png"]
        case .jpeg: ["jpg", "jpeg", "jpe", "jfif"]
        case .webP: ["webp"]
        case .tiff: ["tif", "tiff"]
        case .portableMap: ["ppm", "pgm", "pnm"]
        }
    }

    /// The format that a file name's extension stands for; nil if it is none of these.
    public init?(path: String) {
        let name = path.split(separator: "/").last ?? ""
        guard let dot = name.lastIndex(of: "."), dot > name.startIndex else { return nil }
        let suffix = name[name.index(after: dot)...].lowercased()
        guard let format = Self.allCases.first(where: { $0.extensions.contains(suffix) }) else { return nil }
        self = format
    }
}

/// How large a picture may be before anything is allocated for it.
public struct ImageLimits: Sendable, Equatable, Codable {
    /// Width times height. The default, 2²⁸, is a square of 16,384; as a tensor of three channels that is 3.2 GB.
    public var pixelCount: Int

    public init(pixelCount: Int = 1 << 28) { self.pixelCount = pixelCount }
}

/// How the rows and columns of a file lie in the picture, by the numbers of EXIF.
enum Orientation: Int {
    case upright = 1, mirrored, halfTurn, flipped, transposed, quarterTurnRight, transversed, quarterTurnLeft

    /// Whether width and height change places.
    var swapsAxes: Bool { rawValue >= 5 }
}

/// What the structure of a file says before its pixels are decoded.
struct ScannedImage {
    let format: ImageFormat
    let width: Int, height: Int
    /// Whether the file is meant to have alpha (decoders may give an opaque one in any case).
    var hasAlpha = false
    var bitDepth: Image.BitDepth = .eight
    var orientation = Orientation.upright
    var hasColorProfile = false
    /// What the decoder is given: the file, without what is not needed for the pixels.
    var payload: [UInt8] = []
}

/// A problem of a file's structure, as the sentence's part after "cannot be read as PNG:".
struct ScanProblem: Error {
    enum Kind {
        case damaged(String)
        case unsupported(feature: String, advice: String)
    }
    let kind: Kind

    static func damaged(_ problem: String) -> ScanProblem { ScanProblem(kind: .damaged(problem)) }

    static func unsupported(_ feature: String, _ advice: String = "convert it to a PNG, JPEG, WebP, TIFF, PPM or PGM file") -> ScanProblem {
        ScanProblem(kind: .unsupported(feature: feature, advice: advice))
    }
}
