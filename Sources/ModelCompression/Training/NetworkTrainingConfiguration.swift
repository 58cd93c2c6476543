public import Experiments
internal import Networks
internal import TorchNN

/// The settings with which a network is trained, and pruned on the way.
public struct NetworkTrainingConfiguration: RunConfiguration {
    public enum OptimizerKind: String, Codable, Sendable, CaseIterable {
        case adam
        /// With a momentum of 0.9.
        case sgd
    }

    /// 0 trains nothing.
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
    /// Weights that become zero on the way; nil for none.
    public var pruning: PruningPlan?
    /// Channels that are cut on the way; nil for none.
    public var channels: ChannelPruningPlan?
    /// Metrics are logged every so many steps.
    public var logEvery = 20
    /// Checkpoints are written every so many steps; nil for none but at interruption.
    public var checkpointEvery: Int? = 500

    public init() {}

    public func validate() throws(ConfigurationError) {
        try ConfigurationError.require(steps >= 0, "steps", "must not be negative", found: steps)
        let positive = [("batchSize", batchSize), ("logEvery", logEvery), ("checkpointEvery", checkpointEvery ?? 1)]
        for (key, value) in positive { try ConfigurationError.require(value > 0, key, "must be positive", found: value) }
        for (key, value) in [("learningRate", learningRate), ("gradientClipNorm", gradientClipNorm ?? 1)] {
            try ConfigurationError.require(value.isFinite && value > 0, key, "must be positive", found: value)
        }
        try ConfigurationError.require((0...steps).contains(warmupSteps), "warmupSteps", "must be between 0 and the \(steps) steps", found: warmupSteps)
        try ConfigurationError.require((0...1).contains(finalLearningRate), "finalLearningRate", "must be between 0 and 1", found: finalLearningRate)
        try pruning?.validate()
        try channels?.validate()
        guard pruning == nil || channels == nil else {
            throw ConfigurationError(key: "channels", problem: "are cut or weights are masked, not both at once; leave out one of channels and pruning")
        }
        for (key, end) in [("pruning", pruning?.schedule.end), ("channels", channels?.schedule.end)] {
            // The target would never be reached.
            if let end, end >= max(1, steps) { throw ConfigurationError(key: "\(key).schedule.end", problem: "must be before the last of the \(steps) steps, found \(end)") }
        }
    }

    func makeOptimizer(_ network: GraphNetwork) -> any Optimizer {
        switch optimizer {
        case .adam: Adam(network.namedParameters(), Adam.Settings(learningRate: learningRate))
        case .sgd: SGD(network.namedParameters(), SGD.Settings(learningRate: learningRate, momentum: .heavyBall(0.9)))
        }
    }

    var schedule: LearningRateSchedule {
        let fall = LearningRateSchedule.cosine(from: 1, to: finalLearningRate, steps: max(1, steps - warmupSteps))
        return warmupSteps > 0 ? .warmup(steps: warmupSteps, then: fall) : fall
    }
}
