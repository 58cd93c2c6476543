public import Torch
public import TorchNN

/// A Gaussian posterior for each feature, q(f_i|x) = N(μ_i(x), σ_i(x)²), of which the k largest magnitudes are kept (Baker and Li
/// 2025, arXiv:2509.22994): μ = relu(x·W_encᵀ + b_enc), log σ² = clamp(x·W_varᵀ + b_var, −6, 2).
///
/// While it is trained with noise, z = μ + σ∘η is selected from, with its signs; used without noise, it is a TopK encoder of μ.
public final class VariationalEncoder: LinearFeatureEncoder {
    public let weight: Tensor
    public let bias: Tensor
    /// W_var, shape [F, D]; nil where σ is 1 and never drawn from.
    public let varianceWeight: Tensor?
    /// b_var, shape [F].
    public let varianceBias: Tensor?
    /// A factor on σ for codes that were scaled after training, shape [1]: it belongs behind the clamp.
    public let noiseScale: Tensor?
    public let settings: Settings

    /// Whether σ is learned.
    public enum Variance: String, Codable, Sendable {
        /// σ = 1 in the divergence, and no noise: what the published checkpoints are.
        case fixed
        /// σ(x) is learned, and codes are drawn while training.
        case learned
    }

    public struct Settings: EncoderSettings {
        public static let name = "variational"
        /// Features kept per input.
        public var k: Int
        public var variance: Variance
        /// log σ² of every feature before the first step, where it is learned; beyond −6…2 it is clamped and stays where it is.
        public var initialLogVariance: Double
        /// Whether μ goes through a ReLU, as in the published code, or has a sign, as in the paper's equation.
        public var rectifiesMean: Bool

        public init(k: Int, variance: Variance = .learned, initialLogVariance: Double = -5, rectifiesMean: Bool = true) {
            self.k = k
            self.variance = variance
            self.initialLogVariance = initialLogVariance
            self.rectifiesMean = rectifiesMean
        }

        public func makeEncoder(weight: Tensor, bias: Tensor) -> any FeatureEncoder {
            guard variance == .learned else { return VariationalEncoder(weight: weight, bias: bias, settings: self) }
            let start = Tensor.full(bias.shape, initialLogVariance, dtype: bias.dtype, device: bias.device)
            return VariationalEncoder(
                weight: weight, bias: bias, varianceWeight: Tensor.zeros(like: weight.detached()).requiringGrad(),
                varianceBias: start.requiringGrad(), settings: self)
        }

        public func problem(dictionarySize: Int) -> SettingProblem? {
            if !initialLogVariance.isFinite { return SettingProblem("initialLogVariance", "must be a number, found \(initialLogVariance)") }
            return SettingProblem(k: k, dictionarySize: dictionarySize)
        }
    }

    /// What log σ² is clamped to.
    static let logVarianceRange = -6.0...2.0

    /// - Parameters:
    ///   - weight: shape [F, D], shared, not copied.
    ///   - bias: shape [F].
    ///   - varianceWeight: shape [F, D]; nil for a fixed variance.
    ///   - varianceBias: shape [F].
    public init(weight: Tensor, bias: Tensor, varianceWeight: Tensor? = nil, varianceBias: Tensor? = nil, settings: Settings) {
        require(
            varianceWeight?.shape ?? weight.shape == weight.shape && (varianceWeight != nil) == (settings.variance == .learned),
            "VariationalEncoder: variance of \(varianceWeight?.shape ?? []) for \(weight.shape) with \(settings.variance) variance")
        self.weight = weight
        self.bias = bias
        self.varianceWeight = varianceWeight
        self.varianceBias = varianceBias
        self.settings = settings
        noiseScale = varianceWeight.map { Tensor.ones([1], dtype: $0.dtype, device: $0.device) }
    }

    public func visit(_ v: inout ParameterVisitor) {
        v("weight", weight)
        v("bias", bias)
        v("varianceWeight", varianceWeight)
        v("varianceBias", varianceBias)
        v.buffer("noiseScale", noiseScale)
    }

    public var isSigned: Bool { !settings.rectifiesMean }

    /// The distribution of all features.
    /// - Parameter input: as ``encode(_:in:)`` gets it, shape [B, D].
    public func posterior(_ input: Tensor) -> Posterior {
        let pre = preActivations(input)
        let logVariance = varianceWeight.map {
            input.linear(weight: $0, bias: varianceBias)
                .clamped(minimum: Self.logVarianceRange.lowerBound, maximum: Self.logVarianceRange.upperBound)
        }
        return Posterior(mean: settings.rectifiesMean ? pre.relu() : pre, logVariance: logVariance, noiseScale: noiseScale)
    }

    public func encode(_ input: Tensor, in context: EncodingContext) -> any Encoding {
        guard context.isTraining else {
            return FeatureCode.sparse(input.topKLinear(weight: weight, bias: bias, k: settings.k, signed: isSigned))
        }
        let posterior = posterior(input)
        return VariationalEncoding(posterior, of: posterior.sample(context.generator), k: settings.k)
    }

    public func scaleCodes(by factors: Tensor) throws {
        try scaleComparedPreActivations(by: factors, name: "variational")
        withoutGradients { _ = noiseScale?.multiplyInPlace(by: factors.detached()[0]) }
    }

    public func scaleInputs(by factor: Double) throws {
        withoutGradients {
            _ = weight.divideInPlace(by: factor)
            _ = varianceWeight?.divideInPlace(by: factor)
        }
    }
}

/// Independent Gaussians of a batch's features.
public struct Posterior {
    /// μ, shape [B, F].
    public let mean: Tensor
    /// log σ² in the scale the model was trained in, shape [B, F]; nil for σ = 1 without noise.
    public let logVariance: Tensor?
    fileprivate let noiseScale: Tensor?

    /// σ in the scale of the codes, shape [B, F]; nil where there is no noise.
    public var standardDeviation: Tensor? {
        guard let logVariance, let noiseScale else { return nil }
        return (logVariance * 0.5).exp() * noiseScale
    }

    /// z = μ + σ∘η, differentiable in μ and σ; μ itself without noise or generator.
    public func sample(_ generator: RandomGenerator?) -> Tensor {
        guard let standardDeviation, let generator else { return mean }
        return mean + standardDeviation * Tensor.normal(mean.shape, dtype: mean.dtype, generator: generator)
    }

    /// The summands of KL(q ‖ N(0, 1)): ½(μ² + σ² − 1 − log σ²), shape [B, F]; ½·clamp(μ, ±10)² for a fixed variance.
    public func divergences() -> Tensor {
        guard let logVariance else { return mean.clamped(minimum: -10, maximum: 10).squared() * 0.5 }
        return (mean.squared() + logVariance.exp() - logVariance - 1) * 0.5
    }
}

/// A selection from a sample, with the distribution it is from.
public struct VariationalEncoding: Encoding {
    public let posterior: Posterior
    /// The k entries of z of largest magnitude in each row; nothing flows back through their choice.
    public let selection: SparseCode
    public var code: FeatureCode { .sparse(selection) }

    /// - Parameter latents: z, shape [B, F].
    init(_ posterior: Posterior, of latents: Tensor, k: Int) {
        self.posterior = posterior
        let chosen = withoutGradients { latents.detached().abs().topK(k).indices }
        selection = SparseCode(values: latents.gatheredElements(at: chosen), indices: chosen, featureCount: latents.size(1))
    }
}

extension EncoderKind {
    public static func variational(_ settings: VariationalEncoder.Settings) -> EncoderKind { EncoderKind(settings) }
}
