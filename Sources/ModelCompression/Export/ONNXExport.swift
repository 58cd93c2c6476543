internal import Foundation
public import Networks
internal import Torch
internal import TorchNN

extension GraphNetwork {
    /// Writes the network as an ONNX model (opset 17) with a batch of any size, as it computes in evaluation and with zeros for what is
    /// masked. Values have the names of nodes, and weights those of the state dictionary.
    ///
    /// - Parameter largestFile: weights of more bytes go into a file of their own, named after the model with `.data` at the end; a
    ///   protocol buffers message ends at 2 GB.
    /// - Throws: `GraphProblem` that names the node that ONNX has no operation for; `FileAccessError`.
    public func writeONNX(to path: String, largestFile: Int = 1_500_000_000) throws {
        var writer = ONNXWriter(self, shapes: try graph.shapes())
        let values = try writer.run()
        let bytes = writer.onnx.initializers.reduce(0) { $0 + $1.tensor.byteCount }
        let dataPath = bytes > largestFile ? "\(path).data" : nil
        if let dataPath { try writer.onnx.writeData(to: dataPath) }
        let name = (path as NSString).lastPathComponent
        try writer.onnx.model(
            input: values.input, output: values.output, name: (name as NSString).deletingPathExtension, opset: 17,
            dataFile: dataPath.map { ($0 as NSString).lastPathComponent }
        ).write(to: path)
    }
}

private struct ONNXWriter {
    let network: GraphNetwork
    /// Of the outputs, without the batch.
    let shapes: [[Int]]
    var onnx = ONNXGraph()
    private var graph: NetworkGraph { network.graph }
    /// Of the weights, which is that of all that is computed.
    private var dtype = DType.float32

    init(_ network: GraphNetwork, shapes: [[Int]]) { (self.network, self.shapes) = (network, shapes) }

    mutating func run() throws(GraphProblem) -> (input: ONNXGraph.Value, output: ONNXGraph.Value) {
        let types = Set(graph.nodes.indices.flatMap { network.weights(ofNode: $0).values.map(\.dtype) })
        dtype = types.first ?? .float32
        guard types.count <= 1, dtype != .int64, ONNXGraph.elementType(dtype) != nil else {
            throw GraphProblem("ONNX needs weights of one type, float32, float16 or float64, found \(types.map { "\($0)" }.sorted().joined(separator: ", "))")
        }
        for node in graph.nodes {
            let own = [node.name] + (node.weightsOf == nil ? node.operation.parameters.map { "\(node.name).\($0.name)" } : [])
            guard own.allSatisfy({ onnx.reserve($0) }) else { throw GraphProblem("node '\(node.name)' and a weight of another have one name, which ONNX does not allow") }
        }
        for place in graph.nodes.indices { try write(place) }
        let last = graph.nodes.count - 1, readers = graph.nodes.filter { $0.inputs.contains(graph.input) }
        let takesIDs = readers.contains { if case .embedding = $0.operation { true } else { false } }
        guard !takesIDs || readers.allSatisfy({ if case .embedding = $0.operation { true } else { false } }) else {
            throw GraphProblem("the input is read as ids and as numbers, which ONNX does not allow")
        }
        guard last > 0 else { throw GraphProblem("the network has no layers to write") }
        return (
            ONNXGraph.Value(name: graph.nodes[graph.input].name, dtype: takesIDs ? .int64 : dtype, shape: shapes[graph.input]),
            ONNXGraph.Value(name: graph.nodes[last].name, dtype: dtype, shape: shapes[last])
        )
    }

    private mutating func write(_ place: Int) throws(GraphProblem) {
        let node = graph.nodes[place], inputs = node.inputs.map { graph.nodes[$0].name }, output = node.name
        let owner = graph.nodes[node.weightsOf ?? place].name, own = network.weights(ofNode: place)
        func weight(_ name: String) -> String? { own[name].map { onnx.add("\(owner).\(name)", $0.detached()) } }
        switch node.operation {
        case .input: break
        case .convolution(let c):
            // Pads are those of the beginnings of both axes, then of the ends.
            onnx.add(
                "Conv", inputs + ["weight", "bias"].compactMap(weight), to: output,
                [
                    "kernel_shape": .ints(c.kernel), "strides": .ints(c.stride), "dilations": .ints(c.dilation), "group": .int(c.groups),
                    "pads": .ints([c.padding[0], c.padding[2], c.padding[1], c.padding[3]]),
                ])
        case .linear:
            let names = ["weight", "bias"].compactMap(weight)
            if shapes[node.inputs[0]].count == 1 {
                onnx.add("Gemm", inputs + names, to: output, ["transB": .int(1)])
            } else {
                let turned = onnx.add("Transpose", [names[0]], to: "\(output)/weight", ["perm": .ints([1, 0])])
                let product = onnx.add("MatMul", inputs + [turned], to: names.count == 1 ? output : "\(output)/product")
                if names.count > 1 { onnx.add("Add", [product, names[1]], to: output) }
            }
        case .embedding: onnx.add("Gather", ["weight"].compactMap(weight) + inputs, to: output, ["axis": .int(0)])
        case .lstm(_, let hidden): writeLSTM(inputs[0], output, owner, own, hidden)
        case .batchNorm(_, let epsilon):
            guard shapes[place].count != 2 else { throw GraphProblem("node '\(node.name)' normalises sequences over the batch, which ONNX has no operation for") }
            onnx.add(
                "BatchNormalization", inputs + ["weight", "bias", "running_mean", "running_var"].compactMap(weight), to: output, ["epsilon": .float(epsilon)])
        case .layerNorm(_, let epsilon):
            onnx.add("LayerNormalization", inputs + ["weight", "bias"].compactMap(weight), to: output, ["axis": .int(-1), "epsilon": .float(epsilon)])
        case .activation(let activation): write(activation, inputs[0], output)
        case .add: chain("Add", inputs, output)
        case .multiply: chain("Mul", inputs, output)
        case .concatenate: onnx.add("Concat", inputs, to: output, ["axis": .int(1)])
        case .maxPool(let window): onnx.add("MaxPool", inputs, to: output, pooling(window))
        case .averagePool(let window):
            let (kernel, strides, pads) = (window.kernel, window.stride, window.padding + window.padding)
            onnx.add(
                "AveragePool", inputs, to: output,
                ["kernel_shape": .ints(kernel), "strides": .ints(strides), "pads": .ints(pads), "count_include_pad": .int(1)])
        case .globalAveragePool: onnx.add("GlobalAveragePool", inputs, to: output)
        case .flatten: onnx.add("Flatten", inputs, to: output, ["axis": .int(1)])
        case .dropout: onnx.add("Identity", inputs, to: output)
        }
    }

    private func pooling(_ window: GraphOperation.Window) -> KeyValuePairs<String, ONNXGraph.Attribute> {
        ["kernel_shape": .ints(window.kernel), "strides": .ints(window.stride), "pads": .ints(window.padding + window.padding)]
    }

    /// A sum or product of any number of inputs.
    private mutating func chain(_ type: String, _ inputs: [String], _ output: String) {
        guard inputs.count > 1 else { return _ = onnx.add("Identity", inputs, to: output) }
        var sum = inputs[0]
        for (index, other) in inputs.dropFirst().enumerated() {
            sum = onnx.add(type, [sum, other], to: index == inputs.count - 2 ? output : "\(output)/\(index)")
        }
    }

    /// ONNX has sequences outermost, and the gates in the order i, o, f, g.
    private mutating func writeLSTM(_ input: String, _ output: String, _ owner: String, _ own: [String: Tensor], _ hidden: Int) {
        func gates(_ name: String) -> Tensor {
            let parts = own[name]!.detached().split(size: hidden)
            return Tensor.concatenated([parts[0], parts[3], parts[1], parts[2]]).unsqueezed(0)
        }
        let weights = [
            onnx.add("\(owner)/W", gates("weight_ih_l0")), onnx.add("\(owner)/R", gates("weight_hh_l0")),
            onnx.add("\(owner)/B", Tensor.concatenated([gates("bias_ih_l0"), gates("bias_hh_l0")], axis: 1)),
        ]
        let turned = onnx.add("Transpose", [input], to: "\(output)/turned", ["perm": .ints([1, 0, 2])])
        // [length, directions, batch, hidden]
        let states = onnx.add("LSTM", [turned] + weights, to: "\(output)/states", ["hidden_size": .int(hidden)])
        let squeezed = onnx.add("Squeeze", [states, onnx.add("\(output)/axes", Tensor([1]))], to: "\(output)/squeezed")
        onnx.add("Transpose", [squeezed], to: output, ["perm": .ints([1, 0, 2])])
    }

    // MARK: Activations

    private mutating func constant(_ value: Double) -> String { onnx.add("constant/\(value)", Tensor.full([], value, dtype: dtype)) }

    private mutating func write(_ activation: Activation, _ x: String, _ y: String) {
        func inner(_ name: String) -> String { "\(y)/\(name)" }
        switch activation {
        case .identity: onnx.add("Identity", [x], to: y)
        case .relu: onnx.add("Relu", [x], to: y)
        case .relu6: onnx.add("Clip", [x, constant(0), constant(6)], to: y)
        case .leakyReLU(let slope): onnx.add("LeakyRelu", [x], to: y, ["alpha": .float(slope)])
        case .elu(let alpha): onnx.add("Elu", [x], to: y, ["alpha": .float(alpha)])
        case .selu: onnx.add("Selu", [x], to: y)
        case .celu(let alpha): onnx.add("Celu", [x], to: y, ["alpha": .float(alpha)])
        case .gelu:
            let scaled = onnx.add("Mul", [x, constant(0.5.squareRoot())], to: inner("scaled"))
            halved(x, times: onnx.add("Erf", [scaled], to: inner("erf")), y)
        case .geluTanh:
            let square = onnx.add("Mul", [x, x], to: inner("square")), small = onnx.add("Mul", [square, constant(0.044715)], to: inner("small"))
            let factor = onnx.add("Add", [small, constant(1)], to: inner("factor")), cubic = onnx.add("Mul", [x, factor], to: inner("cubic"))
            let scaled = onnx.add("Mul", [cubic, constant((2 / Double.pi).squareRoot())], to: inner("scaled"))
            halved(x, times: onnx.add("Tanh", [scaled], to: inner("tanh")), y)
        case .silu: onnx.add("Mul", [x, onnx.add("Sigmoid", [x], to: inner("sigmoid"))], to: y)
        case .mish:
            let positive = onnx.add("Softplus", [x], to: inner("softplus"))
            onnx.add("Mul", [x, onnx.add("Tanh", [positive], to: inner("tanh"))], to: y)
        case .sigmoid: onnx.add("Sigmoid", [x], to: y)
        case .logSigmoid:
            let negative = onnx.add("Neg", [x], to: inner("negative"))
            onnx.add("Neg", [onnx.add("Softplus", [negative], to: inner("softplus"))], to: y)
        case .tanh: onnx.add("Tanh", [x], to: y)
        case .softplus(let beta, let threshold):
            let scaled = onnx.add("Mul", [x, constant(beta)], to: inner("scaled")), positive = onnx.add("Softplus", [scaled], to: inner("softplus"))
            let divided = onnx.add("Div", [positive, constant(beta)], to: inner("divided"))
            let isLarge = onnx.add("Greater", [scaled, constant(threshold)], to: inner("large"))
            onnx.add("Where", [isLarge, x, divided], to: y)
        case .softsign: onnx.add("Softsign", [x], to: y)
        case .hardswish: onnx.add("HardSwish", [x], to: y)
        case .hardsigmoid: onnx.add("HardSigmoid", [x], to: y, ["alpha": .float(1.0 / 6), "beta": .float(0.5)])
        case .hardtanh(let from, let to): onnx.add("Clip", [x, constant(from), constant(to)], to: y)
        case .softshrink(let threshold): onnx.add("Shrink", [x], to: y, ["lambd": .float(threshold), "bias": .float(threshold)])
        case .hardshrink(let threshold): onnx.add("Shrink", [x], to: y, ["lambd": .float(threshold), "bias": .float(0)])
        case .tanhshrink: onnx.add("Sub", [x, onnx.add("Tanh", [x], to: inner("tanh"))], to: y)
        case .threshold(let threshold, let value):
            let isLarge = onnx.add("Greater", [x, constant(threshold)], to: inner("large"))
            onnx.add("Where", [isLarge, x, constant(value)], to: y)
        }
    }

    /// x / 2 · (1 + factor)
    private mutating func halved(_ x: String, times factor: String, _ y: String) {
        let more = onnx.add("Add", [factor, constant(1)], to: "\(y)/more"), half = onnx.add("Mul", [x, constant(0.5)], to: "\(y)/half")
        onnx.add("Mul", [half, more], to: y)
    }
}
