public import Experiments
internal import Foundation
internal import Torch

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
/// - Throws: `ConfigurationError`, ``CodecTrainingError``, `StorageError`, errors of the source; `RunInterrupted` when cancelled, after a
///   checkpoint.
@discardableResult
public func trainImageCodec(
    _ configuration: ImageCodecTrainingConfiguration, on source: any CropSource, seed: UInt64, task: String = "Training", run: Run? = nil,
    progress: any ProgressReporter = SilentProgress(), cancellation: Cancellation = Cancellation()
) throws -> any ImageCodec {
    let trainer = try ImageCodecTrainer(configuration, seed: seed)
    if let checkpoint = run?.resumedFrom { try trainer.restore(from: checkpoint) }
    progress.begin(task, total: configuration.steps, completed: trainer.step, unit: "steps")
    while trainer.step < configuration.steps {
        let crops = try source.crops(first: trainer.step * configuration.batchSize, count: configuration.batchSize, size: configuration.cropSize)
        let report = try trainer.step(crops)
        if trainer.step % configuration.logEvery == 0 || trainer.step == configuration.steps {
            try run?.log(report.metrics, step: trainer.step)
        }
        progress.update(trainer.step, detail: report.summary)
        let isDue = configuration.checkpointEvery.map { trainer.step % $0 == 0 } ?? false
        if isDue || cancellation.isCancelled { try run?.saveCheckpoint(step: trainer.step) { try trainer.save(to: $0) } }
        try cancellation.check()
    }
    progress.end()
    return try trainer.trainedCodec()
}

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
