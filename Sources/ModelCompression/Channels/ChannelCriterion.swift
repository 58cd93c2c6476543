public import Networks
public import Torch
internal import TorchNN

/// What says how much a channel matters; channels with the least go first.
public enum ChannelCriterion: String, Codable, Sendable, CaseIterable {
    /// Relevance that the channel hands on to the right class, summed over examples and places (Yeom et al., arXiv:1912.08881).
    case relevance
    /// Magnitudes of the channel's own weights, summed (Li et al., arXiv:1608.08710).
    case weight
    /// Magnitude of the mean derivative of the loss by the channel's output.
    case gradient
    /// Magnitude of the mean of output times derivative, the change of the loss to first order (Molchanov et al., arXiv:1611.06440).
    case taylor
    /// Drawn at random.
    case random

    /// Whether examples are needed.
    public var needsExamples: Bool { self != .weight && self != .random }
}

/// How much the channels of a network matter.
public struct ChannelScores {
    public let couplings: ChannelCouplings
    /// For each group of channels that can be cut, by name, one number for each of its units; within a group they are comparable, and between
    /// groups after division by their sum (relevance, weight) or their norm (gradient, Taylor).
    public private(set) var groups: [String: [Double]] = [:]

    /// Measures on examples in evaluation, with batch norms multiplied into the layers before them.
    /// - Parameters:
    ///   - examples: for criteria that need them; their targets are the right classes.
    ///   - rules: of relevance.
    ///   - batchSize: examples at a time.
    /// - Throws: `GraphProblem` if the network has layers that no rule of relevance is known for.
    public init(
        of network: GraphNetwork, by criterion: ChannelCriterion, on examples: Examples? = nil, rules: RelevanceRules = .positiveWeights, batchSize: Int = 32,
        random: RandomGenerator = RandomGenerator(seed: 0)
    ) throws(GraphProblem) {
        let couplings = try ChannelCouplings(of: network.graph)
        self.couplings = couplings
        let makers = ChannelMakers(network.graph, couplings)
        let sums: [String: Tensor]
        switch criterion {
        case .weight: sums = makers.ownWeights(network)
        case .random: sums = makers.drawn(random)
        case .relevance, .gradient, .taylor:
            guard let examples, examples.count > 0 else { throw GraphProblem("the criterion '\(criterion.rawValue)' needs examples") }
            try examples.check(for: network.graph)
            if criterion == .relevance {
                let propagation = try RelevancePropagation(network, rules: rules)
                let byScore = makers.relevance(propagation, examples, batchSize, start: .positiveScore)
                // Where every score is negative, all examples count alike.
                let isThere = byScore.values.contains { $0.abs().max().item() > 0 }
                sums = isThere ? byScore : makers.relevance(propagation, examples, batchSize, start: .one)
            } else {
                sums = makers.derivatives(network.foldingBatchNorms(), examples, batchSize, timesOutput: criterion == .taylor)
            }
        }
        for group in couplings.groups where group.obstacle == nil {
            var scores = Dictionary(uniqueKeysWithValues: group.units.map { ($0, 0.0) })
            for maker in makers.all {
                guard let own: [Double] = sums[maker.node]?.to(dtype: .float64).scalars() else { continue }
                // Depthwise convolutions hand channels on; what makes them counts.
                for (unit, score) in zip(maker.units, own) where scores[unit] != nil { scores[unit]! += score }
            }
            let values = group.units.map { scores[$0]! }
            let size: Double = switch criterion {
            case .gradient, .taylor: values.reduce(0) { $0 + $1 * $1 }.squareRoot()
            case .relevance, .weight, .random: values.reduce(0) { $0 + abs($1) }
            }
            groups[group.name] = size > 0 ? values.map { $0 / size } : values
        }
    }
}

extension NetworkGraph {
    /// The parameter along whose first axis the channels lie that a node makes; nil for nodes that make none, or hand on those they read.
    func channelParameter(ofNode place: Int) -> String? {
        let owner = nodes[nodes[place].weightsOf ?? place].name
        switch nodes[place].operation {
        case .convolution(let settings): return settings.isDepthwise ? nil : "\(owner).weight"
        case .linear: return "\(owner).weight"
        case .lstm: return "\(owner).weight_hh_l0"
        default: return nil
        }
    }
}

extension ChannelCouplings {
    /// The units along the first axis of a parameter.
    func outputUnits(of parameter: String) -> [Int] { axes.first { $0.parameter == parameter && $0.axis == 0 }?.units ?? [] }
}

/// The layers that make channels which can be cut.
private struct ChannelMakers {
    struct Maker {
        let node: String
        let place: Int
        /// Of its output channels.
        let units: [Int]
        let weight: String
    }

    let all: [Maker]

    init(_ graph: NetworkGraph, _ couplings: ChannelCouplings) {
        let free = Set(couplings.groups.filter { $0.obstacle == nil }.flatMap(\.units))
        all = graph.nodes.enumerated().compactMap { place, node in
            guard let weight = graph.channelParameter(ofNode: place), case let units = couplings.outputUnits(of: weight), units.contains(where: free.contains)
            else { return nil }
            // The four gates of a recurrent layer have the same units.
            let channels = if case .lstm(_, let hidden) = node.operation { hidden } else { units.count }
            return Maker(node: node.name, place: place, units: Array(units.prefix(channels)), weight: weight)
        }
    }

    /// Σ|w| of each output channel.
    func ownWeights(_ network: GraphNetwork) -> [String: Tensor] {
        let state = network.maskedState
        return Dictionary(
            uniqueKeysWithValues: all.map { maker in
                let weight = state[maker.weight]!.abs()
                return (maker.node, weight.reshaped([-1, maker.units.count, weight.elementCount / weight.size(0)]).sum(axes: [0, 2]))
            })
    }

    func drawn(_ random: RandomGenerator) -> [String: Tensor] {
        Dictionary(uniqueKeysWithValues: all.map { ($0.node, Tensor.uniform([$0.units.count], generator: random)) })
    }

    func relevance(_ propagation: RelevancePropagation, _ examples: Examples, _ batchSize: Int, start: RelevancePropagation.Start) -> [String: Tensor] {
        summed(examples, batchSize) { part in
            let relevances = propagation(part.inputs, classes: part.targets, start: start)
            return all.map { Self.perChannel(relevances[$0.place]) }
        }
    }

    /// |Σ ∂L/∂z| or |Σ z·∂L/∂z| over examples and places, with the cross-entropy for L.
    func derivatives(_ network: GraphNetwork, _ examples: Examples, _ batchSize: Int, timesOutput: Bool) -> [String: Tensor] {
        network.mode = .evaluation
        let places = Set(all.map(\.place))
        return summed(examples, batchSize) { part in
            var outputs: [Int: Tensor] = [:]
            let scores = withGradients {
                network.run(part.inputs) { place, inputs in
                    let output = network.output(ofNode: place, of: inputs)
                    if places.contains(place) { outputs[place] = output }
                    return output
                }
            }
            let seen = all.map { outputs[$0.place]! }
            let loss = withGradients { scores.crossEntropy(ofTargets: part.targets, reduction: .sum) }
            let found = gradients(of: loss, withRespectTo: seen, allowUnused: true)
            return zip(seen, found).map { Self.perChannel(timesOutput ? $0.detached() * $1 : $1) }
        }.mapValues { $0.abs() }
    }

    /// Of [batch, channels, height, width] or [batch, …, channels].
    private static func perChannel(_ values: Tensor) -> Tensor {
        values.to(dtype: .float64).sum(axes: values.rank == 4 ? [0, 2, 3] : Array(0..<values.rank - 1))
    }

    private func summed(_ examples: Examples, _ batchSize: Int, _ measure: (Examples) -> [Tensor]) -> [String: Tensor] {
        var sums: [String: Tensor] = [:]
        for start in stride(from: 0, to: examples.count, by: batchSize) {
            let part = examples.chosen(Array(start..<min(examples.count, start + batchSize)))
            for (maker, values) in zip(all, measure(part)) { sums[maker.node] = sums[maker.node].map { $0 + values } ?? values }
        }
        return sums
    }
}
