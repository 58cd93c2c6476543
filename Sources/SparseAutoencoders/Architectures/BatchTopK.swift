internal import Experiments
public import Torch
internal import TorchNN

/// The k·B largest of relu(u) of a whole batch of B inputs (Bussmann et al. 2024, arXiv:2412.06410): each input has as many
/// features as it needs, k on average. Codes depend on the rest of the batch, so trained models are used with a threshold.
public final class BatchTopKEncoder: LinearFeatureEncoder {
    public let weight: Tensor
    public let bias: Tensor
    /// Features kept per input on average.
    public let k: Int

    public struct Settings: EncoderSettings {
        public static let name = "batchtopk"
        public var k: Int
        public init(k: Int) { self.k = k }
        public func makeEncoder(weight: Tensor, bias: Tensor) -> any FeatureEncoder { BatchTopKEncoder(weight: weight, bias: bias, k: k) }
        public func problem(dictionarySize: Int) -> SettingProblem? { SettingProblem(k: k, dictionarySize: dictionarySize) }
    }

    /// - Parameters:
    ///   - weight: shape [F, D], shared, not copied.
    ///   - bias: shape [F].
    public init(weight: Tensor, bias: Tensor, k: Int) {
        self.weight = weight
        self.bias = bias
        self.k = k
    }

    public func encode(_ input: Tensor, in context: EncodingContext) -> any Encoding {
        FeatureCode.sparse(input.batchTopKLinear(weight: weight, bias: bias, count: k * input.size(0)))
    }

    public func scaleCodes(by factors: Tensor) throws { try scaleComparedPreActivations(by: factors, name: "BatchTopK") }
}

extension EncoderKind {
    public static func batchTopK(k: Int) -> EncoderKind { EncoderKind(BatchTopKEncoder.Settings(k: k)) }
}

/// BatchTopK (Bussmann et al. 2024): k features per input on average, and AuxK against dead features. The trained model is a
/// JumpReLU model whose one threshold is an average of the batches' smallest kept activations.
public struct BatchTopKSettings: SAEVariant {
    public static let name = "batchTopK"

    /// Features per input on average.
    public var k = 32
    /// α of ``AuxK``; 0 switches it off.
    public var auxiliaryCoefficient = 1.0 / 32
    /// Dead features that learn per row at most; nil for D/2.
    public var auxiliaryK: Int?

    public init() {}

    public init(k: Int, auxiliaryCoefficient: Double = 1.0 / 32, auxiliaryK: Int? = nil) {
        self.k = k
        self.auxiliaryCoefficient = auxiliaryCoefficient
        self.auxiliaryK = auxiliaryK
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try container.decode(.k, into: &k)
        try container.decode(.auxiliaryCoefficient, into: &auxiliaryCoefficient)
        try container.decode(.auxiliaryK, into: &auxiliaryK)
    }

    public var encoder: EncoderKind { .batchTopK(k: k) }
    public var thresholdRule: ThresholdRule? { .smallestOfBatch }

    public func makeLossTerms(_ plan: TrainingPlan) -> [any LossTerm] {
        [SquaredError()] + AuxK.terms(coefficient: auxiliaryCoefficient, maximumK: auxiliaryK, plan)
    }

    public func finish(_ model: SparseAutoencoder, thresholds: Tensor?) -> SparseAutoencoder { model.withThresholds(thresholds) }

    public func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem? {
        AuxK.problem(coefficient: auxiliaryCoefficient, maximumK: auxiliaryK)
    }
}
