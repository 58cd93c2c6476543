import Foundation
import ModelCompression
import Networks
import Testing
import Torch
import TorchNN

/// What is in a file of ONNX, by the numbers of `onnx.proto`. That it computes the same is checked by Tools/check-exports.py.
private struct ProtobufFields {
    var integers: [Int: [Int]] = [:]
    var bytes: [Int: [[UInt8]]] = [:]
    var floats: [Int: [Float]] = [:]

    init(_ data: [UInt8]) throws {
        var place = 0
        func varint() throws -> Int {
            var value: UInt64 = 0, shift: UInt64 = 0
            while true {
                try #require(place < data.count && shift < 64)
                let byte = data[place]
                place += 1
                value |= UInt64(byte & 0x7f) << shift
                shift += 7
                if byte < 0x80 { return Int(Int64(bitPattern: value)) }
            }
        }
        while place < data.count {
            let key = try varint(), field = key >> 3
            switch key & 7 {
            case 0: integers[field, default: []].append(try varint())
            case 2:
                let count = try varint()
                try #require(place + count <= data.count)
                bytes[field, default: []].append(Array(data[place..<place + count]))
                place += count
            case 5:
                floats[field, default: []].append(Float(bitPattern: Array(data[place..<place + 4]).reversed().reduce(0) { $0 << 8 | UInt32($1) }))
                place += 4
            default: Issue.record("an unknown kind of field")
            }
        }
    }

    func text(_ field: Int) -> String { String(decoding: bytes[field]?.first ?? [], as: UTF8.self) }
    func texts(_ field: Int) -> [String] { (bytes[field] ?? []).map { String(decoding: $0, as: UTF8.self) } }
    func messages(_ field: Int) throws -> [ProtobufFields] { try (bytes[field] ?? []).map { try ProtobufFields($0) } }
}

@Suite struct ONNXTests {
    private func model(_ network: GraphNetwork, largestFile: Int = 1 << 30) throws -> (fields: ProtobufFields, data: Data?) {
        let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).onnx").path
        defer { for path in [path, "\(path).data"] { try? FileManager.default.removeItem(atPath: path) } }
        try network.writeONNX(to: path, largestFile: largestFile)
        return (try ProtobufFields(Array(#require(FileManager.default.contents(atPath: path)))), FileManager.default.contents(atPath: "\(path).data"))
    }

    @Test func aModelSaysWhatItIs() throws {
        let network = try ExportZoo.network(.perceptron([9, 40, 3], dropout: 0.5)), model = try model(network).fields
        #expect(model.integers[1] == [8] && model.text(2) == "condense")
        let opset = try model.messages(8)
        #expect(opset.count == 1 && opset[0].text(1) == "" && opset[0].integers[2] == [17])
        let graph = try #require(model.messages(7).first), nodes = try graph.messages(1)
        #expect(nodes.map { $0.text(4) } == ["Gemm", "Relu", "Identity", "Gemm"])
        #expect(nodes.map { $0.texts(1) } == [["input", "0.weight", "0.bias"], ["0"], ["1"], ["2", "3.weight", "3.bias"]])
        #expect(nodes.map { $0.texts(2) } == [["0"], ["1"], ["2"], ["3"]])
        // transB = 1
        let attribute = try #require(nodes[0].messages(5).first)
        #expect(attribute.text(1) == "transB" && attribute.integers == [3: [1], 20: [2]])
        for (field, name, size) in [(11, "input", 9), (12, "3", 3)] {
            let value = try #require(graph.messages(field).first), tensor = try #require(value.messages(2).first?.messages(1).first)
            let dimensions = try #require(tensor.messages(2).first).messages(1)
            #expect(value.text(1) == name && tensor.integers[1] == [1])
            #expect(dimensions.count == 2 && dimensions[0].text(2) == "batch" && dimensions[1].integers[1] == [size])
        }
        for initializer in try graph.messages(5) {
            let tensor = try #require(network.stateDictionary[initializer.text(8)])
            #expect(initializer.integers[1] == tensor.shape && initializer.integers[2] == [1])
            #expect(initializer.bytes[9]?.first == tensor.withBytes { Array($0) })
        }
        #expect(try graph.messages(5).count == 4)
    }

    /// Names are unique, and nodes read what is there before them.
    @Test(arguments: ExportZoo.graphs.indices) func nodesReadWhatIsThere(_ index: Int) throws {
        let graph = try #require(model(ExportZoo.pruned(ExportZoo.graphs[index].graph)).fields.messages(7).first)
        var known = try Set(graph.messages(5).map { $0.text(8) } + graph.messages(11).map { $0.text(1) })
        #expect(try known.count == graph.messages(5).count + 1)
        for node in try graph.messages(1) {
            #expect(node.texts(1).allSatisfy(known.contains))
            for output in node.texts(2) { #expect(known.insert(output).inserted) }
        }
        #expect(try known.contains(#require(graph.messages(12).first).text(1)))
    }

    @Test func maskedWeightsAreZero() throws {
        let network = try ExportZoo.pruned(.perceptron([8, 6])), graph = try #require(model(network).fields.messages(7).first)
        let weight = try #require(graph.messages(5).first { $0.text(8) == "0.weight" }), state = network.prunedState
        #expect(try weight.bytes[9]?.first == #require(state["0.weight"]).withBytes { Array($0) })
    }

    /// Weights that are too many go into a file of their own, one after the other.
    @Test func largeModelsHaveTwoFiles() throws {
        let network = try ExportZoo.network(.perceptron([9, 40, 3])), (fields, data) = try model(network, largestFile: 100)
        let file = try #require(data), state = network.stateDictionary
        #expect(try model(network).data == nil)
        var end = 0
        for initializer in try #require(fields.messages(7).first).messages(5) {
            let entries = try Dictionary(uniqueKeysWithValues: initializer.messages(13).map { ($0.text(1), $0.text(2)) }), tensor = try #require(state[initializer.text(8)])
            let offset = try #require(Int(entries["offset"] ?? "")), length = try #require(Int(entries["length"] ?? ""))
            #expect(initializer.integers[14] == [1] && initializer.bytes[9] == nil && offset == end && length == tensor.byteCount)
            #expect(Array(file[offset..<offset + length]) == tensor.withBytes { Array($0) })
            end += length
        }
        #expect(end == file.count)
    }

    @Test func whatONNXLacksIsRefused() throws {
        func refused(_ graph: NetworkGraph, dtype: DType = .float32, sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
            let network = try GraphNetwork(graph, generator: RandomGenerator(seed: 1))
            let other = try GraphNetwork(graph, state: network.stateDictionary.mapValues { $0.detached().to(dtype: dtype) }, generator: RandomGenerator(seed: 1))
            let error = #expect(throws: GraphProblem.self, sourceLocation: sourceLocation) { try model(other) }
            return error?.description ?? ""
        }
        var sequences = NetworkGraph(input: [5, 4])
        sequences.add("norm", .batchNorm(channels: 4, epsilon: 1e-5), to: sequences.input)
        #expect(try refused(sequences).contains("'norm'"))
        var both = NetworkGraph(input: [4])
        both.add("sum", .linear(inputSize: 4, outputSize: 2, bias: false), to: both.input)
        both.add("ids", .embedding(count: 3, size: 2), to: both.input)
        #expect(try refused(both).contains("ids"))
        #expect(try refused(.perceptron([3, 2]), dtype: .bfloat16).contains("bfloat16"))
        var twins = NetworkGraph(input: [4])
        twins.add("a.weight", .activation(.relu), to: twins.add("a", .linear(inputSize: 4, outputSize: 4, bias: false), to: twins.input))
        #expect(try refused(twins).contains("a.weight"))
        #expect(try refused(NetworkGraph(input: [4])).contains("no layers"))
    }
}
