public import Experiments
internal import Foundation
internal import Torch

/// Trains a sparse autoencoder on a source of activations.
///
/// ```swift
/// let activations = InMemoryActivations(rows, seed: 0)
/// let configuration = SAETrainingConfiguration(architecture: .topK(TopKSettings(k: 32)), dictionarySize: 4_096)
/// let model = try trainSparseAutoencoder(configuration, on: activations, seed: 0)
/// ```
///
/// With a `run`, metrics go to its `metrics.jsonl` and TensorBoard, checkpoints to its `checkpoints/`, the model to its folder
/// `sae`; a run that was resumed continues at its last checkpoint with the same bits as if it had never stopped.
/// - Parameters:
///   - seed: of the initial weights; the source has its own.
///   - origin: where the activations come from, kept with the model.
///   - task: what the progress bar calls it.
/// - Throws: `ConfigurationError`, ``TrainingError``, `StorageError`, errors of the source; `RunInterrupted` when cancelled,
///   after a checkpoint.
@discardableResult
public func trainSparseAutoencoder(
    _ configuration: SAETrainingConfiguration, on source: any ActivationSource, seed: UInt64, origin: ActivationOrigin? = nil,
    task: String = "Training", run: Run? = nil, progress: any ProgressReporter = SilentProgress(), cancellation: Cancellation = Cancellation()
) throws -> SparseAutoencoder {
    try trainSparseAutoencoders(
        [TrainingArm(configuration, seed: seed)], on: source, origin: origin, task: task, run: run, progress: progress,
        cancellation: cancellation)[0]
}

/// Trains several autoencoders in one pass over a source, each of which learns what it would have learned alone.
///
/// Arms may differ in everything but steps and batch size. With a `run`, their metrics and models lie under their names.
/// - Throws: as ``trainSparseAutoencoder(_:on:seed:origin:task:run:progress:cancellation:)``.
public func trainSparseAutoencoders(
    _ arms: [TrainingArm], on source: any ActivationSource, origin: ActivationOrigin? = nil, task: String = "Training", run: Run? = nil,
    progress: any ProgressReporter = SilentProgress(), cancellation: Cancellation = Cancellation()
) throws -> [SparseAutoencoder] {
    guard let batchSize = arms.map(\.configuration.batchSize).max() else { return [] }
    for arm in arms { try arm.configuration.validate() }
    // The first rows choose input scale and b_dec; they are served again for training.
    let beginning = source.position
    let group = try TrainingGroup(arms, start: try source.nextBatch(max(batchSize, 8_192)), origin: origin)
    source.position = beginning
    if let checkpoint = run?.resumedFrom { source.position = try group.restore(from: checkpoint) }

    let configuration = group.configuration
    let loop = TrainingLoop(
        task, steps: configuration.steps, checkpointEvery: configuration.checkpointEvery, run: run, progress: progress, cancellation: cancellation)
    try loop(from: group.step, save: { try group.save(to: $0, position: source.position) }) { _ in
        try group.step(try source.nextBatch(batchSize)) { try run?.log($0, step: $1) }
    }
    return try group.finish(in: run)
}

extension SAETrainer.Report {
    /// A few words for the progress bar.
    var summary: String {
        "loss \(loss.formatted(.number.precision(.significantDigits(4))))" + (deadFeatures > 0 ? ", \(deadFeatures) dead" : "")
    }
}

extension SAETrainer {
    /// What is logged of a step, measured on its batch with the weights after it.
    func metrics(of report: Report, batch: ActivationBatch) -> [String: Double] {
        withoutGradients {
            let batch = normalizedRows(of: batch), rows = batch.activations
            let pass = TrainingPass(model, input: rows, gradients: batch.gradients, step: step)
            let variance = (rows - rows.mean(axis: 0)).squared().sum().item()
            var values = [
                "train/loss": report.loss, "train/gradient_norm": report.gradientNorm, "train/dead": Double(report.deadFeatures),
                "train/l0": pass.code.activeCounts().to(dtype: .float64).mean().item(),
                "train/fvu": pass.error.squared().sum().item() / variance,
                "train/learning_rate": configuration.effectiveLearningRate * configuration.learningRateFactor(at: step - 1),
                "train/tokens": Double(tokensSeen),
            ]
            for term in report.terms { values["train/\(term.name)"] = term.value }
            return values
        }
    }
}
