internal import Experiments
internal import Torch

/// Attention sinks: tokens within a text whose activations have norms a hundred times those of others. They would make up nearly
/// all of the variance and hide everything else.
extension Tensor {
    /// The norm above which a row counts as an outlier: a multiple of the rows' median norm.
    func outlierNorm(factor: Double = 10) -> Double { factor * norm(axes: [1]).median().item() }

    /// The rows with a norm up to a limit; all if none is. Rows that are not finite stay, to be found by whoever computes with them.
    func rows(ofNormAtMost limit: Double?) -> Tensor { ActivationBatch(self).rows(ofNormAtMost: limit).activations }
}

extension ActivationBatch {
    /// As for tensors, with the gradients that belong to the rows.
    func rows(ofNormAtMost limit: Double?) -> ActivationBatch {
        guard let limit else { return self }
        let norms = activations.norm(axes: [1])
        let isOrdinary = (norms .<= limit).logicalOr(norms.isFinite().logicalNot())
        guard isOrdinary.all().item() == 0, isOrdinary.any().item() != 0 else { return self }
        let indices = isOrdinary.nonzeroIndices().reshaped([-1])
        return mapped { $0.gathered(indices: indices) }
    }
}

extension FeatureSource {
    /// Hands on the activations of 16 contexts at a time, without outliers.
    /// - Returns: how many rows were left out, and the norm above which they are, from the first 16 contexts.
    /// - Throws: ``StoreError``, `RunInterrupted`, what `body` throws.
    @discardableResult
    func forEachOrdinaryBatch(
        _ task: String, withGradients: Bool = false, _ progress: any ProgressReporter, _ cancellation: Cancellation,
        _ body: (ActivationBatch) throws -> Void
    ) throws -> (count: Int, norm: Double?) {
        var norm: Double?
        var count = 0
        progress.begin(task, total: contexts.count, unit: "contexts")
        for start in stride(from: contexts.lowerBound, to: contexts.upperBound, by: 16) {
            try cancellation.check()
            let rows = try rows(ofContexts: start..<min(contexts.upperBound, start + 16), withGradients: withGradients)
            norm = norm ?? rows.activations.outlierNorm()
            let ordinary = rows.rows(ofNormAtMost: norm)
            count += rows.activations.size(0) - ordinary.activations.size(0)
            try body(ordinary)
            progress.update(start - contexts.lowerBound)
        }
        progress.end()
        return (count, norm)
    }
}
