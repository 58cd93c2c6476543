public import Experiments

/// What training makes small beside the bits.
public enum Distortion: String, Codable, Sendable, CaseIterable {
    /// 255² times the mean squared error.
    case meanSquaredError
    /// 1 − MS-SSIM.
    case msSSIM

    /// As it is written on command lines and in reports.
    public var shortName: String { self == .meanSquaredError ? "mse" : "ms-ssim" }

    /// λ of the published models of qualities 1 to 8.
    public var publishedLambdas: [Double] {
        switch self {
        case .meanSquaredError: [0.0018, 0.0035, 0.0067, 0.0130, 0.0250, 0.0483, 0.0932, 0.1800]
        case .msSSIM: [2.40, 4.58, 8.73, 16.64, 31.73, 60.50, 115.37, 220]
        }
    }
}

/// The settings with which an image codec is trained.
public struct ImageCodecTrainingConfiguration: RunConfiguration {
    public var codec = ImageCodecConfiguration(.meanScaleHyperprior, channels: 128, latentChannels: 192)
    public var distortion = Distortion.meanSquaredError
    /// λ of λ·distortion + bits per pixel: larger ones give larger files and better pictures.
    public var lambda = 0.013
    /// Of codecs that do not start from another.
    public var initialization = CodecInitialization.published
    /// Height and width of the pieces of images that are trained on.
    public var cropSize = 256
    public var batchSize = 16
    public var steps = 100_000
    public var learningRate = 1e-4
    /// Of the quantiles of the entropy bottleneck, which have a loss and an optimiser of their own.
    public var auxiliaryLearningRate = 1e-3
    /// The learning rates fall linearly to 0 from this part of the steps on; 1 for never.
    public var decayStart = 0.8
    /// Gradients are scaled down together to this norm; nil for never.
    public var gradientClipNorm: Double? = 1
    /// Metrics are logged every so many steps.
    public var logEvery = 50
    /// Checkpoints are written every so many steps; nil for none but at interruption.
    public var checkpointEvery: Int? = 1_000

    public init() {}

    public func validate() throws(ConfigurationError) {
        let positive = [
            ("codec.channels", codec.channels), ("codec.latentChannels", codec.latentChannels), ("batchSize", batchSize), ("steps", steps),
            ("logEvery", logEvery), ("checkpointEvery", checkpointEvery ?? 1), ("cropSize", cropSize),
        ]
        for (key, value) in positive { try ConfigurationError.require(value > 0, key, "must be positive", found: value) }
        let rates = [
            ("lambda", lambda), ("learningRate", learningRate), ("auxiliaryLearningRate", auxiliaryLearningRate),
            ("gradientClipNorm", gradientClipNorm ?? 1),
        ]
        for (key, value) in rates { try ConfigurationError.require(value.isFinite && value > 0, key, "must be positive", found: value) }
        try ConfigurationError.require((0...1).contains(decayStart), "decayStart", "must be between 0 and 1", found: decayStart)
        let multiple = codec.kind.sizeMultiple
        try ConfigurationError.require(
            cropSize % multiple == 0, "cropSize", "must be a multiple of \(multiple) for \(codec.kind.rawValue)", found: cropSize)
        let smallest = ImageQuality.smallestMultiscaleSide
        try ConfigurationError.require(
            distortion != .msSSIM || cropSize >= smallest, "cropSize", "must be at least \(smallest) for msSSIM", found: cropSize)
    }
}
