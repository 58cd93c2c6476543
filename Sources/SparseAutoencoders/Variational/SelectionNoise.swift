public import Torch

/// What its noise does to a variational model's codes: which features are selected becomes a matter of chance.
///
/// All in the scale the model was trained in.
public struct SelectionNoise: Sendable {
    /// Mean over inputs of |A ∩ B| / |A ∪ B| for the features A and B that two draws select.
    public let overlap: Double
    /// σ of each feature, averaged over inputs.
    public let deviations: [Double]
    /// Median over inputs of the step from the k-th largest |μ| to the next: noise above it changes the selection.
    public let margin: Double

    /// nil for a model that draws no noise.
    /// - Parameters:
    ///   - inputs: shape [N, D].
    ///   - seed: of the two draws.
    public init?(of model: SparseAutoencoder, on inputs: Tensor, seed: UInt64, batchSize: Int = 2_048) {
        guard let encoder = model.encoder as? VariationalEncoder, let scale = encoder.noiseScale else { return nil }
        let generator = RandomGenerator(seed: seed, device: inputs.device), k = encoder.settings.k
        var overlaps: [Tensor] = [], deviations: [Tensor] = [], margins: [Tensor] = []
        withoutGradients {
            for batch in inputs.split(size: batchSize) {
                let posterior = encoder.posterior(model.encoderInput(model.configuration.normalization.normalize(batch).rows))
                let draws = (0..<2).map { _ in
                    let chosen = posterior.sample(generator).abs().topK(k).indices
                    return Tensor.zeros(like: posterior.mean).scatteringElements(Tensor.ones(chosen.shape, dtype: posterior.mean.dtype), at: chosen)
                }
                let shared = (draws[0] * draws[1]).sum(axis: 1)
                overlaps.append(shared / (2 * Double(k) - shared))
                if let deviation = posterior.standardDeviation { deviations.append((deviation / scale).sum(axis: 0)) }
                let largest = posterior.mean.abs().topK(min(k + 1, posterior.mean.size(1))).values / scale
                margins.append(largest.selected(axis: 1, index: k - 1) - largest.selected(axis: 1, index: largest.size(1) - 1))
            }
        }
        overlap = Tensor.concatenated(overlaps).mean().item()
        margin = Tensor.concatenated(margins).median().item()
        self.deviations = (Tensor.stacked(deviations).sum(axis: 0) / Double(inputs.size(0))).scalars(as: Double.self)
    }

    /// Mean of all features' σ.
    public var meanDeviation: Double { deviations.reduce(0, +) / Double(max(1, deviations.count)) }
}

extension FeatureDensity {
    /// The part of features that are active in fewer inputs than `part` of what equal shares would be. A count of features that
    /// are active at all says little: one input is enough.
    public func rareFraction(below part: Double) -> Double {
        let limit = part * densities.reduce(0, +) / Double(max(1, densities.count))
        return Double(densities.count { $0 < limit }) / Double(max(1, densities.count))
    }
}
