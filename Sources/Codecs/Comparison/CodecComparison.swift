public import Experiments
internal import Foundation
internal import Media
internal import Torch

/// Which codecs are compared on which pictures.
public struct CodecComparisonConfiguration: RunConfiguration {
    /// Runs or folders of trained codecs; those of one kind and size that differ in λ make a curve.
    public var codecs: [String] = []
    /// Folder, file, or item of the catalogue.
    public var data = "photos-test"
    public var baselines = ConventionalFormat.allCases
    public var alpha = AlphaRule.refuse
    /// Only the middle of each picture is used, at most so many pixels a side; nil for all of it.
    public var middle: Int?
    /// Whether ``PerceptualDistance`` is measured, about ten seconds a megapixel for each codec.
    public var lpips = false
    /// So many pictures are shown under a slider.
    public var shownPictures = 4
    /// Height and width at most of what is shown of them.
    public var shownSide = 512

    public init() {}

    public func validate() throws(ConfigurationError) {
        try ConfigurationError.require(!codecs.isEmpty, "codecs", "must name at least one trained codec", found: "none")
        try ConfigurationError.require(middle ?? 1 > 0, "middle", "must be positive", found: middle ?? 0)
        try ConfigurationError.require(shownPictures >= 0, "shownPictures", "must not be negative", found: shownPictures)
        try ConfigurationError.require((16...4096).contains(shownSide), "shownSide", "must be between 16 and 4096", found: shownSide)
    }
}

/// What was measured of several codecs on the same pictures.
public struct CodecComparison: Codable, Sendable, Equatable {
    /// A codec at several settings, rates rising.
    public struct Series: Codable, Sendable, Equatable {
        public var name: String
        /// Where a conventional codec comes from; nil for learned ones.
        public var program: String?
        public var settings: [CodecEvaluation]

        /// Over PSNR.
        public var curve: RateDistortionCurve { RateDistortionCurve(name, settings.compactMap(\.point)) }
    }

    public var series: [Series]
    /// Formats that could not be measured here.
    public var missing: [ConventionalFormat]

    /// Bjøntegaard's difference in rate of every series from another, where both have curves.
    public func rateDifferences(from name: String) -> [(name: String, difference: Double)] {
        guard let reference = series.first(where: { $0.name == name })?.curve else { return [] }
        return series.compactMap { series in
            series.name == name ? nil : series.curve.rateDifference(from: reference).map { (series.name, $0) }
        }
    }
}

/// Measures trained codecs and conventional ones on the same pictures.
public struct CodecComparer {
    private let codecs: [TrainedCodec]
    private let encoders: [ConventionalEncoder]
    private let missing: [ConventionalFormat]
    private let pictures: PictureSet
    private let perceptual: PerceptualDistance?
    private let progress: any ProgressReporter
    private let cancellation: Cancellation

    public init(
        _ codecs: [TrainedCodec], baselines: [ConventionalFormat], on pictures: PictureSet, perceptual: PerceptualDistance? = nil, progress: any ProgressReporter = SilentProgress(),
        cancellation: Cancellation = Cancellation()
    ) throws {
        self.codecs = codecs
        self.pictures = pictures
        self.perceptual = perceptual
        self.progress = progress
        self.cancellation = cancellation
        let found = try baselines.map { ($0, try ConventionalEncoder($0)) }
        encoders = found.compactMap(\.1)
        missing = found.filter { $0.1 == nil }.map(\.0)
    }

    public func run() throws -> CodecComparison {
        var series: [CodecComparison.Series] = []
        for codec in codecs {
            let evaluation = try pictures.evaluate(LearnedCoder(codec.codec), name: codec.label, perceptual: perceptual, progress: progress, cancellation: cancellation)
            if let index = series.firstIndex(where: { $0.name == codec.seriesName }) {
                series[index].settings.append(evaluation)
            } else {
                series.append(.init(name: codec.seriesName, program: nil, settings: [evaluation]))
            }
        }
        for index in series.indices { series[index].settings.sort { $0.bitsPerPixel < $1.bitsPerPixel } }
        for encoder in encoders {
            let settings = try encoder.format.curveQualities.map { quality in
                try pictures.evaluate(
                    encoder.at(quality: quality), name: "\(encoder.format.rawValue) quality \(quality)", perceptual: perceptual, progress: progress,
                    cancellation: cancellation)
            }
            series.append(.init(name: encoder.format.rawValue, program: encoder.origin, settings: settings))
        }
        return CodecComparison(series: series, missing: missing)
    }

    /// Pictures under a slider: the original, each codec, and the conventional ones at the rate of the codec in the middle.
    public func pictureComparisons(count: Int, side: Int) throws -> [PictureComparison] {
        guard let reference = codecs.sorted(by: { ($0.origin?.lambda ?? 0) < ($1.origin?.lambda ?? 0) }).dropFirst((codecs.count - 1) / 2).first else { return [] }
        progress.begin("Pictures", total: min(count, pictures.pictures.count), unit: "pictures")
        defer { progress.end() }
        return try zip(pictures.names, pictures.pictures).prefix(count).enumerated().map { index, entry in
            try cancellation.check()
            let piece = entry.1.middle(side)
            let target = try LearnedCoder(reference.codec).code(piece).byteCount
            let ordered = [reference] + codecs.filter { $0.path != reference.path }
            var coded = try ordered.map { ($0.label, try LearnedCoder($0.codec).code(piece)) }
            for encoder in encoders {
                let quality = try encoder.quality(for: piece, bytes: target)
                coded.append(("\(encoder.format.rawValue) quality \(quality)", try encoder.at(quality: quality).code(piece)))
            }
            progress.update(index + 1)
            return try PictureComparison(title: entry.0, original: piece, coded: coded)
        }
    }
}

extension PictureComparison {
    /// The original and what codecs made of it, each with its rate and quality.
    init(title: String, original: CodecPicture, coded: [(name: String, picture: CodedPicture)]) throws {
        let versions = try coded.map { name, picture in
            let measured = PictureMeasurement(title, original, picture)
            let quality = measured.psnr.map { "\(formatNumber($0, digits: 4)) dB" } ?? "nothing lost"
            return try Version(
                name: name, note: "\(name): \(formatNumber(measured.bitsPerPixel, digits: 3)) bits per pixel, \(quality)", pixels: picture.decoded)
        }
        self.init(
            title: title, width: original.width, height: original.height,
            versions: [try Version(name: "original", note: "original", pixels: original.pixels)] + versions)
    }
}

extension PictureComparison.Version {
    /// Embedded without loss.
    fileprivate init(name: String, note: String, pixels: Tensor) throws {
        let image = Image(pixels: pixels)
        do {
            self.init(name: name, note: note, data: Data(try image.encoded(as: .losslessWebP)), format: .webP)
        } catch MediaError.missingEncoder {
            self.init(name: name, note: note, data: Data(try image.encoded(as: .png(.eight))), format: .png)
        }
    }
}
