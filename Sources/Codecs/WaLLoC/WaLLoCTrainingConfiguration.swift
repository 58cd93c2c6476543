public import Experiments
internal import Foundation

/// The settings with which a WaLLoC codec is trained.
public struct WaLLoCTrainingConfiguration: RunConfiguration {
    /// How the learning rate falls after the warm-up.
    public enum Schedule: String, Codable, Sendable, CaseIterable {
        /// Half a cosine to 0 at the last step.
        case cosine
        /// As published, for long runs: multiplied by 0.98 whenever the mean loss of 128 steps has not fallen for 64 times, at least 1/300 of the full rate.
        case plateau
    }

    public var codec = WaLLoCConfiguration()
    public var start = WaLLoCStart.principalComponents
    /// Signals that the principal components are computed of.
    public var startSignals = 256
    /// Side of the crops of pictures, or samples of the segments of sound; a multiple of 2^levels.
    public var cropSize = 128
    public var batchSize = 16
    public var steps = 2_000
    public var learningRate = 1e-3
    /// Part of the steps over which the rate rises from a 300th, as published along a cosine of its logarithm (there 50,000 steps).
    public var warmup = 0.03
    public var schedule = Schedule.cosine
    /// φ: weight of the error of bands beside that of the signal.
    public var bandLossWeight = 0.0
    /// Gradients are scaled down together to this norm; nil for never.
    public var gradientClipNorm: Double? = 1
    /// Metrics are logged every so many steps.
    public var logEvery = 50
    /// Checkpoints are written every so many steps; nil for none but at interruption.
    public var checkpointEvery: Int? = 500

    public init() {}

    /// A sixteenth of the numbers of pictures, for two cores.
    public static var smallImage: WaLLoCTrainingConfiguration { WaLLoCTrainingConfiguration() }

    /// About a fifth of the numbers of stereo sound, for two cores.
    public static var smallAudio: WaLLoCTrainingConfiguration {
        var configuration = WaLLoCTrainingConfiguration()
        configuration.codec = .stereo5
        (configuration.codec.decoderWidth, configuration.codec.postFilterTaps) = (108, nil)
        (configuration.cropSize, configuration.batchSize, configuration.startSignals) = (1 << 15, 8, 64)
        return configuration
    }

    public func validate() throws(ConfigurationError) {
        try codec.validate()
        let positive = [
            ("batchSize", batchSize), ("steps", steps), ("startSignals", startSignals), ("logEvery", logEvery), ("checkpointEvery", checkpointEvery ?? 1),
            ("cropSize", cropSize),
        ]
        for (key, value) in positive { try ConfigurationError.require(value > 0, key, "must be positive", found: value) }
        let multiple = codec.sizeMultiple
        try ConfigurationError.require(cropSize % multiple == 0, "cropSize", "must be a multiple of \(multiple) for \(codec.levels) levels", found: cropSize)
        for (key, value) in [("learningRate", learningRate), ("gradientClipNorm", gradientClipNorm ?? 1)] {
            try ConfigurationError.require(value.isFinite && value > 0, key, "must be positive", found: value)
        }
        try ConfigurationError.require(bandLossWeight.isFinite && bandLossWeight >= 0, "bandLossWeight", "must be 0 or more", found: bandLossWeight)
        try ConfigurationError.require((0...1).contains(warmup), "warmup", "must be between 0 and 1", found: warmup)
        try ConfigurationError.require(
            start == .random || codec.encoderWidth == nil, "start", "must be random for a deep encoder", found: start.rawValue)
    }

    /// Steps over which the rate rises.
    var warmupSteps: Int { Int((warmup * Double(steps)).rounded()) }

    /// The factor on the learning rate but for what the plateau takes off.
    package func factor(at step: Int) -> Double {
        let rise = warmupSteps
        if step < rise { return pow(Self.lowestFactor, (1 + cos(.pi * Double(step) / Double(rise))) / 2) }
        guard schedule == .cosine, steps > rise else { return 1 }
        return (1 + cos(.pi * Double(step - rise) / Double(steps - rise))) / 2
    }

    static let lowestFactor = 1.0 / 300
}

/// Watches the loss for the schedule of that name.
struct LossPlateau: Codable, Equatable {
    private static let window = 128, patience = 64, decay = 0.98, threshold = 1e-5
    private var sum = 0.0, count = 0, idle = 0
    /// nil before the first window.
    private var best: Double?
    /// On the learning rate.
    private(set) var factor = 1.0

    mutating func add(_ loss: Double) {
        sum += loss
        count += 1
        guard count == Self.window else { return }
        let mean = sum / Double(count)
        (sum, count) = (0, 0)
        idle = best.map { mean >= $0 * (1 - Self.threshold) } ?? false ? idle + 1 : 0
        best = min(best ?? mean, mean)
        if idle > Self.patience {
            factor = max(factor * Self.decay, WaLLoCTrainingConfiguration.lowestFactor)
            idle = 0
        }
    }
}
