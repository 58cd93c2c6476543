public import Torch
internal import TorchNN

extension GraphNetwork {
    /// The same weights up to a last layer of random ones for other classes.
    /// - Throws: ``GraphProblem`` if the output is not that of a linear layer.
    public func replacingLastLayer(classes: Int, generator: RandomGenerator) throws(GraphProblem) -> GraphNetwork {
        var graph = self.graph
        let last = graph.nodes.count - 1
        guard case .linear(let inputs, _, let bias) = graph.nodes[last].operation, graph.nodes[last].weightsOf == nil, classes > 0 else {
            throw GraphProblem("the last layer '\(graph.nodes[last].name)' cannot be replaced: it must be linear, with weights of its own")
        }
        graph.nodes[last].operation = .linear(inputSize: inputs, outputSize: classes, bias: bias)
        let fresh = try GraphNetwork(graph, generator: generator), name = graph.nodes[last].name
        var state = prunedState
        for (key, tensor) in fresh.stateDictionary where key.hasPrefix("\(name).") { state[key] = tensor.detached() }
        let network = try GraphNetwork(graph, state: state, generator: generator)
        network.mode = mode
        return network
    }
}
