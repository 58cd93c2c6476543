internal import Torch

/// What a threshold is an average of.
public enum ThresholdRule: Sendable, Equatable {
    /// The mean over the rows of a batch of each row's smallest kept activation.
    case smallestOfRows
    /// A batch's smallest kept activation.
    case smallestOfBatch
    /// Each feature's smallest kept activation in a batch, over fewer batches than the other rules.
    /// - Parameter after: the part of the training after which the average begins.
    case smallestOfFeatures(after: Double)
}

/// An average of the smallest kept activations, for models whose selection looks at more than one feature of one input: as a
/// threshold it gives about as many features, and looks at each alone. Activations count by magnitude.
struct ThresholdEstimate {
    /// Shape [1], for thresholds of features [F], float64; nil before the first note.
    private(set) var value: Tensor?
    private let rule: ThresholdRule
    private let firstStep: Int
    private let decay: Double

    /// - Parameter steps: of the whole training. Unless the rule says otherwise, the average begins at step 1,000 or, in short
    ///   trainings, after half the steps.
    init(_ rule: ThresholdRule, steps: Int) {
        self.rule = rule
        switch rule {
        case .smallestOfRows, .smallestOfBatch: (firstStep, decay) = (min(1_000, steps / 2), 0.999)
        case .smallestOfFeatures(let part): (firstStep, decay) = (Int((part * Double(steps)).rounded()), 0.99)
        }
    }

    mutating func restore(_ value: Tensor?) { self.value = value }

    mutating func note(_ code: FeatureCode, step: Int) {
        guard step > firstStep else { return }
        let smallest = withoutGradients {
            let values = code.values.detached().abs().to(dtype: .float64)
            let active = values.filled(where: values.equals(0), with: .infinity)
            switch rule {
            case .smallestOfBatch: return active.elementCount > 0 ? active.min().reshaped([1]) : nil
            case .smallestOfRows:
                let minima = active.min(axes: [-1])
                return minima.selected(where: minima.isFinite()).mean().reshaped([1])
            case .smallestOfFeatures: return smallestOfFeatures(code, active)
            }
        } as Tensor?
        guard let smallest, smallest.isFinite().all().item() != 0 else { return }
        value = value.map { $0 * decay + smallest * (1 - decay) } ?? smallest
    }

    /// Features without an activation in the batch keep what they had; those that never had one get the others' median.
    private func smallestOfFeatures(_ code: FeatureCode, _ active: Tensor) -> Tensor {
        let none = Tensor.full([code.featureCount], .infinity, dtype: .float64, device: active.device)
        let minima =
            switch code {
            case .sparse(let code): none.scatterMinimum(active.reshaped([-1]), at: code.indices.reshaped([-1]))
            case .dense: active.min(axes: [0])
            }
        let known = value ?? minima.selected(where: minima.isFinite()).median()
        return Tensor.select(where: minima.isFinite(), minima, else: known)
    }
}
