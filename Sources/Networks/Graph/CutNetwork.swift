internal import Torch
internal import TorchNN

extension GraphNetwork {
    /// A smaller network without some units: what is left computes the same as if all that reads the units saw zeros.
    ///
    /// - Parameter units: of ``ChannelCouplings``.
    /// - Throws: ``GraphProblem`` if a unit cannot be cut, or nothing of a layer would be left.
    public func cutting(_ units: Set<Int>, couplings: ChannelCouplings) throws(GraphProblem) -> GraphNetwork {
        for group in couplings.groups {
            if let obstacle = group.obstacle, group.units.contains(where: units.contains) {
                throw GraphProblem("a channel of '\(group.name)' cannot be cut: \(obstacle)")
            }
        }
        // What nothing is cut from is copied last: a result shares no weights with its source, and memory is theirs alone.
        var state = maskedState, isOwn = Set(masks.keys)
        for axis in couplings.axes {
            let kept = axis.units.indices.filter { !units.contains(axis.units[$0]) }
            guard kept.count < axis.units.count else { continue }
            guard !kept.isEmpty else { throw GraphProblem("nothing of '\(axis.parameter)' would be left; cut fewer of its channels") }
            guard let tensor = state[axis.parameter] else { throw GraphProblem("there is no '\(axis.parameter)' in the network") }
            state[axis.parameter] = tensor.gathered(indices: Tensor(kept).to(device: tensor.device), axis: axis.axis)
            isOwn.insert(axis.parameter)
        }
        for (name, tensor) in state where !isOwn.contains(name) { state[name] = tensor.cloned() }
        let network = try GraphNetwork(try graph.resized(to: state), state: state, generator: generator)
        network.mode = mode
        return network
    }

    /// The same network in which everything of the units is zero: what cutting them is held against.
    public func masking(_ units: Set<Int>, couplings: ChannelCouplings) throws(GraphProblem) -> GraphNetwork {
        let copy = prunedState
        withoutGradients {
            for axis in couplings.axes {
                let masked = axis.units.indices.filter { units.contains(axis.units[$0]) }
                guard !masked.isEmpty, let tensor = copy[axis.parameter], !axis.parameter.hasSuffix("running_var") else { continue }
                var shape = tensor.shape
                shape[axis.axis] = masked.count
                tensor.transposed(0, axis.axis).copySlicesInPlace(
                    Tensor.zeros(shape, dtype: tensor.dtype, device: tensor.device).transposed(0, axis.axis), at: Tensor(masked))
            }
        }
        let network = try GraphNetwork(graph, state: copy, generator: generator)
        network.mode = mode
        return network
    }
}

extension NetworkGraph {
    /// The same plan with the widths that weights have.
    fileprivate func resized(to state: [String: Tensor]) throws(GraphProblem) -> NetworkGraph {
        var graph = self
        for place in nodes.indices {
            let owner = nodes[nodes[place].weightsOf ?? place].name
            func shape(_ parameter: String) -> [Int] { state["\(owner).\(parameter)"]?.shape ?? [] }
            switch nodes[place].operation {
            case .convolution(var c):
                let weight = shape("weight"), isDepthwise = c.isDepthwise
                let groups = c.groups == 1 ? 1 : isDepthwise ? weight[0] : weight[0] * c.groups / c.outputChannels
                (c.outputChannels, c.inputChannels, c.groups) = (weight[0], weight[1] * groups, groups)
                graph.nodes[place].operation = .convolution(c)
            case .linear(_, _, let bias): graph.nodes[place].operation = .linear(inputSize: shape("weight")[1], outputSize: shape("weight")[0], bias: bias)
            case .embedding: graph.nodes[place].operation = .embedding(count: shape("weight")[0], size: shape("weight")[1])
            case .lstm: graph.nodes[place].operation = .lstm(inputSize: shape("weight_ih_l0")[1], hiddenSize: shape("weight_hh_l0")[1])
            case .batchNorm(_, let epsilon): graph.nodes[place].operation = .batchNorm(channels: shape("weight")[0], epsilon: epsilon)
            case .layerNorm(_, let epsilon): graph.nodes[place].operation = .layerNorm(size: shape("weight")[0], epsilon: epsilon)
            default: break
            }
        }
        return graph
    }
}
