import CondenseTesting
import Foundation
import Networks
import Testing
import Torch
import TorchNN

@Suite struct NetworkGraphTests {
    /// Convolutions in groups and side by side, a gate, and sums.
    private static func mixed() -> NetworkGraph {
        var graph = NetworkGraph(input: [3, 9, 9])
        let start = graph.add("start", .convolution(.init(3, 8, kernel: 3)), to: graph.input)
        let left = graph.add("left", .convolution(.init(8, 6, kernel: 3, stride: 2)), to: start)
        let right = graph.add("right", .convolution(.init(8, 6, kernel: 1, stride: 2, groups: 2)), to: start)
        let both = graph.add("both", .concatenate, to: [left, graph.add("right.relu", .activation(.relu), to: right)])
        let filtered = graph.add("filtered", .convolution(.init(12, 12, kernel: 3, groups: 12)), to: both)
        let pooled = graph.add("pooled", .globalAveragePool, to: filtered)
        let squeezed = graph.add("squeezed", .convolution(.init(12, 4, kernel: 1)), to: pooled)
        let gate = graph.add("gate", .activation(.sigmoid), to: graph.add("expanded", .convolution(.init(4, 12, kernel: 1)), to: squeezed))
        let weighed = graph.add("weighed", .multiply, to: [filtered, gate])
        let again = graph.add("again", .convolution(.init(12, 12, kernel: 3)), to: weighed)
        let sum = graph.add("sum", .add, to: [weighed, graph.add("norm", .batchNorm(channels: 12, epsilon: 1e-5), to: again)])
        let vector = graph.add("flatten", .flatten, to: graph.add("smaller", .maxPool(.init(2)), to: sum))
        graph.add("classes", .linear(inputSize: 48, outputSize: 5, bias: true), to: vector)
        return graph
    }

    static let graphs: [(name: String, graph: NetworkGraph)] = [
        ("mixed", mixed()), ("perceptron", .perceptron([7, 20, 12, 4], dropout: 0.3)),
        ("VGG-16", .vgg16(input: [3, 32, 32], classes: 10, hidden: 24, normalizes: true)),
        ("ResNet-18", .resNet(.resNet18, input: [3, 32, 32], classes: 10, width: 8, startsSmall: true)),
        ("ResNet-50", .resNet(.resNet50, input: [1, 64, 64], classes: 3, width: 8)),
        ("EfficientNet-Lite1", .efficientNetLite(1, classes: 7, imageSize: 65)),
        ("language model", .lstmLanguageModel(vocabulary: 30, embeddingSize: 9, hiddenSize: 16, layers: 2, length: 11)),
    ]

    private func input(of graph: NetworkGraph, batch: Int = 2) throws -> Tensor {
        let shape = try graph.shapes()[0]
        return shape.count == 1 && graph.nodes[1].name == "embedding"
            ? Tensor.integers(in: 0..<30, [batch] + shape, generator: RandomGenerator(seed: 4))
            : Tensor.normal([batch] + shape, generator: RandomGenerator(seed: 4))
    }

    /// Norms that are not the identity, as trained ones are.
    private func network(_ graph: NetworkGraph) throws -> GraphNetwork {
        let network = try GraphNetwork(graph, generator: RandomGenerator(seed: 2))
        withoutGradients {
            for (name, tensor) in network.stateDictionary where name.contains("norm") || name.contains("bn") || name.contains("running") {
                tensor.uniformInPlace(from: 0.5, to: 1.5, generator: RandomGenerator(seed: 3))
            }
        }
        network.setMode(.evaluation)
        return network
    }

    @Test(arguments: graphs.indices) func shapesAreThoseOfTheOutputs(_ index: Int) throws {
        let graph = Self.graphs[index].graph, network = try network(graph), input = try input(of: graph)
        let outputs = withoutGradients { network.outputs(input) }
        #expect(try outputs.map { Array($0.shape.dropFirst()) } == graph.shapes())
        #expect(withoutGradients { network(input) }.isEqual(to: outputs[outputs.count - 1]))
        #expect(try JSONDecoder().decode(NetworkGraph.self, from: JSONEncoder().encode(graph)) == graph)
    }

    /// Cutting any units gives what masking them gives, and nothing is left behind.
    @Test(arguments: graphs.indices) func cuttingEqualsMasking(_ index: Int) throws {
        let (name, graph) = Self.graphs[index], network = try network(graph), input = try input(of: graph)
        let couplings = try ChannelCouplings(of: graph)
        let cuttable = couplings.groups.filter { $0.obstacle == nil }
        #expect(!cuttable.isEmpty)
        let generator = RandomGenerator(seed: 6)
        for group in cuttable where group.units.count > 1 {
            let chances: [Double] = Tensor.uniform([group.units.count], generator: generator).to(dtype: .float64).scalars()
            let units = Set(zip(group.units, chances).filter { $1 < 0.4 }.map(\.0)).subtracting(group.units.prefix(1))
            let cut = try network.cutting(units, couplings: couplings), masked = try network.masking(units, couplings: couplings)
            let found = withoutGradients { cut(input) }
            #expect(mismatch(found, withoutGradients { masked(input) }, relative: 1e-4, absolute: 1e-5, "\(name), \(group.name)") == nil)
            #expect(units.isEmpty || cut.parameterCount() < network.parameterCount())
        }
        // All at once.
        let units = Set(cuttable.flatMap { $0.units.dropFirst(($0.units.count + 1) / 2) })
        let cut = try network.cutting(units, couplings: couplings)
        #expect(mismatch(withoutGradients { cut(input) }, withoutGradients { try! network.masking(units, couplings: couplings)(input) }, relative: 1e-4, absolute: 1e-5, name) == nil)
        #expect(try cut.graph.multiplyAdds().reduce(0, +) < graph.multiplyAdds().reduce(0, +))
    }

    @Test func couplingsFollowSumsGatesAndGroups() throws {
        let couplings = try ChannelCouplings(of: Self.mixed())
        #expect(couplings.group(named: "left")?.units.count == 6)
        // The grouped convolution's groups go as wholes, and with the channels they read; these go with those of 'start'.
        #expect(couplings.group(named: "right") == nil)
        #expect(couplings.group(named: "start")?.units.count == 2)
        // What is added, or weighed by a gate, is one.
        #expect(couplings.group(named: "again") == nil && couplings.group(named: "expanded") == nil)
        #expect(couplings.group(named: "squeezed")?.units.count == 4)
        #expect(couplings.group(named: "classes")?.obstacle == "it is the network's output")
        #expect(couplings.group(named: "input")?.obstacle == "it is the network's input")
    }

    @Test func whatCannotBeCutIsRefused() throws {
        let graph = Self.mixed(), network = try network(graph), couplings = try ChannelCouplings(of: graph)
        let output = try #require(couplings.group(named: "classes"))
        var error = #expect(throws: GraphProblem.self) { try network.cutting([output.units[0]], couplings: couplings) }
        #expect(error?.description == "a channel of 'classes' cannot be cut: it is the network's output")
        let inner = try #require(couplings.group(named: "squeezed"))
        error = #expect(throws: GraphProblem.self) { try network.cutting(Set(inner.units), couplings: couplings) }
        #expect(error?.description == "nothing of 'squeezed.weight' would be left; cut fewer of its channels")
        var normalized = NetworkGraph(input: [6])
        let hidden = normalized.add("hidden", .linear(inputSize: 6, outputSize: 8, bias: true), to: normalized.input)
        normalized.add("out", .linear(inputSize: 8, outputSize: 2, bias: true), to: normalized.add("norm", .layerNorm(size: 8, epsilon: 1e-5), to: hidden))
        #expect(try ChannelCouplings(of: normalized).group(named: "hidden")?.obstacle == "layer normalisation 'norm' would change for the channels that stay")
    }

    @Test func tiedWeightsAreOne() throws {
        var graph = NetworkGraph(input: [5])
        let first = graph.add("first", .linear(inputSize: 5, outputSize: 5, bias: true), to: graph.input)
        let second = graph.add("second", .linear(inputSize: 5, outputSize: 5, bias: true), to: [first], weightsOf: first)
        graph.add("out", .linear(inputSize: 5, outputSize: 2, bias: true), to: second)
        let network = try network(graph)
        #expect(network.parameterCount() == 30 + 12)
        // What the second reads is what the first makes, and the first reads the input: nothing can go.
        #expect(try ChannelCouplings(of: graph).groups.allSatisfy { $0.obstacle != nil })
    }

    @Test func impossibleGraphsAreRefused() throws {
        func problem(_ change: (inout NetworkGraph) -> Void) -> String? {
            var graph = NetworkGraph(input: [3, 8, 8])
            change(&graph)
            do {
                _ = try graph.shapes()
                return nil
            } catch { return error.description }
        }
        #expect(problem { $0.add("c", .convolution(.init(4, 2, kernel: 3)), to: 0) } == "node 'c' takes images of 4 channels, found [3, 8, 8]")
        #expect(problem { $0.add("c", .convolution(.init(3, 2, kernel: 11, padding: 0)), to: 0) } == "node 'c' has a kernel larger than its input [3, 8, 8]")
        #expect(problem { $0.add("a", .activation(.relu), to: 7) } == "node 'a' must read nodes before it")
        #expect(problem { $0.add("input", .activation(.relu), to: 0) } == "node 'input' is there twice")
        #expect(problem { $0.add("a", .add, to: []) } == "node 'a' reads 0 nodes")
        #expect(problem { $0.add("c", .convolution(.init(3, 4, kernel: 3, groups: 2)), to: 0) }?.contains("impossible settings") == true)
    }

    @Test func sizesAreThePublishedOnes() throws {
        func count(_ graph: NetworkGraph) throws -> (parameters: Int, multiplyAdds: Int) {
            (try GraphNetwork(graph, generator: RandomGenerator(seed: 1)).parameterCount(), try graph.multiplyAdds().reduce(0, +))
        }
        #expect(try count(.resNet(.resNet18)) == (11_689_512, 1_814_073_344))
        #expect(try count(.efficientNetLite()).parameters == 4_652_008)
        #expect(try count(.resNet(.resNet50)).parameters == 25_557_032)
        #expect(try GraphNetwork(.vgg16(), generator: RandomGenerator(seed: 1)).parameterCount() == 138_357_544)
    }
}
