public import Experiments
internal import TorchNN

/// The settings with which a network is trained, and pruned on the way.
public struct NetworkTrainingConfiguration: RunConfiguration {
    public enum OptimizerKind: String, Codable, Sendable, CaseIterable {
        case adam
        /// With a momentum of 0.9.
        case sgd
    }

    public var steps = 1_000
    public var batchSize = 32
    public var optimizer = OptimizerKind.adam
    public var learningRate = 2e-3
    /// Steps over which the rate rises.
    public var warmupSteps = 0
    /// The part of the rate that is left at the last step; it falls along half a cosine. Weights that are pruned need some of it to recover.
    public var finalLearningRate = 0.1
    /// Gradients are scaled down together to this norm; nil for never.
    public var gradientClipNorm: Double? = 1
    /// nil for none.
    public var pruning: PruningPlan?
    /// Metrics are logged every so many steps.
    public var logEvery = 20
    /// Checkpoints are written every so many steps; nil for none but at interruption.
    public var checkpointEvery: Int? = 500

    public init() {}

    public func validate() throws(ConfigurationError) {
        let positive = [("steps", steps), ("batchSize", batchSize), ("logEvery", logEvery), ("checkpointEvery", checkpointEvery ?? 1)]
        for (key, value) in positive { try ConfigurationError.require(value > 0, key, "must be positive", found: value) }
        for (key, value) in [("learningRate", learningRate), ("gradientClipNorm", gradientClipNorm ?? 1)] {
            try ConfigurationError.require(value.isFinite && value > 0, key, "must be positive", found: value)
        }
        try ConfigurationError.require((0...steps).contains(warmupSteps), "warmupSteps", "must be between 0 and the \(steps) steps", found: warmupSteps)
        try ConfigurationError.require((0...1).contains(finalLearningRate), "finalLearningRate", "must be between 0 and 1", found: finalLearningRate)
        try pruning?.validate()
        if let end = pruning?.schedule.end, end >= steps {
            // The target would never be reached.
            throw ConfigurationError(key: "pruning.schedule.end", problem: "must be before the last of the \(steps) steps, found \(end)")
        }
    }

    var schedule: LearningRateSchedule {
        let fall = LearningRateSchedule.cosine(from: 1, to: finalLearningRate, steps: max(1, steps - warmupSteps))
        return warmupSteps > 0 ? .warmup(steps: warmupSteps, then: fall) : fall
    }
}
