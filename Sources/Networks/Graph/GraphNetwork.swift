public import Torch
public import TorchNN

/// A network that computes what a ``NetworkGraph`` says, with weights of its own.
public final class GraphNetwork: Layer, ModeDependent {
    public let graph: NetworkGraph
    public var mode = ModuleMode.training
    /// Factors of 0 and 1 on weights, by their names in the state dictionary: what is masked neither counts nor gets a gradient, and keeps
    /// its value for the case that it comes back.
    public var masks: [String: Tensor] = [:]
    /// By node; empty for those without or with another's.
    private let weights: [[String: Tensor]]
    package let generator: RandomGenerator
    /// The place of the last node that reads each node; the output is read by nobody.
    private let lastUses: [Int]

    /// Random weights: uniform on ±1/√fanIn, PyTorch's default; norms begin as the identity.
    /// - Parameter generator: also of dropout.
    /// - Throws: ``GraphProblem``.
    public init(_ graph: NetworkGraph, generator: RandomGenerator) throws(GraphProblem) {
        _ = try graph.shapes()
        self.graph = graph
        self.generator = generator
        lastUses = graph.lastUses
        weights = graph.nodes.map { node in
            guard node.weightsOf == nil else { return [:] }
            return Dictionary(uniqueKeysWithValues: node.operation.parameters.map { ($0.name, Self.initial($0, of: node.operation, generator)) })
        }
    }

    /// Given weights, which are shared, not copied.
    /// - Parameter state: by their names in the state dictionary; others are passed over.
    /// - Throws: ``GraphProblem`` that names a weight that is missing or has another shape.
    public init(_ graph: NetworkGraph, state: [String: Tensor], generator: RandomGenerator) throws(GraphProblem) {
        _ = try graph.shapes()
        self.graph = graph
        self.generator = generator
        lastUses = graph.lastUses
        var weights: [[String: Tensor]] = []
        for node in graph.nodes {
            var own: [String: Tensor] = [:]
            for parameter in node.weightsOf == nil ? node.operation.parameters : [] {
                let name = "\(node.name).\(parameter.name)"
                guard let tensor = state[name] else { throw GraphProblem("the weights have no '\(name)'") }
                guard tensor.shape == parameter.shape else {
                    throw GraphProblem("'\(name)' has shape \(tensor.shape), and the network needs \(parameter.shape)")
                }
                own[parameter.name] = parameter.isBuffer ? tensor : tensor.requiringGrad()
            }
            weights.append(own)
        }
        self.weights = weights
    }

    private static func initial(_ parameter: GraphOperation.Parameter, of operation: GraphOperation, _ generator: RandomGenerator) -> Tensor {
        let shape = parameter.shape
        switch operation {
        case .batchNorm, .layerNorm:
            let isOne = parameter.name == "weight" || parameter.name == "running_var"
            let value = isOne ? Tensor.ones(shape, device: generator.device) : Tensor.zeros(shape, device: generator.device)
            return parameter.isBuffer ? value : value.requiringGrad()
        case .embedding: return Initializer.normal(mean: 0, standardDeviation: 1).parameter(shape, generator: generator)
        // Weights are drawn as biases are, from ±1/√fanIn.
        case .lstm(_, let hidden): return Initializer.biasDefault(fanIn: hidden).parameter(shape, generator: generator)
        case .convolution(let c):
            return Initializer.biasDefault(fanIn: c.inputChannels / c.groups * c.kernel[0] * c.kernel[1]).parameter(shape, generator: generator)
        case .linear(let inputs, _, _): return Initializer.biasDefault(fanIn: inputs).parameter(shape, generator: generator)
        default: preconditionFailure("\(operation) has no weights")
        }
    }

    public func visit(_ v: inout ParameterVisitor) {
        for (node, own) in zip(graph.nodes, weights) {
            for parameter in node.operation.parameters {
                guard let tensor = own[parameter.name] else { continue }
                let name = "\(node.name).\(parameter.name)"
                if parameter.isBuffer { v.buffer(name, tensor) } else { v(name, tensor) }
            }
        }
    }

    /// The weights that a node computes with, by name; those of another if it shares them, and as much as their masks leave.
    public func weights(ofNode place: Int) -> [String: Tensor] {
        let owner = graph.nodes[place].weightsOf ?? place
        guard !masks.isEmpty else { return weights[owner] }
        let name = graph.nodes[owner].name
        return Dictionary(uniqueKeysWithValues: weights[owner].map { key, tensor in (key, masked(tensor, named: "\(name).\(key)")) })
    }

    /// As much of a tensor as its mask leaves.
    package func masked(_ tensor: Tensor, named name: String) -> Tensor { masks[name].map { tensor * $0 } ?? tensor }

    /// All tensors with zeros for what is masked, to be looked at: those without masks are the network's own.
    package var maskedState: [String: Tensor] {
        withoutGradients {
            Dictionary(uniqueKeysWithValues: stateDictionary.map { name, tensor in (name, masked(tensor, named: name).detached()) })
        }
    }

    /// Copies of all tensors, with zeros for what is masked: what stays when pruning is over.
    public var prunedState: [String: Tensor] {
        withoutGradients { Dictionary(uniqueKeysWithValues: maskedState.map { name, tensor in (name, masks[name] == nil ? tensor.cloned() : tensor) }) }
    }

    /// - Parameter input: the graph's input with a batch in front.
    /// - Returns: the last node's output.
    public func callAsFunction(_ input: Tensor) -> Tensor { run(input) { output(ofNode: $0, of: $1) } }

    /// The last node's output, with a computation given for each node's place and inputs.
    package func run(_ input: Tensor, computing output: (Int, [Tensor]) throws -> Tensor) rethrows -> Tensor {
        var outputs: [Tensor?] = []
        for place in graph.nodes.indices {
            let inputs = graph.nodes[place].inputs
            outputs.append(try output(place, place == graph.input ? [input] : inputs.map { outputs[$0]! }))
            // What nobody reads any more goes.
            for other in inputs where lastUses[other] == place { outputs[other] = nil }
        }
        return outputs[outputs.count - 1]!
    }

    /// All nodes' outputs.
    public func outputs(_ input: Tensor) -> [Tensor] {
        var outputs: [Tensor] = []
        for place in graph.nodes.indices {
            outputs.append(output(ofNode: place, of: place == graph.input ? [input] : graph.nodes[place].inputs.map { outputs[$0] }))
        }
        return outputs
    }

    /// What one node makes of its inputs.
    /// - Parameter given: weights by name; the node's own if nil.
    package func output(ofNode place: Int, of inputs: [Tensor], weights given: [String: Tensor]? = nil) -> Tensor {
        let first = inputs[0], own = given ?? weights(ofNode: place)
        func weight(_ name: String) -> Tensor { own[name]! }
        switch graph.nodes[place].operation {
        case .input(let shape):
            require(Array(first.shape.dropFirst()) == shape, "GraphNetwork: the input must be [batch] + \(shape), found \(first.shape).")
            return first
        case .convolution(let settings): return settings(first, weight: weight("weight"), bias: own["bias"])
        case .linear: return first.linear(weight: weight("weight"), bias: own["bias"])
        case .embedding: return weight("weight").embedding(first)
        case .lstm(_, let hidden):
            let start = Tensor.zeros([1, first.size(0), hidden], dtype: first.dtype, device: first.device)
            return first.lstm(
                hidden: start, cell: start, weights: ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"].map(weight), hasBiases: true
            ).output
        case .batchNorm(_, let epsilon):
            return first.batchNorm(
                weight: own["weight"], bias: own["bias"], runningMean: own["running_mean"], runningVariance: own["running_var"],
                training: mode == .training, epsilon: epsilon)
        case .layerNorm(let size, let epsilon): return first.layerNorm(shape: [size], weight: own["weight"], bias: own["bias"], epsilon: epsilon)
        case .activation(let activation): return activation(first)
        case .add: return inputs.dropFirst().reduce(first, +)
        case .multiply: return inputs.dropFirst().reduce(first, *)
        case .concatenate: return Tensor.concatenated(inputs, axis: 1)
        case .maxPool(let window): return first.maxPooled(kernel: window.kernel, stride: window.stride, padding: window.padding)
        case .averagePool(let window): return first.averagePooled(kernel: window.kernel, stride: window.stride, padding: window.padding)
        case .globalAveragePool: return first.mean(axes: [2, 3], keepingDimensions: true)
        case .flatten: return first.flattened(from: 1)
        case .dropout(let part): return mode == .training ? Dropout(part, generator: generator)(first) : first
        }
    }
}

extension NetworkGraph {
    fileprivate var lastUses: [Int] {
        var last = Array(repeating: Int.max, count: nodes.count)
        for (place, node) in nodes.enumerated() { for input in node.inputs { last[input] = place } }
        return last
    }
}

extension GraphOperation.Convolution {
    /// The convolution with given weights.
    package func callAsFunction(_ input: Tensor, weight: Tensor, bias: Tensor?) -> Tensor {
        let isSymmetric = padding[0] == padding[1] && padding[2] == padding[3]
        let padded = isSymmetric ? input : input.padded([padding[2], padding[3], padding[0], padding[1]], mode: .constant(0))
        return padded.convolved(
            weight: weight, bias: bias, stride: stride, padding: isSymmetric ? [padding[0], padding[2]] : [0, 0], dilation: dilation, groups: groups)
    }
}
