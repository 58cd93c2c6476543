internal import Foundation
public import Networks
internal import Torch
internal import TorchNN

/// A folder that `GraphNetwork.export(to:mode:details:)` has written, read back.
///
/// ```swift
/// let exported = try ExportedNetwork(folder: "small")
/// print(exported.record.bytes, try exported.parityError())
/// let fast = SparseNetwork(exported.network, measuredWith: images)
/// ```
public struct ExportedNetwork {
    /// In evaluation, with all weights dense.
    public let network: GraphNetwork
    public let record: ExportRecord
    private let folder: String

    static let weightsFile = "model.safetensors", configurationFile = "config.json", recordFile = "condense.json", parityFile = "parity.safetensors"

    /// - Throws: `FileAccessError` or `FileFormatError` that names the file that is missing or damaged.
    public init(folder: String) throws {
        self.folder = folder
        let configurationPath = "\(folder)/\(Self.configurationFile)"
        let configuration: ExportConfiguration = try Self.decoded(configurationPath)
        guard configuration.modelType == ExportConfiguration.modelType else {
            throw FileFormatError(
                path: configurationPath, format: "the configuration of an export",
                problem: "its model_type is '\(configuration.modelType)' and not '\(ExportConfiguration.modelType)'")
        }
        record = try Self.decoded("\(folder)/\(Self.recordFile)")
        let file = try SafetensorsFile(path: "\(folder)/\(Self.weightsFile)")
        do {
            _ = try configuration.graph.shapes()
            network = try GraphNetwork(configuration.graph, state: Self.state(of: configuration.graph, file), generator: RandomGenerator(seed: 0))
        } catch let problem as GraphProblem {
            throw FileFormatError(path: configurationPath, format: "a network", problem: problem.description)
        }
        network.mode = .evaluation
    }

    private static func decoded<Value: Decodable>(_ path: String) throws -> Value {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw FileAccessError(path: path, action: "opened", reason: "there is no such file, or it may not be read")
        }
        do { return try JSONDecoder().decode(Value.self, from: data) } catch {
            throw FileFormatError(path: path, format: "a part of an export", problem: Self.reason(error))
        }
    }

    private static func reason(_ error: any Error) -> String {
        func place(_ path: [any CodingKey]) -> String { path.map(\.stringValue).joined(separator: ".") }
        return switch error as? DecodingError {
        case .keyNotFound(let key, let context): "'\(place(context.codingPath + [key]))' is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context): "'\(place(context.codingPath))' is of another type"
        case .dataCorrupted(let context): context.codingPath.isEmpty ? "it is not valid JSON" : "'\(place(context.codingPath))' cannot be understood"
        default: "it is not valid JSON"
        }
    }

    /// All weights that a graph needs, and no others.
    private static func state(of graph: NetworkGraph, _ file: SafetensorsFile) throws -> [String: Tensor] {
        var state: [String: Tensor] = [:]
        for node in graph.nodes { for (name, weight) in try weights(of: node, file) { state["\(node.name).\(name)"] = weight } }
        try checkNames(of: graph, file)
        return state
    }

    private static func fail(_ file: SafetensorsFile, _ problem: String) -> FileFormatError {
        FileFormatError(path: file.path, format: "the weights of a network", problem: problem)
    }

    /// - Throws: `FileFormatError` if there are tensors of no weight.
    private static func checkNames(of graph: NetworkGraph, _ file: SafetensorsFile) throws {
        var known = Set<String>()
        for node in graph.nodes where node.weightsOf == nil {
            for parameter in node.operation.parameters {
                let name = "\(node.name).\(parameter.name)", prefix = SparseMatrix.prefix(of: name)
                if file.entry(named: name) != nil {
                    known.insert(name)
                } else if SparseMatrix.isStored(parameter: name, in: file) {
                    known.formUnion(["compressed", "shape", "bitmask", "row_offsets", "columns", "block_mask", "positions", "pattern"].map { "\(prefix).\($0)" })
                }
            }
        }
        if let other = file.entries.first(where: { !known.contains($0.name) }) { throw fail(file, "the network has no '\(other.name)'") }
    }

    /// The weights of a node by name, dense; none if it has another's.
    private static func weights(of node: NetworkGraph.Node, _ file: SafetensorsFile) throws -> [String: Tensor] {
        var own: [String: Tensor] = [:]
        for parameter in node.weightsOf == nil ? node.operation.parameters : [] {
            let name = "\(node.name).\(parameter.name)", weight: Tensor
            if let entry = file.entry(named: name) {
                guard entry.shape == parameter.shape else { throw fail(file, "'\(name)' has shape \(entry.shape), and the network needs \(parameter.shape)") }
                weight = try file.mappedTensor(named: name)
            } else if SparseMatrix.isStored(parameter: name, in: file) {
                let packed = try SparseMatrix(parameter: name, from: file)
                guard packed.shape == parameter.shape else { throw fail(file, "'\(name)' has shape \(packed.shape), and the network needs \(parameter.shape)") }
                weight = packed.dense()
            } else {
                throw fail(file, "there is no '\(name)'")
            }
            guard weight.dtype.isFloatingPoint else { throw fail(file, "'\(name)' does not hold floating-point numbers") }
            own[parameter.name] = weight
        }
        return own
    }

    /// The largest difference from the output that the exporting network gave, as a part of the output's largest magnitude.
    /// - Throws: `FileAccessError` or `FileFormatError` about `parity.safetensors`.
    public func parityError() throws -> Double {
        try Self.parityError(of: folder, network.graph) { input in try withTorchErrors { withoutGradients { network(input) } } }
    }

    /// As ``parityError()`` of a folder that a network was just exported to. Dense weights are those that were written, one layer's in memory at a time;
    /// the graph and packed weights must be the network's own to the last bit.
    static func parityError(of folder: String, exportedFrom network: GraphNetwork) throws -> Double {
        let configurationPath = "\(folder)/\(configurationFile)", configuration: ExportConfiguration = try decoded(configurationPath), graph = configuration.graph
        guard graph == network.graph else { throw FileFormatError(path: configurationPath, format: "a network", problem: "its graph is not what was written") }
        let file = try SafetensorsFile(path: "\(folder)/\(weightsFile)"), state = network.stateDictionary
        let device = network.namedParameters().first?.tensor.device ?? .cpu
        try checkNames(of: graph, file)
        func weight(_ name: String) throws -> Tensor {
            guard SparseMatrix.isStored(parameter: name, in: file), let full = state[name] else { return try file.mappedTensor(named: name).to(device: device) }
            let own = network.masked(full, named: name), written = try SparseMatrix(parameter: name, from: file)
            guard let expected = try? SparseMatrix(own, format: written.format), expected.isIdentical(to: written) else { throw fail(file, "'\(name)' is not what was written") }
            return own
        }
        return try parityError(of: folder, graph) { input in
            try network.evaluating {
                try withoutGradients {
                    try network.run(input.to(device: device)) { place, inputs in
                        let owner = graph.nodes[graph.nodes[place].weightsOf ?? place], names = owner.operation.parameters.map(\.name)
                        let own = Dictionary(uniqueKeysWithValues: try names.map { ($0, try weight("\(owner.name).\($0)")) })
                        defer { for name in names { file.forget(named: "\(owner.name).\(name)") } }
                        return network.output(ofNode: place, of: inputs, weights: own)
                    }
                }
            }.to(device: .cpu)
        }
    }

    /// Compares what is computed of the folder's input with its output.
    private static func parityError(of folder: String, _ graph: NetworkGraph, computing compute: (Tensor) throws -> Tensor) throws -> Double {
        let file = try SafetensorsFile(path: "\(folder)/\(parityFile)")
        let input = try file.tensor(named: "input"), expected = try file.tensor(named: "output")
        func fail(_ problem: String) -> FileFormatError { FileFormatError(path: file.path, format: "a check of an export", problem: problem) }
        guard case .input(let shape) = graph.nodes[graph.input].operation, Array(input.shape.dropFirst()) == shape else {
            throw fail("its input \(input.shape) is not one of the network")
        }
        let output: Tensor
        do { output = try compute(input) } catch let error as TorchError { throw fail("the network cannot take its input: \(error)") }
        guard output.shape == expected.shape else { throw fail("its output has shape \(expected.shape), and the network's \(output.shape)") }
        let exact = expected.to(dtype: .float64), error = (output.to(dtype: .float64) - exact).abs().max().item()
        return error == 0 ? 0 : error / max(exact.abs().max().item(), .leastNormalMagnitude)
    }
}
