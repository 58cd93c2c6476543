internal import Foundation
public import Torch

/// How a dictionary spends its features on inputs: how many for each input, and what each feature adds up to.
public struct FeatureUse: Sendable {
    /// Active features of each input.
    public private(set) var counts: [Int] = []
    /// ‖x − x̄‖ of each input, x̄ the mean of all.
    public let distances: [Double]
    /// Σ |f_i| · ‖atom_i‖ over all inputs, for each feature.
    public let contributions: [Double]

    /// - Parameter inputs: shape [N, D].
    public init(of dictionary: any ActivationDictionary, on inputs: Tensor, batchSize: Int = 2_048) {
        let norms = dictionary.decoderDirections.to(dtype: .float64).norm(axes: [1])
        var sums = Tensor.zeros([dictionary.dictionarySize], dtype: .float64, device: inputs.device)
        for batch in inputs.split(size: batchSize) {
            let code = withoutGradients { dictionary.encode(batch) }
            counts += code.activeCounts().scalars(as: Int.self)
            sums = sums + code.featureSums { $0.abs() }
        }
        distances = (inputs - inputs.mean(axis: 0)).to(dtype: .float64).norm(axes: [1]).scalars(as: Double.self)
        contributions = (sums * norms).scalars(as: Double.self)
    }

    /// Standard deviation of the active features of an input, relative to their mean.
    public var variationOfCounts: Double {
        let values = counts.map { Double($0) }
        let mean = values.reduce(0, +) / Double(max(1, values.count))
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(1, values.count))
        return mean > 0 ? variance.squareRoot() / mean : 0
    }

    /// Spearman's rank correlation of an input's active features and its distance from the mean; not a number if all inputs have
    /// equally many.
    public var countsWithDistance: Double { rankCorrelation(counts.map { Double($0) }, distances) }

    /// The part of the features whose contribution is below a part of the median one: dead in effect although they may be active.
    public func negligibleFraction(below part: Double = 0.01) -> Double {
        let sorted = contributions.sorted()
        guard !sorted.isEmpty else { return 0 }
        let limit = part * sorted[sorted.count / 2]
        return Double(sorted.count { $0 <= limit }) / Double(sorted.count)
    }
}
