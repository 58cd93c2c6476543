public import Experiments

/// Autoencoders of every combination of some settings, trained in one pass over an activation store.
public struct SweepConfiguration: RunConfiguration, StorePart {
    /// Folder of the store.
    public var store = ""
    /// Part of the store's rows, from its end, that is not trained on.
    public var heldOut = 0.05
    /// Rows of the mixing buffer.
    public var bufferRows = 32_768
    /// What all have in common.
    public var training = SAETrainingConfiguration()
    /// What is varied, the slowest first.
    public var axes: [Axis] = []
    /// Seeds of initial weights.
    public var seeds: [UInt64] = [0]
    /// Whether reconstructions are also put into the language model, on this many held-out contexts; 0 for not.
    public var lossContexts = 32

    /// A setting with the values it takes.
    public struct Axis: Codable, Sendable, Equatable {
        /// `architecture`, a key below `training`, or a setting of the architecture such as `k`; a setting that an architecture
        /// does not have is not varied for it.
        public var key: String
        /// As they would be written after `--set key=`.
        public var values: [String]

        public init(_ key: String, _ values: [String]) {
            self.key = key
            self.values = values
        }
    }

    /// Models in memory at a time.
    private static let most = 256

    public init() {}

    public func validate() throws(ConfigurationError) {
        try checkStore()
        try ConfigurationError.require(lossContexts >= 0, "lossContexts", "must not be negative", found: lossContexts)
        try ConfigurationError.require(
            !seeds.isEmpty && Set(seeds).count == seeds.count, "seeds", "must be one or more different numbers", found: seeds)
        for axis in axes where ["steps", "batchSize"].contains(axis.key) {
            throw ConfigurationError(key: "axes.\(axis.key)", problem: "cannot vary: all autoencoders share the same batches")
        }
        for (index, axis) in axes.enumerated() where axis.values.isEmpty || axes[..<index].contains(where: { $0.key == axis.key }) {
            throw ConfigurationError(key: "axes.\(axis.key)", problem: "must have values and occur once")
        }
        for arm in try arms() { try arm.training.validate() }
    }

    /// Every combination that makes sense, with its name and what was varied.
    /// - Throws: `ConfigurationError` for a setting or value that no architecture knows.
    public func arms() throws(ConfigurationError) -> [SweepArm] {
        var arms = [SweepArm(training: training, settings: [:])]
        // The architecture decides which other settings there are.
        for axis in axes.filter({ $0.key == Self.architectureKey }) + axes.filter({ $0.key != Self.architectureKey }) {
            var varied: [SweepArm] = []
            for arm in arms { varied += try arm.varied(axis) ?? [arm] }
            guard varied.contains(where: { $0.settings[axis.key] != nil }) else {
                throw ConfigurationError(key: "axes.\(axis.key)", problem: "is no setting of the training or its architecture")
            }
            arms = varied
        }
        try ConfigurationError.require(
            arms.count * seeds.count <= Self.most, "axes", "and seeds must make at most \(Self.most) models", found: arms.count * seeds.count)
        for index in arms.indices {
            arms[index].name = arms[index].settings.isEmpty
                ? arms[index].training.architecture.name
                : axes.compactMap { axis in
                    arms[index].settings[axis.key].map { axis.key == Self.architectureKey ? $0 : "\(axis.key)-\($0)" }
                }.joined(separator: "-")
        }
        return arms
    }

    static let architectureKey = "architecture"
}

/// A combination of a sweep.
public struct SweepArm: Sendable, Equatable {
    /// E.g. `topK-k-32`; names a folder.
    public internal(set) var name = ""
    public internal(set) var training: SAETrainingConfiguration
    /// The varied settings with their values.
    public internal(set) var settings: [String: String]

    /// One arm for each value; nil where the architecture has no such setting.
    fileprivate func varied(_ axis: SweepConfiguration.Axis) throws(ConfigurationError) -> [SweepArm]? {
        var arms: [SweepArm] = []
        for value in axis.values {
            var arm = self
            arm.settings[axis.key] = value
            if axis.key == SweepConfiguration.architectureKey {
                guard let architecture = SAEArchitecture(named: value) else {
                    throw ConfigurationError(
                        key: "axes.architecture",
                        problem: "has no '\(value)'; choose among \(SAEArchitecture.names.joined(separator: ", "))")
                }
                if architecture.name != training.architecture.name { arm.training.architecture = architecture }
            } else {
                let own = ["architecture.\(training.architecture.name).\(axis.key)", axis.key]
                guard let path = own.first(where: training.hasSetting) else { return nil }
                do {
                    arm.training = try training.setting(path, to: value)
                } catch let error as ConfigurationError {
                    throw error
                } catch {
                    throw ConfigurationError(key: "axes.\(axis.key)", problem: "cannot be '\(value)': \(error)")
                }
            }
            arms.append(arm)
        }
        return arms
    }
}
