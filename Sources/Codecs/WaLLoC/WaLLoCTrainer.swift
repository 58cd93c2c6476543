public import Experiments
public import Torch
internal import TorchNN

/// Signals to train WaLLoC on, in an order that follows from a seed: signal number i is always the same one.
public protocol WaLLoCSource: AnyObject {
    /// The signals from number `first` on.
    /// - Returns: shape [count, channels, …], −½…½.
    /// - Throws: errors of reading files.
    func signals(first: Int, count: Int) throws -> Tensor
}

/// Crops of pictures.
public final class WaLLoCCrops: WaLLoCSource {
    private let crops: any CropSource
    private let size: Int, channels: Int

    /// - Parameter channels: 3, or 1 for the luma of BT.601.
    public init(_ crops: any CropSource, size: Int, channels: Int = 3) {
        require(channels == 1 || channels == 3, "WaLLoCCrops: pictures have 1 or 3 channels, not \(channels)")
        (self.crops, self.size, self.channels) = (crops, size, channels)
    }

    public func signals(first: Int, count: Int) throws -> Tensor {
        let images = try crops.crops(first: first, count: count, size: size)
        return (channels == 3 ? images : images.luma) - 0.5
    }
}

extension Tensor {
    /// Of images [batch, 3, height, width]: 0.299 R + 0.587 G + 0.114 B as [batch, 1, height, width].
    package var luma: Tensor { (self * Tensor([0.299, 0.587, 0.114] as [Float], shape: [3, 1, 1])).sum(axis: 1, keepingDimensions: true) }
}

/// Trains one WaLLoC codec, a batch at a time.
public final class WaLLoCTrainer {
    public let configuration: WaLLoCTrainingConfiguration
    public let codec: WaLLoC
    /// Optimiser steps done.
    public private(set) var step = 0
    private let optimizer: Adam
    private var plateau = LossPlateau()

    /// A step's outcome.
    public struct Report: Sendable {
        /// Mean squared error of the signal + φ · that of its bands.
        public let loss: Double
        /// In dB, for signals of a range of 1.
        public let psnr: Double
        public let learningRate: Double
        /// Norm of all gradients before clipping.
        public let gradientNorm: Double
    }

    /// A codec before its first step.
    /// - Parameters:
    ///   - source: asked for signals where the encoder starts at their principal components; those are the ones before number 0.
    ///   - seed: of the weights and of the noise that stands for rounding.
    /// - Throws: `ConfigurationError`, errors of the source.
    public init(_ configuration: WaLLoCTrainingConfiguration, on source: any WaLLoCSource, seed: UInt64, device: Device = .cpu) throws {
        try configuration.validate()
        self.configuration = configuration
        codec = WaLLoC(configuration.codec, generator: RandomGenerator(seed: seed, device: device))
        optimizer = Adam(codec.namedParameters(), Adam.Settings(learningRate: configuration.learningRate))
        if configuration.start == .principalComponents {
            let bands = try startBands(source, device)
            codec.startAtPrincipalComponents(BandComponents(of: bands, count: configuration.codec.latentChannels))
        }
    }

    /// Bands of the signals that come first.
    private func startBands(_ source: any WaLLoCSource, _ device: Device) throws -> Tensor {
        let count = configuration.startSignals, batch = min(count, configuration.batchSize)
        let parts = try stride(from: 0, to: count, by: batch).map { first in
            codec.analysis(try source.signals(first: first, count: min(batch, count - first)).to(device: device))
        }
        return Tensor.concatenated(parts)
    }

    /// One step of the optimiser.
    /// - Parameter signals: shape [batch, channels, …], −½…½.
    /// - Throws: ``CodecTrainingError/diverged(step:)`` if the loss is not a number; the codec is then as it was before.
    @discardableResult
    public func step(_ signals: Tensor) throws -> Report {
        let output = codec(signals)
        let error = output.reconstruction.meanSquaredError(signals)
        let loss = configuration.bandLossWeight > 0
            ? error + output.reconstructedBands.meanSquaredError(output.bands) * configuration.bandLossWeight : error
        let value = loss.item()
        guard value.isFinite else { throw CodecTrainingError.diverged(step: step) }
        codec.zeroGradients()
        loss.backward()
        let factor = configuration.factor(at: step) * plateau.factor
        let norm = optimizer.step(learningRateFactor: factor, clippingToNorm: configuration.gradientClipNorm ?? .infinity)
        step += 1
        if configuration.schedule == .plateau, step > configuration.warmupSteps { plateau.add(value) }
        return Report(
            loss: value, psnr: error.log10().item() * -10, learningRate: configuration.learningRate * factor, gradientNorm: norm)
    }

    // MARK: Checkpoints

    private struct State: Codable {
        var step: Int
        var codec: WaLLoCConfiguration
        var plateau: LossPlateau
    }

    /// Writes everything that the next step depends on.
    package func save(to checkpoint: CheckpointWriter) throws {
        var tensors = ["noise": codec.noiseState]
        tensors.add(codec.stateDictionary, under: "codec")
        tensors.add(optimizer.stateDictionary, under: "optimizer")
        try checkpoint.write(tensors, named: "training")
        try checkpoint.write(State(step: step, codec: configuration.codec, plateau: plateau))
    }

    /// Continues where ``save(to:)`` was called.
    /// - Throws: ``CodecTrainingError/foreignCheckpoint(expected:found:)``, `StateMismatch`.
    package func restore(from checkpoint: Checkpoint) throws {
        let state = try checkpoint.state(State.self)
        guard state.codec == configuration.codec else {
            throw CodecTrainingError.foreignCheckpoint(expected: configuration.codec.description, found: state.codec.description)
        }
        let tensors = try checkpoint.tensors(named: "training")
        try codec.load(tensors.part("codec"))
        try optimizer.load(tensors.part("optimizer"))
        if let noise = tensors["noise"] { codec.noiseState = noise }
        (step, plateau) = (state.step, state.plateau)
    }
}

extension WaLLoCConfiguration: CustomStringConvertible {
    public var description: String {
        "WaLLoC codec of \(signal.name) with \(channels) channels, \(levels) levels, \(latentChannels) × \(bits) bits and a decoder of \(decoderWidth)"
    }
}

/// Trains a WaLLoC codec.
///
/// With a `run`, metrics go to its `metrics.jsonl` and TensorBoard and checkpoints to its `checkpoints/`; a run that was resumed continues at
/// its last checkpoint with the same bits as if it had never stopped.
/// - Returns: the codec in evaluation mode.
/// - Throws: `ConfigurationError`, ``CodecTrainingError``, `StorageError`, errors of the source; `RunInterrupted` when cancelled, after a
///   checkpoint.
@discardableResult
public func trainWaLLoC(
    _ configuration: WaLLoCTrainingConfiguration, on source: any WaLLoCSource, seed: UInt64, device: Device = .cpu, task: String = "Training",
    run: Run? = nil, progress: any ProgressReporter = SilentProgress(), cancellation: Cancellation = Cancellation()
) throws -> WaLLoC {
    let trainer = try WaLLoCTrainer(configuration, on: source, seed: seed, device: device)
    if let checkpoint = run?.resumedFrom { try trainer.restore(from: checkpoint) }
    let loop = TrainingLoop(
        task, steps: configuration.steps, checkpointEvery: configuration.checkpointEvery, run: run, progress: progress, cancellation: cancellation)
    try loop(from: trainer.step, save: trainer.save) { step in
        let signals = try source.signals(first: trainer.step * configuration.batchSize, count: configuration.batchSize).to(device: device)
        let report = try trainer.step(signals)
        if loop.logs(step, every: configuration.logEvery) {
            try run?.log(["loss": report.loss, "psnr": report.psnr, "learningRate": report.learningRate, "gradientNorm": report.gradientNorm], step: step)
        }
        return "PSNR \(formatNumber(report.psnr, digits: 4)) dB"
    }
    trainer.codec.setMode(.evaluation)
    return trainer.codec
}
