internal import EntropyCoding
package import Experiments
public import Torch
internal import TorchNN

/// Trains one image codec, a batch at a time: λ·distortion + bits per pixel by one optimiser, the entropy bottleneck's quantiles by another.
public final class ImageCodecTrainer {
    public let configuration: ImageCodecTrainingConfiguration
    public let codec: any ImageCodec
    /// Optimiser steps done.
    public private(set) var step = 0
    private let optimizer: Adam, quantileOptimizer: Adam
    private let generator: RandomGenerator
    private let schedule: LearningRateSchedule
    /// Deviations of the latents' channels at the beginning, in units of which what tells their distributions makes its steps; nil for steps of
    /// the same size for all.
    ///
    /// Deviations differ by orders of magnitude, and Adam's steps are of the size of the learning rate: a short training would not bring
    /// the means and scales of the largest channels to their places, and would shake those of the smallest.
    private var units: Tensor?

    /// A step's outcome.
    public struct Report: Sendable {
        /// λ·distortion + bits per pixel.
        public let loss: Double
        public let bitsPerPixel: Double
        /// 255²·MSE or 1 − MS-SSIM.
        public let distortion: Double
        /// How far the quantiles are from those of their distributions.
        public let auxiliaryLoss: Double
        /// Norm of all gradients before clipping.
        public let gradientNorm: Double
    }

    /// A codec with random weights, or those of another of the same kind and size.
    /// - Parameters:
    ///   - seed: of the weights and of the noise that stands for rounding.
    ///   - start: a codec whose weights training begins with, e.g. one of another λ; it stays as it is.
    /// - Throws: `ConfigurationError` for settings that make no sense; ``CodecTrainingError/foreignStart(expected:found:)``.
    public init(_ configuration: ImageCodecTrainingConfiguration, seed: UInt64, start: (any ImageCodec)? = nil, device: Device = .cpu) throws {
        try configuration.validate()
        self.configuration = configuration
        generator = RandomGenerator(seed: seed, device: device)
        codec = configuration.codec.makeCodec(generator: generator)
        if let start {
            guard start.configuration == configuration.codec else {
                throw CodecTrainingError.foreignStart(expected: configuration.codec.description, found: start.configuration.description)
            }
            try codec.load(start.stateDictionary)
        }
        let parameters = codec.namedParameters(), isQuantile = { (named: NamedTensor) in named.name.hasSuffix("quantiles") }
        optimizer = Adam(parameters.filter { !isQuantile($0) }, Adam.Settings(learningRate: configuration.learningRate))
        quantileOptimizer = Adam(parameters.filter(isQuantile), Adam.Settings(learningRate: configuration.auxiliaryLearningRate))
        let start = Int((configuration.decayStart * Double(configuration.steps)).rounded())
        schedule = start < configuration.steps
            ? .sequence([
                .init(.constant, steps: start),
                .init(.linear(from: 1, to: 0, steps: configuration.steps - start), steps: configuration.steps - start),
            ]) : .constant
    }

    /// Prepares for the first step (``CodecInitialization/principalComponents``): computes weights from crops, unless the codec begins with those
    /// of another, and measures the units of distributions.
    package func initialize(from images: Tensor, keepingWeights: Bool = false) {
        let lambda = configuration.distortion == .meanSquaredError ? configuration.lambda : Distortion.meanSquaredError.publishedLambdas[3]
        // The latents of published weights say nothing about those that will be.
        guard keepingWeights || codec.initialize(from: images, lambda: lambda), let layer = codec.distributionLayer else { return }
        let latents = withoutGradients { codec(images).latents[0].values }, deviations = latents.standardDeviation(axes: [0, 2, 3])
        guard layer.weight.size(0) % deviations.size(0) == 0 else { return }
        units = Tensor.concatenated(Array(repeating: deviations.clamped(minimum: 0.01), count: layer.weight.size(0) / deviations.size(0)))
    }

    /// A step of the optimiser in which weights of distributions move by their units.
    private func move(_ step: () -> Double) -> Double {
        guard let units, let layer = codec.distributionLayer else { return step() }
        return withoutGradients {
            let moved = [layer.weight, layer.bias].compactMap { $0 }, before = moved.map { $0.detached().cloned() }
            let norm = step()
            for (parameter, old) in zip(moved, before) {
                let shape = [units.size(0)] + Array(repeating: 1, count: parameter.rank - 1)
                parameter.copyInPlace(from: old + (parameter - old) * units.reshaped(shape))
            }
            return norm
        }
    }

    /// One step of both optimisers.
    /// - Parameter images: shape [batch, 3, height, width], values in 0…1.
    /// - Throws: ``CodecTrainingError/diverged(step:)`` if the loss is not a number; the codec is then as it was before.
    @discardableResult
    public func step(_ images: Tensor) throws -> Report {
        let output = codec(images)
        let distortion = configuration.distortion.value(output.reconstruction, images)
        let rate = output.bitsPerPixel
        let loss = distortion * configuration.lambda + rate
        let value = loss.item()
        guard value.isFinite else { throw CodecTrainingError.diverged(step: step) }
        codec.zeroGradients()
        loss.backward()
        let factor = schedule.factor(at: step)
        let norm = move { optimizer.step(learningRateFactor: factor, clippingToNorm: configuration.gradientClipNorm ?? .infinity) }
        // The loss has no gradient of the quantiles but through rounding in evaluation.
        quantileOptimizer.zeroGradients()
        let auxiliary = codec.auxiliaryLoss()
        auxiliary.backward()
        quantileOptimizer.step(learningRateFactor: factor)
        step += 1
        return Report(
            loss: value, bitsPerPixel: rate.item(), distortion: distortion.item(), auxiliaryLoss: auxiliary.item(), gradientNorm: norm)
    }

    /// The codec with its tables made, ready to compress.
    /// - Throws: `EntropyCodingError` where parameters are NaN or infinite.
    public func trainedCodec() throws -> any ImageCodec {
        codec.setMode(.evaluation)
        // Training may not have brought the quantiles to their places.
        try codec.update(searchingQuantiles: true)
        return codec
    }

    // MARK: Checkpoints

    private struct State: Codable {
        var step: Int
        var codec: ImageCodecConfiguration
    }

    /// Writes everything that the next step depends on.
    package func save(to checkpoint: CheckpointWriter) throws {
        var tensors = ["generator": generator.state]
        tensors.add(codec.stateDictionary, under: "codec")
        tensors.add(optimizer.stateDictionary, under: "optimizer")
        tensors.add(quantileOptimizer.stateDictionary, under: "quantiles")
        tensors["units"] = units
        try checkpoint.write(tensors, named: "training")
        try checkpoint.write(State(step: step, codec: configuration.codec))
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
        try quantileOptimizer.load(tensors.part("quantiles"))
        if let random = tensors["generator"] { generator.state = random }
        units = tensors["units"]
        step = state.step
    }
}

extension Distortion {
    /// Of images [batch, 3, height, width], a scalar.
    func value(_ reconstruction: Tensor, _ images: Tensor) -> Tensor {
        switch self {
        case .meanSquaredError: (reconstruction - images).squared().mean() * (255 * 255)
        case .msSSIM: 1 - ImageQuality.msSSIM(reconstruction, images).mean()
        }
    }
}

extension ImageCodecConfiguration: CustomStringConvertible {
    public var description: String { "\(kind.rawValue) with \(channels) and \(latentChannels) channels" }
}

/// Training that cannot go on.
public enum CodecTrainingError: Error, CustomStringConvertible, Equatable {
    case diverged(step: Int)
    case foreignCheckpoint(expected: String, found: String)
    case foreignStart(expected: String, found: String)

    public var description: String {
        switch self {
        case .diverged(let step): "the loss is not a number at step \(step); lower learningRate, or check the images for values that are not numbers"
        case .foreignCheckpoint(let expected, let found):
            "the checkpoint is of a \(found), expected \(expected); resume with the configuration it was written with"
        case .foreignStart(let expected, let found):
            "training cannot start from a \(found), expected \(expected); give the same kind and channels"
        }
    }
}
