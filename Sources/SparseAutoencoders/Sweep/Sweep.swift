public import Experiments

/// What became of one autoencoder of a sweep.
public struct SweepOutcome: Codable, Sendable, Equatable {
    /// Its folder below the run's `sae/`.
    public var name: String
    public var architecture: String
    public var dictionarySize: Int
    public var seed: UInt64
    /// The varied settings with their values.
    public var settings: [String: String]
    public var evaluation: StoreEvaluation
}

/// Trains and evaluates every autoencoder of a sweep within a run, which gets their models and `sweep.json`.
///
/// - Parameter model: gives the language model of a name, for the loss; called only if the configuration asks for it.
/// - Throws: ``StoreError``, `ConfigurationError`, ``TrainingError``, what `model` throws; `RunInterrupted` after saving a checkpoint.
public func sweep(
    _ configuration: SweepConfiguration, settings: RunSettings, run: Run, model: (String) throws -> TextModel,
    progress: any ProgressReporter, cancellation: Cancellation
) throws -> [SweepOutcome] {
    let store = try configuration.openStore()
    let arms = try configuration.arms().flatMap { arm in
        configuration.seeds.map { seed in
            (arm, TrainingArm(arm.training, seed: seed, name: configuration.seeds.count > 1 ? "\(arm.name)-seed-\(seed)" : arm.name))
        }
    }
    let source = try configuration.source(store, seed: settings.seed, for: arms.map(\.1.configuration))
    let models = try trainSparseAutoencoders(
        arms.map(\.1), on: source, origin: store.origin, task: "Training \(arms.count) autoencoders", run: run, progress: progress,
        cancellation: cancellation)

    let held = try FeatureSource(store, contexts: store.heldOutContexts(configuration.heldOut))
    let language = configuration.lossContexts > 0 && store.description.contexts != nil ? try model(store.description.model.name) : nil
    let outcomes = try zip(arms, models).map { arm, autoencoder in
        SweepOutcome(
            name: arm.1.name, architecture: arm.0.training.architecture.name, dictionarySize: arm.0.training.dictionarySize,
            seed: arm.1.seed, settings: arm.0.settings,
            evaluation: try StoreEvaluation(
                of: autoencoder, on: held, model: language, lossContexts: configuration.lossContexts, progress: progress,
                cancellation: cancellation))
    }
    try run.write(outcomes, named: "sweep.json")
    return outcomes
}

extension [SweepOutcome] {
    /// Those that no other beats in both L0 and unexplained variance.
    public var paretoOptimal: [SweepOutcome] {
        let metrics = map(\.evaluation.reconstruction)
        return paretoFront(zip(metrics.map(\.l0), metrics.map(\.fractionOfVarianceUnexplained)).map { ($0, $1) }).map { self[$0] }
    }
}

/// The places of the points that no other equals or beats in both coordinates, of which less is better.
package func paretoFront(_ points: [(Double, Double)]) -> [Int] {
    points.indices.filter { index in
        !points.contains { $0.0 <= points[index].0 && $0.1 <= points[index].1 && $0 != points[index] }
    }
}
