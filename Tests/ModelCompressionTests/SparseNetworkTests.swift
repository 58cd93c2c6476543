import CondenseTesting
import Experiments
import Foundation
import ModelCompression
import Networks
import Testing
import Torch
import TorchNN

@Suite struct SparseNetworkTests {
    /// A convolution of 3 × 3, 1 × 1 ones with and without a stride, and linear layers.
    static func mixed() -> NetworkGraph {
        var graph = NetworkGraph(input: [3, 10, 10])
        let first = graph.add("first", .convolution(.init(3, 12, kernel: 3)), to: graph.input)
        let wide = graph.add("wide", .convolution(.init(12, 40, kernel: 1)), to: graph.add("relu", .activation(.relu), to: first))
        let small = graph.add("small", .convolution(.init(40, 24, kernel: 1, stride: 2, bias: false)), to: wide)
        let vector = graph.add("flatten", .flatten, to: small)
        graph.add("classes", .linear(inputSize: 600, outputSize: 7, bias: true), to: vector)
        return graph
    }

    static func pruned(_ graph: NetworkGraph, sparsity: Double = 0.9, pattern: SparsityPattern = .unstructured) throws -> GraphNetwork {
        let network = try GraphNetwork(graph, generator: RandomGenerator(seed: 1))
        for (name, tensor) in network.stateDictionary where tensor.rank > 1 { network.masks[name] = pattern.mask(of: tensor, sparsity: sparsity) }
        network.mode = .evaluation
        return network
    }

    @Test func chosenFormsComputeTheSame() throws {
        let network = try Self.pruned(Self.mixed()), input = Tensor.normal([4, 3, 10, 10], generator: RandomGenerator(seed: 2))
        let expected = withoutGradients { network(input) }, sparse = SparseNetwork(network, measuredWith: input, repetitions: 3)
        #expect(sparse.choices.map(\.layer) == ["wide", "small", "classes"])
        #expect(mismatch(sparse(input), expected, relative: 1e-4, absolute: 1e-5) == nil)
        for choice in sparse.choices {
            #expect(abs(choice.density - 0.1) < 0.01 && choice.inputShape[0] == 4 && choice.times.count >= 3)
            #expect(choice.times.allSatisfy { $0.seconds > 0 })
            // Whatever is chosen is not slower than dense, and dense where nothing gains.
            #expect(choice.chosenSeconds <= choice.denseSeconds && sparse.forms[choice.layer] == choice.form)
            #expect(choice.form == .dense || choice.chosenSeconds == choice.times.map(\.seconds).min())
        }
        #expect(LayerChoice.table(sparse.choices).rows.count == 3)
    }

    static let layouts: [SparseLinearWeight.Layout] = [.rows, .bitmask, .blocks(rows: 4, columns: 1), .blocks(rows: 1, columns: 8)]

    @Test(arguments: layouts) func givenFormsComputeTheSame(_ layout: SparseLinearWeight.Layout) throws {
        let network = try Self.pruned(Self.mixed()), form = LayerForm.sparse(layout)
        let sparse = try SparseNetwork(network, forms: ["wide": form, "small": form, "classes": form])
        for batch in [1, 6] {
            let input = Tensor.normal([batch, 3, 10, 10], generator: RandomGenerator(seed: 3))
            #expect(mismatch(sparse(input), withoutGradients { network(input) }, relative: 1e-4, absolute: 1e-5) == nil)
        }
        #expect(sparse.choices.isEmpty)
    }

    /// Both matrices of a recurrent layer in the same form.
    @Test(arguments: layouts) func recurrentLayers(_ layout: SparseLinearWeight.Layout) throws {
        let network = try Self.pruned(.lstmLanguageModel(vocabulary: 30, embeddingSize: 9, hiddenSize: 16, layers: 2, length: 11))
        let form = LayerForm.sparse(layout), sparse = try SparseNetwork(network, forms: ["lstm.0": form, "lstm.1": form, "output": form])
        let input = Tensor.integers(in: 0..<30, [5, 11], generator: RandomGenerator(seed: 3)), expected = withoutGradients { network(input) }
        #expect(mismatch(sparse(input), expected, relative: 1e-4, absolute: 1e-5) == nil)
        let chosen = SparseNetwork(network, measuredWith: input, repetitions: 1)
        #expect(chosen.choices.map(\.layer) == ["lstm.0", "lstm.1", "output"])
        #expect(mismatch(chosen(input), expected, relative: 1e-4, absolute: 1e-5) == nil)
    }

    @Test func wrongFormsAreRefused() throws {
        let network = try Self.pruned(Self.mixed())
        for name in ["none", "first", "relu"] {
            let error = #expect(throws: GraphProblem.self) { try SparseNetwork(network, forms: [name: .dense]) }
            #expect(error?.description.contains("'\(name)'") == true)
        }
    }

    /// Layers of full matrices are not measured, blocks are found where zeros come in them.
    @Test func onlyFormsThatFitAreTried() throws {
        let input = Tensor.normal([2, 3, 10, 10], generator: RandomGenerator(seed: 2))
        let full = try GraphNetwork(Self.mixed(), generator: RandomGenerator(seed: 1))
        #expect(SparseNetwork(full, measuredWith: input).choices.isEmpty)
        let blocks = try Self.pruned(Self.mixed(), sparsity: 0.8, pattern: .blocks(rows: 4, columns: 4))
        let choice = try #require(SparseNetwork(blocks, measuredWith: input, repetitions: 1).choices.first)
        #expect(choice.times.map(\.form) == [.dense, .sparse(.rows), .sparse(.bitmask), .sparse(.blocks(rows: 4, columns: 4))])
    }

    @Test func choicesAreCodable() throws {
        let network = try Self.pruned(.perceptron([40, 30, 3])), input = Tensor.normal([2, 40], generator: RandomGenerator(seed: 2))
        let choices = SparseNetwork(network, measuredWith: input, repetitions: 1).choices
        #expect(try JSONDecoder().decode([LayerChoice].self, from: JSONEncoder().encode(choices)) == choices)
    }
}
