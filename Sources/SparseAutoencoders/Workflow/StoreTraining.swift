public import Experiments
import Foundation

/// Training on an activation store, with a part of its contexts held back for evaluation.
public struct StoreTrainingConfiguration: RunConfiguration, StorePart {
    /// Folder of the store.
    public var store = ""
    /// Part of the store's rows, from its end, that is not trained on.
    public var heldOut = 0.05
    /// Rows of the mixing buffer.
    public var bufferRows = 32_768
    public var training = SAETrainingConfiguration()

    public init() {}

    public func validate() throws(ConfigurationError) {
        try checkStore()
        try training.validate()
    }
}

/// Settings that tell the part of a store to train on from the part to measure on.
protocol StorePart {
    var store: String { get }
    var heldOut: Double { get }
    var bufferRows: Int { get }
}

extension StorePart {
    func checkStore() throws(ConfigurationError) {
        try ConfigurationError.require(!store.isEmpty, "store", "must name the folder of an activation store", found: "nothing")
        try ConfigurationError.require((0..<1).contains(heldOut), "heldOut", "must be at least 0 and less than 1", found: heldOut)
        try ConfigurationError.require(bufferRows > 0, "bufferRows", "must be positive", found: bufferRows)
    }

    func openStore() throws -> ActivationStore { try ActivationStore(at: URL(filePath: store, directoryHint: .isDirectory)) }

    /// The rows to train on, with gradients if one of the trainings needs them.
    ///
    /// - Throws: ``StoreError``, also if there are fewer rows than one batch takes.
    func source(_ store: ActivationStore, seed: UInt64, for trainings: [SAETrainingConfiguration]) throws -> ShuffledActivations {
        let rows = try store.trainingRows(heldOut: heldOut)
        if let batch = trainings.map(\.batchSize).max(), (1..<batch).contains(rows.count) {
            throw StoreError(store.folder, .tooSmall(rows: rows.count, batchSize: batch))
        }
        return try ShuffledActivations(
            store, rows: rows, seed: seed, bufferRows: bufferRows,
            withGradients: trainings.contains { $0.architecture.variant.needsGradients })
    }
}

extension ActivationStore {
    /// The contexts that training with this held-out part leaves for evaluation, at least one.
    public func heldOutContexts(_ fraction: Double) -> Range<Int> {
        let count = min(contextCount, max(1, Int((Double(contextCount) * fraction).rounded())))
        return contextCount - count..<contextCount
    }

    /// The rows before the held-out contexts; without text, before the same part of the rows.
    ///
    /// - Throws: ``StoreError`` for damaged shards.
    func trainingRows(heldOut fraction: Double) throws -> Range<Int> {
        guard fraction > 0 else { return 0..<rowCount }
        guard description.contexts != nil else { return 0..<max(1, rowCount - Int(Double(rowCount) * fraction)) }
        return try rows(ofContexts: 0..<max(min(1, contextCount), heldOutContexts(fraction).lowerBound))
    }

    /// Where the rows come from, for the autoencoder's configuration.
    public var origin: ActivationOrigin {
        ActivationOrigin(
            model: description.model.name, modelDigest: description.model.digest.isEmpty ? nil : description.model.digest,
            hook: description.hook, contextSize: description.contexts?.length, prependsBOS: description.contexts.map { $0.beginningToken != nil }, dataset: description.text)
    }
}

/// Trains an autoencoder on a store within a run.
///
/// - Throws: ``StoreError``, `ConfigurationError`, ``TrainingError``, `RunInterrupted` after saving a checkpoint.
public func trainOnStore(
    _ configuration: StoreTrainingConfiguration, settings: RunSettings, run: Run, progress: any ProgressReporter,
    cancellation: Cancellation
) throws -> SparseAutoencoder {
    let store = try configuration.openStore()
    let source = try configuration.source(store, seed: settings.seed, for: [configuration.training])
    return try trainSparseAutoencoder(
        configuration.training, on: source, seed: settings.seed, origin: store.origin, run: run, progress: progress,
        cancellation: cancellation)
}

extension SparseAutoencoder {
    /// Refuses to choose features by gradients where the autoencoder cannot or the store has none.
    ///
    /// - Throws: ``FeatureError``, ``StoreError``.
    public func checkGradients(_ store: ActivationStore) throws {
        guard encoder is GradientTopKEncoder else { throw FeatureError.choosesWithoutGradients(configuration.encoder.name) }
        try store.requireGradients()
    }

    /// Refuses activations that the autoencoder was not trained for.
    ///
    /// - Throws: ``FeatureError``.
    public func check(_ store: ActivationStore) throws(FeatureError) {
        guard store.width == inputSize else { throw .widthMismatch(dictionary: inputSize, activations: store.width) }
        guard let origin = configuration.origin else { return }
        if origin.hook != store.description.hook { throw .hookMismatch(dictionary: origin.hook, activations: store.description.hook) }
        // A model may go by several names; its weights tell.
        let model = store.description.model
        if let digest = origin.modelDigest, !model.digest.isEmpty, digest != model.digest {
            throw .modelMismatch(dictionary: origin.model, activations: model.name)
        }
    }
}
