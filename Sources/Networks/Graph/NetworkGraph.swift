internal import TorchNN

/// The plan of a network: what it computes from what, without weights.
///
/// Nodes come after those they read, the first one is the input, and the last one is the output. Everything that has to know how a
/// network hangs together works on this: cutting it, relevance propagation, counting and export.
///
/// ```swift
/// var graph = NetworkGraph(input: [1, 28, 28])
/// let image = graph.input
/// let features = graph.add("conv", .convolution(.init(1, 8, kernel: 3)), to: image)
/// let vector = graph.add("flatten", .flatten, to: graph.add("relu", .activation(.relu), to: features))
/// graph.add("classifier", .linear(inputSize: 8 * 28 * 28, outputSize: 10, bias: true), to: vector)
/// let network = try GraphNetwork(graph, generator: RandomGenerator(seed: 0))
/// ```
public struct NetworkGraph: Codable, Sendable, Equatable {
    /// One operation.
    public struct Node: Codable, Sendable, Equatable {
        /// Before the names of its parameters in the state dictionary.
        public var name: String
        public var operation: GraphOperation
        /// Places of the nodes whose outputs it takes.
        public var inputs: [Int]
        /// The place of an earlier node whose weights it uses.
        public var weightsOf: Int?
    }

    public internal(set) var nodes: [Node]
    /// The place of the input.
    public let input = 0

    private enum CodingKeys: String, CodingKey { case nodes }

    /// - Parameter shape: without the batch.
    public init(input shape: [Int]) { nodes = [Node(name: "input", operation: .input(shape: shape), inputs: [])] }

    /// Adds a node that reads one other.
    /// - Returns: its place.
    @discardableResult
    public mutating func add(_ name: String, _ operation: GraphOperation, to input: Int) -> Int { add(name, operation, to: [input]) }

    /// Adds a node.
    /// - Parameter weightsOf: the place of a node whose weights it uses.
    /// - Returns: its place.
    @discardableResult
    public mutating func add(_ name: String, _ operation: GraphOperation, to inputs: [Int], weightsOf: Int? = nil) -> Int {
        nodes.append(Node(name: name, operation: operation, inputs: inputs, weightsOf: weightsOf))
        return nodes.count - 1
    }

    /// Numbers of a node's output; what comes from files could say anything.
    private static let largestOutput = 1e12

    /// Shapes of all nodes' outputs without the batch.
    /// - Throws: ``GraphProblem`` that names the node that does not fit.
    public func shapes() throws(GraphProblem) -> [[Int]] {
        guard case .input? = nodes.first?.operation else { throw GraphProblem("the first node must be the input") }
        var shapes: [[Int]] = [], names = Set<String>()
        for (place, node) in nodes.enumerated() {
            func fail(_ text: String) -> GraphProblem { GraphProblem("node '\(node.name)' \(text)") }
            guard names.insert(node.name).inserted else { throw fail("is there twice") }
            guard node.inputs.allSatisfy({ (0..<place).contains($0) }) else { throw fail("must read nodes before it") }
            guard node.operation.inputCount.contains(node.inputs.count) else { throw fail("reads \(node.inputs.count) nodes") }
            if let problem = node.operation.problem { throw fail(problem) }
            if place > 0, case .input = node.operation { throw fail("is a second input") }
            if let owner = node.weightsOf {
                guard (0..<place).contains(owner), nodes[owner].weightsOf == nil else { throw fail("must share the weights of a node before it") }
                let found = nodes[owner].operation.parameters, needed = node.operation.parameters
                guard needed.allSatisfy({ parameter in found.contains { $0.name == parameter.name && $0.shape == parameter.shape } }) else {
                    throw fail("cannot use the weights of '\(nodes[owner].name)', which have other names or shapes")
                }
            }
            switch node.operation.outputShape(node.inputs.map { shapes[$0] }) {
            case .success(let shape):
                guard shape.reduce(1.0, { $0 * Double($1) }) < Self.largestOutput else { throw fail("has an output \(shape) that no memory holds") }
                shapes.append(shape)
            case .failure(let problem): throw fail(problem.description)
            }
        }
        return shapes
    }

    /// Multiplications with additions of each node, for one example.
    /// - Throws: ``GraphProblem``.
    public func multiplyAdds() throws(GraphProblem) -> [Int] {
        let shapes = try shapes()
        return nodes.indices.map { nodes[$0].operation.multiplyAdds(nodes[$0].inputs.map { shapes[$0] }, shapes[$0]) }
    }
}
