internal import Experiments
public import Torch
internal import TorchNN

/// TopK by effect instead of size (Olmo et al. 2024, arXiv:2411.10397): of z = relu(u), the k features with the largest
/// z_i·(1 + β|atom_i·g|) are kept, where g is the gradient of the network's loss with respect to the input. To first order,
/// leaving feature i out changes the loss by −z_i·(atom_i·g).
///
/// Kept activations are z itself, and nothing is differentiated but them. Without gradients the encoder is TopK.
public final class GradientTopKEncoder: LinearFeatureEncoder {
    public let weight: Tensor
    public let bias: Tensor
    public let settings: Settings
    /// The part of the gradients' say that is in force, 0…1; training may raise it step by step.
    public var influence = 1.0

    /// What features are compared by, g̃ being g in units of its usual norm.
    public enum Score: String, Codable, Sendable {
        /// z_i·(1 + β|atom_i·g̃|).
        case augmented
        /// z_i·|atom_i·g̃|: augmented with β → ∞. Where the gradient is 0, z_i.
        case product
    }

    public struct Settings: EncoderSettings {
        public static let name = "gradienttopk"
        public var k: Int
        /// Weight of effect against size; the larger, the less size counts.
        public var beta: Double
        public var score: Score
        /// What gradients are multiplied by before anything else: 1 / √E‖g‖² of those the model was trained with.
        public var gradientScale: Double

        public init(k: Int, beta: Double = 3, score: Score = .augmented, gradientScale: Double = 1) {
            self.k = k
            self.beta = beta
            self.score = score
            self.gradientScale = gradientScale
        }

        public func makeEncoder(weight: Tensor, bias: Tensor) -> any FeatureEncoder {
            GradientTopKEncoder(weight: weight, bias: bias, settings: self)
        }

        public func problem(dictionarySize: Int) -> SettingProblem? {
            SettingProblem(k: k, dictionarySize: dictionarySize) ?? SettingProblem("beta", notNegative: beta)
                ?? SettingProblem("gradientScale", positive: gradientScale)
        }

        /// The factor that gives gradients the root mean square norm 1.
        /// - Parameter gradients: shape [N, D].
        public static func scale(of gradients: Tensor) -> Double {
            let meanSquare = withoutGradients { gradients.to(dtype: .float64).squared().sum(axis: 1).mean().item() }
            return meanSquare > 0 ? 1 / meanSquare.squareRoot() : 1
        }
    }

    /// - Parameters:
    ///   - weight: shape [F, D], shared, not copied.
    ///   - bias: shape [F].
    public init(weight: Tensor, bias: Tensor, settings: Settings) {
        self.weight = weight
        self.bias = bias
        self.settings = settings
    }

    public func encode(_ input: Tensor, in context: EncodingContext) -> any Encoding {
        let base = settings.score == .augmented ? 1 : 1 - influence
        let strength = influence * settings.gradientScale * (settings.score == .augmented ? settings.beta : 1)
        guard let gradients = context.gradients, strength > 0 else {
            return FeatureCode.sparse(input.topKLinear(weight: weight, bias: bias, k: settings.k))
        }
        // Effects are those of unit atoms, whatever the norms: folding scales into atoms changes nothing.
        let scales = withoutGradients { strength / context.atoms.detached().norm(axes: [1]).clamped(minimum: 1e-30) }
        return FeatureCode.sparse(
            input.gradientTopKLinear(
                weight: weight, bias: bias, gradient: gradients, atoms: context.atoms.detached(), scales: scales, k: settings.k, base: base))
    }

    public func scaleCodes(by factors: Tensor) throws { try scaleComparedPreActivations(by: factors, name: "gradient TopK") }
}

extension EncoderKind {
    public static func gradientTopK(_ settings: GradientTopKEncoder.Settings) -> EncoderKind { EncoderKind(settings) }
}

/// The gradient SAE (Olmo et al. 2024): TopK whose features are chosen by their effect on the network's loss while it is trained,
/// with AuxK. Used without gradients, the trained model is a TopK model.
public struct GradientTopKSettings: SAEVariant {
    public static let name = "gradientTopK"

    /// Features per input.
    public var k = 32
    /// Weight of effect against size.
    public var beta = 3.0
    public var score = GradientTopKEncoder.Score.augmented
    /// Steps over which the gradients' say rises linearly from nothing: atoms are random at first, and so are their effects.
    public var influenceWarmupSteps = 1_000
    /// α of ``AuxK``; 0 switches it off.
    public var auxiliaryCoefficient = 1.0 / 32
    /// Dead features that learn per row at most; nil for D/2.
    public var auxiliaryK: Int?

    public init() {}

    public init(
        k: Int, beta: Double = 3, score: GradientTopKEncoder.Score = .augmented, influenceWarmupSteps: Int = 1_000,
        auxiliaryCoefficient: Double = 1.0 / 32
    ) {
        self.k = k
        self.beta = beta
        self.score = score
        self.influenceWarmupSteps = influenceWarmupSteps
        self.auxiliaryCoefficient = auxiliaryCoefficient
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try container.decode(.k, into: &k)
        try container.decode(.beta, into: &beta)
        try container.decode(.score, into: &score)
        try container.decode(.influenceWarmupSteps, into: &influenceWarmupSteps)
        try container.decode(.auxiliaryCoefficient, into: &auxiliaryCoefficient)
        try container.decode(.auxiliaryK, into: &auxiliaryK)
    }

    public var encoder: EncoderKind { .gradientTopK(GradientTopKEncoder.Settings(k: k, beta: beta, score: score)) }

    public func encoder(for start: ActivationBatch) -> EncoderKind {
        var settings = GradientTopKEncoder.Settings(k: k, beta: beta, score: score)
        if let gradients = start.gradients { settings.gradientScale = GradientTopKEncoder.Settings.scale(of: gradients) }
        return .gradientTopK(settings)
    }

    public var needsGradients: Bool { true }

    public func makeLossTerms(_ plan: TrainingPlan) -> [any LossTerm] {
        [SquaredError()] + AuxK.terms(coefficient: auxiliaryCoefficient, maximumK: auxiliaryK, plan)
    }

    public func prepare(_ model: SparseAutoencoder, step: Int, plan: TrainingPlan) {
        guard let encoder = model.encoder as? GradientTopKEncoder else { return }
        encoder.influence = influenceWarmupSteps > 0 ? min(1, Double(step) / Double(influenceWarmupSteps)) : 1
    }

    public func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem? {
        if influenceWarmupSteps < 0 {
            return SettingProblem("influenceWarmupSteps", "must not be negative, found \(influenceWarmupSteps)")
        }
        return AuxK.problem(coefficient: auxiliaryCoefficient, maximumK: auxiliaryK)
    }
}
