internal import Experiments
public import Torch
internal import TorchNN

/// Mutual Choice (Ayonrinde 2024, arXiv:2411.02124): the k·B largest matches of a batch of B inputs, as in BatchTopK, with
/// ``AuxZipf`` in place of AuxK. The trained model is a JumpReLU model with one threshold.
public struct MutualChoiceSettings: SAEVariant {
    public static let name = "mutualChoice"

    /// Features per input on average.
    public var k = 32
    public var auxiliary = AuxZipf.Settings()

    public init() {}

    public init(k: Int, auxiliary: AuxZipf.Settings = .init()) {
        self.k = k
        self.auxiliary = auxiliary
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try container.decode(.k, into: &k)
        try container.decode(.auxiliary, into: &auxiliary)
    }

    public var encoder: EncoderKind { .featureChoice(k: k) }
    public var thresholdRule: ThresholdRule? { .smallestOfBatch }

    public func makeLossTerms(_ plan: TrainingPlan) -> [any LossTerm] { [SquaredError()] + auxiliary.terms(plan) }

    public func observe(_ pass: TrainingPass, plan: TrainingPlan) { FeatureDensities.observe(pass, plan: plan, quotas: .zipf) }

    public func finish(_ model: SparseAutoencoder, thresholds: Tensor?) -> SparseAutoencoder { model.withThresholds(thresholds) }

    public func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem? { auxiliary.problem() }
}

/// Feature Choice (Ayonrinde 2024): after a beginning with Mutual Choice, in which densities take shape, each feature chooses its
/// own number of inputs of each batch, by the law that the densities followed, so that none is left out. The trained model is a
/// JumpReLU model with a threshold of each feature.
public struct FeatureChoiceSettings: SAEVariant {
    public static let name = "featureChoice"

    /// Features per input on average.
    public var k = 32
    public var quotas = Quotas.zipf
    /// The part of the training with Mutual Choice, from the beginning.
    public var mutualPart = 0.8
    public var auxiliary = AuxZipf.Settings()

    /// How many inputs each feature chooses.
    public enum Quotas: String, Codable, Sendable {
        /// By its rank in a law of Zipf fitted to the densities; at least one input, at most half of them.
        case zipf
        /// Equally many.
        case uniform
    }

    public init() {}

    public init(k: Int, quotas: Quotas = .zipf, mutualPart: Double = 0.8, auxiliary: AuxZipf.Settings = .init()) {
        self.k = k
        self.quotas = quotas
        self.mutualPart = mutualPart
        self.auxiliary = auxiliary
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try container.decode(.k, into: &k)
        try container.decode(.quotas, into: &quotas)
        try container.decode(.mutualPart, into: &mutualPart)
        try container.decode(.auxiliary, into: &auxiliary)
    }

    public var encoder: EncoderKind { .featureChoice(k: k) }
    public var thresholdRule: ThresholdRule? { .smallestOfFeatures(after: mutualPart) }

    public func makeLossTerms(_ plan: TrainingPlan) -> [any LossTerm] { [SquaredError()] + auxiliary.terms(plan) }

    private func firstStepOfFeatures(_ plan: TrainingPlan) -> Int { Int((mutualPart * Double(plan.steps)).rounded()) }

    public func prepare(_ model: SparseAutoencoder, step: Int, plan: TrainingPlan) {
        guard let encoder = model.encoder as? FeatureChoiceEncoder else { return }
        // Without any observation the first ranks belong to the first features.
        if step == 0, firstStepOfFeatures(plan) == 0 { FeatureDensities.assign(quotas, to: encoder, plan) }
        encoder.chooser = step < firstStepOfFeatures(plan) ? .mutual : .features
    }

    public func observe(_ pass: TrainingPass, plan: TrainingPlan) {
        FeatureDensities.observe(pass, plan: plan, quotas: quotas, isDue: pass.step + 1 == firstStepOfFeatures(plan))
    }

    public func finish(_ model: SparseAutoencoder, thresholds: Tensor?) -> SparseAutoencoder { model.withThresholds(thresholds) }

    /// Every feature needs a quota of at least one input.
    public func minimumBatchSize(dictionarySize: Int) -> Int { (dictionarySize + max(1, k) - 1) / max(1, k) }

    public func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem? {
        if !(mutualPart >= 0 && mutualPart < 1) {
            return SettingProblem("mutualPart", "must be at least 0 and less than 1, found \(mutualPart)")
        }
        return auxiliary.problem()
    }
}

/// Keeps the averages of densities, and the shares that follow from them.
enum FeatureDensities {
    /// Weight of the newest batch in the averages.
    private static let rate = 0.01
    /// Steps between two rankings of the features.
    private static let interval = 100
    /// Features are active in at most this part of the inputs by the law.
    private static let maximum = 0.5

    static func observe(_ pass: TrainingPass, plan: TrainingPlan, quotas: FeatureChoiceSettings.Quotas, isDue: Bool = false) {
        guard let encoder = pass.model.encoder as? FeatureChoiceEncoder else { return }
        encoder.note(pass.code, rate: rate, step: pass.step)
        if isDue || (pass.step + 1) % interval == 0 { assign(quotas, to: encoder, plan) }
    }

    /// Gives each feature the density of its rank: by the law that fits the densities so far or, once the features choose, by the one
    /// they began with. The least density is one input of a batch.
    static func assign(_ quotas: FeatureChoiceSettings.Quotas, to encoder: FeatureChoiceEncoder, _ plan: TrainingPlan) {
        let shares = encoder.shares.scalars(as: Double.self)
        if encoder.chooser == .features, shares.contains(where: { $0 > 0 }) { return encoder.assign(shares.sorted(by: >)) }
        let count = encoder.featureCount, sum = Double(encoder.k)
        switch quotas {
        case .uniform: encoder.assign([Double](repeating: sum / Double(count), count: count))
        case .zipf:
            let least = 1 / Double(plan.batchSize)
            // Averages of fewer than one observation say nothing.
            let law = ZipfLaw(fitting: encoder.densities.scalars(as: Double.self), smallest: rate * least) ?? ZipfLaw()
            encoder.assign(law.densities(count: count, sum: sum, minimum: least, maximum: maximum))
        }
    }
}
