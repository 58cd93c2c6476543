internal import Torch

/// A graph in the words of ONNX, as far as networks here need them. Field numbers are those of `onnx.proto`.
struct ONNXGraph {
    /// A setting of a node.
    enum Attribute {
        case int(Int)
        case ints([Int])
        case float(Double)

        func message(_ name: String) -> ProtobufMessage {
            var message = ProtobufMessage()
            message.add(1, name)
            switch self {
            case .float(let value):
                message.add(2, Float(value))
                message.add(20, 1)
            case .int(let value):
                message.add(3, value)
                message.add(20, 2)
            case .ints(let values):
                for value in values { message.add(8, value) }
                message.add(20, 7)
            }
            return message
        }
    }

    private var nodes: [ProtobufMessage] = []
    private(set) var initializers: [(name: String, tensor: Tensor)] = []
    /// Of values, which must differ.
    private var names: Set<String> = []

    /// - Returns: whether the name is new.
    mutating func reserve(_ name: String) -> Bool { names.insert(name).inserted }

    /// Adds a tensor, once.
    /// - Returns: its name.
    @discardableResult
    mutating func add(_ name: String, _ tensor: Tensor) -> String {
        if !initializers.contains(where: { $0.name == name }) { initializers.append((name, tensor)) }
        return name
    }

    /// Adds a node, which is named after its output.
    /// - Returns: the output's name.
    @discardableResult
    mutating func add(_ type: String, _ inputs: [String], to output: String, _ attributes: KeyValuePairs<String, Attribute> = [:]) -> String {
        var node = ProtobufMessage()
        for input in inputs { node.add(1, input) }
        node.add(2, output)
        node.add(3, output)
        node.add(4, type)
        for (name, attribute) in attributes { node.add(5, attribute.message(name)) }
        nodes.append(node)
        return output
    }

    /// - Parameters:
    ///   - input, output: a name, the type of elements and the shape behind the batch, which can have any size.
    ///   - dataFile: the file beside the model that the elements are in; nil if they are in the model.
    func model(input: Value, output: Value, name: String, opset: Int, dataFile: String?) -> ProtobufMessage {
        var graph = ProtobufMessage(), offset = 0
        for node in nodes { graph.add(1, node) }
        graph.add(2, name)
        for (name, tensor) in initializers {
            var message = ProtobufMessage()
            for size in tensor.shape { message.add(1, size) }
            message.add(2, Self.elementType(tensor.dtype) ?? 0)
            message.add(8, name)
            if let dataFile {
                for (key, value) in [("location", dataFile), ("offset", "\(offset)"), ("length", "\(tensor.byteCount)")] {
                    var entry = ProtobufMessage()
                    entry.add(1, key)
                    entry.add(2, value)
                    message.add(13, entry)
                }
                message.add(14, 1)
            } else {
                message.add(9, elementsOf: tensor)
            }
            offset += tensor.byteCount
            graph.add(5, message)
        }
        graph.add(11, input.message)
        graph.add(12, output.message)
        var model = ProtobufMessage(), operators = ProtobufMessage()
        operators.add(1, "")
        operators.add(2, opset)
        model.add(1, 8)
        model.add(2, "condense")
        model.add(7, graph)
        model.add(8, operators)
        return model
    }

    /// Writes the elements that `model(input:output:name:opset:dataFile:)` refers to.
    func writeData(to path: String) throws {
        let file = try AtomicFile(path: path)
        for (_, tensor) in initializers { try tensor.withBytes(file.write) }
        try file.commit()
    }

    /// What goes in or comes out.
    struct Value {
        let name: String
        let dtype: DType
        let shape: [Int]

        var message: ProtobufMessage {
            var shapeMessage = ProtobufMessage(), tensor = ProtobufMessage(), type = ProtobufMessage(), message = ProtobufMessage()
            var batch = ProtobufMessage()
            batch.add(2, "batch")
            shapeMessage.add(1, batch)
            for size in shape {
                var dimension = ProtobufMessage()
                dimension.add(1, size)
                shapeMessage.add(1, dimension)
            }
            tensor.add(1, ONNXGraph.elementType(dtype) ?? 0)
            tensor.add(2, shapeMessage)
            type.add(1, tensor)
            message.add(1, name)
            message.add(2, type)
            return message
        }
    }

    /// ONNX's number of a type; nil for those that it, or what runs it, does not compute networks with.
    static func elementType(_ dtype: DType) -> Int? {
        switch dtype {
        case .float32: 1
        case .int64: 7
        case .float16: 10
        case .float64: 11
        default: nil
        }
    }
}
