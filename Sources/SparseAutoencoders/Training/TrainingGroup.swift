internal import Experiments
internal import Foundation
internal import Torch

/// One of several autoencoders that learn from the same batches.
public struct TrainingArm: Sendable, Equatable {
    /// Name in metrics and files; empty for the only one of a run.
    public var name: String
    public var configuration: SAETrainingConfiguration
    /// Of the initial weights.
    public var seed: UInt64

    public init(_ configuration: SAETrainingConfiguration, seed: UInt64, name: String = "") {
        self.name = name
        self.configuration = configuration
        self.seed = seed
    }
}

/// Trainers that share one pass over a source: every batch is read once and handed to all of them.
struct TrainingGroup {
    private let trainers: [SAETrainer]
    private let names: [String]

    /// What all arms have in common.
    var configuration: SAETrainingConfiguration { trainers[0].configuration }
    var step: Int { trainers[0].step }

    private struct State: Codable {
        /// Where the source stood.
        var position: ActivationPosition
        var members: [TrainingState]
    }

    /// - Parameter start: the first activations, shape [N, D].
    /// - Throws: `ConfigurationError` if the arms do not take the same batches.
    init(_ arms: [TrainingArm], start: ActivationBatch, origin: ActivationOrigin?) throws {
        for (key, value) in [("steps", \SAETrainingConfiguration.steps), ("batchSize", \.batchSize)] {
            let values = Set(arms.map { $0.configuration[keyPath: value] })
            try ConfigurationError.require(
                values.count == 1, key, "must be the same for all autoencoders that share one pass", found: "\(values.sorted())")
        }
        names = arms.map(\.name)
        trainers = try arms.map { try SAETrainer($0.configuration, start: start, seed: $0.seed, origin: origin) }
    }

    /// One step of every trainer.
    /// - Parameter log: takes the metrics when they are due.
    /// - Returns: a few words for the progress bar.
    func step(_ batch: ActivationBatch, log: ([String: Double], _ step: Int) throws -> Void) throws -> String {
        let reports = try trainers.map { try $0.step(batch) }
        if step % configuration.logEvery == 0 || step == configuration.steps {
            var values: [String: Double] = [:]
            for (index, trainer) in trainers.enumerated() {
                let prefix = names[index].isEmpty ? "" : names[index] + "/"
                for (name, value) in trainer.metrics(of: reports[index], batch: batch) { values[prefix + name] = value }
            }
            try log(values, step)
        }
        return reports.count == 1 ? reports[0].summary : "\(reports.count) autoencoders"
    }

    func save(to checkpoint: CheckpointWriter, position: ActivationPosition) throws {
        let states = try trainers.indices.map { try trainers[$0].save(to: checkpoint.url(file($0))) }
        try checkpoint.write(State(position: position, members: states))
    }

    /// Continues from a checkpoint.
    /// - Returns: where the source stood.
    /// - Throws: ``TrainingError`` or `StateMismatch` if the checkpoint belongs to other models.
    func restore(from checkpoint: Checkpoint) throws -> ActivationPosition {
        let state = try checkpoint.state(State.self)
        guard state.members.count == trainers.count else {
            throw TrainingError.foreignCheckpoint(problem: "it holds \(state.members.count) models, expected \(trainers.count)")
        }
        for (index, trainer) in trainers.enumerated() { try trainer.restore(state.members[index], from: checkpoint.url(file(index))) }
        return state.position
    }

    /// The models to keep, saved with the run.
    func finish(in run: Run?) throws -> [SparseAutoencoder] {
        try trainers.enumerated().map { index, trainer in
            let model = try trainer.trainedModel()
            if let run { try model.save(to: run.directory.appending(path: "sae/\(names[index])", directoryHint: .isDirectory)) }
            return model
        }
    }

    private func file(_ index: Int) -> String { "\(names[index].isEmpty ? "training" : names[index]).safetensors" }
}
