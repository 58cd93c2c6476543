internal import Experiments
public import Torch
internal import TorchNN

/// The k pre-activations of largest magnitude with their signs (Zhu et al. 2025, arXiv:2510.00404): hard thresholding, the
/// projection of u onto the vectors with k entries. One direction stands for a concept and its opposite.
public final class AbsTopKEncoder: LinearFeatureEncoder {
    public let weight: Tensor
    public let bias: Tensor
    /// Features kept per input, on average where they are chosen for a batch.
    public let k: Int
    public let selection: Selection

    /// Among which entries the largest are chosen.
    public enum Selection: String, Codable, Sendable {
        /// k of each input, as the paper's text says.
        case row
        /// k·B of a batch of B inputs, the default of the paper's code.
        case batch
    }

    public struct Settings: EncoderSettings {
        public static let name = "abstopk"
        public var k: Int
        public var selection: Selection

        public init(k: Int, selection: Selection = .row) {
            self.k = k
            self.selection = selection
        }

        public func makeEncoder(weight: Tensor, bias: Tensor) -> any FeatureEncoder {
            AbsTopKEncoder(weight: weight, bias: bias, k: k, selection: selection)
        }
        public func problem(dictionarySize: Int) -> SettingProblem? { SettingProblem(k: k, dictionarySize: dictionarySize) }
    }

    /// - Parameters:
    ///   - weight: shape [F, D], shared, not copied.
    ///   - bias: shape [F].
    public init(weight: Tensor, bias: Tensor, k: Int, selection: Selection = .row) {
        self.weight = weight
        self.bias = bias
        self.k = k
        self.selection = selection
    }

    public var isSigned: Bool { true }

    public func encode(_ input: Tensor, in context: EncodingContext) -> any Encoding {
        switch selection {
        case .row: FeatureCode.sparse(input.topKLinear(weight: weight, bias: bias, k: k, signed: true))
        case .batch: FeatureCode.sparse(input.batchTopKLinear(weight: weight, bias: bias, count: k * input.size(0), signed: true))
        }
    }

    public func scaleCodes(by factors: Tensor) throws { try scaleComparedPreActivations(by: factors, name: "AbsTopK") }
}

extension EncoderKind {
    public static func absTopK(k: Int, selection: AbsTopKEncoder.Selection = .row) -> EncoderKind {
        EncoderKind(AbsTopKEncoder.Settings(k: k, selection: selection))
    }
}

/// AbsTopK with AuxK on signed codes.
public struct AbsTopKSettings: SAEVariant {
    public static let name = "absTopK"

    /// Features per input.
    public var k = 32
    public var selection = AbsTopKEncoder.Selection.row
    /// α of ``AuxK``; 0 switches it off.
    public var auxiliaryCoefficient = 1.0 / 32
    /// Dead features that learn per row at most; nil for D/2.
    public var auxiliaryK: Int?

    public init() {}

    public init(k: Int, selection: AbsTopKEncoder.Selection = .row, auxiliaryCoefficient: Double = 1.0 / 32) {
        self.k = k
        self.selection = selection
        self.auxiliaryCoefficient = auxiliaryCoefficient
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try container.decode(.k, into: &k)
        try container.decode(.selection, into: &selection)
        try container.decode(.auxiliaryCoefficient, into: &auxiliaryCoefficient)
        try container.decode(.auxiliaryK, into: &auxiliaryK)
    }

    public var encoder: EncoderKind { .absTopK(k: k, selection: selection) }
    public var thresholdRule: ThresholdRule? { selection == .batch ? .smallestOfBatch : nil }

    public func makeLossTerms(_ plan: TrainingPlan) -> [any LossTerm] {
        [SquaredError()] + AuxK.terms(coefficient: auxiliaryCoefficient, maximumK: auxiliaryK, plan)
    }

    /// Selections of a batch become a threshold on |u|.
    public func finish(_ model: SparseAutoencoder, thresholds: Tensor?) -> SparseAutoencoder {
        if let thresholds {
            model.updateConfiguration { ($0.threshold, $0.inference) = (thresholds.mean().item(), .threshold) }
        }
        return model
    }

    public func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem? {
        AuxK.problem(coefficient: auxiliaryCoefficient, maximumK: auxiliaryK)
    }
}
