public import Foundation
import Torch

/// Everything shown of one feature, as it is written to `features.jsonl`: one record a line.
///
/// Keys are those of SAEDashboard's Neuronpedia export where it has them (`pos_str`, `frac_nonzero`,
/// `freq_hist_data_bar_heights`, `activations` with `tokens`, `values`, `bin_min`, …).
public struct FeatureRecord: Codable, Sendable, Equatable {
    public var index: Int
    /// Fraction of tokens on which the feature is active.
    public var density: Double
    public var maximum: Float
    /// Mean activation over the tokens on which it is active.
    public var mean: Double
    public var contextCount: Int
    public var documentCount: Int
    /// Centres and counts of the bins of the activations that are not 0.
    public var histogramValues: [Double]
    public var histogramCounts: [Int]
    /// Tokens whose logits the direction raises most, and by how much per unit of its norm; empty without a language model.
    public var promoted: [String]
    public var promotedLogits: [Float]
    public var suppressed: [String]
    public var suppressedLogits: [Float]
    /// Tokens by their share of the summed activation.
    public var tokens: [TokenShare]
    /// Other features by the cosine between directions.
    public var neighbours: [Neighbour]
    /// The strongest contexts first, then random ones of each band.
    public var examples: [Example]

    enum CodingKeys: String, CodingKey {
        case index = "feature_index"
        case density = "frac_nonzero"
        case maximum = "max_activation"
        case mean = "mean_activation"
        case contextCount = "n_contexts"
        case documentCount = "n_documents"
        case histogramValues = "freq_hist_data_bar_values"
        case histogramCounts = "freq_hist_data_bar_heights"
        case promoted = "pos_str"
        case promotedLogits = "pos_values"
        case suppressed = "neg_str"
        case suppressedLogits = "neg_values"
        case tokens = "activating_tokens"
        case neighbours = "decoder_neighbours"
        case examples = "activations"
    }

    public struct TokenShare: Codable, Sendable, Equatable {
        public var token: String
        public var share: Double
        public var count: Int
        public var maximum: Float
    }

    public struct Neighbour: Codable, Sendable, Equatable {
        public var feature: Int
        public var cosine: Float
    }

    public struct Example: Codable, Sendable, Equatable {
        public var tokens: [String]
        public var values: [Float]
        /// Index of the most active token.
        public var peak: Int
        public var context: Int
        public var document: Int
        /// The band of the feature's range that the example was drawn from; the top contexts lie in −1…−1, as in the export.
        public var bandMinimum: Double
        public var bandMaximum: Double
        /// Fraction of the feature's contexts that lie in the band.
        public var bandContains: Double

        enum CodingKeys: String, CodingKey {
            case tokens, values, context, document
            case peak = "qualifying_token_index"
            case bandMinimum = "bin_min"
            case bandMaximum = "bin_max"
            case bandContains = "bin_contains"
        }

        /// Whether this is one of the strongest contexts.
        public var isTop: Bool { bandMinimum < 0 }
    }
}

extension FeatureRecord {
    /// - Parameter texts: the texts of tokens.
    init(
        _ activity: FeatureActivity, statistics: FeatureStatistics, effects: LogitLens.Effects?, neighbours: [FeatureNeighbour],
        texts: ([Int32]) -> [String]
    ) {
        func single(_ token: Int32) -> String { texts([token]).first ?? "" }
        index = activity.feature
        density = statistics.density(of: index)
        maximum = activity.maximum
        mean = statistics.meanActivation(of: index)
        contextCount = statistics.contextCounts[index]
        documentCount = statistics.documentCounts[index]
        let width = Double(activity.maximum) / Double(max(1, activity.histogram.count))
        histogramValues = activity.histogram.indices.map { (Double($0) + 0.5) * width }
        histogramCounts = activity.histogram
        promoted = effects?.promoted.map { single($0.token) } ?? []
        promotedLogits = effects?.promoted.map(\.logit) ?? []
        suppressed = effects?.suppressed.map { single($0.token) } ?? []
        suppressedLogits = effects?.suppressed.map(\.logit) ?? []
        tokens = activity.tokens.map { TokenShare(token: single($0.token), share: $0.share, count: $0.count, maximum: $0.maximum) }
        self.neighbours = neighbours.map { Neighbour(feature: $0.feature, cosine: $0.cosine) }
        func example(_ example: FeatureExample, _ range: Range<Double>?, _ contains: Double) -> Example {
            Example(
                tokens: texts(example.tokens), values: example.activations, peak: example.peak, context: example.context,
                document: example.document, bandMinimum: range?.lowerBound ?? -1, bandMaximum: range?.upperBound ?? -1,
                bandContains: contains)
        }
        let contexts = Double(max(1, contextCount))
        examples = activity.top.map { example($0, nil, Double(activity.top.count) / contexts) }
        for band in activity.bands {
            examples += band.examples.map { example($0, band.range, Double(band.count) / contexts) }
        }
    }
}

extension FeatureRecord {
    /// The largest activation of a feature as a `features.jsonl` tells it.
    ///
    /// - Throws: `FileFormatError` if the file has no such feature.
    public static func maximum(of feature: Int, in url: URL) throws -> Double {
        let path = url.path(percentEncoded: false)
        let bytes = try MappedBytes(path: path)
        for line in bytes.buffer.split(separator: UInt8(ascii: "\n")) {
            guard let record = try? JSONDecoder().decode(FeatureRecord.self, from: Data(line)) else {
                throw FileFormatError(path: path, format: "features.jsonl", problem: "a line is not the record of a feature")
            }
            if record.index == feature { return Double(record.maximum) }
        }
        throw FileFormatError(path: path, format: "features.jsonl", problem: "it has no record of feature \(feature)")
    }
}
