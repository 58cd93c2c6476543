public import Experiments
public import Foundation
import Networks
import Torch

/// What to show of which features.
public struct FeatureAnalysisSettings: Codable, Sendable, Equatable {
    public var examples = FeatureExampleSettings()
    /// Promoted and suppressed tokens.
    public var logitTokens = 10
    /// Neighbours by direction.
    public var neighbours = 5

    public init() {}
}

/// Looks at features of a dictionary on the text of a store: two streaming passes, whatever the number of features.
public struct FeatureAnalysis: Sendable {
    public let statistics: FeatureStatistics
    /// In the order of the selection.
    public let records: [FeatureRecord]

    /// - Parameters:
    ///   - dictionary: what encodes the store's rows.
    ///   - model: the model the activations come from, for texts and logit effects.
    /// - Throws: ``FeatureError``, ``StoreError``, `RunInterrupted`.
    public init(
        of dictionary: any ActivationDictionary, on source: FeatureSource, selection: FeatureSelection, model: TextModel,
        settings: FeatureAnalysisSettings = FeatureAnalysisSettings(), progress: any ProgressReporter = SilentProgress(),
        cancellation: Cancellation = Cancellation()
    ) throws {
        guard dictionary.inputSize == source.store.width else {
            throw FeatureError.widthMismatch(dictionary: dictionary.inputSize, activations: source.store.width)
        }
        let statistics = try FeatureStatistics(of: dictionary, on: source, progress: progress, cancellation: cancellation)
        let features = try selection.indices(in: statistics, of: dictionary)
        let activities = try FeatureExamples(
            of: features, statistics: statistics, dictionary: dictionary, source: source, settings: settings.examples,
            progress: progress, cancellation: cancellation
        ).activities
        let directions = dictionary.decoderDirections
        let effects = try Self.effects(
            of: directions.gathered(indices: Tensor(features)), hook: source.store.description.hook, model: model, count: settings.logitTokens)
        let neighbours = nearestDirections(to: features, among: directions, count: settings.neighbours)
        self.statistics = statistics
        records = features.indices.map { index in
            FeatureRecord(
                activities[index], statistics: statistics, effects: effects?[index], neighbours: neighbours[index],
                texts: model.texts(of:))
        }
    }

    /// Logit effects, where the hook lies in the residual stream or writes into it; nil for other hooks, whose vectors are
    /// not directions of the residual stream.
    private static func effects(of directions: Tensor, hook: String, model: TextModel, count: Int) throws -> [LogitLens.Effects]? {
        let point = try model.model.hookPoint(hook)
        switch point {
        case .embedding, .block(_, .residualPre), .block(_, .residualMid), .block(_, .residualPost), .block(_, .attentionOutput),
            .block(_, .feedForwardOutput):
            let lens = LogitLens(
                unembedding: try model.model.unembedding(), finalNormGain: try model.model.finalNormWeight(), centring: false)
            return lens.effects(of: directions, count: count)
        default: return nil
        }
    }

    /// Writes `features.jsonl`, a ``FeatureRecord`` a line.
    ///
    /// - Throws: `FileAccessError` when the disk is full; the file then is as it was before.
    public func write(to url: URL) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let file = try AtomicFile(path: url.path(percentEncoded: false))
        for record in records {
            try (encoder.encode(record) + Data("\n".utf8)).withUnsafeBytes { try file.write($0) }
        }
        try file.commit()
    }
}
