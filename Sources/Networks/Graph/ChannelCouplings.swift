/// Which channels of a network can only go together.
///
/// Every place along an axis of a weight belongs to a unit: a channel with all it is added to, multiplied with or normalised by. Cutting
/// a unit takes its places from all axes, so whatever reads and writes it still fits.
public struct ChannelCouplings: Sendable {
    /// One axis of a parameter or buffer.
    public struct Axis: Sendable, Equatable {
        /// In the state dictionary.
        public let parameter: String
        public let axis: Int
        /// The unit of each place.
        public let units: [Int]
    }

    /// Units that appear together on the same axes: the channels of a layer, or of all layers that a residual stream couples.
    public struct Group: Sendable, Equatable {
        /// The node that makes them first.
        public let name: String
        public let units: [Int]
        /// Why none of them can be cut; nil if they can.
        public let obstacle: String?
    }

    public let axes: [Axis]
    public let groups: [Group]

    public init(axes: [Axis], groups: [Group]) {
        self.axes = axes
        self.groups = groups
    }

    /// The group of a name, e.g. of the node whose output channels are to be cut.
    public func group(named name: String) -> Group? { groups.first { $0.name == name } }
}

extension ChannelCouplings {
    /// - Throws: ``GraphProblem`` if the graph's shapes do not fit.
    public init(of graph: NetworkGraph) throws(GraphProblem) {
        var analysis = CouplingAnalysis(graph, shapes: try graph.shapes())
        self = analysis.run()
    }
}

/// Follows channels from node to node. Channels are numbered where they are made; a union–find keeps which of them are one.
private struct CouplingAnalysis {
    private let graph: NetworkGraph
    private let shapes: [[Int]]
    private var parents: [Int] = []
    /// Of the root of each unit that cannot be cut.
    private var obstacles: [Int: String] = [:]
    /// The channels of each node's output.
    private var channels: [[Int]] = []
    private var axes: [(parameter: String, axis: Int, channels: [Int])] = []
    /// Nodes that make channels.
    private var makers: [(node: Int, channels: [Int])] = []
    /// Places of weights that several nodes use are the same channels.
    private var shared: [String: [Int]] = [:]

    init(_ graph: NetworkGraph, shapes: [[Int]]) {
        self.graph = graph
        self.shapes = shapes
    }

    mutating func run() -> ChannelCouplings {
        for place in graph.nodes.indices { channels.append(follow(place)) }
        hold(channels[channels.count - 1], "it is the network's output")
        return couplings()
    }

    // MARK: Nodes

    /// The channels of a node's output.
    private mutating func follow(_ place: Int) -> [Int] {
        let node = graph.nodes[place], inputs = node.inputs.map { channels[$0] }
        let owner = graph.nodes[node.weightsOf ?? place].name
        switch node.operation {
        case .input(let shape):
            let own = made(shape.count == 3 ? shape[0] : shape.last ?? 0, by: place)
            hold(own, "it is the network's input")
            return own
        case .convolution(let c) where c.isDepthwise:
            note(owner, "weight", 0, inputs[0])
            if c.bias { note(owner, "bias", 0, inputs[0]) }
            return inputs[0]
        case .convolution(let c):
            let own = made(c.outputChannels, by: place)
            note(owner, "weight", 0, own)
            if c.bias { note(owner, "bias", 0, own) }
            if c.groups == 1 {
                note(owner, "weight", 1, inputs[0])
            } else {
                // A group can only go as a whole, with all it reads and makes.
                for group in 0..<c.groups {
                    let read = slice(inputs[0], group, of: c.groups), made = slice(own, group, of: c.groups)
                    for channel in read + made { unite(channel, made[made.startIndex]) }
                }
            }
            return own
        case .linear(_, let outputSize, let bias):
            let own = made(outputSize, by: place)
            note(owner, "weight", 0, own)
            note(owner, "weight", 1, inputs[0])
            if bias { note(owner, "bias", 0, own) }
            return own
        case .embedding(let count, let size):
            let own = made(size, by: place)
            note(owner, "weight", 1, own)
            // Rows are words, which are the network's input.
            let rows = made(count, by: place)
            hold(rows, "it is a word of the vocabulary")
            note(owner, "weight", 0, rows)
            return own
        case .lstm(_, let hiddenSize):
            let own = made(hiddenSize, by: place), gates = Array(repeating: own, count: 4).flatMap { $0 }
            for name in ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"] { note(owner, name, 0, gates) }
            note(owner, "weight_ih_l0", 1, inputs[0])
            note(owner, "weight_hh_l0", 1, own)
            return own
        case .batchNorm:
            for name in ["weight", "bias", "running_mean", "running_var"] { note(owner, name, 0, inputs[0]) }
            return inputs[0]
        case .layerNorm:
            for name in ["weight", "bias"] { note(owner, name, 0, inputs[0]) }
            hold(inputs[0], "layer normalisation '\(node.name)' would change for the channels that stay")
            return inputs[0]
        case .add, .multiply:
            for other in inputs.dropFirst() { for (a, b) in zip(inputs[0], other) { unite(a, b) } }
            return inputs[0]
        case .concatenate: return inputs.flatMap { $0 }
        case .flatten:
            let each = shapes[place][0] / max(1, inputs[0].count)
            return shapes[node.inputs[0]].count == 3 ? inputs[0].flatMap { Array(repeating: $0, count: each) } : flattenedSequence(inputs[0], each)
        case .activation, .dropout, .maxPool, .averagePool, .globalAveragePool: return inputs[0]
        }
    }

    /// Sequences are [length, channels]: the channels come once for each place.
    private func flattenedSequence(_ channels: [Int], _ count: Int) -> [Int] { (0..<count).flatMap { _ in channels } }

    private func slice(_ channels: [Int], _ group: Int, of groups: Int) -> ArraySlice<Int> {
        let size = channels.count / groups
        return channels[group * size..<(group + 1) * size]
    }

    private mutating func made(_ count: Int, by place: Int) -> [Int] {
        let own = Array(parents.count..<parents.count + count)
        parents += own
        makers.append((place, own))
        return own
    }

    private mutating func note(_ node: String, _ parameter: String, _ axis: Int, _ channels: [Int]) {
        let name = "\(node).\(parameter)", key = "\(name)/\(axis)"
        guard let first = shared[key] else {
            shared[key] = channels
            return axes.append((name, axis, channels))
        }
        for (a, b) in zip(first, channels) { unite(a, b) }
    }

    // MARK: Units

    private mutating func root(_ channel: Int) -> Int {
        var channel = channel
        while parents[channel] != channel {
            parents[channel] = parents[parents[channel]]
            channel = parents[channel]
        }
        return channel
    }

    /// The smaller number stays, so that units are named after where they were made first.
    private mutating func unite(_ a: Int, _ b: Int) {
        let (a, b) = (root(a), root(b))
        guard a != b else { return }
        let (kept, joined) = (min(a, b), max(a, b))
        parents[joined] = kept
        if let obstacle = obstacles.removeValue(forKey: joined) { obstacles[kept] = obstacles[kept] ?? obstacle }
    }

    private mutating func hold(_ channels: [Int], _ reason: String) {
        for channel in channels { obstacles[root(channel)] = obstacles[root(channel)] ?? reason }
    }

    private mutating func couplings() -> ChannelCouplings {
        let found = axes.map { axis in ChannelCouplings.Axis(parameter: axis.parameter, axis: axis.axis, units: axis.channels.map { root($0) }) }
        var groups: [ChannelCouplings.Group] = [], seen = Set<Int>()
        for maker in makers {
            let own = maker.channels.map { root($0) }.filter { seen.insert($0).inserted }
            // A maker's channels can be of different fates where only some of them are joined with others.
            for obstacle in Set(own.map { obstacles[$0] ?? "" }).sorted() {
                let units = own.filter { obstacles[$0] ?? "" == obstacle }
                groups.append(.init(name: graph.nodes[maker.node].name, units: units, obstacle: obstacle.isEmpty ? nil : obstacle))
            }
        }
        return ChannelCouplings(axes: found, groups: groups)
    }
}
