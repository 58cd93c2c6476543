internal import Torch

/// Attention sinks: tokens within a text whose activations have norms a hundred times those of others. They would make up nearly
/// all of the variance and hide everything else.
extension Tensor {
    /// The norm above which a row counts as an outlier: a multiple of the rows' median norm.
    func outlierNorm(factor: Double = 10) -> Double { factor * norm(axes: [1]).median().item() }

    /// The rows with a norm up to a limit; all if none is. Rows that are not finite stay, to be found by whoever computes with them.
    func rows(ofNormAtMost limit: Double?) -> Tensor {
        guard let limit else { return self }
        let norms = norm(axes: [1])
        let isOrdinary = (norms .<= limit).logicalOr(norms.isFinite().logicalNot())
        guard isOrdinary.all().item() == 0, isOrdinary.any().item() != 0 else { return self }
        return gathered(indices: isOrdinary.nonzeroIndices().reshaped([-1]))
    }
}
