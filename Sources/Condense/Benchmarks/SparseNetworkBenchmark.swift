import Experiments
import Foundation
import ModelCompression
import Networks
import Torch
import TorchNN

/// Whole networks with 90 % zeros, and with half of their channels cut, beside the dense ones.
struct PrunedNetworks {
    /// - Returns: for each network the dense one, the one with chosen forms, and where there are channels to cut the cut one.
    static func rows() throws -> [BenchmarkRow] {
        let random = RandomGenerator(seed: 3)
        return try rows("EfficientNet-Lite0", .efficientNetLite(0), input: Tensor.normal([1, 3, 224, 224], generator: random))
            + rows(
                "LSTM of 512",
                .lstmLanguageModel(vocabulary: 2_000, embeddingSize: 256, hiddenSize: 512, length: 35),
                input: Tensor.integers(in: 0..<2_000, [1, 35], generator: random))
            + rows("perceptron 784, 1,024, 1,024, 10", .perceptron([784, 1_024, 1_024, 10]), input: Tensor.normal([1, 784], generator: random))
    }

    /// VGG-16: to find its couplings, to cut half of its channels, and to export it with 90 % zeros, packed.
    static func largeNetworkRows() throws -> [BenchmarkRow] {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let network = try GraphNetwork(.vgg16(), generator: RandomGenerator(seed: 1)), bytes = 4 * network.parameterCount()
        var couplings = ChannelCouplings(axes: [], groups: []), cutCount = 0
        let analysis = try Timing.duration { couplings = try ChannelCouplings(of: network.graph) }
        let cutting = try Timing.duration { cutCount = try network.cutting(everySecondUnit(of: couplings), couplings: couplings).parameterCount() }
        maskNineTenths(of: network)
        var record: ExportRecord?
        let export = try Timing.duration { record = try network.export(to: folder, mode: .packed) }
        let size = record.map { "\(formatCount($0.fileBytes)) bytes on disk, \(formatNumber(100 * Double($0.fileBytes) / Double(bytes), digits: 3)) % of dense" } ?? ""
        return [
            BenchmarkRow("VGG-16, couplings", Timing(seconds: [analysis]), remark: "\(formatCount(network.parameterCount())) parameters"),
            BenchmarkRow("VGG-16, half of the channels cut", Timing(seconds: [cutting]), remark: "\(formatCount(cutCount)) parameters"),
            BenchmarkRow("VGG-16, 90 % zeros, packed and read back", Timing(seconds: [export]), remark: size),
        ]
    }

    private static func everySecondUnit(of couplings: ChannelCouplings) -> Set<Int> {
        Set(couplings.groups.filter { $0.obstacle == nil }.flatMap { $0.units.enumerated().filter { $0.offset % 2 == 1 }.map(\.element) })
    }

    private static func maskNineTenths(of network: GraphNetwork) {
        for (name, tensor) in network.stateDictionary where tensor.rank > 1 {
            network.masks[name] = SparsityPattern.unstructured.mask(of: tensor, sparsity: 0.9)
        }
    }

    private static func rows(_ name: String, _ graph: NetworkGraph, input: Tensor) throws -> [BenchmarkRow] {
        let network = try GraphNetwork(graph, generator: RandomGenerator(seed: 1))
        network.mode = .evaluation
        let couplings = try ChannelCouplings(of: graph)
        let cut = try network.cutting(everySecondUnit(of: couplings), couplings: couplings).foldingBatchNorms(), dense = network.foldingBatchNorms()
        maskNineTenths(of: network)
        let sparse = SparseNetwork(network.foldingBatchNorms(), measuredWith: input)
        let timings = try withoutGradients {
            try Timing.interleaved(repetitions: 21, [{ _ = dense(input) }, { _ = sparse(input) }, { _ = cut(input) }])
        }
        let changed = sparse.choices.filter { $0.form != .dense }.count
        let baseline = BenchmarkRow("\(name), one example, dense", timings[0], remark: "\(formatCount(dense.parameterCount())) parameters")
        return [
            baseline,
            BenchmarkRow("\(name), 90 % zeros, chosen forms", timings[1], remark: "\(changed) of \(sparse.choices.count) layers are faster with their zeros left out")
                .compared(with: baseline),
            BenchmarkRow("\(name), half of the channels cut", timings[2], remark: "\(formatCount(cut.parameterCount())) parameters").compared(with: baseline),
        ]
    }
}
