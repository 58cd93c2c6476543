internal import Experiments
public import Torch

/// The variational sparse autoencoder (Baker and Li 2025, arXiv:2509.22994): TopK on noisy codes, drawn to N(0, 1) by a
/// divergence.
///
/// The authors' own later analysis found that the published models never drew noise, and that noise costs far more than it gives.
/// Here it is a controlled alternative to TopK: everything but the noise and the divergence is the same.
public struct VariationalSettings: SAEVariant {
    public static let name = "variational"

    /// Features per input.
    public var k = 32
    public var variance = VariationalEncoder.Variance.learned
    /// log σ² of every feature before the first step.
    public var initialLogVariance = -5.0
    /// Whether μ goes through a ReLU.
    public var rectifiesMean = true
    /// β of the divergence. It is a sum over features, so β does not carry over to other dictionary sizes.
    public var klCoefficient = 1e-4
    public var klScope = KLDivergence.Scope.all
    /// α of ``AuxK``; 0 switches it off.
    public var auxiliaryCoefficient = 1.0 / 32
    /// Dead features that learn per row at most; nil for D/2.
    public var auxiliaryK: Int?

    public init() {}

    public init(
        k: Int, variance: VariationalEncoder.Variance = .learned, initialLogVariance: Double = -5, rectifiesMean: Bool = true,
        klCoefficient: Double = 1e-4, klScope: KLDivergence.Scope = .all, auxiliaryCoefficient: Double = 1.0 / 32
    ) {
        self.k = k
        self.variance = variance
        self.initialLogVariance = initialLogVariance
        self.rectifiesMean = rectifiesMean
        self.klCoefficient = klCoefficient
        self.klScope = klScope
        self.auxiliaryCoefficient = auxiliaryCoefficient
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try container.decode(.k, into: &k)
        try container.decode(.variance, into: &variance)
        try container.decode(.initialLogVariance, into: &initialLogVariance)
        try container.decode(.rectifiesMean, into: &rectifiesMean)
        try container.decode(.klCoefficient, into: &klCoefficient)
        try container.decode(.klScope, into: &klScope)
        try container.decode(.auxiliaryCoefficient, into: &auxiliaryCoefficient)
        try container.decode(.auxiliaryK, into: &auxiliaryK)
    }

    public var encoder: EncoderKind {
        .variational(
            VariationalEncoder.Settings(
                k: k, variance: variance, initialLogVariance: initialLogVariance, rectifiesMean: rectifiesMean))
    }

    public func makeLossTerms(_ plan: TrainingPlan) -> [any LossTerm] {
        [SquaredError(), KLDivergence(coefficient: klCoefficient, scope: klScope, warmupSteps: plan.sparsityWarmupSteps)]
            + AuxK.terms(coefficient: auxiliaryCoefficient, maximumK: auxiliaryK, plan)
    }

    public func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem? {
        SettingProblem("klCoefficient", notNegative: klCoefficient)
            ?? AuxK.problem(coefficient: auxiliaryCoefficient, maximumK: auxiliaryK)
    }
}

/// β · KL(q(f|x) ‖ N(0, I)), averaged over the batch; β rises linearly from 0.
public final class KLDivergence: LossTerm {
    public let name = "kl"
    private let coefficient: Double
    private let scope: Scope
    private let warmupSteps: Int

    /// Which features' divergences are summed.
    public enum Scope: String, Codable, Sendable {
        /// All features of the dictionary.
        case all
        /// Those that were kept of each input.
        case selected
    }

    /// - Parameters:
    ///   - coefficient: β.
    ///   - warmupSteps: steps until β has its full size.
    public init(coefficient: Double, scope: Scope = .all, warmupSteps: Int) {
        self.coefficient = coefficient
        self.scope = scope
        self.warmupSteps = warmupSteps
    }

    public func loss(_ pass: TrainingPass) -> Tensor? {
        guard coefficient > 0, let encoding = pass.encoding as? VariationalEncoding else { return nil }
        let all = encoding.posterior.divergences()
        let summed = scope == .all ? all : all.gatheredElements(at: encoding.selection.indices)
        return summed.sum(axis: 1).mean() * (coefficient * pass.rise(over: warmupSteps))
    }
}
