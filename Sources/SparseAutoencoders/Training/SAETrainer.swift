internal import Experiments
public import Torch
public import TorchNN

/// Trains one sparse autoencoder, a batch at a time.
///
/// `trainSparseAutoencoder` is the loop around it; several trainers can share
/// one source by being handed the same batches.
public final class SAETrainer {
    public let configuration: SAETrainingConfiguration
    public let model: SparseAutoencoder
    public let optimizer: Adam
    /// Optimiser steps done.
    public private(set) var step = 0
    /// Activations seen.
    public private(set) var tokensSeen = 0

    let lossTerms: [any LossTerm]
    private let plan: TrainingPlan
    let dead: DeadFeatures
    let weightAverage: WeightAverage?
    let generator: RandomGenerator
    /// Activations of a larger norm are left out.
    private let normLimit: Double?
    var thresholdEstimate: ThresholdEstimate?

    /// A step's outcome.
    public struct Report: Sendable {
        /// The sum of all terms.
        public let loss: Double
        /// The terms in order, with their coefficients.
        public let terms: [Term]
        /// Norm of all gradients before clipping.
        public let gradientNorm: Double
        public let deadFeatures: Int

        public struct Term: Sendable {
            public let name: String
            public let value: Double
        }
    }

    /// A model initialised from the configuration and data.
    /// - Parameters:
    ///   - batch: activations from which input scale and b_dec are chosen, usually the first batch, shape [N, D]; with gradients for
    ///     architectures that need them.
    ///   - seed: of the initial weights and of resampling.
    ///   - origin: where the activations come from, kept with the model.
    /// - Throws: `ConfigurationError` for settings that make no sense; ``TrainingError`` if `start` is not finite or lacks gradients.
    public init(
        _ configuration: SAETrainingConfiguration, start batch: ActivationBatch, seed: UInt64, origin: ActivationOrigin? = nil
    ) throws {
        try configuration.validate()
        try configuration.checkArchitecture(inputSize: batch.activations.size(1))
        guard batch.activations.isFinite().all().item() != 0 else { throw TrainingError.activationsNotFinite(step: 0) }
        try configuration.checkGradients(of: batch)
        normLimit = configuration.outlierNorm.map { batch.activations.outlierNorm(factor: $0) }
        let ordinary = batch.rows(ofNormAtMost: normLimit), start = ordinary.activations
        self.configuration = configuration
        generator = RandomGenerator(seed: seed, device: start.device)
        let variant = configuration.architecture.variant
        let normalization = configuration.normalization.resolved(for: start)
        let model = SparseAutoencoder(
            configuration: SparseAutoencoderConfiguration(
                encoder: variant.encoder(for: ordinary), inputSize: start.size(1), dictionarySize: configuration.dictionarySize,
                normalization: normalization, subtractsDecoderBias: configuration.subtractsDecoderBias, origin: origin),
            atomNorm: variant.start.atomNorm, encoderScale: variant.start.encoderScale, dtype: start.dtype, generator: generator)
        withoutGradients {
            let bias = (configuration.decoderBiasStart ?? variant.start.decoderBias).bias(for: normalization.normalize(start).rows)
            _ = model.decoderBias.copyInPlace(from: bias)
        }
        self.model = model
        optimizer = configuration.optimizer(for: model)
        plan = TrainingPlan(
            inputSize: start.size(1), steps: configuration.steps, batchSize: configuration.batchSize,
            sparsityWarmupSteps: configuration.effectiveSparsityWarmupSteps)
        lossTerms = variant.makeLossTerms(plan)
        dead = DeadFeatures(
            featureCount: configuration.dictionarySize, threshold: configuration.deadAfterTokens, device: start.device)
        weightAverage = configuration.weightAverageDecay.map { WeightAverage(of: model, .debiasedExponential(decay: $0)) }
        thresholdEstimate = variant.thresholdRule.map { ThresholdEstimate($0, steps: configuration.steps) }
    }

    /// A model initialised from the configuration and activations of shape [N, D].
    public convenience init(
        _ configuration: SAETrainingConfiguration, start: Tensor, seed: UInt64, origin: ActivationOrigin? = nil
    ) throws {
        try self.init(configuration, start: ActivationBatch(start), seed: seed, origin: origin)
    }

    /// One optimiser step on activations in their own scale, shape [B, D].
    /// - Throws: ``TrainingError`` if the loss is not a number; the model is then as it was before.
    @discardableResult
    public func step(_ batch: Tensor) throws -> Report { try step(ActivationBatch(batch)) }

    /// One optimiser step.
    /// - Parameter batch: activations in their own scale; with gradients for architectures that need them.
    /// - Throws: ``TrainingError`` if the loss is not a number or gradients are missing; the model is then as it was before.
    @discardableResult
    public func step(_ batch: ActivationBatch) throws -> Report {
        try configuration.checkGradients(of: batch)
        configuration.architecture.variant.prepare(model, step: step, plan: plan)
        let rows = normalizedRows(of: batch)
        let pass = TrainingPass(model, input: rows.activations, gradients: rows.gradients, step: step, generator: generator) { dead.note($0) }
        let terms = lossTerms.compactMap { term in term.loss(pass).map { (term.name, loss: $0) } }
        let loss = terms.dropFirst().reduce(terms[0].loss) { $0 + $1.loss }
        let value = loss.item()
        guard value.isFinite else {
            let batchIsFinite = batch.activations.isFinite().all().item() != 0
            throw batchIsFinite ? TrainingError.diverged(step: step) : .activationsNotFinite(step: step)
        }
        model.zeroGradients()
        loss.backward()
        let norm = optimizer.step(
            learningRateFactor: configuration.learningRateFactor(at: step), clippingToNorm: configuration.gradientClipNorm ?? .infinity)
        step += 1
        tokensSeen += batch.activations.size(0)
        resampleIfDue(pass)
        weightAverage?.update()
        thresholdEstimate?.note(pass.code, step: step)
        configuration.architecture.variant.observe(pass, plan: plan)
        return Report(
            loss: value, terms: terms.map { Report.Term(name: $0.0, value: $0.loss.item()) }, gradientNorm: norm,
            deadFeatures: dead.count)
    }

    /// A batch without outliers, its activations in the scale of the model.
    func normalizedRows(of batch: ActivationBatch) -> ActivationBatch {
        withoutGradients {
            var rows = batch.rows(ofNormAtMost: normLimit)
            rows.activations = model.configuration.normalization.normalize(rows.activations).rows
            return rows
        }
    }

    private func resampleIfDue(_ pass: TrainingPass) {
        let settings = configuration.architecture.variant as? ReLUSettings
        guard let interval = settings?.resampleEvery, step % interval == 0 else { return }
        let silent = dead.silent(for: interval / 2 * configuration.batchSize)
        Resampling.restart(silent, of: pass, optimizer: optimizer, generator: generator)
        dead.reset(silent)
    }

    /// The model to keep: a copy with averaged weights (if configured) and the input's scale folded in, so that it takes
    /// activations as they are.
    public func trainedModel() throws -> SparseAutoencoder {
        let result = weightAverage.map { average in average.count > 0 ? average.applied { model.copy() } : model.copy() } ?? model.copy()
        if configuration.architecture.variant.atomConstraint == .unitNorm {
            // Averages of unit vectors are shorter.
            withoutGradients { _ = result.atoms.copyInPlace(from: result.atoms.unitRows()) }
        }
        let finished = configuration.architecture.variant.finish(result, thresholds: thresholdEstimate?.value)
        if !finished.configuration.normalization.dependsOnRow { try finished.foldInputScale() }
        finished.freeze()
        return finished
    }

    func restore(step: Int, tokensSeen: Int) {
        self.step = step
        self.tokensSeen = tokensSeen
    }
}

extension SAETrainingConfiguration.Normalization {
    /// The normalisation with its factor chosen for given activations.
    func resolved(for activations: Tensor) -> InputNormalization {
        switch self {
        case .none: .none
        case .unitMeanSquare: .scaled(by: InputNormalization.FixedScale.unitMeanSquare.factor(for: activations))
        case .expectedAverageNorm: .scaled(by: InputNormalization.FixedScale.expectedAverageNorm.factor(for: activations))
        case .constantNorm: .constantNorm
        case .layerNorm: .layerNorm
        }
    }
}

extension SAETrainingConfiguration {
    /// - Throws: ``TrainingError/gradientsMissing(architecture:)``.
    func checkGradients(of batch: ActivationBatch) throws(TrainingError) {
        if architecture.variant.needsGradients, batch.gradients == nil { throw .gradientsMissing(architecture: architecture.name) }
    }
}

/// Training that cannot go on.
public enum TrainingError: Error, CustomStringConvertible, Equatable {
    /// The loss is not a number although the activations are.
    case diverged(step: Int)
    case activationsNotFinite(step: Int)
    /// The architecture chooses features by gradients, and the activations have none.
    case gradientsMissing(architecture: String)
    /// A checkpoint of another model or configuration.
    case foreignCheckpoint(problem: String)

    public var description: String {
        switch self {
        case .diverged(let step):
            "the loss is not a number at step \(step); lower learningRate or check the normalization of the activations"
        case .activationsNotFinite(let step):
            "the batch of step \(step) holds activations that are not finite numbers; collect them anew"
        case .gradientsMissing(let architecture):
            "\(architecture) needs the gradients of the model's loss with the activations: collect them with 'condense sae collect --gradients'"
        case .foreignCheckpoint(let problem):
            "the checkpoint does not fit this run: \(problem); resume with the configuration it was written with"
        }
    }
}
