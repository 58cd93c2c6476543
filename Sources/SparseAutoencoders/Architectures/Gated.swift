internal import Experiments
public import Torch
public import TorchNN

/// A gate decides which features are active, another affine map of the same projection how much (Rajamanoharan et al. 2024,
/// arXiv:2404.16014): with π = x·Wᵀ, f = 1[π + b_gate > 0] · relu(π·e^r + b_mag).
public final class GatedEncoder: LinearFeatureEncoder {
    public let weight: Tensor
    /// b_gate, shape [F].
    public let bias: Tensor
    /// b_mag, shape [F].
    public let magnitudeBias: Tensor
    /// r, shape [F].
    public let logScale: Tensor

    public struct Settings: EncoderSettings {
        public static let name = "gated"
        public init() {}

        public func makeEncoder(weight: Tensor, bias: Tensor) -> any FeatureEncoder {
            let zeros = { Tensor.zeros(like: bias).requiringGrad() }
            return GatedEncoder(weight: weight, bias: bias, magnitudeBias: zeros(), logScale: zeros())
        }
    }

    /// - Parameters:
    ///   - weight: shape [F, D], shared, not copied.
    ///   - bias: b_gate, shape [F].
    public init(weight: Tensor, bias: Tensor, magnitudeBias: Tensor, logScale: Tensor) {
        self.weight = weight
        self.bias = bias
        self.magnitudeBias = magnitudeBias
        self.logScale = logScale
    }

    public func visit(_ v: inout ParameterVisitor) {
        v("weight", weight)
        v("bias", bias)
        v("magnitudeBias", magnitudeBias)
        v("logScale", logScale)
    }

    public func encode(_ input: Tensor, in context: EncodingContext) -> any Encoding {
        let gates = input.thresholdLinear(weight: weight, bias: bias)
        let projection = gates.values - bias.gathered(indices: gates.indices)
        let magnitudes = projection * logScale.gathered(indices: gates.indices).exp() + magnitudeBias.gathered(indices: gates.indices)
        return GatedEncoding(code: .sparse(gates.with(values: magnitudes.relu())), gates: gates)
    }

    public func scaleCodes(by factors: Tensor) throws {
        withoutGradients {
            logScale.addInPlace(factors.log())
            magnitudeBias.multiplyInPlace(by: factors)
        }
    }
}

extension EncoderKind {
    public static let gated = EncoderKind(GatedEncoder.Settings())
}

struct GatedEncoding: Encoding {
    let code: FeatureCode
    /// relu(π + b_gate) where it is not 0.
    let gates: SparseCode
}

/// Gated autoencoders with an L1 penalty on the gates (Rajamanoharan et al. 2024).
public struct GatedSettings: SAEVariant {
    public static let name = "gated"

    /// λ of λ Σ relu(π_i + b_gate) w_i, and of how much the gates alone must rebuild the input, which has weight 1.
    public var l1Coefficient = 0.05
    /// Whether atoms have the norm 1 and w = 1 (dictionary_learning), or are free and w their norms (SAELens).
    public var penalty = ReLUSettings.Penalty.unitAtoms

    public init() {}

    public init(l1Coefficient: Double, penalty: ReLUSettings.Penalty = .unitAtoms) {
        self.l1Coefficient = l1Coefficient
        self.penalty = penalty
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try container.decode(.l1Coefficient, into: &l1Coefficient)
        try container.decode(.penalty, into: &penalty)
    }

    public var encoder: EncoderKind { .gated }
    public var atomConstraint: AtomConstraint { penalty.atomConstraint }
    public var start: ModelStart { penalty.start }
    public func learningRate(dictionarySize: Int) -> Double { 1e-3 }

    public func makeLossTerms(_ plan: TrainingPlan) -> [any LossTerm] {
        let gates = { (pass: TrainingPass) in FeatureCode.sparse(pass.gates) }
        return [
            SquaredError(), L1Penalty(coefficient: l1Coefficient, norm: penalty, warmupSteps: plan.sparsityWarmupSteps, of: gates), GateError(),
        ]
    }

    public func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem? {
        SettingProblem("l1Coefficient", notNegative: l1Coefficient)
    }
}

/// ‖x − (gates · sg[W_dec] + sg[b_dec])‖², summed over dimensions, averaged over the batch: the gates alone must rebuild the input.
/// The decoder is not trained by it.
final class GateError: LossTerm {
    let name = "gate_mse"

    func loss(_ pass: TrainingPass) -> Tensor? {
        let rebuilt = pass.gates.decoded(atoms: pass.model.atoms.detached()) + pass.model.decoderBias.detached()
        return (pass.input - rebuilt).squared().sum(axis: -1).mean()
    }
}

extension TrainingPass {
    /// relu(π + b_gate) of a gated encoder.
    fileprivate var gates: SparseCode {
        guard let encoding = encoding as? GatedEncoding else { preconditionFailure("a gated encoder is needed") }
        return encoding.gates
    }
}
