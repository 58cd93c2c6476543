public import Torch

/// A way to train a sparse autoencoder: its encoder, its losses, and the settings that belong to it. A new variant is a type
/// that conforms to this and a line in ``SAEArchitecture``'s list.
public protocol SAEVariant: Codable, Sendable, Equatable {
    /// Name in configurations, e.g. `topK`.
    static var name: String { get }
    /// All settings at their defaults.
    init()
    /// The encoder of the model while it is trained.
    var encoder: EncoderKind { get }
    /// The same with what depends on data, given the first activations.
    func encoder(for start: ActivationBatch) -> EncoderKind
    /// Whether activations must come with gradients of the network's loss.
    var needsGradients: Bool { get }
    /// What keeps codes from shrinking while atoms grow.
    var atomConstraint: AtomConstraint { get }
    /// How the model starts.
    var start: ModelStart { get }
    /// How thresholds that select features one by one are estimated while training; nil for not at all.
    var thresholdRule: ThresholdRule? { get }
    /// The usual learning rate for a dictionary of this size.
    func learningRate(dictionarySize: Int) -> Double
    /// The summands of the loss, the error of the reconstruction first.
    func makeLossTerms(_ plan: TrainingPlan) -> [any LossTerm]
    /// Inputs a batch must have at least.
    func minimumBatchSize(dictionarySize: Int) -> Int
    /// Changes the model before a step, e.g. a number of features that falls over time.
    func prepare(_ model: SparseAutoencoder, step: Int, plan: TrainingPlan)
    /// Takes a finished step into account, e.g. counts how often features were active. What is remembered belongs into buffers of
    /// the encoder, so that checkpoints have it.
    func observe(_ pass: TrainingPass, plan: TrainingPlan)
    /// Turns a copy of the trained model into the one to keep.
    /// - Parameter thresholds: what was estimated by the ``thresholdRule``, shape [1] or [F].
    func finish(_ model: SparseAutoencoder, thresholds: Tensor?) -> SparseAutoencoder
    /// The first setting that makes no sense, beside those of the ``encoder``.
    func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem?
}

/// What TopK and its relatives have in common.
extension SAEVariant {
    public func encoder(for start: ActivationBatch) -> EncoderKind { encoder }
    public var needsGradients: Bool { false }
    public var atomConstraint: AtomConstraint { .unitNorm }
    public var start: ModelStart { ModelStart() }
    public var thresholdRule: ThresholdRule? { nil }
    public func learningRate(dictionarySize: Int) -> Double { 2e-4 / (Double(dictionarySize) / 16_384).squareRoot() }
    public func minimumBatchSize(dictionarySize: Int) -> Int { 1 }
    public func prepare(_ model: SparseAutoencoder, step: Int, plan: TrainingPlan) {}
    public func observe(_ pass: TrainingPass, plan: TrainingPlan) {}
    public func finish(_ model: SparseAutoencoder, thresholds: Tensor?) -> SparseAutoencoder { model }
    public func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem? { nil }

    fileprivate func isEqual(to other: any SAEVariant) -> Bool { self == other as? Self }
}

/// What losses need to know of a training in advance.
public struct TrainingPlan: Sendable {
    /// Width D of the activations.
    public var inputSize: Int
    public var steps: Int
    /// Inputs per batch.
    public var batchSize: Int
    /// Steps until penalties have their full size.
    public var sparsityWarmupSteps: Int

    public init(inputSize: Int, steps: Int, batchSize: Int = 1, sparsityWarmupSteps: Int) {
        self.inputSize = inputSize
        self.steps = steps
        self.batchSize = batchSize
        self.sparsityWarmupSteps = sparsityWarmupSteps
    }
}

/// A setting that cannot be used.
public struct SettingProblem: Sendable, Equatable {
    /// Key below the variant's own.
    public var key: String
    /// What it must be and what it is, e.g. `must be positive, found -1`.
    public var problem: String

    public init(_ key: String, _ problem: String) {
        self.key = key
        self.problem = problem
    }

    /// nil for a number of features per input that a dictionary has.
    init?(k: Int, dictionarySize: Int) {
        if (1...max(1, dictionarySize)).contains(k) { return nil }
        self.init("k", "must be between 1 and the dictionary's \(dictionarySize) features, found \(k)")
    }

    /// nil for a finite number of at least 0.
    init?(_ key: String, notNegative value: Double) {
        if value.isFinite && value >= 0 { return nil }
        self.init(key, "must be a number of at least 0, found \(value)")
    }

    /// nil for a finite number above 0.
    init?(_ key: String, positive value: Double) {
        if value.isFinite && value > 0 { return nil }
        self.init(key, "must be positive, found \(value)")
    }
}

/// What holds for the norms of atoms.
public enum AtomConstraint: String, Codable, Sendable {
    /// Gradients lose their component along each atom, and every atom has the norm 1 after each step.
    case unitNorm
    case free
}

/// Norms of atoms and encoder rows before the first step.
public struct ModelStart: Sendable, Equatable {
    public var atomNorm: Double
    /// Encoder rows are the atoms times this.
    public var encoderScale: Double
    public var decoderBias: SAETrainingConfiguration.DecoderBiasStart

    public init(
        atomNorm: Double = 1, encoderScale: Double = 1, decoderBias: SAETrainingConfiguration.DecoderBiasStart = .geometricMedian
    ) {
        self.atomNorm = atomNorm
        self.encoderScale = encoderScale
        self.decoderBias = decoderBias
    }
}

/// The architectures that can be trained, with their settings; in YAML `architecture: {topK: {k: 32}}`.
public struct SAEArchitecture: Sendable, Equatable {
    /// The settings with what they mean.
    public let variant: any SAEVariant

    public init(_ variant: some SAEVariant) { self.variant = variant }

    /// Every architecture there is.
    static let all: [any SAEVariant.Type] = [
        TopKSettings.self, ReLUSettings.self, BatchTopKSettings.self, MatryoshkaSettings.self, JumpReLUSettings.self, GatedSettings.self,
        PAnnealSettings.self, AbsTopKSettings.self, TopAFASettings.self, MatchingPursuitSettings.self,
        VariationalSettings.self, MutualChoiceSettings.self, FeatureChoiceSettings.self, GradientTopKSettings.self,
    ]

    public static func topK(_ settings: TopKSettings) -> SAEArchitecture { SAEArchitecture(settings) }
    public static func relu(_ settings: ReLUSettings) -> SAEArchitecture { SAEArchitecture(settings) }

    /// An architecture with its default settings by name; nil for an unknown one.
    public init?(named name: String) {
        guard let type = Self.all.first(where: { $0.name == name }) else { return nil }
        variant = type.init()
    }

    /// Name as the key in configurations.
    public var name: String { type(of: variant).name }

    /// The names that ``init(named:)`` knows.
    public static var names: [String] { all.map { $0.name } }

    public static func == (a: SAEArchitecture, b: SAEArchitecture) -> Bool { a.variant.isEqual(to: b.variant) }
}

extension SAEArchitecture: Codable {
    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(_ name: String) { stringValue = name }
        init?(stringValue: String) { self.init(stringValue) }
        init?(intValue: Int) { nil }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        let present = Self.all.filter { container.contains(Key($0.name)) }
        guard present.count == 1 else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath,
                    debugDescription: "it needs exactly one of \(Self.names.joined(separator: ", ")) with its settings"))
        }
        variant = try present[0].init(from: container.superDecoder(forKey: Key(present[0].name)))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try variant.encode(to: container.superEncoder(forKey: Key(name)))
    }
}
