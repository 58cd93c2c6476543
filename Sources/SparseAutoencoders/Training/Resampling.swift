internal import Torch
internal import TorchNN

/// Restarts silent features at badly reconstructed inputs (Bricken et al. 2023, "Neuron resampling").
///
/// Inputs are drawn with probability ∝ ‖e‖. The atom becomes the unit vector of the input (without b_dec), the encoder's row
/// 0.2 times the mean norm of the other features' rows in the same direction, the bias 0, and the optimiser forgets what it
/// knew about them.
enum Resampling {
    /// - Parameters:
    ///   - features: indices of the silent features, int64.
    ///   - pass: the step whose inputs and errors are used.
    static func restart(_ features: Tensor, of pass: TrainingPass, optimizer: Adam, generator: RandomGenerator) {
        guard features.elementCount > 0, let encoder = pass.model.encoder as? any LinearFeatureEncoder else { return }
        withoutGradients {
            let model = pass.model
            let errors = pass.error.detached().norm(axes: [1])
            guard errors.sum().item() > 0 else { return }
            let chosen = errors.multinomialSample(features.elementCount, replacement: true, generator: generator)
            let directions = pass.encoderInput.detached().gathered(indices: chosen).unitRows()
            let norms = encoder.weight.norm(axes: [1])
            let others = norms.elementCount - features.elementCount
            let otherNorm = others > 0 ? (norms.sum() - norms.gathered(indices: features).sum()).item() / Double(others) : 1
            model.atoms.copySlicesInPlace(directions, at: features)
            encoder.weight.copySlicesInPlace(directions * (0.2 * otherNorm), at: features)
            encoder.bias.copySlicesInPlace(Tensor.zeros([features.elementCount], dtype: encoder.bias.dtype, device: features.device), at: features)
            for name in ["encoder.weight", "encoder.bias", "decoder.atoms"] {
                guard let moments = optimizer.moments(of: name) else { continue }
                for moment in [moments.first, moments.second] {
                    let shape = [features.elementCount] + moment.shape.dropFirst()
                    moment.copySlicesInPlace(Tensor.zeros(shape, dtype: moment.dtype, device: moment.device), at: features)
                }
            }
        }
    }
}
