public import Experiments
public import Networks
public import Torch
internal import TorchNN

/// How channels are cut from a network, some at a time.
public struct ChannelPruningPlan: Codable, Sendable, Equatable {
    /// When to stop.
    public enum Target: Codable, Sendable, Equatable {
        /// This part of the channels that can be cut is gone.
        case channels(Double)
        /// At most this part of all weights is left.
        case parameters(Double)
        /// At most this part of the multiplications is left.
        case multiplyAdds(Double)
    }

    public var criterion = ChannelCriterion.relevance
    public var rules = RelevanceRules.positiveWeights
    public var target: Target
    /// The part of the channels of the beginning that goes at a time, over all layers together.
    public var step = 0.05

    public init(_ target: Target, criterion: ChannelCriterion = .relevance, step: Double = 0.05) {
        self.target = target
        self.criterion = criterion
        self.step = step
    }

    /// - Throws: `ConfigurationError` that names the setting.
    public func validate(_ name: String = "pruning") throws(ConfigurationError) {
        switch target {
        case .channels(let part):
            guard part >= 0, part < 1 else { throw ConfigurationError(key: "\(name).target", problem: "must cut at least 0 and less than all of the channels, found \(part)") }
        case .parameters(let part), .multiplyAdds(let part):
            guard part > 0, part <= 1 else { throw ConfigurationError(key: "\(name).target", problem: "must leave more than 0 and at most all, found \(part)") }
        }
        guard step > 0, step < 1 else { throw ConfigurationError(key: "\(name).step", problem: "must be more than 0 and less than 1, found \(step)") }
    }
}

/// A network on its way to being smaller.
public struct ChannelPruning {
    public private(set) var network: GraphNetwork
    public let plan: ChannelPruningPlan
    /// Channels of the first network that are left, by the layer that makes them; so that its weights can be cut again.
    public private(set) var kept: [String: [Int]]
    private let channelsAtFirst: Int
    private let parametersAtFirst: Int
    private let multiplyAddsAtFirst: Int

    /// - Throws: `ConfigurationError`; `GraphProblem` for a network in which nothing can be cut.
    public init(_ network: GraphNetwork, _ plan: ChannelPruningPlan) throws {
        try plan.validate()
        self.network = network
        self.plan = plan
        let groups = try ChannelCouplings(of: network.graph).groups, free = groups.filter { $0.obstacle == nil }
        guard free.contains(where: { $0.units.count > 1 }) else {
            let reasons = groups.compactMap { group in group.obstacle.map { "'\(group.name)': \($0)" } }
            throw GraphProblem("no channel of the network can be cut (\(reasons.prefix(3).joined(separator: "; ")))")
        }
        kept = Dictionary(uniqueKeysWithValues: free.map { ($0.name, Array($0.units.indices)) })
        channelsAtFirst = free.reduce(0) { $0 + $1.units.count }
        parametersAtFirst = network.parameterCount()
        multiplyAddsAtFirst = try network.graph.multiplyAdds().reduce(0, +)
    }

    private var channelsLeft: Int { kept.values.reduce(0) { $0 + $1.count } }
    /// The part of the channels that is gone.
    public var cutPart: Double { 1 - Double(channelsLeft) / Double(channelsAtFirst) }
    /// The part of the weights that is left.
    public var parameterPart: Double { Double(network.parameterCount()) / Double(parametersAtFirst) }
    /// The part of the multiplications that is left.
    public var multiplyAddPart: Double { Double((try? network.graph.multiplyAdds().reduce(0, +)) ?? 0) / Double(max(1, multiplyAddsAtFirst)) }

    public var isFinished: Bool {
        switch plan.target {
        case .channels(let part): channelsToCut(part) <= 0
        case .parameters(let part): parameterPart <= part
        case .multiplyAdds(let part): multiplyAddPart <= part
        }
    }

    /// How many must still go for a part of them all.
    private func channelsToCut(_ part: Double) -> Int { Int((part * Double(channelsAtFirst)).rounded()) - (channelsAtFirst - channelsLeft) }

    /// Cuts the channels that matter least by the scores of the network as it is now; one of each layer stays.
    ///
    /// Where the target is met by fewer channels than a whole step, fewer go.
    /// - Throws: `GraphProblem` if nothing more can be cut, which says how small the network became.
    public mutating func cutNext(on examples: Examples? = nil, batchSize: Int = 32, random: RandomGenerator = RandomGenerator(seed: 0)) throws {
        let scores = try ChannelScores(of: network, by: plan.criterion, on: examples, rules: plan.rules, batchSize: batchSize, random: random)
        let free = scores.couplings.groups.filter { $0.obstacle == nil }
        var order: [(group: Int, unit: Int, score: Double)] = []
        for (place, group) in free.enumerated() { for (unit, score) in zip(group.units, scores.groups[group.name]!) { order.append((place, unit, score)) } }
        // Of equal scores the first goes.
        order.sort { ($0.score, $0.unit) < ($1.score, $1.unit) }
        var count = max(1, Int((plan.step * Double(channelsAtFirst)).rounded()))
        if case .channels(let part) = plan.target { count = min(count, channelsToCut(part)) }
        var left = free.map(\.units.count), cut: [Int] = []
        for entry in order where cut.count < count && left[entry.group] > 1 {
            left[entry.group] -= 1
            cut.append(entry.unit)
        }
        guard !cut.isEmpty else {
            throw GraphProblem(
                "nothing more can be cut: \(formatNumber(cutPart * 100, digits: 3)) % of the channels are gone, \(formatNumber(parameterPart * 100, digits: 3)) % of "
                    + "the weights and \(formatNumber(multiplyAddPart * 100, digits: 3)) % of the multiplications are left; choose a target that can be met")
        }
        let gone = try fewestForTarget(cut, scores.couplings)
        network = try network.cutting(gone, couplings: scores.couplings)
        for group in free { kept[group.name] = zip(kept[group.name]!, group.units).filter { !gone.contains($1) }.map(\.0) }
    }

    /// The first of some channels, as few as meet the target; all if they do not.
    private func fewestForTarget(_ units: [Int], _ couplings: ChannelCouplings) throws -> Set<Int> {
        if case .channels = plan.target { return Set(units) }
        func meets(_ count: Int) throws -> Bool {
            var smaller = self
            smaller.network = try network.cutting(Set(units.prefix(count)), couplings: couplings)
            return smaller.isFinished
        }
        guard try meets(units.count) else { return Set(units) }
        var (low, high) = (1, units.count)
        while low < high {
            let middle = (low + high) / 2
            if try meets(middle) { high = middle } else { low = middle + 1 }
        }
        return Set(units.prefix(high))
    }
}
