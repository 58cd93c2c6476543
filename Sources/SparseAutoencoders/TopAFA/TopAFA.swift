internal import Experiments
public import Torch
public import TorchNN

/// Keeps the strongest features of each input until their combined norm is that of the input (Lee et al. 2025,
/// arXiv:2503.24277): with nearly orthogonal unit atoms ‖f‖ ≈ ‖x − b_dec‖, so no k has to be chosen.
///
/// With a = relu((x − b_dec)·Wᵀ) and s_i = (a_i‖atom_i‖)² in falling order, the first k are kept for which √(s_1 + … + s_k) is
/// nearest to ‖x − b_dec‖; k is at least 1 and never all of the dictionary.
public final class AFAEncoder: LinearFeatureEncoder {
    public let weight: Tensor
    /// Zeros, shape [F]: the architecture has no bias.
    public var bias: Tensor { Tensor.zeros([weight.size(0)], dtype: weight.dtype, device: weight.device) }

    public struct Settings: EncoderSettings {
        public static let name = "topafa"
        public init() {}
        public func makeEncoder(weight: Tensor, bias: Tensor) -> any FeatureEncoder { AFAEncoder(weight: weight) }
    }

    /// - Parameter weight: shape [F, D], shared, not copied.
    public init(weight: Tensor) { self.weight = weight }

    public func visit(_ v: inout ParameterVisitor) { v("weight", weight) }

    public func encode(_ input: Tensor, in context: EncodingContext) -> any Encoding {
        let positive = input.thresholdLinear(weight: weight)
        let isKept = withoutGradients {
            let norms = context.atoms.detached().norm(axes: [1]).gathered(indices: positive.indices)
            let scores = positive.with(values: positive.values.detached() * norms)
            return scores.matchingNorms(input.detached().norm(axes: [1]))
        }
        return FeatureCode.sparse(positive.filtered(where: isKept))
    }

    /// Folding changes codes and atoms against each other, or input and code (or atoms) alike; each leaves the selection as it is.
    public func scaleCodes(by factors: Tensor) throws { withoutGradients { _ = weight.multiplyInPlace(by: factors.unsqueezed(1)) } }
}

extension EncoderKind {
    public static let topAFA = EncoderKind(AFAEncoder.Settings())
}

/// top-AFA with a penalty on the mismatch of norms and AuxK.
public struct TopAFASettings: SAEVariant {
    public static let name = "topAFA"

    /// λ of λ·mean (‖f‖ − ‖x‖)², in units in which the reconstruction's error is a mean over all elements.
    public var afaCoefficient = 1.0 / 32
    /// Which norm codes are drawn to.
    public var target = Target.input
    /// α of ``AuxK``; 0 switches it off.
    public var auxiliaryCoefficient = 1.0 / 32
    /// Dead features that learn per row at most; nil for D/2.
    public var auxiliaryK: Int?

    public enum Target: String, Codable, Sendable {
        /// ‖x‖, as in the paper's code.
        case input
        /// ‖x − b_dec‖, which the selection compares with.
        case centered
    }

    public init() {}

    public init(afaCoefficient: Double, target: Target = .input, auxiliaryCoefficient: Double = 1.0 / 32) {
        self.afaCoefficient = afaCoefficient
        self.target = target
        self.auxiliaryCoefficient = auxiliaryCoefficient
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try container.decode(.afaCoefficient, into: &afaCoefficient)
        try container.decode(.target, into: &target)
        try container.decode(.auxiliaryCoefficient, into: &auxiliaryCoefficient)
        try container.decode(.auxiliaryK, into: &auxiliaryK)
    }

    public var encoder: EncoderKind { .topAFA }
    /// As in the paper's code. Codes are selected to have the norm ‖x − b_dec‖ but drawn to ‖x‖: with a b_dec far from 0 the two pull
    /// against each other, and a few oversized features win.
    public var start: ModelStart { ModelStart(decoderBias: .zeros) }
    /// The paper's 3e-4 for its 12,288 features, scaled as for TopK.
    public func learningRate(dictionarySize: Int) -> Double { 3e-4 / (Double(dictionarySize) / 12_288).squareRoot() }

    public func makeLossTerms(_ plan: TrainingPlan) -> [any LossTerm] {
        [SquaredError(), NormMismatch(coefficient: afaCoefficient, target: target)]
            + AuxK.terms(coefficient: auxiliaryCoefficient, maximumK: auxiliaryK, plan)
    }

    public func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem? {
        SettingProblem("afaCoefficient", notNegative: afaCoefficient)
            ?? AuxK.problem(coefficient: auxiliaryCoefficient, maximumK: auxiliaryK)
    }
}

/// λ·D·mean (‖f‖ − ‖x‖)²; the factor D because our squared errors are sums over dimensions.
final class NormMismatch: LossTerm {
    let name = "afa"
    private let coefficient: Double
    private let target: TopAFASettings.Target

    init(coefficient: Double, target: TopAFASettings.Target) {
        self.coefficient = coefficient
        self.target = target
    }

    func loss(_ pass: TrainingPass) -> Tensor? {
        guard coefficient > 0 else { return nil }
        let inputs = target == .input ? pass.input : pass.encoderInput
        let squares = pass.code.squaredSums()
        // The root has no derivative where a row has no feature.
        let norms = (squares + squares.equals(0).to(dtype: squares.dtype)).sqrt() * squares.notEquals(0).to(dtype: squares.dtype)
        return (norms - inputs.norm(axes: [1])).squared().mean() * (coefficient * Double(pass.input.size(1)))
    }
}
