public import Experiments
import Torch

/// A stretch of text around the place where a feature is most active in a context.
public struct FeatureExample: Sendable, Equatable {
    /// Token ids of the stretch, all of one document.
    public var tokens: [Int32]
    /// The feature's activation on each of them.
    public var activations: [Float]
    /// Index of the most active token within the stretch.
    public var peak: Int
    /// The context within the store, and the document within the text.
    public var context: Int
    public var document: Int

    public var maximum: Float { activations[peak] }
}

/// What a feature is active on: examples from all of its range, not only the strongest.
public struct FeatureActivity: Sendable {
    public let feature: Int
    /// Contexts with the strongest activations, falling; stretches of equal text appear once.
    public internal(set) var top: [FeatureExample]
    /// Examples at random from bands of the maximum, the highest band first.
    public internal(set) var bands: [Band]
    /// Counts of activations in equal bins between 0 and the maximum.
    public internal(set) var histogram: [Int]
    public let maximum: Float
    /// Tokens by the share of the feature's summed activation, falling.
    public internal(set) var tokens: [TokenShare]

    /// Contexts whose strongest activation lies in a part of the feature's range.
    public struct Band: Sendable, Equatable {
        /// As fractions of the feature's maximum.
        public var range: Range<Double>
        /// Contexts in the band.
        public var count: Int
        public var examples: [FeatureExample]
    }

    /// How a feature's activation is shared among the tokens of the vocabulary.
    public struct TokenShare: Sendable, Equatable {
        public var token: Int32
        /// Part of the feature's summed activation that falls on this token.
        public var share: Double
        public var count: Int
        public var maximum: Float
    }
}

/// How much is kept of each feature.
public struct FeatureExampleSettings: Codable, Sendable, Equatable {
    /// Strongest contexts.
    public var topContexts = 12
    /// Random examples in each band.
    public var examplesPerBand = 3
    /// Tokens shown before and after the strongest one.
    public var tokensBefore = 24
    public var tokensAfter = 12
    /// Upper ends of the bands below the top, as fractions of the maximum.
    public var bandEnds = [1.0, 0.75, 0.5, 0.25]
    public var histogramBins = 40
    /// Tokens listed.
    public var tokens = 10
    public var seed: UInt64 = 0

    public init() {}
}

/// Collects the activity of some features in one streaming pass; memory is bounded by the number of features and examples.
public struct FeatureExamples {
    /// In the order asked for.
    public let activities: [FeatureActivity]

    /// - Parameters:
    ///   - features: distinct indices.
    ///   - statistics: of the same dictionary and text, for the features' maxima.
    /// - Throws: ``StoreError`` for damaged stores, `RunInterrupted` after a cancellation.
    public init(
        of features: [Int], statistics: FeatureStatistics, dictionary: any ActivationDictionary, source: FeatureSource,
        settings: FeatureExampleSettings = FeatureExampleSettings(), progress: any ProgressReporter = SilentProgress(),
        cancellation: Cancellation = Cancellation()
    ) throws {
        var slots = [Int32](repeating: -1, count: dictionary.dictionarySize)
        for (slot, feature) in features.enumerated() { slots[feature] = Int32(slot) }
        var collectors = features.map { FeatureActivityCollector(feature: $0, maximum: statistics.maxima[$0], settings: settings) }

        progress.begin("Feature contexts", total: source.rowCount, unit: "tokens")
        defer { progress.end() }
        var done = 0
        try forEachEncodedBatch(of: source, with: dictionary) { batch, entries in
            try cancellation.check()
            var index = 0
            for context in batch.tokens.indices {
                // The entries of this context by slot, in order of position.
                var found: [Int32: [(position: Int, value: Float)]] = [:]
                while index < entries.rows.count, Int(entries.rows[index]) < batch.rowStarts[context + 1] {
                    let slot = slots[Int(entries.features[index])]
                    if slot >= 0 {
                        let position = source.layout.firstPosition + Int(entries.rows[index]) - batch.rowStarts[context]
                        found[slot, default: []].append((position, entries.values[index]))
                    }
                    index += 1
                }
                let text = ContextText(
                    number: batch.firstContext + context, tokens: batch.tokens[context], documents: batch.documents[context],
                    firstPosition: source.layout.firstPosition)
                // Slots in order, so that equal runs are equal in every bit.
                for (slot, entries) in found.sorted(by: { $0.key < $1.key }) { collectors[Int(slot)].add(entries, of: text) }
            }
            done += batch.activations.size(0)
            progress.update(done)
        }
        activities = collectors.map { $0.finish() }
    }
}
