public import Experiments
internal import Torch

/// What a codec did to one picture. Qualities are measured on samples rounded to 8 bits.
public struct PictureMeasurement: Codable, Sendable, Equatable {
    public var picture: String
    public var height: Int, width: Int
    /// Of the whole file.
    public var bytes: Int
    /// Peak signal to noise ratio in dB over the three channels; nil where nothing was lost.
    public var psnr: Double?
    /// nil for pictures smaller than its window.
    public var ssim: Double?
    /// nil for pictures smaller than its five scales need, ``ImageQuality/smallestMultiscaleSide``.
    public var msSSIM: Double?
    /// ``PerceptualDistance``; nil where it was not asked for, and for pictures that it is not made for.
    public var lpips: Double?
    public var encodeSeconds: Double, decodeSeconds: Double

    public var bitsPerPixel: Double { 8 * Double(bytes) / Double(height * width) }

    init(_ name: String, _ picture: CodecPicture, _ coded: CodedPicture, perceptual: PerceptualDistance? = nil) {
        self.picture = name
        (height, width) = (picture.height, picture.width)
        (bytes, encodeSeconds, decodeSeconds) = (coded.byteCount, coded.encodeSeconds, coded.decodeSeconds)
        let (a, b) = (coded.decoded.unsqueezed(0), picture.pixels.unsqueezed(0))
        let value = ImageQuality.psnr(a, b).item()
        psnr = value.isFinite ? value : nil
        let shortest = min(height, width)
        if shortest >= ImageQuality.smallestMultiscaleSide {
            let similarities = ImageQuality.similarities(a, b)
            (ssim, msSSIM) = (similarities.single.item(), similarities.multiscale.item())
        } else {
            ssim = shortest >= ImageQuality.smallestSide ? ImageQuality.ssim(a, b).item() : nil
        }
        if let perceptual, shortest >= PerceptualDistance.smallestSide, height * width <= PerceptualDistance.mostPixels {
            lpips = withoutGradients { perceptual(a, b).item() }
        }
    }
}

/// What a codec at one setting did to some pictures.
public struct CodecEvaluation: Codable, Sendable, Equatable {
    /// Codec and setting, e.g. "mbt2018-mean λ 0.013".
    public var name: String
    public var pictures: [PictureMeasurement]

    public init(name: String, pictures: [PictureMeasurement]) {
        self.name = name
        self.pictures = pictures
    }

    /// Means over pictures: rates are not pooled. Qualities that some pictures do not have are of those that have them.
    public var bitsPerPixel: Double { mean(\.bitsPerPixel) ?? .nan }
    public var psnr: Double? { mean(\.psnr) }
    public var ssim: Double? { mean(\.ssim) }
    public var msSSIM: Double? { mean(\.msSSIM) }
    public var lpips: Double? { mean(\.lpips) }
    public var encodeSeconds: Double { mean(\.encodeSeconds) ?? .nan }
    public var decodeSeconds: Double { mean(\.decodeSeconds) ?? .nan }

    private func mean(_ value: (PictureMeasurement) -> Double?) -> Double? {
        let values = pictures.compactMap(value)
        return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }

    /// A point of the curve over PSNR; nil where nothing was lost.
    public var point: RateDistortionCurve.Point? { psnr.map { .init(bitsPerPixel: bitsPerPixel, quality: $0) } }
}

/// Pictures with their names, as they are measured on.
public struct PictureSet {
    public let source: PictureSource
    public let names: [String]
    public let pictures: [CodecPicture]

    /// Reads all pictures.
    /// - Parameters:
    ///   - alpha: what transparent pixels become.
    ///   - largestSide: pictures with a longer side are made smaller by a whole number; nil for never.
    ///   - middle: only the middle of each picture, at most so many pixels a side; nil for all of it.
    /// - Throws: errors of reading; a set is measured whole or not at all.
    public init(_ source: PictureSource, alpha: AlphaRule = .refuse, largestSide: Int? = nil, middle: Int? = nil) throws {
        try self.init(source, alpha, largestSide, middle) { throw $0 }
    }

    /// Reads the pictures that can be read.
    /// - Parameter onSkip: called with the error of each other one.
    init(_ source: PictureSource, alpha: AlphaRule, largestSide: Int?, middle: Int?, onSkip: (any Error) -> Void) {
        self.init(source, alpha, largestSide, middle, onSkip)
    }

    private init(
        _ source: PictureSource, _ alpha: AlphaRule, _ largestSide: Int?, _ middle: Int?, _ onError: (any Error) throws -> Void
    ) rethrows {
        var names: [String] = [], pictures: [CodecPicture] = []
        for path in source.paths {
            do {
                let picture = try CodecPicture(path: path, alpha: alpha).reduced(to: largestSide)
                pictures.append(middle.map(picture.middle) ?? picture)
                names.append(source.shortName(path))
            } catch {
                try onError(error)
            }
        }
        (self.source, self.names, self.pictures) = (source, names, pictures)
    }

    /// Sends every picture through a coder.
    /// - Parameter perceptual: measured too, if not nil.
    /// - Throws: errors of the coder; `RunInterrupted`.
    public func evaluate(
        _ coder: some PictureCoder, name: String, perceptual: PerceptualDistance? = nil, progress: any ProgressReporter = SilentProgress(), cancellation: Cancellation = Cancellation()
    ) throws -> CodecEvaluation {
        progress.begin(name, total: pictures.count, unit: "pictures")
        var measured: [PictureMeasurement] = []
        for (picture, pictureName) in zip(pictures, names) {
            try cancellation.check()
            measured.append(PictureMeasurement(pictureName, picture, try coder.code(picture), perceptual: perceptual))
            progress.update(measured.count)
        }
        progress.end()
        return CodecEvaluation(name: name, pictures: measured)
    }
}
