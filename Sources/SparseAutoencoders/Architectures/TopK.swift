internal import Experiments
public import Torch
internal import TorchNN

/// The k largest of relu(u) in each row (Gao et al. 2024, arXiv:2406.04093). Rows with fewer than k positive
/// pre-activations have fewer than k active features.
public final class TopKEncoder: LinearFeatureEncoder {
    public let weight: Tensor
    public let bias: Tensor
    /// Features kept per row; training may lower it step by step to the configured number.
    public var k: Int

    public struct Settings: EncoderSettings {
        public static let name = "topk"
        public var k: Int
        public init(k: Int) { self.k = k }
        public func makeEncoder(weight: Tensor, bias: Tensor) -> any FeatureEncoder { TopKEncoder(weight: weight, bias: bias, k: k) }
        public func problem(dictionarySize: Int) -> SettingProblem? { SettingProblem(k: k, dictionarySize: dictionarySize) }
    }

    /// - Parameters:
    ///   - weight: shape [F, D], shared, not copied.
    ///   - bias: shape [F].
    ///   - k: at most F.
    public init(weight: Tensor, bias: Tensor, k: Int) {
        require((1...weight.size(0)).contains(k), "TopKEncoder: k \(k) for \(weight.size(0)) features")
        self.weight = weight
        self.bias = bias
        self.k = k
    }

    public func encode(_ input: Tensor, in context: EncodingContext) -> any Encoding {
        FeatureCode.sparse(input.topKLinear(weight: weight, bias: bias, k: k))
    }

    public func scaleCodes(by factors: Tensor) throws { try scaleComparedPreActivations(by: factors, name: "TopK") }
}

extension EncoderKind {
    public static func topK(k: Int) -> EncoderKind { EncoderKind(TopKEncoder.Settings(k: k)) }
}

/// TopK (Gao et al. 2024, arXiv:2406.04093): exactly the k largest features of each input, no penalty, and AuxK against
/// dead features.
public struct TopKSettings: SAEVariant {
    public static let name = "topK"

    /// Features per input.
    public var k = 32
    /// α of ``AuxK``; 0 switches it off.
    public var auxiliaryCoefficient = 1.0 / 32
    /// Dead features that learn per row at most; nil for D/2.
    public var auxiliaryK: Int?
    /// Steps over which the number of features falls linearly from D to k; nil for k from the start.
    public var annealingSteps: Int?
    /// Estimate the threshold of ``InferenceRule/threshold``: an average (0.999 a step, after a short start) of the rows'
    /// smallest kept activations.
    public var estimatesThreshold = false

    public init() {}

    public init(
        k: Int, auxiliaryCoefficient: Double = 1.0 / 32, auxiliaryK: Int? = nil, annealingSteps: Int? = nil,
        estimatesThreshold: Bool = false
    ) {
        self.k = k
        self.auxiliaryCoefficient = auxiliaryCoefficient
        self.auxiliaryK = auxiliaryK
        self.annealingSteps = annealingSteps
        self.estimatesThreshold = estimatesThreshold
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try container.decode(.k, into: &k)
        try container.decode(.auxiliaryCoefficient, into: &auxiliaryCoefficient)
        try container.decode(.auxiliaryK, into: &auxiliaryK)
        try container.decode(.annealingSteps, into: &annealingSteps)
        try container.decode(.estimatesThreshold, into: &estimatesThreshold)
    }

    public var encoder: EncoderKind { .topK(k: k) }
    public var thresholdRule: ThresholdRule? { estimatesThreshold ? .smallestOfRows : nil }

    public func makeLossTerms(_ plan: TrainingPlan) -> [any LossTerm] {
        [SquaredError()] + AuxK.terms(coefficient: auxiliaryCoefficient, maximumK: auxiliaryK, plan)
    }

    public func finish(_ model: SparseAutoencoder, thresholds: Tensor?) -> SparseAutoencoder {
        if let thresholds { model.updateConfiguration { $0.threshold = thresholds.mean().item() } }
        return model
    }

    public func prepare(_ model: SparseAutoencoder, step: Int, plan: TrainingPlan) {
        guard let annealingSteps, annealingSteps > 0, let encoder = model.encoder as? TopKEncoder else { return }
        let start = Double(min(model.inputSize, model.dictionarySize))
        let progress = min(1, Double(step) / Double(annealingSteps))
        encoder.k = max(k, Int((start + (Double(k) - start) * progress).rounded()))
    }

    public func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem? {
        if let found = AuxK.problem(coefficient: auxiliaryCoefficient, maximumK: auxiliaryK) { return found }
        if let annealingSteps, annealingSteps < 0 {
            return SettingProblem("annealingSteps", "must not be negative, found \(annealingSteps)")
        }
        return nil
    }
}
