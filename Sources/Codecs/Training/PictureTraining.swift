public import Experiments
internal import Foundation
internal import Torch

/// Training on the pictures of a folder or data item, some of which are held back for the report.
public struct PictureTrainingConfiguration: RunConfiguration {
    /// Folder, or item of the catalogue.
    public var data = "photos"
    /// Pictures with a longer side are made smaller by a whole number; nil for never.
    public var largestSide: Int? = 1024
    /// Part of the pictures that is not trained on but measured on, drawn by the run's seed.
    public var heldOut = 0.1
    /// At most so many of them are measured on.
    public var heldOutLimit = 12
    /// So many of these are shown in the report.
    public var examples = 3
    /// A codec to start from, of the same kind and channels: a run or a folder. nil for random weights.
    public var start: String?
    public var training = ImageCodecTrainingConfiguration.small

    public init() {}

    public func validate() throws(ConfigurationError) {
        try ConfigurationError.require(!data.isEmpty, "data", "must name a folder of pictures or a data item", found: "nothing")
        try ConfigurationError.require(largestSide ?? 1 > 0, "largestSide", "must be positive", found: largestSide ?? 0)
        try ConfigurationError.require((0..<1).contains(heldOut), "heldOut", "must be at least 0 and less than 1", found: heldOut)
        try ConfigurationError.require(heldOutLimit >= 0, "heldOutLimit", "must not be negative", found: heldOutLimit)
        try ConfigurationError.require(examples >= 0, "examples", "must not be negative", found: examples)
        try training.validate()
    }
}

extension ImageCodecTrainingConfiguration {
    /// A codec that two CPU cores train in minutes: few channels, few crops, a high learning rate. The crops are not small, in which a second latent
    /// would have nothing but edges.
    public static var small: ImageCodecTrainingConfiguration {
        var configuration = ImageCodecTrainingConfiguration()
        configuration.codec = ImageCodecConfiguration(.meanScaleHyperprior, channels: 32, latentChannels: 128)
        (configuration.cropSize, configuration.batchSize, configuration.steps) = (256, 2, 3_000)
        (configuration.learningRate, configuration.decayStart, configuration.checkpointEvery) = (5e-4, 0.5, 500)
        configuration.initialization = .principalComponents
        return configuration
    }
}

/// Pictures drawn apart: what is trained on and what is measured on.
struct PictureSplit {
    let training: PictureSource, heldOut: [String]

    init(_ source: PictureSource, heldOut fraction: Double, seed: UInt64) throws {
        guard let split = FileSplit(source.paths, heldOut: fraction, seed: seed) else {
            throw PictureError.tooFew(source: source.name, count: source.paths.count, needed: "to hold some back; set heldOut to 0 to train on all")
        }
        (training, heldOut) = (source.keeping(split.training), split.heldOut)
    }
}

/// Files drawn apart by a seed, each part in their order.
struct FileSplit {
    let training: [String], heldOut: [String]

    /// - Parameter fraction: of the files that is held back, at least one unless it is 0.
    /// - Returns: nil if none would be left to train on.
    init?(_ paths: [String], heldOut fraction: Double, seed: UInt64) {
        let held = fraction > 0 ? max(1, Int((Double(paths.count) * fraction).rounded())) : 0
        guard held < paths.count else { return nil }
        var random = SplitMix64(seed: seed, stream: -1)
        let chosen = Set(random.permutation(paths.count).prefix(held))
        training = paths.indices.filter { !chosen.contains($0) }.map { paths[$0] }
        heldOut = paths.indices.filter(chosen.contains).map { paths[$0] }
    }
}

/// Trains a codec in a run directory: `codec/`, metrics, checkpoints, `evaluation.json` of the held-out pictures.
/// - Returns: the codec and the page about it.
/// - Throws: ``PictureError``, errors of ``trainImageCodec(_:on:seed:start:task:run:progress:cancellation:)``.
public func trainOnPictures(
    _ configuration: PictureTrainingConfiguration, settings: RunSettings, run: Run, progress: any ProgressReporter, cancellation: Cancellation
) throws -> (codec: TrainedCodec, report: Report) {
    let split = try PictureSplit(PictureSource(configuration.data), heldOut: configuration.heldOut, seed: settings.seed)
    let crops = try FolderCrops(split.training, seed: settings.seed, largestSide: configuration.largestSide) { skipped in
        progress.message("skipped: \(skipped.reason)")
    }
    let training = configuration.training
    let start = run.resumedFrom == nil ? try configuration.start.map { try TrainedCodec.load(at: $0).codec } : nil
    let codec = try trainImageCodec(
        training, on: crops, seed: settings.seed, start: start, device: try Device(parsing: settings.device), run: run, progress: progress,
        cancellation: cancellation)
    let trained = TrainedCodec(
        codec, origin: CodecOrigin(lambda: training.lambda, distortion: training.distortion, steps: training.steps, data: configuration.data),
        path: run.directory.filePath)
    try trained.save(to: run.directory.appending(path: TrainedCodec.folderName).filePath)
    let report = try heldOutReport(trained, configuration, split, crops, run: run, progress: progress, cancellation: cancellation)
    return (trained, report)
}

/// Measures a new codec on the pictures that were held back. Those that cannot be read are left out.
private func heldOutReport(
    _ codec: TrainedCodec, _ configuration: PictureTrainingConfiguration, _ split: PictureSplit, _ crops: FolderCrops, run: Run,
    progress: any ProgressReporter, cancellation: Cancellation
) throws -> Report {
    var skipped = crops.skipped.map(\.reason)
    let held = PictureSet(
        split.training.keeping(Array(split.heldOut.prefix(configuration.heldOutLimit))), alpha: .white, largestSide: configuration.largestSide,
        middle: heldOutSide
    ) { error in
        skipped.append("\(error)")
        progress.message("skipped: \(error)")
    }
    let coder = try LearnedCoder(codec.codec)
    let evaluation = try held.evaluate(coder, name: codec.label, progress: progress, cancellation: cancellation)
    try run.write(evaluation, named: "evaluation.json")
    let examples = try zip(held.names, held.pictures).prefix(configuration.examples).map { name, picture in
        try PictureComparison(title: name, original: picture, coded: [(codec.label, try coder.code(picture))])
    }
    return try CodecReport.training(
        codec, configuration, evaluation, pictureCount: crops.pictureCount, skipped: skipped, examples: examples,
        metrics: MetricWriter.read(run.directory))
}

/// Held-out pictures are measured in their middle: the report is not to take longer than a small training.
private let heldOutSide = 512
