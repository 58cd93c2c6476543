internal import Experiments
public import Torch
internal import TorchNN

/// f = relu(u).
public final class ReLUEncoder: LinearFeatureEncoder {
    public let weight: Tensor
    public let bias: Tensor

    public struct Settings: EncoderSettings {
        public static let name = "relu"
        public init() {}
        public func makeEncoder(weight: Tensor, bias: Tensor) -> any FeatureEncoder { ReLUEncoder(weight: weight, bias: bias) }
    }

    /// - Parameters:
    ///   - weight: shape [F, D], shared, not copied.
    ///   - bias: shape [F].
    public init(weight: Tensor, bias: Tensor) {
        self.weight = weight
        self.bias = bias
    }

    public func encode(_ input: Tensor, in context: EncodingContext) -> any Encoding {
        FeatureCode.sparse(input.thresholdLinear(weight: weight, bias: bias))
    }

    public func scaleCodes(by factors: Tensor) throws { scalePreActivations(by: factors) }
}

extension EncoderKind {
    public static let relu = EncoderKind(ReLUEncoder.Settings())
}

/// ReLU with an L1 penalty (Bricken et al. 2023; the form with free atoms: Conerly et al. 2024).
public struct ReLUSettings: SAEVariant {
    public static let name = "relu"

    /// What the penalty λ Σ_i f_i w_i weights codes with.
    public enum Penalty: String, Codable, Sendable {
        /// w = 1; atoms are kept at the norm 1, since otherwise they would grow and codes shrink.
        case unitAtoms
        /// w_i = ‖atom_i‖; atoms are free ("April 2024", SAELens' standard).
        case atomNorms

        var atomConstraint: AtomConstraint { self == .unitAtoms ? .unitNorm : .free }

        /// Σ_i f_i w_i of each row, shape [B].
        func sums(of code: FeatureCode, _ model: SparseAutoencoder) -> Tensor {
            switch self {
            case .unitAtoms: code.absoluteSums()
            case .atomNorms: code.absoluteSums(weightedBy: model.atoms.norm(axes: [1]))
            }
        }

        var start: ModelStart {
            switch self {
            case .unitAtoms: ModelStart(atomNorm: 1, encoderScale: 0.1)
            case .atomNorms: ModelStart(atomNorm: 0.1, encoderScale: 1)
            }
        }
    }

    /// λ.
    public var l1Coefficient = 0.05
    public var penalty = Penalty.unitAtoms
    /// Every so many steps, features that were silent for the second half of them start anew at badly reconstructed inputs;
    /// nil for never.
    public var resampleEvery: Int?

    public init() {}

    public init(l1Coefficient: Double, penalty: Penalty = .unitAtoms, resampleEvery: Int? = nil) {
        self.l1Coefficient = l1Coefficient
        self.penalty = penalty
        self.resampleEvery = resampleEvery
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try container.decode(.l1Coefficient, into: &l1Coefficient)
        try container.decode(.penalty, into: &penalty)
        try container.decode(.resampleEvery, into: &resampleEvery)
    }

    public var encoder: EncoderKind { .relu }
    public var atomConstraint: AtomConstraint { penalty.atomConstraint }
    public var start: ModelStart { penalty.start }

    public func learningRate(dictionarySize: Int) -> Double { 1e-3 }

    public func makeLossTerms(_ plan: TrainingPlan) -> [any LossTerm] {
        [SquaredError(), L1Penalty(coefficient: l1Coefficient, norm: penalty, warmupSteps: plan.sparsityWarmupSteps)]
    }

    public func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem? {
        if let problem = SettingProblem("l1Coefficient", notNegative: l1Coefficient) { return problem }
        if let resampleEvery, resampleEvery < 2 {
            return SettingProblem("resampleEvery", "must be at least 2 steps, found \(resampleEvery)")
        }
        return nil
    }
}
