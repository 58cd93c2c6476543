public import Experiments

/// The settings with which a sparse autoencoder is trained.
///
/// Steps and batches decide how much is seen: `steps · batchSize` activations.
public struct SAETrainingConfiguration: RunConfiguration {
    public var architecture = SAEArchitecture.topK(TopKSettings())
    /// Number of features F.
    public var dictionarySize = 16_384
    public var batchSize = 2_048
    public var steps = 10_000
    /// nil for the architecture's usual rate: 2e-4/√(F/2¹⁴) for TopK, 1e-3 for ReLU.
    public var learningRate: Double?
    /// Steps of the linear rise of the learning rate; nil for 1,000 or a tenth of all steps, whichever is less.
    public var warmupSteps: Int?
    /// The learning rate falls linearly to 0 from this part of the steps on; 1 for never.
    public var decayStart = 0.8
    /// Steps of the linear rise of penalties; nil for 2,000 or a fifth of all steps, whichever is less.
    public var sparsityWarmupSteps: Int?
    public var beta1 = 0.9
    public var beta2 = 0.999
    public var epsilon = 1e-8
    /// Gradients are scaled down together to this norm; nil for never.
    public var gradientClipNorm: Double? = 1
    public var normalization = Normalization.unitMeanSquare
    /// Activations whose norm is more than this many times the median of the first ones are left out; nil for none. Some tokens
    /// act as attention sinks with norms a hundred times those of others, and would make up nearly all of the loss.
    public var outlierNorm: Double? = 10
    /// What b_dec starts as; nil for the architecture's usual: zeros for top-AFA, the geometric median for all others.
    public var decoderBiasStart: DecoderBiasStart?
    /// Whether the encoder sees x − b_dec.
    public var subtractsDecoderBias = true
    /// A feature that has not been active for this many tokens is dead.
    public var deadAfterTokens = 10_000_000
    /// Decay of a running average of the weights, bias-corrected, which becomes the trained model; nil for none.
    public var weightAverageDecay: Double?
    /// Metrics are logged every so many steps.
    public var logEvery = 50
    /// Checkpoints are written every so many steps; nil for none but at interruption.
    public var checkpointEvery: Int? = 1_000

    /// What is done to activations.
    public enum Normalization: String, Codable, Sendable {
        case none, unitMeanSquare, expectedAverageNorm, constantNorm, layerNorm
    }

    /// How b_dec is chosen from the first batch.
    public enum DecoderBiasStart: String, Codable, Sendable {
        case zeros, mean, geometricMedian
    }

    public init() {}

    public init(
        architecture: SAEArchitecture, dictionarySize: Int = 16_384, batchSize: Int = 2_048, steps: Int = 10_000,
        learningRate: Double? = nil, deadAfterTokens: Int = 10_000_000
    ) {
        self.architecture = architecture
        self.dictionarySize = dictionarySize
        self.batchSize = batchSize
        self.steps = steps
        self.learningRate = learningRate
        self.deadAfterTokens = deadAfterTokens
    }

    public func validate() throws(ConfigurationError) {
        let positive = [
            ("dictionarySize", dictionarySize), ("batchSize", batchSize), ("steps", steps), ("deadAfterTokens", deadAfterTokens),
            ("logEvery", logEvery), ("checkpointEvery", checkpointEvery ?? 1),
        ]
        for (key, value) in positive { try ConfigurationError.require(value > 0, key, "must be positive", found: value) }
        for (key, value) in [("warmupSteps", warmupSteps ?? 0), ("sparsityWarmupSteps", sparsityWarmupSteps ?? 0)] {
            try ConfigurationError.require(value >= 0, key, "must not be negative", found: value)
        }
        let rates = [
            ("learningRate", learningRate ?? 1), ("gradientClipNorm", gradientClipNorm ?? 1), ("outlierNorm", outlierNorm ?? 1),
        ]
        for (key, value) in rates { try ConfigurationError.require(value.isFinite && value > 0, key, "must be positive", found: value) }
        for (key, value) in [("beta1", beta1), ("beta2", beta2), ("weightAverageDecay", weightAverageDecay ?? 0)] {
            try ConfigurationError.require((0..<1).contains(value), key, "must be at least 0 and less than 1", found: value)
        }
        try ConfigurationError.require((0...1).contains(decayStart), "decayStart", "must be between 0 and 1", found: decayStart)
        try ConfigurationError.require(epsilon >= 0 && epsilon.isFinite, "epsilon", "must not be negative", found: epsilon)
        try checkArchitecture(inputSize: nil)
        let needed = architecture.variant.minimumBatchSize(dictionarySize: dictionarySize)
        let reason = "must be at least \(needed), so that \(architecture.name) can give each of \(dictionarySize) features an input"
        try ConfigurationError.require(batchSize >= needed, "batchSize", reason, found: batchSize)
    }

    /// Checks what depends on the activations' width.
    /// - Throws: ``ConfigurationError`` that names the key.
    func checkArchitecture(inputSize: Int?) throws(ConfigurationError) {
        let variant = architecture.variant
        if let found = variant.encoder.settings.problem(dictionarySize: dictionarySize)
            ?? variant.problem(inputSize: inputSize, dictionarySize: dictionarySize)
        {
            throw ConfigurationError(key: "architecture.\(architecture.name).\(found.key)", problem: found.problem)
        }
    }
}
