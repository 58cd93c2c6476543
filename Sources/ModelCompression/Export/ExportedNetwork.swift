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
        func fail(_ problem: String) -> FileFormatError { FileFormatError(path: file.path, format: "the weights of a network", problem: problem) }
        var state: [String: Tensor] = [:], known = Set<String>()
        for node in graph.nodes where node.weightsOf == nil {
            for parameter in node.operation.parameters {
                let name = "\(node.name).\(parameter.name)"
                if let entry = file.entry(named: name) {
                    known.insert(name)
                    guard entry.shape == parameter.shape else { throw fail("'\(name)' has shape \(entry.shape), and the network needs \(parameter.shape)") }
                    state[name] = try file.mappedTensor(named: name)
                } else if SparseMatrix.isStored(parameter: name, in: file) {
                    let prefix = SparseMatrix.prefix(of: name)
                    known.formUnion(["compressed", "shape", "bitmask", "row_offsets", "columns", "block_mask", "positions", "pattern"].map { "\(prefix).\($0)" })
                    let packed = try SparseMatrix(parameter: name, from: file)
                    guard packed.shape == parameter.shape else { throw fail("'\(name)' has shape \(packed.shape), and the network needs \(parameter.shape)") }
                    state[name] = packed.dense()
                } else {
                    throw fail("there is no '\(name)'")
                }
                guard state[name]!.dtype.isFloatingPoint else { throw fail("'\(name)' does not hold floating-point numbers") }
            }
        }
        if let other = file.entries.first(where: { !known.contains($0.name) }) { throw fail("the network has no '\(other.name)'") }
        return state
    }

    /// The largest difference from the output that the exporting network gave, as a part of the output's largest magnitude.
    /// - Throws: `FileAccessError` or `FileFormatError` about `parity.safetensors`.
    public func parityError() throws -> Double {
        let file = try SafetensorsFile(path: "\(folder)/\(Self.parityFile)")
        let input = try file.tensor(named: "input"), expected = try file.tensor(named: "output")
        guard case .input(let shape) = network.graph.nodes[network.graph.input].operation, Array(input.shape.dropFirst()) == shape else {
            throw FileFormatError(path: file.path, format: "a check of an export", problem: "its input \(input.shape) is not one of the network")
        }
        let output: Tensor
        do { output = try withTorchErrors { withoutGradients { network(input) } } } catch {
            throw FileFormatError(path: file.path, format: "a check of an export", problem: "the network cannot take its input: \(error)")
        }
        guard output.shape == expected.shape else {
            throw FileFormatError(path: file.path, format: "a check of an export", problem: "its output has shape \(expected.shape), and the network's \(output.shape)")
        }
        let exact = expected.to(dtype: .float64), error = (output.to(dtype: .float64) - exact).abs().max().item()
        return error == 0 ? 0 : error / max(exact.abs().max().item(), .leastNormalMagnitude)
    }
}
