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

/// Trains a network to predict classes or next ids, a batch at a time, and prunes it on the way.
public final class NetworkTrainer {
    public let configuration: NetworkTrainingConfiguration
    public let network: GraphNetwork
    /// nil where nothing is pruned.
    public let pruner: WeightPruner?
    /// Optimiser steps done.
    public private(set) var step = 0
    private let optimizer: any Optimizer
    private let schedule: LearningRateSchedule

    /// A step's outcome.
    public struct Report: Sendable {
        /// Mean cross-entropy in nats.
        public let loss: Double
        public let learningRate: Double
        /// Of the weights that may be pruned; nil where nothing is.
        public let sparsity: Double?
    }

    /// - Throws: `ConfigurationError`.
    public init(_ network: GraphNetwork, _ configuration: NetworkTrainingConfiguration) throws(ConfigurationError) {
        try configuration.validate()
        self.network = network
        self.configuration = configuration
        schedule = configuration.schedule
        if let plan = configuration.pruning { pruner = try WeightPruner(network, plan) } else { pruner = nil }
        let parameters = network.namedParameters()
        switch configuration.optimizer {
        case .adam: optimizer = Adam(parameters, Adam.Settings(learningRate: configuration.learningRate))
        case .sgd: optimizer = SGD(parameters, SGD.Settings(learningRate: configuration.learningRate, momentum: .heavyBall(0.9)))
        }
    }

    /// One step of the optimiser.
    /// - Throws: ``NetworkTrainingError/diverged(step:)`` if the loss is not a number; the network is then as it was before.
    @discardableResult
    public func step(_ batch: Examples) throws -> Report {
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
        return Report(loss: value, learningRate: configuration.learningRate * factor, sparsity: pruner?.sparsity)
    }

    // MARK: Checkpoints

    private struct State: Codable {
        var step: Int
        var graph: NetworkGraph
    }

    /// Writes everything that the next step depends on.
    package func save(to checkpoint: CheckpointWriter) throws {
        var tensors = ["random": network.generator.state]
        tensors.add(network.stateDictionary, under: "network")
        tensors.add(network.masks, under: "masks")
        tensors.add(optimizer.stateDictionary, under: "optimizer")
        try checkpoint.write(tensors, named: "training")
        try checkpoint.write(State(step: step, graph: network.graph))
    }

    /// Continues where ``save(to:)`` was called.
    /// - Throws: `StorageError`, `StateMismatch`; `ConfigurationError` for another network.
    package func restore(from checkpoint: Checkpoint) throws {
        let state = try checkpoint.state(State.self)
        guard state.graph == network.graph else {
            throw ConfigurationError(problem: "the checkpoint is of another network; resume with the one it was begun with")
        }
        let tensors = try checkpoint.tensors(named: "training")
        try network.load(tensors.part("network"))
        try optimizer.load(tensors.part("optimizer"))
        network.masks = tensors.part("masks")
        if let random = tensors["random"] { network.generator.state = random }
        step = state.step
    }
}

/// Trains a network, and prunes it on the way if the configuration says so.
///
/// With a `run`, metrics go to its `metrics.jsonl` and TensorBoard and checkpoints to its `checkpoints/`; a run that was resumed continues at
/// its last checkpoint with the same bits as if it had never stopped.
/// The network is in evaluation mode afterwards.
/// - Parameter afterStep: called with the number of steps done and what the last of them brought.
/// - Throws: `ConfigurationError`, ``NetworkTrainingError``, `StorageError`, errors of the source; `RunInterrupted` when cancelled, after a
///   checkpoint.
public func trainNetwork(
    _ network: GraphNetwork, _ configuration: NetworkTrainingConfiguration, on source: any ExampleSource, task: String = "Training",
    run: Run? = nil, progress: any ProgressReporter = SilentProgress(), cancellation: Cancellation = Cancellation(),
    afterStep: (Int, NetworkTrainer.Report) throws -> Void = { _, _ in }
) throws {
    let trainer = try NetworkTrainer(network, configuration)
    if let checkpoint = run?.resumedFrom { try trainer.restore(from: checkpoint) }
    progress.begin(task, total: configuration.steps, completed: trainer.step, unit: "steps")
    while trainer.step < configuration.steps {
        let report = try trainer.step(try source.batch(trainer.step, size: configuration.batchSize))
        if trainer.step % configuration.logEvery == 0 || trainer.step == configuration.steps {
            var values = ["loss": report.loss, "learningRate": report.learningRate]
            values["sparsity"] = report.sparsity
            try run?.log(values, step: trainer.step)
        }
        let sparsity = report.sparsity.map { ", sparsity \(formatNumber($0, digits: 3))" } ?? ""
        try afterStep(trainer.step, report)
        progress.update(trainer.step, detail: "loss \(formatNumber(report.loss))\(sparsity)")
        let isDue = configuration.checkpointEvery.map { trainer.step % $0 == 0 } ?? false
        if isDue || cancellation.isCancelled { try run?.saveCheckpoint(step: trainer.step) { try trainer.save(to: $0) } }
        try cancellation.check()
    }
    progress.end()
    network.mode = .evaluation
}
