internal import Experiments
public import Torch

/// aux_zipf (Ayonrinde 2024): ``AuxK`` for features that are under-used rather than dead alone. With p the density of a feature
/// and p* the density of its rank by Zipf's law, its deficit is δ = max(0, 1 − p / (κ·p*)); the `k_aux` largest positive δ·u of each
/// input, over the features with a deficit, decoded without bias, learn the main error, which is not differentiated:
/// α · Σ‖e − ê‖² / Σ‖e − ē‖².
///
/// With deficits of 1 for dead features and 0 for others it is AuxK. The paper gives no formula; this one is ours.
public final class AuxZipf: LossTerm {
    public let name = "auxzipf"
    let settings: Settings
    let maximumK: Int

    public struct Settings: Codable, Sendable, Equatable {
        /// α; 0 switches the loss off.
        public var coefficient = 1.0 / 32
        /// Under-used features that learn per input at most; nil for D/2.
        public var maximumK: Int?
        /// κ: features below this part of the density of their rank are under-used.
        public var tolerance = 0.5

        public init() {}

        public init(coefficient: Double, maximumK: Int? = nil, tolerance: Double = 0.5) {
            self.coefficient = coefficient
            self.maximumK = maximumK
            self.tolerance = tolerance
        }

        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            try container.decode(.coefficient, into: &coefficient)
            try container.decode(.maximumK, into: &maximumK)
            try container.decode(.tolerance, into: &tolerance)
        }

        /// The first setting that makes no sense; keys below `auxiliary`.
        func problem() -> SettingProblem? {
            if let maximumK, maximumK < 1 { return SettingProblem("auxiliary.maximumK", "must be positive, found \(maximumK)") }
            return SettingProblem("auxiliary.coefficient", notNegative: coefficient)
                ?? SettingProblem("auxiliary.tolerance", positive: tolerance)
        }

        /// The term, unless it is switched off.
        func terms(_ plan: TrainingPlan) -> [any LossTerm] {
            coefficient > 0 ? [AuxZipf(self, maximumK: maximumK ?? max(1, plan.inputSize / 2))] : []
        }
    }

    public init(_ settings: Settings, maximumK: Int) {
        self.settings = settings
        self.maximumK = maximumK
    }

    /// δ of each feature, shape [F]; zeros while the law is not known.
    public func deficits(of encoder: FeatureChoiceEncoder) -> Tensor {
        let wanted = encoder.shares * settings.tolerance
        return Tensor.select(where: wanted .> 0, 1 - encoder.densities / wanted, else: Tensor.zeros(like: wanted)).clamped(minimum: 0)
    }

    public func loss(_ pass: TrainingPass) -> Tensor? {
        guard let encoder = pass.model.encoder as? FeatureChoiceEncoder else { return nil }
        let deficits = withoutGradients { self.deficits(of: encoder) }
        let features = deficits.nonzeroIndices().reshaped([-1])
        guard features.elementCount > 0 else { return nil }
        let weights = deficits.gathered(indices: features).to(dtype: pass.input.dtype)
        return AuxK.loss(pass, of: features, weights: weights, maximumK: maximumK, coefficient: settings.coefficient)
    }
}
