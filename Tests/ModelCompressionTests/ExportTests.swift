import CondenseTesting
import Experiments
import Foundation
import ModelCompression
import Networks
import Testing
import Torch
import TorchNN

@Suite struct ExportTests {
    private func folder() -> String { FileManager.default.temporaryDirectory.appending(path: "export-\(UUID().uuidString)").path }

    private func input(_ graph: NetworkGraph) throws -> Tensor {
        let shape = try graph.shapes()[0], isText = graph.nodes[1].name == "embedding"
        return isText ? Tensor.integers(in: 0..<20, [3] + shape, generator: RandomGenerator(seed: 9)) : Tensor.normal([3] + shape, generator: RandomGenerator(seed: 9))
    }

    private func output(_ network: GraphNetwork) throws -> Tensor {
        let input = try input(network.graph)
        return withoutGradients { network(input) }
    }

    @Test(arguments: ExportZoo.graphs.indices, ["fold", "packed", "cut"]) func networksComeBack(_ index: Int, _ kind: String) throws {
        let graph = ExportZoo.graphs[index].graph, folder = folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let cut = kind == "cut" ? try ExportZoo.cut(graph) : nil
        let network = try cut?.network ?? ExportZoo.pruned(graph), mode: ExportMode = kind == "packed" ? .packed : cut.map { .cut($0.axes) } ?? .fold
        var details = ExportDetails(method: "test")
        (details.metrics, details.seed, details.attribution) = ([.init("accuracy", before: 0.9, after: 0.8)], 7, "Somebody, MIT")
        let record = try network.export(to: folder, mode: mode, details: details), found = try ExportedNetwork(folder: folder)
        #expect(found.network.graph == network.graph && found.record == record && record.mode == kind && record.cuts == cut?.axes ?? [])
        #expect(try output(found.network).isEqual(to: output(network)) && record.parityError == 0)
        #expect(Set(found.network.stateDictionary.keys) == Set(network.stateDictionary.keys))
        for (name, tensor) in network.prunedState { #expect(try #require(found.network.stateDictionary[name]).isEqual(to: tensor)) }
        // Sizes are those on the disk, but for the header and what follows from the rest.
        let parts = try SafetensorsFile(path: "\(folder)/model.safetensors").entries.filter { entry in
            !["shape", "pattern"].contains { entry.name.hasSuffix(".\($0)") } && !(entry.name.hasSuffix(".row_offsets") && entry.elementType == .int64)
        }
        #expect(parts.reduce(0) { $0 + $1.byteRange.count } == record.bytes && record.layers.reduce(0) { $0 + $1.bytes } == record.bytes)
        #expect(kind != "packed" || record.bytes < record.sourceBytes && record.layers.contains { $0.kind != "dense" })
        let files = try Set(FileManager.default.contentsOfDirectory(atPath: folder))
        #expect(files == ["README.md", "condense.json", "config.json", "model.safetensors", "modeling_condense.py", "parity.safetensors"])
        #expect(try String(contentsOfFile: "\(folder)/README.md", encoding: .utf8).contains("Somebody, MIT"))
    }

    @Test func equalNetworksGiveEqualBytes() throws {
        let network = try ExportZoo.pruned(.perceptron([9, 40, 3])), folders = [folder(), folder()]
        defer { for folder in folders { try? FileManager.default.removeItem(atPath: folder) } }
        for folder in folders { try network.export(to: folder, mode: .packed) }
        for name in try FileManager.default.contentsOfDirectory(atPath: folders[0]) {
            #expect(FileManager.default.contents(atPath: "\(folders[0])/\(name)") == FileManager.default.contents(atPath: "\(folders[1])/\(name)"))
        }
    }

    @Test func nothingIsWrittenOver() throws {
        let network = try ExportZoo.network(.perceptron([3, 2])), folder = folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try network.export(to: folder)
        let before = FileManager.default.contents(atPath: "\(folder)/config.json")
        #expect(throws: FileAccessError.self) { try network.export(to: folder) }
        #expect(throws: FileAccessError.self) { try network.export(to: "\(folder)/config.json") }
        #expect(FileManager.default.contents(atPath: "\(folder)/config.json") == before)
    }

    /// One sentence for each way a folder can be damaged.
    @Test func damageIsNoticed() throws {
        let network = try ExportZoo.pruned(.perceptron([9, 40, 3])), folder = folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try network.export(to: folder, mode: .packed)
        func refuse(_ file: String, _ change: (String) throws -> Void, sourceLocation: SourceLocation = #_sourceLocation) throws {
            let path = "\(folder)/\(file)", before = FileManager.default.contents(atPath: path)
            try change(path)
            #expect(throws: (any Error).self, sourceLocation: sourceLocation) { try ExportedNetwork(folder: folder).parityError() }
            try #require(before).write(to: URL(filePath: path))
        }
        func replace(_ old: String, _ new: String) -> (String) throws -> Void {
            { path in
                let text = try String(contentsOfFile: path, encoding: .utf8)
                #expect(text.contains(old))
                try text.replacingOccurrences(of: old, with: new).write(toFile: path, atomically: true, encoding: .utf8)
            }
        }
        for file in ["config.json", "condense.json", "model.safetensors", "parity.safetensors"] {
            try refuse(file) { try FileManager.default.removeItem(atPath: $0) }
            try refuse(file) { path in try Data(contentsOf: URL(filePath: path)).dropLast(9).write(to: URL(filePath: path)) }
        }
        try refuse("config.json", replace("condense-graph", "llama"))
        try refuse("config.json", replace("\"outputSize\" : 40", "\"outputSize\" : 41"))
        try refuse("config.json", replace("\"outputSize\" : 40", "\"outputSize\" : 99999999999"))
        try refuse("config.json", replace("\"relu\"", "\"magic\""))
        try refuse("config.json", replace("\"name\" : \"2\"", "\"name\" : \"two\""))
        try refuse("model.safetensors") { try SafetensorsWriter.write(["0.weight": Tensor.ones([40, 9])], to: $0) }
        try refuse("parity.safetensors") { try SafetensorsWriter.write(["input": Tensor.ones([2, 8]), "output": Tensor.ones([2, 3])], to: $0) }
        #expect(try ExportedNetwork(folder: folder).parityError() == 0)
    }

    /// Whatever a file says, it is read or refused.
    @Test(arguments: ["config.json", "model.safetensors"]) func changedBytesNeverCrash(_ file: String) throws {
        let folder = folder(), path = "\(folder)/\(file)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try ExportZoo.pruned(ExportZoo.mixed()).export(to: folder, mode: .packed)
        let good = try [UInt8](#require(FileManager.default.contents(atPath: path)))
        var random = SplitMix64(seed: 3), refused = 0
        for _ in 0..<300 {
            var bytes = good
            // The header of weights is where the structure is.
            let reach = file == "config.json" ? bytes.count : min(bytes.count, 4_000)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: 0..<reach, using: &random)] = [UInt8(ascii: "9"), UInt8(ascii: "0"), .random(in: 0...255, using: &random)].randomElement(using: &random)!
            }
            try Data(bytes).write(to: URL(filePath: path))
            do {
                _ = try ExportedNetwork(folder: folder).parityError()
            } catch is FileFormatError {
                refused += 1
            }
        }
        #expect(refused > 50)
    }

    @Test func configurationsThatCannotBeAreRefused() throws {
        let folder = folder(), path = "\(folder)/config.json"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try ExportZoo.network(ExportZoo.tiedLanguageModel()).export(to: folder)
        let text = try String(contentsOfFile: path, encoding: .utf8)
        for (old, new) in [
            ("\"weightsOf\" : 1", "\"weightsOf\" : 2"), ("\"weightsOf\" : 1", "\"weightsOf\" : 9"), ("7\n", "99999999999999999999\n"),
            ("\"hiddenSize\" : 12", "\"hiddenSize\" : -12"), ("\"bias\" : false", "\"bias\" : true"),
        ] {
            let changed = text.replacingOccurrences(of: old, with: new)
            #expect(changed != text)
            try changed.write(toFile: path, atomically: true, encoding: .utf8)
            #expect(throws: FileFormatError.self) { try ExportedNetwork(folder: folder) }
        }
        var vast = NetworkGraph(input: [1 << 20, 1 << 20, 1 << 20])
        vast.add("flatten", .flatten, to: vast.input)
        #expect(throws: GraphProblem.self) { try vast.shapes() }
    }

    @Test func theSmallestFormatIsTaken() throws {
        let weight = Tensor.normal([64, 128], generator: RandomGenerator(seed: 1))
        func format(_ pattern: SparsityPattern, _ sparsity: Double) -> SparseMatrix.Format? {
            SparseMatrix(smallest: weight * pattern.mask(of: weight, sparsity: sparsity))?.format
        }
        #expect(format(.unstructured, 0) == nil && format(.unstructured, 0.01) == nil)
        #expect(format(.unstructured, 0.5) == .bitmask && format(.unstructured, 0.9) == .bitmask && format(.unstructured, 0.98) == .rows)
        #expect(format(.kept(2, of: 4), 0) == .kept(2, of: 4))
        #expect(format(.blocks(rows: 4, columns: 4), 0.8) == .blocks(rows: 4, columns: 4))
        #expect(format(.blocks(rows: 1, columns: 16), 0.8) == .blocks(rows: 1, columns: 16))
    }
}
