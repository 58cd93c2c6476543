import Foundation
import ModelCompression
import Networks
import Testing
import Torch
import TorchNN

/// Small networks with random weights that have every operation between them.
enum ExportZoo {
    /// Every activation, one after the other.
    static let activations: [Activation] = [
        .identity, .relu, .relu6, .leakyReLU(), .elu(alpha: 0.7), .selu, .celu(alpha: 1.3), .gelu, .geluTanh, .silu, .mish, .sigmoid, .logSigmoid, .tanh,
        .softplus(beta: 2, threshold: 1), .softsign, .hardswish, .hardsigmoid, .hardtanh(from: -0.3, to: 0.6), .softshrink(threshold: 0.2),
        .hardshrink(threshold: 0.3), .tanhshrink, .threshold(0.1, value: -0.5),
    ]

    static func allActivations() -> NetworkGraph {
        var graph = NetworkGraph(input: [6]), parts: [Int] = []
        for (index, activation) in activations.enumerated() {
            let line = graph.add("line.\(index)", .linear(inputSize: 6, outputSize: 5, bias: index % 2 == 0), to: graph.input)
            parts.append(graph.add("activation.\(index)", .activation(activation), to: line))
        }
        graph.add("all", .concatenate, to: parts)
        return graph
    }

    /// Convolutions in groups and side by side with uneven borders, pooling, a gate, sums and products.
    static func mixed() -> NetworkGraph {
        var graph = NetworkGraph(input: [3, 11, 9])
        var uneven = GraphOperation.Convolution(3, 8, kernel: 3, stride: 2)
        (uneven.padding, uneven.dilation) = ([0, 1, 2, 3], [1, 2])
        let start = graph.add("start", .convolution(uneven), to: graph.input)
        let left = graph.add("left", .convolution(.init(8, 6, kernel: 3, bias: false)), to: start)
        let right = graph.add("right", .convolution(.init(8, 6, kernel: 1, groups: 2)), to: start)
        let both = graph.add("both", .concatenate, to: [left, right])
        let filtered = graph.add("filtered", .convolution(.init(12, 12, kernel: 5, groups: 12)), to: both)
        let gate = graph.add("gate", .activation(.sigmoid), to: graph.add("pooled", .globalAveragePool, to: filtered))
        let weighed = graph.add("weighed", .multiply, to: [filtered, gate])
        let again = graph.add("again", .convolution(.init(8, 6, kernel: 1, groups: 2)), to: [start], weightsOf: right)
        let sum = graph.add("sum", .add, to: [weighed, both, graph.add("twice", .concatenate, to: [again, again])])
        let average = graph.add("average", .averagePool(.init(2, stride: 1, padding: 1)), to: graph.add("norm", .batchNorm(channels: 12, epsilon: 1e-3), to: sum))
        let largest = graph.add("largest", .maxPool(.init(3, stride: 2, padding: 1)), to: average)
        let size = (try? graph.shapes().last?.reduce(1, *)) ?? 0
        let vector = graph.add("dropped", .dropout(0.3), to: graph.add("flatten", .flatten, to: largest))
        let hidden = graph.add("hidden", .linear(inputSize: size, outputSize: 10, bias: true), to: vector)
        let normalized = graph.add("layerNorm", .layerNorm(size: 10, epsilon: 1e-5), to: hidden)
        graph.add("classes", .linear(inputSize: 10, outputSize: 4, bias: false), to: normalized)
        return graph
    }

    /// A language model whose last matrix is that of its embedding.
    static func tiedLanguageModel() -> NetworkGraph {
        var graph = NetworkGraph(input: [7])
        let embedding = graph.add("embedding", .embedding(count: 20, size: 12), to: graph.input)
        let states = graph.add("lstm", .lstm(inputSize: 12, hiddenSize: 12), to: embedding)
        let again = graph.add("again", .lstm(inputSize: 12, hiddenSize: 12), to: [states], weightsOf: states)
        graph.add("output", .linear(inputSize: 12, outputSize: 20, bias: false), to: [again], weightsOf: embedding)
        return graph
    }

    static let graphs: [(name: String, graph: NetworkGraph)] = [
        ("activations", allActivations()), ("mixed", mixed()), ("perceptron", .perceptron([9, 40, 20, 3], activation: .gelu, dropout: 0.2)),
        ("vgg16", .vgg16(input: [3, 32, 32], classes: 10, hidden: 24, normalizes: true)),
        ("resnet18", .resNet(.resNet18, input: [3, 48, 48], classes: 10, width: 16)),
        ("resnet50", .resNet(.resNet50, input: [3, 32, 32], classes: 5, width: 8, startsSmall: true)),
        ("efficientnet-lite0", .efficientNetLite(0, classes: 7, imageSize: 64)),
        ("lstm", .lstmLanguageModel(vocabulary: 30, embeddingSize: 9, hiddenSize: 16, layers: 2, length: 11)), ("lstm-tied", tiedLanguageModel()),
    ]

    /// Norms that are not the identity, in evaluation.
    static func network(_ graph: NetworkGraph) throws -> GraphNetwork {
        let network = try GraphNetwork(graph, generator: RandomGenerator(seed: 2))
        withoutGradients {
            for (name, tensor) in network.stateDictionary where name.lowercased().contains("norm") || name.contains("bn") || name.contains("running") {
                tensor.uniformInPlace(from: 0.5, to: 1.5, generator: RandomGenerator(seed: 3))
            }
        }
        network.mode = .evaluation
        return network
    }

    /// With most of each weight masked.
    static func pruned(_ graph: NetworkGraph, _ pattern: SparsityPattern = .unstructured, sparsity: Double = 0.75) throws -> GraphNetwork {
        let network = try network(graph)
        for (name, tensor) in network.stateDictionary where tensor.rank > 1 { network.masks[name] = pattern.mask(of: tensor, sparsity: sparsity) }
        return network
    }

    /// Every second channel that can be cut, and what was kept.
    static func cut(_ graph: NetworkGraph) throws -> (network: GraphNetwork, axes: [CutAxis]) {
        let couplings = try ChannelCouplings(of: graph)
        let units = Set(couplings.groups.filter { $0.obstacle == nil }.flatMap { $0.units.enumerated().filter { $0.offset % 2 == 1 }.map(\.element) })
        return (try network(graph).cutting(units, couplings: couplings), couplings.cutAxes(without: units))
    }
}

@Suite struct ExportZooFiles {
    /// Writes what `Tools/check-exports.py` checks:
    /// `CONDENSE_EXPORTS=folder swift test -c release --filter ExportZooFiles`.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["CONDENSE_EXPORTS"] != nil)) func writeAll() throws {
        let target = try #require(ProcessInfo.processInfo.environment["CONDENSE_EXPORTS"])
        func write(_ network: GraphNetwork, _ name: String, _ mode: ExportMode) throws {
            try #expect(network.export(to: "\(target)/\(name)", mode: mode).parityError < 1e-5)
            try network.writeONNX(to: "\(target)/\(name)/model.onnx", largestFile: name == "perceptron-fold" ? 0 : 1 << 30)
        }
        for (name, graph) in ExportZoo.graphs {
            try write(ExportZoo.network(graph), "\(name)-fold", .fold)
            try write(ExportZoo.pruned(graph), "\(name)-packed", .packed)
            let (cut, axes) = try ExportZoo.cut(graph)
            if !axes.isEmpty { try write(cut, "\(name)-cut", .cut(axes)) }
            if name == "resnet18" { try write(cut.foldingBatchNorms(), "\(name)-folded-norms", .fold) }
        }
        for (name, pattern) in [("blocks", SparsityPattern.blocks(rows: 4, columns: 4)), ("2-of-4", .kept(2, of: 4))] {
            try write(ExportZoo.pruned(.perceptron([64, 48, 16]), pattern), "perceptron-\(name)", .packed)
        }
        try write(ExportZoo.pruned(.perceptron([800, 300, 16]), sparsity: 0.98), "perceptron-rows", .packed)
    }
}
