/// TopK (Gao et al. 2024, arXiv:2406.04093): exactly the k largest features of each input, no penalty, and AuxK against
/// dead features.
public struct TopKSettings: SAEVariant {
    /// Features per input.
    public var k = 32
    /// α of ``AuxK``; 0 switches it off.
    public var auxiliaryCoefficient = 1.0 / 32
    /// Dead features that learn per row at most; nil for D/2.
    public var auxiliaryK: Int?
    /// Steps over which the number of features falls linearly from D to k; nil for k from the start.
    public var annealingSteps: Int?
    /// Estimate the threshold of ``SparseAutoencoder/InferenceRule/threshold``: an average (0.999 a step, from step 1,000 on)
    /// of the rows' smallest kept activations.
    public var estimatesThreshold = false

    public init(
        k: Int = 32, auxiliaryCoefficient: Double = 1.0 / 32, auxiliaryK: Int? = nil, annealingSteps: Int? = nil,
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
        k = try container.decodeIfPresent(Int.self, forKey: .k) ?? k
        auxiliaryCoefficient = try container.decodeIfPresent(Double.self, forKey: .auxiliaryCoefficient) ?? auxiliaryCoefficient
        auxiliaryK = try container.decodeIfPresent(Int.self, forKey: .auxiliaryK)
        annealingSteps = try container.decodeIfPresent(Int.self, forKey: .annealingSteps)
        estimatesThreshold = try container.decodeIfPresent(Bool.self, forKey: .estimatesThreshold) ?? estimatesThreshold
    }

    public var encoder: EncoderKind { .topK(k: k) }
    public var atomConstraint: AtomConstraint { .unitNorm }
    public var start: ModelStart { ModelStart() }

    public func learningRate(dictionarySize: Int) -> Double { 2e-4 / (Double(dictionarySize) / 16_384).squareRoot() }

    public func makeLossTerms(inputSize: Int, sparsityWarmupSteps: Int) -> [any LossTerm] {
        guard auxiliaryCoefficient > 0 else { return [] }
        return [AuxK(coefficient: auxiliaryCoefficient, maximumK: auxiliaryK ?? max(1, inputSize / 2))]
    }

    public func prepare(_ model: SparseAutoencoder, step: Int) {
        guard let annealingSteps, annealingSteps > 0, let encoder = model.encoder as? TopKEncoder else { return }
        let start = Double(min(model.inputSize, model.dictionarySize))
        let progress = min(1, Double(step) / Double(annealingSteps))
        encoder.k = max(k, Int((start + (Double(k) - start) * progress).rounded()))
    }

    public func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem? {
        if !(1...max(1, dictionarySize)).contains(k) {
            return SettingProblem("k", "must be between 1 and the dictionary's \(dictionarySize) features, found \(k)")
        }
        if !(auxiliaryCoefficient.isFinite && auxiliaryCoefficient >= 0) {
            return SettingProblem("auxiliaryCoefficient", "must be a number of at least 0, found \(auxiliaryCoefficient)")
        }
        if let auxiliaryK, auxiliaryK < 1 { return SettingProblem("auxiliaryK", "must be positive, found \(auxiliaryK)") }
        if let annealingSteps, annealingSteps < 0 {
            return SettingProblem("annealingSteps", "must not be negative, found \(annealingSteps)")
        }
        return nil
    }
}
