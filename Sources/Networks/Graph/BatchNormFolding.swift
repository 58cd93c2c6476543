internal import Torch
internal import TorchNN

extension GraphNetwork {
    /// The same function in evaluation with batch norms multiplied into the convolutions and linear layers before them: w·γ/√(σ² + ε) and
    /// β + (b − μ)·γ/√(σ² + ε). Their nodes stay where they are, and do nothing. A norm stays a norm where others read the layer too.
    ///
    /// Weights that no norm is multiplied into, and no mask, are shared with this network.
    public func foldingBatchNorms() -> GraphNetwork {
        var graph = self.graph, state = maskedState
        for (place, node) in graph.nodes.enumerated() {
            guard case .batchNorm(_, let epsilon) = node.operation, node.weightsOf == nil else { continue }
            let source = node.inputs[0], layer = graph.nodes[source]
            let isShared = graph.nodes.contains { $0.weightsOf == source || $0.weightsOf == place } || layer.weightsOf != nil
            let readers = graph.nodes.count { $0.inputs.contains(source) }
            guard !isShared, readers == 1, let biased = layer.operation.withBias, let weight = state["\(layer.name).weight"] else { continue }
            func own(_ name: String) -> Tensor { state["\(node.name).\(name)"]! }
            let factor = own("weight") / (own("running_var") + epsilon).sqrt()
            let bias = state["\(layer.name).bias"] ?? Tensor.zeros(factor.shape, dtype: factor.dtype, device: factor.device)
            state["\(layer.name).weight"] = weight * factor.reshaped([-1] + Array(repeating: 1, count: weight.rank - 1))
            state["\(layer.name).bias"] = own("bias") + (bias - own("running_mean")) * factor
            graph.nodes[source].operation = biased
            graph.nodes[place].operation = .activation(.identity)
        }
        let folded = try! GraphNetwork(graph, state: state, generator: generator)
        folded.mode = mode
        return folded
    }
}

extension GraphOperation {
    /// The same layer with a bias; nil for other operations.
    fileprivate var withBias: GraphOperation? {
        switch self {
        case .convolution(var settings):
            settings.bias = true
            return .convolution(settings)
        case .linear(let inputSize, let outputSize, _): return .linear(inputSize: inputSize, outputSize: outputSize, bias: true)
        default: return nil
        }
    }
}
