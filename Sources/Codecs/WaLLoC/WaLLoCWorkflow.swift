internal import Datasets
public import Experiments
internal import Foundation
internal import Media
internal import Torch
internal import TorchNN

/// Training a WaLLoC codec on files, some of which are held back for the report.
public struct WaLLoCRunConfiguration: RunConfiguration {
    /// Folder, file or item of the catalogue, of pictures or of sound as the codec is.
    public var data = "photos"
    /// Pictures with a longer side are made smaller by a whole number; nil for never.
    public var largestSide: Int? = 1024
    /// Samples per second that sound is brought to.
    public var sampleRate = 44_100
    /// Part of the files that is not trained on but measured on, drawn by the run's seed.
    public var heldOut = 0.1
    /// At most so many of them are measured on.
    public var heldOutLimit = 12
    public var training = WaLLoCTrainingConfiguration.smallImage

    public init() {}

    /// For stereo sound.
    public static var audio: WaLLoCRunConfiguration {
        var configuration = WaLLoCRunConfiguration()
        (configuration.data, configuration.training) = ("muldjord-stems", .smallAudio)
        return configuration
    }

    public func validate() throws(ConfigurationError) {
        try ConfigurationError.require(!data.isEmpty, "data", "must name a folder of pictures or sound or a data item", found: "nothing")
        try ConfigurationError.require(largestSide ?? 1 > 0, "largestSide", "must be positive", found: largestSide ?? 0)
        try ConfigurationError.require((1...768_000).contains(sampleRate), "sampleRate", "must be between 1 and 768000", found: sampleRate)
        try ConfigurationError.require((0..<1).contains(heldOut), "heldOut", "must be at least 0 and less than 1", found: heldOut)
        try ConfigurationError.require(heldOutLimit >= 0, "heldOutLimit", "must not be negative", found: heldOutLimit)
        let channels = training.codec.channels
        switch training.codec.signal {
        case .image: try ConfigurationError.require([1, 3].contains(channels), "training.codec.channels", "must be 1 (grey) or 3 (RGB)", found: channels)
        case .audio: try ConfigurationError.require([1, 2].contains(channels), "training.codec.channels", "must be 1 or 2 for sound", found: channels)
        }
        try training.validate()
    }
}

/// What a codec did to one signal that it was not trained on.
public struct WaLLoCMeasurement: Codable, Sendable, Equatable {
    public var name: String
    /// Height and width, or samples.
    public var size: [Int]
    /// Of the latent as a PNG file.
    public var bytes: Int
    /// Raw bytes over bytes of the file: 8 bits a sample of pictures, 16 of sound.
    public var compression: Double
    /// In dB; of sound over a range of 2, as −1…1.
    public var psnr: Double
    /// Of pictures that are large enough.
    public var msSSIM: Double?
    public var encodeSeconds: Double, decodeSeconds: Double
}

extension WaLLoCCoder {
    /// Sends a signal through the bytes of a file.
    /// - Parameter signal: pixels [channels, height, width] in 0…1, or samples [channels, samples] in −1…1.
    /// - Throws: errors of the file's format.
    func measure(_ signal: Tensor, named name: String, sampleRate: Int) throws -> WaLLoCMeasurement {
        let isImage = codec.configuration.signal == .image
        let (bytes, encodeSeconds) = try timed { try (isImage ? encode(signal) : encode(signal, sampleRate: sampleRate)).encoded(as: .png) }
        let (decoded, decodeSeconds) = try timed { () throws -> Tensor in
            let file = try LatentFile(decoding: bytes)
            return try isImage ? CodecPicture.rounded(decodePicture(file)) : decodeSound(file)
        }
        let error = (decoded - signal).squared().mean().item(), range = isImage ? 1.0 : 2.0
        let size = Array(signal.shape.dropFirst())
        let isLarge = isImage && size.allSatisfy { $0 >= ImageQuality.smallestMultiscaleSide }
        return WaLLoCMeasurement(
            name: name, size: size, bytes: bytes.count, compression: Double(signal.elementCount * (isImage ? 1 : 2)) / Double(bytes.count),
            psnr: 10 * log10(range * range / max(error, 1e-12)),
            msSSIM: isLarge ? ImageQuality.msSSIM(decoded.unsqueezed(0), signal.unsqueezed(0)).item() : nil, encodeSeconds: encodeSeconds,
            decodeSeconds: decodeSeconds)
    }
}

/// Trains a codec in a run directory: `codec/`, metrics, checkpoints, `evaluation.json` of the files held back.
/// - Returns: the codec and the page about it.
/// - Throws: ``PictureError``, ``SoundError``, errors of ``trainWaLLoC(_:on:seed:device:task:run:progress:cancellation:)``.
public func trainWaLLoCOnFiles(
    _ configuration: WaLLoCRunConfiguration, settings: RunSettings, run: Run, progress: any ProgressReporter, cancellation: Cancellation
) throws -> (codec: WaLLoC, report: Report) {
    let files = try WaLLoCFiles(configuration, seed: settings.seed) { progress.message("skipped: \($0)") }
    let codec = try trainWaLLoC(
        configuration.training, on: files.training, seed: settings.seed, device: Device(parsing: settings.device), run: run, progress: progress,
        cancellation: cancellation)
    codec.move(to: .cpu)
    try codec.save(to: run.directory.appending(path: "codec").filePath)
    let coder = WaLLoCCoder(codec)
    progress.begin("Measuring", total: files.heldOut.count, unit: "files")
    var measured: [WaLLoCMeasurement] = [], first: Tensor?
    for path in files.heldOut {
        try cancellation.check()
        let signal = try files.signal(path)
        if first == nil { first = signal }
        measured.append(try coder.measure(signal, named: files.name(path), sampleRate: configuration.sampleRate))
        progress.update(measured.count)
    }
    progress.end()
    try run.write(measured, named: "evaluation.json")
    var blocks: [ReportBlock] = [.keyNumbers(keyNumbers(coder, measured))]
    if let first, configuration.training.codec.signal == .image { blocks += try LatentReport.blocks(of: coder, on: first) }
    if !measured.isEmpty { blocks += [.heading("Files that were not trained on"), .table(table(measured))] }
    blocks += [.heading("Training")]
        + (try MetricWriter.read(run.directory)).curves(
            [("psnr", "PSNR of batches, dB"), ("learningRate", "learning rate")].map { MetricCurve($0, $1, Axis($1)) })
    let report = Report(
        title: "WaLLoC codec of \(configuration.training.codec.signal.name)",
        subtitle: "\(configuration.training.codec.description), trained on \(configuration.data); its files know it as \(coder.fingerprint)", blocks: blocks)
    return (codec, report)
}

/// Signals to train on, and files to measure on.
private struct WaLLoCFiles {
    let training: any WaLLoCSource
    let heldOut: [String]
    private let configuration: WaLLoCRunConfiguration

    /// Pictures are measured in their middle, sound in its beginning: the report is not to take longer than a small training.
    private static let pictureSide = 512, soundSamples = 1 << 19

    init(_ configuration: WaLLoCRunConfiguration, seed: UInt64, onSkip: @escaping (String) -> Void) throws {
        self.configuration = configuration
        let training = configuration.training
        switch training.codec.signal {
        case .image:
            let split = try PictureSplit(PictureSource(configuration.data), heldOut: configuration.heldOut, seed: seed)
            let crops = try FolderCrops(split.training, seed: seed, largestSide: configuration.largestSide) { onSkip($0.reason) }
            self.training = WaLLoCCrops(crops, size: training.cropSize, channels: training.codec.channels)
            heldOut = Array(split.heldOut.prefix(configuration.heldOutLimit))
        case .audio:
            let paths = try SoundCollection.paths(of: configuration.data)
            guard let split = FileSplit(paths, heldOut: configuration.heldOut, seed: seed) else {
                throw SoundError.tooFew(source: configuration.data, count: paths.count)
            }
            let sounds = try SoundCollection(split.training, sampleRate: configuration.sampleRate, channels: training.codec.channels)
            self.training = SoundSegments(sounds.sounds, length: training.cropSize, seed: seed)
            heldOut = Array(split.heldOut.prefix(configuration.heldOutLimit))
        }
    }

    func name(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }

    /// Pixels or samples of a file that was held back.
    func signal(_ path: String) throws -> Tensor {
        let codec = configuration.training.codec
        switch codec.signal {
        case .image:
            let pixels = try CodecPicture(path: path, alpha: .white).reduced(to: configuration.largestSide).middle(Self.pictureSide).pixels
            return codec.channels == 3 ? pixels : CodecPicture.rounded(pixels.unsqueezed(0).luma[0])
        case .audio:
            return try SoundCollection([path], sampleRate: configuration.sampleRate, channels: codec.channels, sampleLimit: Self.soundSamples).sounds[0]
        }
    }
}

private func mean(_ values: [Double]) -> Double { values.isEmpty ? .nan : values.reduce(0, +) / Double(values.count) }

private func keyNumbers(_ coder: WaLLoCCoder, _ measured: [WaLLoCMeasurement]) -> [KeyNumber] {
    let reduction = KeyNumber(
        label: "Fewer numbers", value: "\(formatNumber(coder.codec.configuration.dimensionalityReduction)) ×", note: "dimensionality reduction (DR)")
    guard !measured.isEmpty else { return [reduction] }
    return [
        KeyNumber(label: "PSNR", value: "\(formatNumber(mean(measured.map(\.psnr)), digits: 4)) dB"), reduction,
        KeyNumber(label: "Smaller files", value: "\(formatNumber(mean(measured.map(\.compression)), digits: 3)) ×", note: "compression ratio (CR) of PNG files"),
    ]
}

private func table(_ measured: [WaLLoCMeasurement]) -> Table {
    func cell(_ value: Double?, _ digits: Int = 4) -> String { value.map { formatNumber($0, digits: digits) } ?? "–" }
    let rows = measured.map { file in
        [file.name, file.size.reversed().map(String.init).joined(separator: " × "), formatCount(file.bytes), cell(file.compression, 3), cell(file.psnr)]
            + [cell(file.msSSIM), cell(file.encodeSeconds, 3), cell(file.decodeSeconds, 3)]
    }
    return Table(
        columns: [.text("File")] + ["size", "bytes", "CR", "PSNR, dB", "MS-SSIM", "encode, s", "decode, s"].map { .number($0) }, rows: rows,
        caption: "Whole PNG files counted; times contain the lossless coder.")
}
