/// What a trained sparse autoencoder is: everything beside its weights, saved as `config.json`.
public struct SparseAutoencoderConfiguration: Codable, Sendable, Equatable {
    /// Version of the folder's layout.
    public private(set) var formatVersion = Self.currentFormat
    public var encoder: EncoderKind
    /// Width D of the activations.
    public var inputSize: Int
    /// Number of features F.
    public var dictionarySize: Int
    public var normalization: InputNormalization
    /// Whether the encoder sees x − b_dec (most libraries) or x.
    public var subtractsDecoderBias: Bool
    /// θ of the inference rule f = u·1[u > θ] (of |u| for signed codes), estimated while training.
    public var threshold: Double?
    /// How features are selected when the model is used.
    public var inference = InferenceRule.asTrained
    /// Where the activations came from.
    public var origin: ActivationOrigin?

    private static let currentFormat = 2

    public init(
        encoder: EncoderKind, inputSize: Int, dictionarySize: Int, normalization: InputNormalization = .none,
        subtractsDecoderBias: Bool = true, threshold: Double? = nil, origin: ActivationOrigin? = nil
    ) {
        self.encoder = encoder
        self.inputSize = inputSize
        self.dictionarySize = dictionarySize
        self.normalization = normalization
        self.subtractsDecoderBias = subtractsDecoderBias
        self.threshold = threshold
        self.origin = origin
    }

    /// The first thing wrong with the settings, as the rest of a sentence; nil if they make sense together.
    func problem() -> String? {
        if formatVersion != Self.currentFormat { return "its formatVersion is \(formatVersion); this version of condense reads \(Self.currentFormat)" }
        let sizes = [("inputSize", inputSize), ("dictionarySize", dictionarySize)]
        for (key, size) in sizes where !(1...(1 << 30)).contains(size) { return "\(key) must be positive, found \(size)" }
        if let problem = encoder.settings.problem(dictionarySize: dictionarySize) { return "\(problem.key) \(problem.problem)" }
        if case .scaled(let factor) = normalization, !(factor.isFinite && factor > 0) {
            return "the factor of the normalization must be positive, found \(factor)"
        }
        if let threshold, !threshold.isFinite { return "threshold must be a number, found \(threshold)" }
        if inference == .threshold, threshold == nil { return "its inference is by threshold, but there is none" }
        return nil
    }
}

/// How features are selected when a trained model is used.
public enum InferenceRule: String, Codable, Sendable {
    /// As the encoder did while training.
    case asTrained
    /// f = u·1[u > θ] with the threshold of the configuration: independent of the rest of the row or batch.
    case threshold
}

/// Where activations were taken from, so that they can be taken there again: a model's name alone does not say what an
/// autoencoder was trained on.
public struct ActivationOrigin: Codable, Sendable, Equatable {
    /// Name of the model, e.g. `smollm2-135m-instruct`.
    public var model: String
    /// Digest of the model's weights, ``ModelIdentity/digest``; nil if unknown.
    public var modelDigest: String?
    /// Name of the hook, e.g. `blocks.15.hook_resid_post`.
    public var hook: String
    /// Tokens per context.
    public var contextSize: Int?
    /// Whether each context begins with the token BOS.
    public var prependsBOS: Bool?
    /// Name of the text.
    public var dataset: String?

    public init(
        model: String, modelDigest: String? = nil, hook: String, contextSize: Int? = nil, prependsBOS: Bool? = nil, dataset: String? = nil
    ) {
        self.model = model
        self.modelDigest = modelDigest
        self.hook = hook
        self.contextSize = contextSize
        self.prependsBOS = prependsBOS
        self.dataset = dataset
    }
}
