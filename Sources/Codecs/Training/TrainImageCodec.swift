public import Experiments
internal import Foundation
public import Torch
internal import TorchNN

/// Trains an image codec on crops of images.
///
/// ```swift
/// var configuration = ImageCodecTrainingConfiguration()
/// configuration.codec = ImageCodecConfiguration(.meanScaleHyperprior, channels: 32, latentChannels: 48)
/// let codec = try trainImageCodec(configuration, on: InMemoryCrops(images, seed: 0), seed: 0)
/// let coded = try codec.compress(image)
/// ```
///
/// With a `run`, metrics go to its `metrics.jsonl` and TensorBoard and checkpoints to its `checkpoints/`; a run that was resumed continues at
/// its last checkpoint with the same bits as if it had never stopped.
/// - Parameters:
///   - start: a codec whose weights training begins with; a resumed run begins with its own.
///   - device: where training computes; the codec that comes back is on the CPU.
/// - Throws: `ConfigurationError`, ``CodecTrainingError``, `StorageError`, errors of the source; `RunInterrupted` when cancelled, after a
///   checkpoint.
@discardableResult
public func trainImageCodec(
    _ configuration: ImageCodecTrainingConfiguration, on source: any CropSource, seed: UInt64, start: (any ImageCodec)? = nil,
    device: Device = .cpu, task: String = "Training", run: Run? = nil,
    progress: any ProgressReporter = SilentProgress(), cancellation: Cancellation = Cancellation()
) throws -> any ImageCodec {
    let trainer = try ImageCodecTrainer(configuration, seed: seed, start: start, device: device)
    if let checkpoint = run?.resumedFrom {
        try trainer.restore(from: checkpoint)
    } else if configuration.initialization == .principalComponents {
        trainer.initialize(from: try source.crops(first: 0, count: initialCrops, size: configuration.cropSize).to(device: device), keepingWeights: start != nil)
    }
    let loop = TrainingLoop(
        task, steps: configuration.steps, checkpointEvery: configuration.checkpointEvery, run: run, progress: progress, cancellation: cancellation)
    try loop(from: trainer.step, save: trainer.save) { step in
        let crops = try source.crops(first: trainer.step * configuration.batchSize, count: configuration.batchSize, size: configuration.cropSize)
        let report = try trainer.step(crops.to(device: device))
        if loop.logs(step, every: configuration.logEvery) { try run?.log(report.metrics, step: step) }
        return report.summary
    }
    let trained = try trainer.trainedCodec()
    if device.kind == .cpu { return trained }
    let codec = configuration.codec.makeCodec(generator: RandomGenerator(seed: seed))
    try codec.load(trained.stateDictionary.mapValues { $0.to(device: .cpu) })
    codec.setMode(.evaluation)
    return codec
}

/// Crops that initial weights are computed from.
private let initialCrops = 64

extension ImageCodecTrainer.Report {
    fileprivate var summary: String {
        "\(formatNumber(bitsPerPixel, digits: 3)) bpp, distortion \(formatNumber(distortion, digits: 3))"
    }

    fileprivate var metrics: [String: Double] {
        [
            "train/loss": loss, "train/bpp": bitsPerPixel, "train/distortion": distortion, "train/auxiliary": auxiliaryLoss,
            "train/gradient_norm": gradientNorm,
        ]
    }
}
