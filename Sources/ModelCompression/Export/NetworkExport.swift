internal import Foundation
public import Networks
package import Torch
internal import TorchNN

extension GraphNetwork {
    /// Writes the network as a folder that PyTorch reads without this library:
    ///
    /// | file | what it holds |
    /// | --- | --- |
    /// | `model.safetensors` | the weights, by their names in the state dictionary; packed ones as ``SparseMatrix`` stores them |
    /// | `config.json` | the graph with its widths |
    /// | `condense.json` | the ``ExportRecord`` |
    /// | `parity.safetensors` | `input` and the `output` that this network gives in evaluation |
    /// | `modeling_condense.py`, `README.md` | the network in plain PyTorch, and how to try it |
    ///
    /// - Parameter folder: which must not exist, or be empty. It appears complete or not at all.
    /// - Throws: `FileAccessError` if there is something in the folder, or it cannot be written; `GraphProblem` if the weights are not
    ///   floating-point numbers.
    @discardableResult
    public func export(to folder: String, mode: ExportMode = .fold, details: ExportDetails = ExportDetails()) throws -> ExportRecord {
        let files = FileManager.default, target = folder.count > 1 && folder.hasSuffix("/") ? String(folder.dropLast()) : folder
        try requireNewFolder(target)
        let temporary = "\(target).\(UUID().uuidString).tmp"
        do { try files.createDirectory(atPath: temporary, withIntermediateDirectories: true) } catch {
            throw FileAccessError(path: target, action: "written", reason: error.localizedDescription)
        }
        defer { try? files.removeItem(atPath: temporary) }
        let record = try write(to: temporary, mode: mode, details: details)
        guard rename(temporary, target) == 0 else { throw FileAccessError(path: target, action: "written", reason: String(cString: strerror(errno))) }
        return record
    }

    private func write(to folder: String, mode: ExportMode, details: ExportDetails) throws -> ExportRecord {
        let (items, entries) = try stored(mode), weightsPath = "\(folder)/\(ExportedNetwork.weightsFile)"
        try SafetensorsWriter.write(items, metadata: fileMetadata, to: weightsPath)
        try AtomicFile.write(json: ExportConfiguration(of: graph, dtype: namedParameters().first?.tensor.dtype ?? .float32), to: "\(folder)/\(ExportedNetwork.configurationFile)")

        let input = exampleInput(batch: 2), device = namedParameters().first?.tensor.device ?? .cpu
        let output = evaluating { withoutGradients { self(input.to(device: device)) } }
        try SafetensorsWriter.write(["input": input, "output": output], metadata: ["format": "pt"], to: "\(folder)/\(ExportedNetwork.parityFile)")
        var cuts: [CutAxis] = []
        if case .cut(let axes) = mode { cuts = axes }
        let size = try FileManager.default.attributesOfItem(atPath: weightsPath)[.size] as? Int
        var record = ExportRecord(
            mode: mode.name, method: details.method, settings: details.settings, metrics: details.metrics, seed: details.seed, dataHash: details.dataHash,
            layers: entries, cuts: cuts, sourceBytes: details.sourceBytes ?? entries.reduce(0) { $0 + $1.sourceBytes },
            bytes: entries.reduce(0) { $0 + $1.bytes }, fileBytes: size ?? 0, parityError: 0)
        let recordPath = "\(folder)/\(ExportedNetwork.recordFile)"
        try AtomicFile.write(json: record, to: recordPath)
        record.parityError = try ExportedNetwork.parityError(of: folder, exportedFrom: self)
        try AtomicFile.write(json: record, to: recordPath)
        try AtomicFile.write(Array(PyTorchModel.source.utf8), to: "\(folder)/\(PyTorchModel.fileName)")
        try AtomicFile.write(Array(PyTorchModel.readMe(record, attribution: details.attribution).utf8), to: "\(folder)/README.md")
        return record
    }

    /// Bytes of the file of weights that an export writes.
    /// - Throws: `GraphProblem` if the weights are not floating-point numbers.
    public func fileByteCount(_ mode: ExportMode = .packed) throws(GraphProblem) -> Int {
        SafetensorsWriter.fileByteCount(of: try stored(mode).items, metadata: fileMetadata)
    }

    private var fileMetadata: [String: String] { ["format": "pt"] }

    /// All weights as they are written.
    private func stored(_ mode: ExportMode) throws(GraphProblem) -> (items: [SafetensorsWriter.Item], entries: [ExportRecord.Entry]) {
        var items: [SafetensorsWriter.Item] = [], entries: [ExportRecord.Entry] = []
        for (name, full) in stateDictionary.sorted(by: { $0.key < $1.key }) {
            guard full.dtype.isFloatingPoint else { throw GraphProblem("'\(name)' holds \(full.dtype), and an export takes floating-point numbers") }
            // Made anew when it is written: all masked weights together would take the memory of the network once more.
            let mask = masks[name]
            func pruned() -> Tensor { withoutGradients { mask.map { full * $0 } ?? full.detached() } }
            let tensor = pruned(), packed = mode == .packed && tensor.rank > 1 ? SparseMatrix(smallest: tensor) : nil
            items += packed?.items(parameter: name) ?? [
                SafetensorsWriter.Item(name: name, elementType: SafetensorsFile.ElementType(full.dtype)!, shape: full.shape) { consume in
                    try pruned().withBytes { try consume($0) }
                }
            ]
            entries.append(
                ExportRecord.Entry(
                    name: name, kind: packed?.format.name ?? "dense", shape: tensor.shape, nonzeroCount: Int(tensor.flattened().nonzeroCount(axes: [0]).item()),
                    sourceBytes: tensor.byteCount, bytes: packed?.byteCount ?? tensor.byteCount))
        }
        return (items, entries)
    }

    /// Made-up examples: numbers from a normal distribution, or ids of the vocabulary; always the same.
    package func exampleInput(batch: Int) -> Tensor {
        let random = RandomGenerator(seed: 0)
        guard case .input(let shape) = graph.nodes[graph.input].operation else { preconditionFailure("a graph begins with its input") }
        let sizes = graph.nodes.compactMap { node in
            if case .embedding(let count, _) = node.operation, node.inputs == [graph.input] { count } else { nil }
        }
        let dtype = namedParameters().first?.tensor.dtype ?? .float32
        if let words = sizes.min() { return Tensor.integers(in: 0..<words, [batch] + shape, generator: random) }
        return Tensor.normal([batch] + shape, generator: random).to(dtype: dtype)
    }
}

/// - Throws: `FileAccessError` unless there is nothing at a path, or an empty folder.
func requireNewFolder(_ path: String) throws {
    if let found = try? FileManager.default.contentsOfDirectory(atPath: path) {
        guard found.isEmpty else { throw FileAccessError(path: path, action: "written", reason: "there is something in it; choose a new folder") }
    } else if FileManager.default.fileExists(atPath: path) {
        throw FileAccessError(path: path, action: "written", reason: "it is a file; choose a new folder")
    }
}

/// `config.json` of an export.
struct ExportConfiguration: Codable {
    /// The channels or numbers that a layer gives.
    struct Width: Codable {
        var layer: String
        var width: Int
    }

    var architectures = ["GraphModel"]
    var modelType = Self.modelType
    var dtype: String
    var widths: [Width]
    var graph: NetworkGraph

    static let modelType = "condense-graph"

    enum CodingKeys: String, CodingKey {
        case architectures, widths, graph
        case modelType = "model_type"
        case dtype = "torch_dtype"
    }

    init(of graph: NetworkGraph, dtype: DType) {
        self.graph = graph
        self.dtype = "\(dtype)"
        widths = graph.nodes.compactMap { node in
            switch node.operation {
            case .convolution(let c): Width(layer: node.name, width: c.outputChannels)
            case .linear(_, let size, _), .embedding(_, let size), .lstm(_, let size): Width(layer: node.name, width: size)
            default: nil
            }
        }
    }
}
