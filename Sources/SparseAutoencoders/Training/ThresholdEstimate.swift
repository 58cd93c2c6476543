internal import Torch

/// What a threshold is an average of.
public enum ThresholdRule: Sendable, Equatable {
    /// The mean over the rows of a batch of each row's smallest kept activation.
    case smallestOfRows
    /// A batch's smallest kept activation.
    case smallestOfBatch
}

/// An average of the smallest kept activations, for models whose selection looks at more than one feature of one input: as a
/// threshold it gives about as many features, and looks at each alone. Activations count by magnitude.
struct ThresholdEstimate {
    /// Shape [1], float64; nil before the first note.
    private(set) var value: Tensor?
    private let rule: ThresholdRule
    private let firstStep: Int
    private static let decay = 0.999

    /// - Parameter steps: of the whole training. The average begins at step 1,000 or, in short trainings, after half the steps.
    init(_ rule: ThresholdRule, steps: Int) {
        self.rule = rule
        firstStep = min(1_000, steps / 2)
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
            }
        } as Tensor?
        guard let smallest, smallest.isFinite().all().item() != 0 else { return }
        value = value.map { $0 * Self.decay + smallest * (1 - Self.decay) } ?? smallest
    }
}
