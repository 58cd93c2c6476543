public import Torch

extension SparseAutoencoder {
    /// Multiplies all thresholds by one factor, so that k features are active for each of some inputs on average: selections of a
    /// batch that became thresholds can then be compared at equal L0.
    ///
    /// Does nothing where fewer features have positive pre-activations. Traps for models without a threshold of each feature
    /// (``JumpReLUEncoder``).
    /// - Parameters:
    ///   - inputs: activations in their own scale, shape [N, D].
    ///   - k: features per input on average.
    public func rescaleThresholds(toL0 k: Int, on inputs: Tensor) {
        guard let encoder = encoder as? JumpReLUEncoder else {
            preconditionFailure("rescaleThresholds: a JumpReLU model is needed, this one is '\(configuration.encoder)'")
        }
        withoutGradients {
            let thresholds = encoder.threshold
            let rows = encoderInput(configuration.normalization.normalize(inputs).rows)
            // u > s·θ holds for k·N entries if s is the next largest of all u/θ.
            let count = k * inputs.size(0)
            let ratios = rows.batchTopKLinear(
                weight: encoder.weight / thresholds.unsqueezed(1), bias: encoder.bias / thresholds, count: count + 1).values
            guard ratios.elementCount > count else { return }
            _ = encoder.logThreshold.addInPlace(ratios.min().log())
        }
    }
}
