public import Experiments
public import Networks
public import Torch
internal import TorchNN

/// What a network is made of, layer by layer.
public struct NetworkInspection: Codable, Sendable {
    /// A node that has weights or takes time.
    public struct Layer: Codable, Sendable {
        /// Of the node.
        public var name: String
        public var operation: String
        /// Without the batch.
        public var outputShape: [Int]
        /// Weights of its own, statistics of norms left out.
        public var weights: Int
        /// Of them zero or masked.
        public var zeros: Int
        /// Multiplications with additions for one example.
        public var multiplyAdds: Int
        /// Channels that it makes and that can be cut, by the layers that share them; nil where it makes none or none can be cut.
        public var channels: Channels?
        /// Why its channels cannot be cut.
        public var obstacle: String?
        /// Median of one pass, batch norms and activations each counted on their own; nil if it was not measured.
        public var seconds: Double?
    }

    public struct Channels: Codable, Sendable {
        public var count: Int
        /// Layers that must lose the same channels, itself left out.
        public var coupledWith: [String]
    }

    public var layers: [Layer]
    /// Statistics of norms left out.
    public var weights: Int
    public var zeros: Int
    public var multiplyAdds: Int
    /// Of the batch that was measured; nil if none was.
    public var batch: Int?
    /// Median of whole passes, not the sum of the layers'.
    public var seconds: Double?

    /// - Parameters:
    ///   - input: what is measured with, [batch] + the network's input; nil measures no seconds.
    ///   - repetitions: of which the median counts.
    /// - Throws: `GraphProblem` if shapes do not fit.
    public init(of network: GraphNetwork, measuredWith input: Tensor? = nil, repetitions: Int = 9) throws(GraphProblem) {
        let graph = network.graph, shapes = try graph.shapes(), multiplyAdds = try graph.multiplyAdds(), state = network.stateDictionary
        let couplings = try ChannelCouplings(of: graph)
        let seconds = input.map { Self.measure(network, $0, max(1, repetitions)) }
        layers = graph.nodes.indices.dropFirst().map { place in
            let node = graph.nodes[place], own = node.weightsOf == nil ? node.operation.parameters.filter { !$0.isBuffer } : []
            let names = own.map { "\(node.name).\($0.name)" }, made = Self.channels(place, graph, couplings)
            let zeros = withoutGradients { names.reduce(0) { $0 + network.masked(state[$1]!, named: $1).zeroCount } }
            return Layer(
                name: node.name, operation: node.operation.summary, outputShape: shapes[place], weights: names.reduce(0) { $0 + state[$1]!.elementCount },
                zeros: zeros, multiplyAdds: multiplyAdds[place], channels: made.channels, obstacle: made.obstacle,
                seconds: seconds?.nodes[place])
        }
        weights = layers.reduce(0) { $0 + $1.weights }
        zeros = layers.reduce(0) { $0 + $1.zeros }
        self.multiplyAdds = multiplyAdds.reduce(0, +)
        batch = input?.size(0)
        self.seconds = seconds?.whole
    }

    /// The fate of the channels that a layer makes.
    private static func channels(_ place: Int, _ graph: NetworkGraph, _ couplings: ChannelCouplings) -> (channels: Channels?, obstacle: String?) {
        guard let parameter = graph.channelParameter(ofNode: place) else { return (nil, nil) }
        let own = Set(couplings.outputUnits(of: parameter))
        guard let group = couplings.groups.first(where: { !own.isDisjoint(with: $0.units) }) else { return (nil, nil) }
        if let obstacle = group.obstacle { return (nil, obstacle) }
        let others = couplings.axes.filter { axis in
            axis.axis == 0 && axis.parameter.hasSuffix(".weight") && !own.isDisjoint(with: axis.units) && axis.parameter != parameter
        }
        let makers = others.map { String($0.parameter.dropLast(".weight".count)) }.filter { name in
            switch graph.nodes.first(where: { $0.name == name })?.operation {
            case .convolution, .linear: true
            default: false
            }
        }
        return (Channels(count: own.count, coupledWith: makers), nil)
    }

    private static func measure(_ network: GraphNetwork, _ input: Tensor, _ repetitions: Int) -> (nodes: [Double], whole: Double) {
        let clock = ContinuousClock(), before = network.mode
        network.mode = .evaluation
        defer { network.mode = before }
        var times = network.graph.nodes.map { _ in [Duration]() }, wholes: [Duration] = []
        withoutGradients {
            // The first turn warms the caches.
            for turn in 0...repetitions {
                let whole = clock.measure {
                    _ = network.run(input) { place, inputs in
                        var output = input
                        let time = clock.measure { output = network.output(ofNode: place, of: inputs) }
                        if turn > 0 { times[place].append(time) }
                        return output
                    }
                }
                if turn > 0 { wholes.append(whole) }
            }
        }
        return (times.map(\.medianSeconds), wholes.medianSeconds)
    }

    /// Layers with weights or multiplications, and all others in one line.
    public var table: Table {
        let isMeasured = seconds != nil
        func row(_ name: String, _ operation: String, _ shape: String, _ layers: [Layer], _ channels: String) -> [String] {
            let weights = layers.reduce(0) { $0 + $1.weights }, zeros = layers.reduce(0) { $0 + $1.zeros }
            return [
                name, operation, shape, formatCount(weights), weights > 0 ? formatNumber(Double(zeros) / Double(weights) * 100, digits: 3) : "",
                formatCount(layers.reduce(0) { $0 + $1.multiplyAdds }), channels,
            ] + (isMeasured ? [formatNumber(layers.reduce(0) { $0 + ($1.seconds ?? 0) } * 1e3, digits: 3)] : [])
        }
        let shown = layers.filter { $0.weights > 0 || $0.multiplyAdds > 0 }, others = layers.filter { !($0.weights > 0 || $0.multiplyAdds > 0) }
        var rows = shown.map { layer in
            row(layer.name, layer.operation, layer.outputShape.map(String.init).joined(separator: " × "), [layer], Self.text(layer))
        }
        if !others.isEmpty { rows.append(row("\(others.count) others", "activations, sums, pooling …", "", others, "")) }
        return Table(
            columns: [
                .text("Layer"), .text("operation"), .text("output"), .number("weights"), .number("zero, %"), .number("multiply-adds"), .text("channels to cut"),
            ] + (isMeasured ? [.number("ms")] : []), rows: rows)
    }

    private static func text(_ layer: Layer) -> String {
        if let obstacle = layer.obstacle { return "none: \(obstacle)" }
        guard let channels = layer.channels else { return "" }
        guard let first = channels.coupledWith.first else { return "\(channels.count)" }
        let more = channels.coupledWith.count - 1
        return "\(channels.count), with \(first)" + (more > 0 ? " and \(more) more" : "")
    }
}

extension GraphOperation {
    /// In a few words.
    var summary: String {
        switch self {
        case .input: return "input"
        case .convolution(let c):
            let kind = c.isDepthwise ? "depthwise convolution" : c.groups > 1 ? "convolution in \(c.groups) groups" : "convolution"
            return "\(kind) \(c.kernel[0]) × \(c.kernel[1])" + (c.stride == [1, 1] ? "" : ", stride \(c.stride[0])")
        case .linear: return "linear"
        case .embedding: return "embedding"
        case .lstm: return "LSTM"
        case .batchNorm: return "batch norm"
        case .layerNorm: return "layer norm"
        case .activation(let activation): return "\(activation)"
        case .add: return "sum"
        case .multiply: return "product"
        case .concatenate: return "side by side"
        case .maxPool: return "maxima"
        case .averagePool, .globalAveragePool: return "means"
        case .flatten: return "flatten"
        case .dropout: return "dropout"
        }
    }
}
