public import Media
public import Torch

/// What transparent pixels become, for which codecs have no channel.
public enum AlphaRule: String, Codable, Sendable, CaseIterable {
    /// Pictures with transparent pixels are refused; fully opaque ones lose nothing.
    case refuse
    /// The picture as it looks before a white or black background.
    case white, black
}

/// A picture in the form that codecs take: three channels of 8 bits.
public struct CodecPicture {
    /// Shape [3, height, width], multiples of 1/255 in 0…1.
    public let pixels: Tensor
    /// What was changed for it, e.g. "grey became RGB"; one clause each.
    public let changes: [String]
    /// Whether it was grey, so that all three channels are the same.
    public let isGrey: Bool

    public var height: Int { pixels.size(1) }
    public var width: Int { pixels.size(2) }
    var pixelCount: Int { height * width }

    /// - Parameter path: named in errors.
    /// - Throws: ``PictureError/hasAlpha(path:)`` for transparent pixels, unless told what to do with them.
    public init(_ image: Image, alpha rule: AlphaRule = .refuse, path: String = "the picture") throws {
        var changes: [String] = [], opaque = image.withoutAlpha
        if let alpha = image.alpha, alpha.min().item() < 1 {
            if rule == .refuse { throw PictureError.hasAlpha(path: path) }
            opaque = image.blended(over: rule == .white ? 1 : 0)
            changes.append("transparent pixels were put before \(rule.rawValue)")
        }
        isGrey = opaque.color == .grey
        if isGrey { changes.append("grey became RGB") }
        if opaque.bitDepth == .sixteen { changes.append("16 bits a sample became 8") }
        if opaque.hasColorProfile { changes.append("its color profile is not kept") }
        pixels = Self.rounded(opaque.rgb.pixels)
        self.changes = changes
    }

    /// Reads a file.
    /// - Throws: errors of `Image.read`, and as ``init(_:alpha:path:)``.
    public init(path: String, alpha rule: AlphaRule = .refuse) throws {
        try self.init(Image.read(path), alpha: rule, path: path)
    }

    /// Already of three channels.
    /// - Parameter isGrey: whether all three are the same.
    init(pixels: Tensor, isGrey: Bool = false) {
        self.pixels = Self.rounded(pixels)
        self.isGrey = isGrey
        changes = []
    }

    /// The middle of the picture, at most so high and wide.
    public func middle(_ side: Int) -> CodecPicture {
        let (rows, columns) = (min(side, height), min(side, width))
        let piece = pixels.narrowed(axis: 1, from: (height - rows) / 2, count: rows).narrowed(axis: 2, from: (width - columns) / 2, count: columns)
        return CodecPicture(pixels: piece.contiguous(), isGrey: isGrey)
    }

    /// Made smaller by a whole number, each pixel the mean of those it covers, until no side is longer than this.
    func reduced(to largestSide: Int?) -> CodecPicture {
        let factor = Self.reduction(height, width, to: largestSide)
        if factor == 1 { return self }
        return CodecPicture(pixels: pixels.unsqueezed(0).averagePooled(kernel: [factor, factor]).squeezed(0), isGrey: isGrey)
    }

    /// The number by which ``reduced(to:)`` divides height and width.
    static func reduction(_ height: Int, _ width: Int, to largestSide: Int?) -> Int {
        largestSide.map { min(min(height, width), (max(height, width) + $0 - 1) / $0) } ?? 1
    }

    /// The nearest levels of 8 bits, halves away from 0, as files have them.
    static func rounded(_ pixels: Tensor) -> Tensor { (pixels.clamped(minimum: 0, maximum: 1) * 255 + 0.5).floor() / 255 }
}
