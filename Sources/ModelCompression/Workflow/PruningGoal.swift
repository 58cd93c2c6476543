public import Experiments
package import Networks
internal import Torch
internal import TorchNN

/// What pruning is to save, and by which means.
public struct PruningGoal: Codable, Sendable, Equatable {
    /// What is made smaller.
    public enum Means: String, Codable, Sendable, CaseIterable {
        /// Single weights, or groups of them, become zero; the shapes stay.
        case weights
        /// Channels go with all that hangs on them.
        case channels
    }

    public enum Measure: String, Codable, Sendable, CaseIterable {
        /// Weights that may be pruned.
        case sparsity
        /// Channels that can be cut.
        case channels
        /// All weights that are not zero.
        case parameters
        case multiplyAdds
        /// Seconds of a pass of one example here.
        case latency
        /// Bytes of the packed file of weights.
        case fileBytes

        /// For channels.
        var ofChannels: ChannelPruningPlan.Measure? {
            switch self {
            case .sparsity: nil
            case .channels: .channels
            case .parameters: .parameters
            case .multiplyAdds: .multiplyAdds
            case .latency: .latency
            case .fileBytes: .fileBytes
            }
        }

        /// In a sentence.
        public var words: String { self == .sparsity ? "weights that may be zero" : ofChannels!.words }
    }

    public var means = Means.weights
    public var measure = Measure.sparsity
    /// The part of the measure that is to go.
    public var part = 0.5

    public init(_ means: Means = .weights, _ measure: Measure = .sparsity, less part: Double = 0.5) { (self.means, self.measure, self.part) = (means, measure, part) }

    public func validate(_ name: String = "goal") throws(ConfigurationError) {
        guard part >= 0, part < 1 else { throw ConfigurationError(key: "\(name).part", problem: "must be at least 0 and less than 1, found \(part)") }
        if means == .weights, measure == .channels || measure == .multiplyAdds {
            throw ConfigurationError(key: "\(name).measure", problem: "must be sparsity, parameters, latency or fileBytes where weights become zero, found \(measure.rawValue)")
        }
        if means == .channels, measure == .sparsity {
            throw ConfigurationError(key: "\(name).measure", problem: "must be channels, parameters, multiplyAdds, latency or fileBytes where channels are cut, found sparsity")
        }
    }

    /// The sparsity of the weights that may be pruned with which as much is gone as is wanted, when they are masked at once.
    ///
    /// Sizes are those of masks on the network as it is: which weights go later does not change how many there are.
    /// - Throws: `GraphProblem` if not even the highest sparsity is enough; it says what that one saves.
    package func sparsity(of network: GraphNetwork, _ plan: PruningPlan) throws -> Double {
        guard measure != .sparsity, part > 0 else { return part }
        var plan = plan
        // The weights are those of the network itself.
        plan.maskedWeights = .rest
        let input = network.exampleInput(batch: 1), first = try amount(network, input)
        func gone(_ sparsity: Double) throws -> Double {
            plan.schedule = .oneShot(sparsity, at: 0)
            let masked = try GraphNetwork(network.graph, state: network.maskedState, generator: network.generator)
            masked.mode = .evaluation
            try WeightPruner(masked, plan).chooseWeights(at: 0)
            return 1 - (try amount(masked, input)) / first
        }
        let most = try gone(Self.highestSparsity)
        guard most >= part else {
            throw GraphProblem(
                "\(percentage(part)) of the \(measure.words) cannot go: with \(percentage(Self.highestSparsity)) of the weights at zero it is \(percentage(max(0, most))); choose a smaller part"
            )
        }
        var (low, high) = (0.0, Self.highestSparsity)
        for _ in 0..<(measure == .latency ? 6 : 12) {
            let middle = (low + high) / 2
            if try gone(middle) >= part { high = middle } else { low = middle }
        }
        return high
    }

    private static let highestSparsity = 0.99

    private func amount(_ network: GraphNetwork, _ input: Tensor) throws -> Double {
        switch measure {
        case .parameters: return Double(network.weightCounts.nonzero)
        case .fileBytes: return Double(try network.fileByteCount())
        case .latency:
            let fast = SparseNetwork(network.foldingBatchNorms(), measuredWith: input)
            return GraphNetwork.secondsOfPasses([{ fast($0) }], input, repetitions: 15)[0]
        case .sparsity, .channels, .multiplyAdds: preconditionFailure("\(measure) is no measure of what zeros save")
        }
    }
}
