internal import Networks
internal import Torch

/// A layer whose matrices are laid out for their zeros.
enum SparseLayer {
    case linear(Product)
    case pointwiseConvolution(Product, stride: [Int])
    /// The products with the inputs, and with the state.
    case lstm(Product, Product, hiddenSize: Int)

    struct Product {
        let weight: SparseLinearWeight
        var bias: Tensor?
    }

    /// Whether an operation is made of products of vectors with one matrix.
    static func exists(for operation: GraphOperation) -> Bool {
        switch operation {
        case .linear, .lstm: true
        case .convolution(let c): c.kernel == [1, 1] && c.groups == 1 && c.padding == [0, 0, 0, 0]
        default: false
        }
    }

    /// All weights of a layer side by side, [outputs, inputs].
    static func matrix(of network: GraphNetwork, _ place: Int) -> Tensor {
        let own = network.weights(ofNode: place)
        return (own["weight"] ?? Tensor.concatenated([own["weight_ih_l0"]!, own["weight_hh_l0"]!], axis: 1)).detached().flattened(from: 1)
    }

    init(_ network: GraphNetwork, _ place: Int, _ layout: SparseLinearWeight.Layout) {
        let own = network.weights(ofNode: place)
        func product(_ weight: String, _ bias: Tensor?) -> Product {
            Product(weight: SparseLinearWeight(own[weight]!.flattened(from: 1), layout: layout), bias: bias?.detached())
        }
        switch network.graph.nodes[place].operation {
        case .lstm(_, let hiddenSize):
            let bias = own["bias_ih_l0"]!.detached() + own["bias_hh_l0"]!.detached()
            self = .lstm(product("weight_ih_l0", bias), product("weight_hh_l0", nil), hiddenSize: hiddenSize)
        case .convolution(let settings): self = .pointwiseConvolution(product("weight", own["bias"]), stride: settings.stride)
        default: self = .linear(product("weight", own["bias"]))
        }
    }

    func callAsFunction(_ input: Tensor) -> Tensor {
        switch self {
        case .linear(let product): return input.linear(sparse: product.weight, bias: product.bias)
        case .pointwiseConvolution(let product, let stride):
            let seen = stride == [1, 1] ? input : input[.all, .all, .every(stride[0]), .every(stride[1])]
            return seen.convolvedPointwise(sparse: product.weight, bias: product.bias)
        case .lstm(let inputs, let state, let hiddenSize):
            let given = input.linear(sparse: inputs.weight, bias: inputs.bias)
            var hidden = Tensor.zeros([input.size(0), hiddenSize]), cell = hidden, outputs: [Tensor] = []
            for step in 0..<input.size(1) {
                // Input, forget, cell and output gates.
                let gates = (given[.all, step] + hidden.linear(sparse: state.weight)).chunked(4, axis: 1)
                cell = gates[1].sigmoid() * cell + gates[0].sigmoid() * gates[2].tanh()
                hidden = gates[3].sigmoid() * cell.tanh()
                outputs.append(hidden)
            }
            return Tensor.stacked(outputs, axis: 1)
        }
    }
}
