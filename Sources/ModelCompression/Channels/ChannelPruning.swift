public import Experiments
public import Networks
public import Torch
internal import TorchNN

/// How channels are cut from a network: how much of what goes, when, and which first.
public struct ChannelPruningPlan: Codable, Sendable, Equatable {
    /// What is to become less.
    public enum Measure: String, Codable, Sendable, CaseIterable {
        /// Channels that can be cut.
        case channels
        /// All weights, with biases and norms.
        case parameters
        case multiplyAdds
        /// Seconds of a pass of one example, the median of several: what comes out depends on the computer.
        case latency
        /// Bytes of the file of weights.
        case fileBytes
    }

    public var measure: Measure
    /// Its `final` is the part of the measure that goes. The rest tells when it goes in a training that cuts on the way.
    public var schedule: PruningSchedule
    public var criterion = ChannelCriterion.relevance
    public var rules = RelevanceRules.positiveWeights
    /// The part of the channels of the beginning that goes between two measurements of what they matter, over all layers together.
    public var step = 0.05
    /// No layer loses more than this part of its channels; with 1 at least one stays.
    public var largestPart = 1.0

    /// All that goes goes at the first step of a training.
    /// - Parameter part: of the measure that goes.
    public init(_ measure: Measure, less part: Double, criterion: ChannelCriterion = .relevance, step: Double = 0.05) {
        self.init(measure, schedule: .oneShot(part, at: 0), criterion: criterion, step: step)
    }

    public init(_ measure: Measure, schedule: PruningSchedule, criterion: ChannelCriterion = .relevance, step: Double = 0.05) {
        (self.measure, self.schedule, self.criterion, self.step) = (measure, schedule, criterion, step)
    }

    /// - Throws: `ConfigurationError` that names the setting.
    public func validate(_ name: String = "channels") throws(ConfigurationError) {
        try schedule.validate("\(name).schedule")
        guard step > 0, step < 1 else { throw ConfigurationError(key: "\(name).step", problem: "must be more than 0 and less than 1, found \(step)") }
        guard largestPart > 0, largestPart <= 1 else {
            throw ConfigurationError(key: "\(name).largestPart", problem: "must be more than 0 and at most 1, found \(largestPart)")
        }
    }
}

/// A network on its way to being smaller.
public struct ChannelPruning {
    public private(set) var network: GraphNetwork
    public let plan: ChannelPruningPlan
    /// Channels of the first network that are left, by the layer that makes them; so that its weights can be cut again.
    public private(set) var kept: [String: [Int]]
    /// Channels of each group that must stay.
    private let fewest: [String: Int]
    /// Of the first network.
    private let atFirst: [ChannelPruningPlan.Measure: Double]

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
        fewest = kept.mapValues { max(1, $0.count - Int((Double($0.count) * plan.largestPart).rounded(.down))) }
        var atFirst: [ChannelPruningPlan.Measure: Double] = [.channels: Double(kept.values.reduce(0) { $0 + $1.count })]
        for measure in [.parameters, .multiplyAdds, plan.measure] where measure != .channels { atFirst[measure] = try Self.amount(measure, of: network) }
        self.atFirst = atFirst
    }

    /// Goes on with a network that was cut before.
    mutating func restore(_ network: GraphNetwork, kept: [String: [Int]]) { (self.network, self.kept) = (network, kept) }

    private static func amount(_ measure: ChannelPruningPlan.Measure, of network: GraphNetwork) throws -> Double {
        switch measure {
        case .channels: preconditionFailure("channels are counted by what is kept")
        case .parameters: Double(network.parameterCount())
        case .multiplyAdds: Double(try network.graph.multiplyAdds().reduce(0, +))
        case .latency: network.secondsOfPass()
        case .fileBytes: Double(try network.fileByteCount())
        }
    }

    private var channelsLeft: Int { kept.values.reduce(0) { $0 + $1.count } }

    /// The part of a measure that is gone; latency is measured anew each time.
    /// - Throws: `GraphProblem`.
    public func part(gone measure: ChannelPruningPlan.Measure) throws -> Double {
        guard measure != .channels else { return 1 - Double(channelsLeft) / max(1, atFirst[.channels]!) }
        guard let first = atFirst[measure] else { throw GraphProblem("the \(measure.rawValue) of the network was not measured before it was cut") }
        return 1 - (try Self.amount(measure, of: network)) / max(first, .leastNonzeroMagnitude)
    }

    /// The part of the plan's measure that is gone when every layer has lost as much as it may; which channels go does not matter for that.
    /// - Throws: `GraphProblem`.
    package func mostThatCanGo() throws -> Double {
        let couplings = try ChannelCouplings(of: network.graph), free = couplings.groups.filter { $0.obstacle == nil }
        var smallest = self
        smallest.network = try network.cutting(Set(free.flatMap { $0.units.dropFirst(fewest[$0.name]!) }), couplings: couplings)
        for group in free { smallest.kept[group.name] = Array(kept[group.name]!.prefix(fewest[group.name]!)) }
        return try smallest.part(gone: plan.measure)
    }

    /// Whether a part of the plan's measure is gone.
    private func isGone(_ part: Double) throws -> Bool {
        plan.measure == .channels ? channelsToCut(part) <= 0 : try self.part(gone: plan.measure) >= part
    }

    /// Whether all is gone that is to go.
    public var isFinished: Bool { get throws { try isGone(plan.schedule.final) } }

    /// How many must still go for a part of them all.
    private func channelsToCut(_ part: Double) -> Int {
        let first = Int(atFirst[.channels]!)
        return Int((part * Double(first)).rounded()) - (first - channelsLeft)
    }

    /// Cuts until a part of the plan's measure is gone.
    /// - Parameters as those of ``cutNext(toward:on:batchSize:random:)``.
    public mutating func cut(
        to part: Double, on examples: Examples? = nil, batchSize: Int = 32, random: RandomGenerator = RandomGenerator(seed: 0)
    ) throws {
        while try !isGone(part) { try cutNext(toward: part, on: examples, batchSize: batchSize, random: random) }
    }

    /// Cuts the channels that matter least by the scores of the network as it is now; one of each layer stays.
    ///
    /// Where fewer channels than a whole step are enough, fewer go; latency, which varies, is not searched so closely.
    /// - Parameters:
    ///   - part: of the plan's measure that is to go; all of what the plan says if nil.
    ///   - examples: for criteria that need them.
    ///   - random: for the criterion that draws.
    /// - Throws: `GraphProblem` if nothing more can be cut, which says how small the network became.
    public mutating func cutNext(
        toward part: Double? = nil, on examples: Examples? = nil, batchSize: Int = 32, random: RandomGenerator = RandomGenerator(seed: 0)
    ) throws {
        let part = part ?? plan.schedule.final
        let scores = try ChannelScores(of: network, by: plan.criterion, on: examples, rules: plan.rules, batchSize: batchSize, random: random)
        let free = scores.couplings.groups.filter { $0.obstacle == nil }
        var order: [(group: Int, unit: Int, score: Double)] = []
        for (place, group) in free.enumerated() { for (unit, score) in zip(group.units, scores.groups[group.name]!) { order.append((place, unit, score)) } }
        // Of equal scores the first goes.
        order.sort { ($0.score, $0.unit) < ($1.score, $1.unit) }
        var count = max(1, Int((plan.step * atFirst[.channels]!).rounded()))
        if plan.measure == .channels { count = min(count, channelsToCut(part)) }
        var left = free.map(\.units.count), cut: [Int] = []
        for entry in order where cut.count < count && left[entry.group] > fewest[free[entry.group].name]! {
            left[entry.group] -= 1
            cut.append(entry.unit)
        }
        guard !cut.isEmpty else {
            throw GraphProblem("nothing more can be cut: \(try whatIsGone); choose a target that can be met")
        }
        let gone = try fewest(of: cut, for: part, scores.couplings)
        network = try network.cutting(gone, couplings: scores.couplings)
        for group in free { kept[group.name] = zip(kept[group.name]!, group.units).filter { !gone.contains($1) }.map(\.0) }
    }

    private var whatIsGone: String {
        get throws {
            var parts: [ChannelPruningPlan.Measure] = [.channels, .parameters, .multiplyAdds]
            if !parts.contains(plan.measure) { parts.append(plan.measure) }
            return try parts.map { "\(formatNumber(try part(gone: $0) * 100, digits: 3)) % of the \($0.words)" }.joined(separator: ", ") + " are gone"
        }
    }

    /// The first of some channels, as few as are enough; all if they are not.
    private func fewest(of units: [Int], for part: Double, _ couplings: ChannelCouplings) throws -> Set<Int> {
        if plan.measure == .channels || plan.measure == .latency { return Set(units) }
        func isEnough(_ count: Int) throws -> Bool {
            var smaller = self
            smaller.network = try network.cutting(Set(units.prefix(count)), couplings: couplings)
            return try smaller.isGone(part)
        }
        guard try isEnough(units.count) else { return Set(units) }
        var (low, high) = (1, units.count)
        while low < high {
            let middle = (low + high) / 2
            if try isEnough(middle) { high = middle } else { low = middle + 1 }
        }
        return Set(units.prefix(high))
    }
}

extension ChannelPruningPlan.Measure {
    /// In a sentence.
    var words: String {
        switch self {
        case .channels: "channels"
        case .parameters: "weights"
        case .multiplyAdds: "multiplications"
        case .latency: "time"
        case .fileBytes: "bytes"
        }
    }
}
