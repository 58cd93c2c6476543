public import Experiments
import Torch

/// How often and how strongly each feature of a dictionary is active on a text: one streaming pass, memory of a few numbers
/// per feature.
public struct FeatureStatistics: Sendable {
    /// Rows (tokens) looked at.
    public let rowCount: Int
    /// Per feature: rows on which it is active.
    public private(set) var firingCounts: [Int]
    /// Per feature: contexts in which it is active anywhere.
    public private(set) var contextCounts: [Int]
    /// Per feature: documents in which it is active anywhere.
    public private(set) var documentCounts: [Int]
    /// Per feature: largest |activation|.
    public private(set) var maxima: [Float]
    /// Per feature: Σ |activation|.
    public private(set) var sums: [Double]
    /// Per feature: Σ activation².
    public private(set) var squareSums: [Double]

    /// - Throws: ``StoreError`` for damaged stores, `RunInterrupted` after a cancellation.
    public init(
        of dictionary: any ActivationDictionary, on source: FeatureSource, progress: any ProgressReporter = SilentProgress(),
        cancellation: Cancellation = Cancellation()
    ) throws {
        let count = dictionary.dictionarySize
        rowCount = source.rowCount
        firingCounts = Array(repeating: 0, count: count)
        contextCounts = firingCounts
        documentCounts = firingCounts
        maxima = Array(repeating: 0, count: count)
        sums = Array(repeating: 0, count: count)
        squareSums = sums
        // Documents follow each other in the stream, so comparing with the last one counts each once.
        var lastContext = Array(repeating: -1, count: count)
        var lastDocument = Array(repeating: Int32(-1), count: count)

        progress.begin("Feature statistics", total: source.rowCount, unit: "tokens")
        defer { progress.end() }
        var done = 0
        try forEachEncodedBatch(of: source, with: dictionary) { batch, entries in
            try cancellation.check()
            for index in entries.rows.indices {
                let (context, position) = batch.location(ofRow: Int(entries.rows[index]))
                let feature = Int(entries.features[index])
                let value = abs(entries.values[index])
                firingCounts[feature] += 1
                maxima[feature] = max(maxima[feature], value)
                sums[feature] += Double(value)
                squareSums[feature] += Double(value) * Double(value)
                if lastContext[feature] != batch.firstContext + context {
                    lastContext[feature] = batch.firstContext + context
                    contextCounts[feature] += 1
                }
                let document = batch.documents[context][position]
                if lastDocument[feature] != document {
                    lastDocument[feature] = document
                    documentCounts[feature] += 1
                }
            }
            done += batch.activations.size(0)
            progress.update(done)
        }
    }

    public var featureCount: Int { firingCounts.count }

    /// Fraction of rows on which the feature is active.
    public func density(of feature: Int) -> Double { Double(firingCounts[feature]) / Double(max(1, rowCount)) }

    /// Mean |activation| over the rows on which the feature is active; 0 for a dead one.
    public func meanActivation(of feature: Int) -> Double {
        firingCounts[feature] == 0 ? 0 : sums[feature] / Double(firingCounts[feature])
    }
}
