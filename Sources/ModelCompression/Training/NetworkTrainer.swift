public import Experiments
public import Networks
internal import Torch
internal import TorchNN

/// Why the training of a network stopped.
public enum NetworkTrainingError: Error, CustomStringConvertible, Equatable {
    case diverged(step: Int)

    public var description: String {
        switch self {
        case .diverged(let step): "the loss is not a number after step \(step); choose a smaller learning rate"
        }
    }
}

/// Trains a network to predict classes or next ids, a batch at a time, and makes it smaller on the way.
public final class NetworkTrainer {
    public let configuration: NetworkTrainingConfiguration
    /// Another one after channels were cut.
    public private(set) var network: GraphNetwork
    /// nil where no weights are masked.
    public let pruner: WeightPruner?
    /// nil where no channels are cut.
    public private(set) var channels: ChannelPruning?
    /// Optimiser steps done.
    public private(set) var step = 0
    private var optimizer: any Optimizer
    private let schedule: LearningRateSchedule
    private let references: Examples?

    /// A step's outcome.
    public struct Report: Sendable {
        /// Mean cross-entropy in nats.
        public let loss: Double
        public let learningRate: Double
        /// The part of the weights that may be pruned which is masked, or of the channels that is gone; nil where nothing is.
        public let sparsity: Double?
    }

    /// - Parameters:
    ///   - network: keeps its weights where channels are cut from it; others are trained.
    ///   - references: examples for criteria of channels that need them.
    /// - Throws: `ConfigurationError`; `GraphProblem` if channels are to be cut of a network in which none can be.
    public init(_ network: GraphNetwork, _ configuration: NetworkTrainingConfiguration, references: Examples? = nil) throws {
        try configuration.validate()
        self.network = network
        self.configuration = configuration
        self.references = references
        schedule = configuration.schedule
        pruner = try configuration.pruning.map { try WeightPruner(network, $0) }
        channels = try configuration.channels.map { try ChannelPruning(network, $0) }
        optimizer = configuration.makeOptimizer(network)
    }

    /// Cuts channels if the schedule says so.
    private func cutChannels() throws {
        guard let plan = configuration.channels, plan.schedule.choosesWeights(at: step) else { return }
        try channels?.cut(
            to: plan.schedule.sparsity(at: step), on: references, random: RandomGenerator(seed: UInt64(step), device: network.generator.device))
        guard let smaller = channels?.network, smaller !== network else { return }
        network = smaller
        // Its moments are of weights that are no longer there.
        optimizer = configuration.makeOptimizer(network)
    }

    /// One step of the optimiser.
    /// - Throws: ``NetworkTrainingError/diverged(step:)`` if the loss is not a number; the network is then as it was before. `GraphProblem` if
    ///   fewer channels can be cut than the plan wants.
    @discardableResult
    public func step(_ batch: Examples) throws -> Report {
        try cutChannels()
        network.mode = .training
        pruner?.chooseWeights(at: step)
        let loss = network(batch.inputs).crossEntropy(ofTargets: batch.targets), value = loss.item()
        guard value.isFinite else { throw NetworkTrainingError.diverged(step: step) }
        network.zeroGradients()
        loss.backward()
        let factor = schedule.factor(at: step)
        if let norm = configuration.gradientClipNorm { clipGradients(of: optimizer.parameters.map(\.tensor), toNorm: norm) }
        optimizer.step(learningRateFactor: factor)
        pruner?.holdMasked()
        step += 1
        let gone = try pruner?.sparsity ?? channels?.part(gone: .channels)
        return Report(loss: value, learningRate: configuration.learningRate * factor, sparsity: gone)
    }

    // MARK: Checkpoints

    private struct State: Codable {
        var step: Int
        var graph: NetworkGraph
        /// Where channels are cut.
        var kept: [String: [Int]]?
    }

    /// Writes everything that the next step depends on.
    package func save(to checkpoint: CheckpointWriter) throws {
        var tensors = ["random": network.generator.state]
        tensors.add(network.stateDictionary, under: "network")
        tensors.add(network.masks, under: "masks")
        tensors.add(optimizer.stateDictionary, under: "optimizer")
        try checkpoint.write(tensors, named: "training")
        try checkpoint.write(State(step: step, graph: network.graph, kept: channels?.kept))
    }

    /// Continues where ``save(to:)`` was called.
    /// - Throws: `StorageError`, `StateMismatch`; `ConfigurationError` for another network.
    package func restore(from checkpoint: Checkpoint) throws {
        let state = try checkpoint.state(State.self)
        let tensors = try checkpoint.tensors(named: "training")
        if let kept = state.kept, channels != nil {
            network = try GraphNetwork(state.graph, state: tensors.part("network"), generator: network.generator)
            channels?.restore(network, kept: kept)
            optimizer = configuration.makeOptimizer(network)
        }
        guard state.graph == network.graph else {
            throw ConfigurationError(problem: "the checkpoint is of another network; resume with the one it was begun with")
        }
        try network.load(tensors.part("network"))
        try optimizer.load(tensors.part("optimizer"))
        network.masks = tensors.part("masks")
        if let random = tensors["random"] { network.generator.state = random }
        step = state.step
    }
}

/// Trains a network, and makes it smaller on the way if the configuration says so.
///
/// With a `run`, metrics go to its `metrics.jsonl` and TensorBoard and checkpoints to its `checkpoints/`; a run that was resumed continues at
/// its last checkpoint with the same bits as if it had never stopped.
/// - Parameters:
///   - references: examples for criteria of channels that need them.
///   - afterStep: called with the number of steps done and what the last of them brought.
/// - Returns: the network, in evaluation mode; another one than the first if channels were cut.
/// - Throws: `ConfigurationError`, ``NetworkTrainingError``, `GraphProblem`, `StorageError`, errors of the source; `RunInterrupted` when
///   cancelled, after a checkpoint.
@discardableResult
public func trainNetwork(
    _ network: GraphNetwork, _ configuration: NetworkTrainingConfiguration, on source: any ExampleSource, references: Examples? = nil,
    task: String = "Training", run: Run? = nil, progress: any ProgressReporter = SilentProgress(), cancellation: Cancellation = Cancellation(),
    afterStep: (Int, NetworkTrainer.Report) throws -> Void = { _, _ in }
) throws -> GraphNetwork {
    let trainer = try NetworkTrainer(network, configuration, references: references)
    if let checkpoint = run?.resumedFrom { try trainer.restore(from: checkpoint) }
    let loop = TrainingLoop(
        task, steps: configuration.steps, checkpointEvery: configuration.checkpointEvery, run: run, progress: progress, cancellation: cancellation)
    try loop(from: trainer.step, save: trainer.save) { step in
        let report = try trainer.step(try source.batch(trainer.step, size: configuration.batchSize))
        if loop.logs(step, every: configuration.logEvery) {
            var values = ["loss": report.loss, "learningRate": report.learningRate]
            values["sparsity"] = report.sparsity
            try run?.log(values, step: step)
        }
        try afterStep(step, report)
        let gone = report.sparsity.map { configuration.channels == nil ? ", sparsity \(formatNumber($0, digits: 3))" : ", channels gone \(formatNumber($0, digits: 3))" }
        return "loss \(formatNumber(report.loss))\(gone ?? "")"
    }
    trainer.network.mode = .evaluation
    return trainer.network
}
