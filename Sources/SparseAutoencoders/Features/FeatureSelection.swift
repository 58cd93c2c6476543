import Torch

/// Which features are worth a look.
public enum FeatureSelection: Sendable, Equatable {
    /// These, in this order.
    case indices([Int])
    /// The most interesting ones, see ``FeatureInterest``.
    case interesting(Int)

    /// The features' indices.
    ///
    /// - Throws: ``FeatureError`` for an index that the dictionary does not have.
    public func indices(in statistics: FeatureStatistics, of dictionary: any ActivationDictionary) throws -> [Int] {
        switch self {
        case .indices(let indices):
            for index in indices where !(0..<dictionary.dictionarySize).contains(index) {
                throw FeatureError.noSuchFeature(index, count: dictionary.dictionarySize)
            }
            return indices
        case .interesting(let count):
            return FeatureInterest().indices(count, in: statistics, of: dictionary)
        }
    }
}

/// What makes a feature interesting to a reader: it is *alive* (there is enough to see), not *dense* (features active on many
/// tokens tend to encode position or norm), seen in several documents (not the memory of one page), and *distinct* (its
/// direction is not nearly that of one already chosen). Of those, the ones come first that are strong where they are active:
/// mean activation² times the squared norm of the direction, that is how much of a token they explain when they speak.
public struct FeatureInterest: Sendable, Equatable {
    /// Rows and documents a feature must be active on.
    public var minimumRows = 20
    public var minimumDocuments = 5
    /// Largest fraction of rows a feature may be active on.
    public var maximumDensity = 0.01
    /// Largest cosine between the directions of two chosen features.
    public var maximumCosine = 0.7

    public init() {}

    /// At most `count` features, the most interesting first.
    public func indices(_ count: Int, in statistics: FeatureStatistics, of dictionary: any ActivationDictionary) -> [Int] {
        let directions = dictionary.decoderDirections
        let norms = directions.norm(axes: [1]).scalars(as: Double.self)
        func strength(_ feature: Int) -> Double {
            statistics.squareSums[feature] / Double(statistics.firingCounts[feature]) * norms[feature] * norms[feature]
        }
        let candidates = (0..<statistics.featureCount).filter { feature in
            statistics.firingCounts[feature] >= minimumRows && statistics.documentCounts[feature] >= minimumDocuments
                && statistics.density(of: feature) <= maximumDensity
        }.map { ($0, strength($0)) }.sorted { ($1.1, $0.0) < ($0.1, $1.0) }.map(\.0)

        var chosen: [Int] = []
        var units: [Tensor] = []
        for candidate in candidates where chosen.count < count {
            let direction = directions[candidate]
            let unit = direction / max(norms[candidate], 1e-30)
            if !units.isEmpty, Tensor.stacked(units).matmul(unit).max().item() > maximumCosine { continue }
            chosen.append(candidate)
            units.append(unit)
        }
        return chosen
    }
}

/// Features that cannot be looked at, in one sentence.
public enum FeatureError: Error, CustomStringConvertible, Equatable {
    case noSuchFeature(Int, count: Int)
    case widthMismatch(dictionary: Int, activations: Int)
    case hookMismatch(dictionary: String, activations: String)
    case modelMismatch(dictionary: String, activations: String)
    case deadFeature(Int)
    case choosesWithoutGradients(String)

    public var description: String {
        switch self {
        case .noSuchFeature(let index, let count): "there is no feature \(index): the dictionary has features 0 to \(count - 1)"
        case .widthMismatch(let dictionary, let activations):
            "the autoencoder takes activations of width \(dictionary), but these have width \(activations): use the hook it was trained on"
        case .hookMismatch(let dictionary, let activations):
            "the autoencoder was trained on \(dictionary), but these activations come from \(activations): use the same hook and model"
        case .modelMismatch(let dictionary, let activations):
            "the autoencoder was trained on \(dictionary), but these activations come from other weights (\(activations)): collect them from the same model"
        case .deadFeature(let index):
            "feature \(index) is never active on this text: choose another, or give more text"
        case .choosesWithoutGradients(let encoder):
            "an autoencoder of kind \(encoder) does not choose features by gradients: measure it without them, or train one of gradientTopK"
        }
    }
}
