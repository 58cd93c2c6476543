internal import Foundation
internal import Experiments
public import Torch
public import TorchNN

/// f = u·1[u > θ] with a threshold of each feature, learned through a straight-through estimate (Rajamanoharan et al. 2024,
/// arXiv:2407.14435).
public final class JumpReLUEncoder: LinearFeatureEncoder {
    public let weight: Tensor
    public let bias: Tensor
    /// log θ, shape [F].
    public let logThreshold: Tensor
    /// Width ε of the kernel that spreads the gradient of a step over pre-activations near the threshold.
    public let bandwidth: Double

    public struct Settings: EncoderSettings {
        public static let name = "jumprelu"
        public var bandwidth: Double
        public var initialThreshold: Double

        public init(bandwidth: Double = 0.05, initialThreshold: Double = 0.01) {
            self.bandwidth = bandwidth
            self.initialThreshold = initialThreshold
        }

        public func makeEncoder(weight: Tensor, bias: Tensor) -> any FeatureEncoder {
            let threshold = Tensor.full([weight.size(0)], log(initialThreshold), dtype: weight.dtype, device: weight.device)
            return JumpReLUEncoder(weight: weight, bias: bias, logThreshold: threshold.requiringGrad(), bandwidth: bandwidth)
        }

        public func problem(dictionarySize: Int) -> SettingProblem? {
            SettingProblem("initialThreshold", positive: initialThreshold) ?? SettingProblem("bandwidth", positive: bandwidth)
        }
    }

    /// - Parameters:
    ///   - weight: shape [F, D], shared, not copied.
    ///   - bias: shape [F].
    ///   - logThreshold: log θ, shape [F].
    public init(weight: Tensor, bias: Tensor, logThreshold: Tensor, bandwidth: Double) {
        self.weight = weight
        self.bias = bias
        self.logThreshold = logThreshold
        self.bandwidth = bandwidth
    }

    public func visit(_ v: inout ParameterVisitor) {
        v("weight", weight)
        v("bias", bias)
        v("logThreshold", logThreshold)
    }

    /// θ, shape [F].
    public var threshold: Tensor { logThreshold.exp() }

    /// log θ with a copy's memory. A θ of 0 or less becomes one so small that f is relu(u).
    static func logarithm(of threshold: Tensor) -> Tensor { threshold.clamped(minimum: 1e-30).log() }

    public func encode(_ input: Tensor, in context: EncodingContext) -> any Encoding {
        guard context.isTraining else { return encode(input, threshold: withoutGradients { threshold }) }
        // Entries within half a bandwidth below the threshold are kept, since they move it.
        let lowest = withoutGradients { threshold - bandwidth / 2 }
        let near = input.thresholdLinear(weight: weight, bias: bias, threshold: lowest)
        return JumpReLUEncoding(near: near, thresholds: threshold.gathered(indices: near.indices), bandwidth: bandwidth)
    }

    public func scaleCodes(by factors: Tensor) throws {
        scalePreActivations(by: factors)
        withoutGradients { _ = logThreshold.addInPlace(factors.log()) }
    }
}

extension EncoderKind {
    public static let jumpReLU = EncoderKind(JumpReLUEncoder.Settings())
}

/// Codes with what moves the thresholds, K being 1 for |u − θ| < ε/2 and 0 elsewhere:
/// ∂f/∂u = 1[u > θ], ∂f/∂θ = −(θ/ε)·K, ∂1[u > θ]/∂θ = −(1/ε)·K.
struct JumpReLUEncoding: Encoding {
    let code: FeatureCode
    /// 1[u > θ] of each entry, with its gradient to θ.
    let steps: SparseCode

    /// - Parameters:
    ///   - near: pre-activations above θ − ε/2.
    ///   - thresholds: θ of each entry.
    init(near: SparseCode, thresholds: Tensor, bandwidth: Double) {
        let values = near.values.detached(), limits = thresholds.detached()
        let isActive = (values .> limits).to(dtype: values.dtype)
        let kernel = ((values - limits).abs() .< bandwidth / 2).to(dtype: values.dtype) / bandwidth
        let (active, slope, thresholdSlope) = (Shared(isActive), Shared(kernel), Shared(limits * kernel))
        let jumped = customGradient(of: [near.values, thresholds]) { [$0[0] * isActive] } backward: { gradients in
            [gradients[0] * active.tensor, -(gradients[0] * thresholdSlope.tensor)]
        }
        let stepped = customGradient(of: [thresholds]) { _ in [isActive.cloned()] } backward: { gradients in
            [-(gradients[0] * slope.tensor)]
        }
        code = .sparse(near.with(values: jumped[0]))
        steps = near.with(values: stepped[0])
    }

    /// A tensor that nothing changes any more.
    private struct Shared: @unchecked Sendable {
        let tensor: Tensor
        init(_ tensor: Tensor) { self.tensor = tensor }
    }
}

/// JumpReLU with an L0 penalty (Rajamanoharan et al. 2024).
public struct JumpReLUSettings: SAEVariant {
    public static let name = "jumpReLU"

    /// λ of λ·L0; with a target, of λ·(L0/target − 1)².
    public var l0Coefficient = 5e-3
    /// L0 to aim at; nil for none.
    public var targetL0: Double?
    public var initialThreshold = 0.01
    /// ε of the straight-through estimate, in the scale of normalised activations.
    public var bandwidth = 0.05

    public init() {}

    public init(l0Coefficient: Double, targetL0: Double? = nil, initialThreshold: Double = 0.01, bandwidth: Double = 0.05) {
        self.l0Coefficient = l0Coefficient
        self.targetL0 = targetL0
        self.initialThreshold = initialThreshold
        self.bandwidth = bandwidth
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try container.decode(.l0Coefficient, into: &l0Coefficient)
        try container.decode(.targetL0, into: &targetL0)
        try container.decode(.initialThreshold, into: &initialThreshold)
        try container.decode(.bandwidth, into: &bandwidth)
    }

    public var encoder: EncoderKind {
        EncoderKind(JumpReLUEncoder.Settings(bandwidth: bandwidth, initialThreshold: initialThreshold))
    }
    public func learningRate(dictionarySize: Int) -> Double { 3e-4 }

    public func makeLossTerms(_ plan: TrainingPlan) -> [any LossTerm] {
        [SquaredError(), L0Penalty(coefficient: l0Coefficient, target: targetL0, warmupSteps: plan.sparsityWarmupSteps)]
    }

    public func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem? {
        SettingProblem("l0Coefficient", notNegative: l0Coefficient) ?? targetL0.flatMap { SettingProblem("targetL0", positive: $0) }
    }
}

/// λ times the mean number of active features, or of the square of its relative distance from a target; λ rises linearly from 0.
final class L0Penalty: LossTerm {
    let name = "l0"
    private let coefficient: Double
    private let target: Double?
    private let warmupSteps: Int

    init(coefficient: Double, target: Double?, warmupSteps: Int) {
        self.coefficient = coefficient
        self.target = target
        self.warmupSteps = warmupSteps
    }

    func loss(_ pass: TrainingPass) -> Tensor? {
        guard let encoding = pass.encoding as? JumpReLUEncoding else { preconditionFailure("a JumpReLU encoder is needed") }
        let l0 = encoding.steps.values.sum() / Double(pass.input.size(0))
        let penalty = target.map { (l0 / $0 - 1).squared() } ?? l0
        return penalty * (coefficient * pass.rise(over: warmupSteps))
    }
}

extension SparseAutoencoder {
    /// The same weights as a JumpReLU model with fixed thresholds; the model itself if there are none.
    /// - Parameter thresholds: shape [F], or [1] for all features alike.
    func withThresholds(_ thresholds: Tensor?) -> SparseAutoencoder {
        guard let thresholds, let linear = encoder as? any LinearFeatureEncoder else { return self }
        let each = JumpReLUEncoder.logarithm(of: thresholds.to(dtype: atoms.dtype).to(device: atoms.device).expanded(to: [dictionarySize]))
        var configuration = configuration
        let settings = JumpReLUEncoder.Settings()
        configuration.encoder = EncoderKind(settings)
        return SparseAutoencoder(
            configuration: configuration,
            encoder: JumpReLUEncoder(weight: linear.weight, bias: linear.bias, logThreshold: each.cloned(), bandwidth: settings.bandwidth),
            atoms: atoms, decoderBias: decoderBias)
    }
}
