internal import Torch

/// How many tokens ago each feature was last active.
final class DeadFeatures {
    /// int64, shape [F].
    let tokensSinceActive: Tensor
    let threshold: Int
    /// Number of dead features at the last note.
    private(set) var count = 0

    init(featureCount: Int, threshold: Int, device: Device) {
        tokensSinceActive = Tensor.zeros([featureCount], dtype: .int64, device: device)
        self.threshold = threshold
    }

    /// Takes a batch's codes into account.
    /// - Returns: indices of the features that are dead now; nil if there are none.
    func note(_ code: FeatureCode) -> Tensor? {
        withoutGradients {
            let silent = code.firingCounts().equals(0).to(dtype: .int64)
            tokensSinceActive.copyInPlace(from: (tokensSinceActive + code.rowCount) * silent)
            let indices = self.silent(for: threshold)
            count = indices.elementCount
            return count > 0 ? indices : nil
        }
    }

    /// Features that were not active in the last `tokens` tokens, int64.
    func silent(for tokens: Int) -> Tensor { (tokensSinceActive .>= Tensor(scalar: tokens).to(device: tokensSinceActive.device)).nonzeroIndices().reshaped([-1]) }

    func reset(_ features: Tensor) {
        tokensSinceActive.copySlicesInPlace(Tensor.zeros([features.elementCount], dtype: .int64, device: features.device), at: features)
    }
}
