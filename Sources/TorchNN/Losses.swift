public import Torch

// Cross-entropy, negative log-likelihood and binary cross-entropy are with the other operations of `Tensor`.

/// What ``Torch/Tensor/klDivergence(_:reduction:logTarget:)`` does with the values of its elements.
public enum DivergenceReduction: String, Codable, Sendable {
    case none, sum
    /// The sum divided by the size of dimension 0: the mean divergence of a batch.
    case batchMean
    /// The sum divided by the number of elements.
    case elementMean
}

extension Tensor {
    /// `(self − target)²`.
    public func meanSquaredError(_ target: Tensor, reduction: Reduction = .mean) -> Tensor {
        checkTarget(target, "meanSquaredError")
        return Operator.mseLoss(self, target, reduction.rawValue)
    }

    /// `|self − target|`.
    public func meanAbsoluteError(_ target: Tensor, reduction: Reduction = .mean) -> Tensor {
        checkTarget(target, "meanAbsoluteError")
        return Operator.l1Loss(self, target, reduction.rawValue)
    }

    /// With d = self − target: `d²/(2 beta)` where |d| < beta, `|d| − beta/2` elsewhere (Girshick, arXiv:1504.08083).
    public func smoothL1Loss(_ target: Tensor, beta: Double = 1, reduction: Reduction = .mean) -> Tensor {
        checkTarget(target, "smoothL1Loss")
        return Operator.smoothL1Loss(self, target, reduction.rawValue, beta)
    }

    /// With d = self − target: `d²/2` where |d| ≤ delta, `delta (|d| − delta/2)` elsewhere (Huber 1964).
    public func huberLoss(_ target: Tensor, delta: Double = 1, reduction: Reduction = .mean) -> Tensor {
        checkTarget(target, "huberLoss")
        require(delta > 0, "huberLoss: delta must be positive, found \(delta).")
        return Operator.huberLoss(self, target, reduction.rawValue, delta)
    }

    /// `KL(target ‖ exp self) = Σ target (ln target − self)`: self holds log-probabilities, the target probabilities.
    /// - Parameter logTarget: whether the target holds log-probabilities, too.
    public func klDivergence(_ target: Tensor, reduction: DivergenceReduction = .batchMean, logTarget: Bool = false) -> Tensor {
        checkTarget(target, "klDivergence")
        let inner: Reduction = switch reduction {
        case .none: .none
        case .sum, .batchMean: .sum
        case .elementMean: .mean
        }
        let divergence = Operator.klDivergence(self, target, inner.rawValue, logTarget)
        return reduction == .batchMean ? divergence / size(0) : divergence
    }

    /// `1 − cos(self, other)` of rows that belong together (similarity 1), `max(0, cos − margin)` of others (−1).
    /// - Parameters:
    ///   - other: shape [batch, size] as self.
    ///   - similarity: 1 or −1, shape [batch].
    public func cosineEmbeddingLoss(
        _ other: Tensor, similarity: Tensor, margin: Double = 0, reduction: Reduction = .mean
    ) -> Tensor {
        checkTarget(other, "cosineEmbeddingLoss")
        return Operator.cosineEmbeddingLoss(self, other, similarity, margin, reduction.rawValue)
    }

    /// Losses do not broadcast: a target of another shape is nearly always a mistake.
    private func checkTarget(_ target: Tensor, _ operation: String) {
        require(shape == target.shape, "\(operation): input \(shape) and target \(target.shape) differ in shape.")
    }
}
