import CondenseTesting
import Foundation
import ModelCompression
import Networks
import Testing
import Torch
import TorchNN

@Suite struct RelevanceTests {
    private static let epsilon = RelevanceRule.epsilon()
    static let rules: [(name: String, rules: RelevanceRules)] = [
        ("epsilon", RelevanceRules(convolution: epsilon, linear: epsilon)), ("alphaBeta10", .epsilonPlus), ("alphaBeta21", .epsilonAlpha2Beta1),
        ("zPlus", .zPlus), ("gammaBox", .epsilonGammaBox(low: [-1], high: [1])), ("gamma", RelevanceRules(convolution: .gamma(), linear: .gamma())),
        ("squaredWeights", RelevanceRules(convolution: epsilon, linear: epsilon, first: .squaredWeights)),
        ("flat", RelevanceRules(convolution: epsilon, linear: epsilon, first: .flat)),
    ]

    private static func graph() -> NetworkGraph {
        var graph = NetworkGraph(input: [2, 8, 8])
        let first = graph.add("relu1", .activation(.relu), to: graph.add("first", .convolution(.init(2, 6, kernel: 3)), to: graph.input))
        let pooled = graph.add("pool", .maxPool(.init(2)), to: first)
        let second = graph.add("relu2", .activation(.relu), to: graph.add("second", .convolution(.init(6, 8, kernel: 3, groups: 2)), to: pooled))
        let vector = graph.add("flatten", .flatten, to: graph.add("mean", .averagePool(.init(2)), to: second))
        let hidden = graph.add("relu3", .activation(.relu), to: graph.add("hidden", .linear(inputSize: 32, outputSize: 10, bias: true), to: vector))
        graph.add("classes", .linear(inputSize: 10, outputSize: 3, bias: true), to: hidden)
        return graph
    }

    /// Against zennit 0.5.1.
    @Test(arguments: rules.indices) func rulesAreThoseOfZennit(_ index: Int) throws {
        let url = try #require(Bundle.module.url(forResource: "relevance", withExtension: "safetensors", subdirectory: "Fixtures"))
        let goldens = try Goldens(url), (name, rules) = Self.rules[index]
        let network = try GraphNetwork(Self.graph(), state: goldens.group("weights/"), generator: RandomGenerator(seed: 0))
        let relevances = try RelevancePropagation(network, rules: rules)(try goldens("image"), classes: try goldens("classes"))
        #expect(mismatch(relevances[0], try goldens("relevance/\(name)"), relative: 1e-6, absolute: 1e-9, name) == nil)
    }

    /// A residual network without biases, with batch norms that only scale.
    private func residual() throws -> (network: GraphNetwork, input: Tensor) {
        let graph = NetworkGraph.resNet(.resNet18, input: [3, 16, 16], classes: 4, width: 8, startsSmall: true)
        let network = try GraphNetwork(graph, generator: RandomGenerator(seed: 5))
        network.setMode(.evaluation)
        withoutGradients { _ = network.stateDictionary["fc.bias"]?.fillInPlace(0) }
        return (network, Tensor.uniform([3, 3, 16, 16], generator: RandomGenerator(seed: 6)))
    }

    /// Without biases every layer's relevances add up to the score that is explained.
    @Test func relevanceIsConserved() throws {
        let (network, input) = try residual()
        let relevances = try RelevancePropagation(network, rules: .zPlus)(input, classes: Tensor([0, 3, 1]), start: .one)
        // Inputs of sums come one after the other, so only nodes that all paths pass are compared.
        for name in ["relu", "layer1.0.relu", "layer2.1.relu", "layer4.1.relu", "avgpool", "fc"] {
            let place = try #require(network.graph.nodes.firstIndex { $0.name == name })
            #expect(relevances[place].flattened(from: 1).sum(axis: 1).isClose(to: Tensor.ones([3]), relative: 1e-3, absolute: 1e-3), "\(name)")
        }
    }

    /// What z⁺ divides among inputs without a sign stays without one.
    @Test func zPlusHasNoNegativeRelevance() throws {
        let network = try GraphNetwork(Self.graph(), generator: RandomGenerator(seed: 7)), input = Tensor.uniform([3, 2, 8, 8], generator: RandomGenerator(seed: 6))
        let relevances = try RelevancePropagation(network, rules: .zPlus)(input, classes: Tensor([0, 2, 1]), start: .one)
        #expect(relevances.allSatisfy { $0.min().item() >= 0 })
        #expect(relevances[0].sum().item() > 1)
    }

    /// In a ReLU network without biases the ε rule is input times gradient.
    @Test func epsilonIsInputTimesGradient() throws {
        // Activations are large, so that what keeps denominators off 0 is nothing beside them.
        let (network, small) = try residual(), input = small * 1e4
        let rules = RelevanceRules(convolution: .epsilon(1e-12), linear: .epsilon(1e-12)), classes = Tensor([2, 2, 0])
        let found = try RelevancePropagation(network, rules: rules)(input, classes: classes)[0]
        let leaf = input.requiringGrad()
        let score = network(leaf).gatheredElements(at: classes.unsqueezed(1), axis: 1).sum()
        let expected = input.detached() * gradients(of: score, withRespectTo: [leaf])[0]
        #expect(mismatch(found, expected, relative: 1e-2, absolute: 1e-4 * expected.abs().max().item()) == nil)
    }

    /// A filter that nothing reads has no relevance.
    @Test func unreadChannelsHaveNone() throws {
        let network = try GraphNetwork(Self.graph(), generator: RandomGenerator(seed: 8))
        withoutGradients { _ = network.stateDictionary["second.weight"]?[.all, 1].fillInPlace(0) }
        let relevances = try RelevancePropagation(network, rules: .epsilonPlus)(
            Tensor.uniform([4, 2, 8, 8], generator: RandomGenerator(seed: 9)), classes: Tensor([0, 1, 2, 0]))
        let ofFirst = relevances[1].abs().sum(axes: [0, 2, 3])
        #expect(ofFirst[1].item() == 0 && ofFirst[4].item() == 0 && ofFirst[0].item() > 0)
    }

    @Test(arguments: [NetworkGraph.resNet(.resNet18, input: [3, 32, 32], classes: 5, width: 8), .efficientNetLite(classes: 6, imageSize: 64)])
    func foldingNormsChangesNothing(_ graph: NetworkGraph) throws {
        let network = try GraphNetwork(graph, generator: RandomGenerator(seed: 10))
        withoutGradients {
            for (name, tensor) in network.stateDictionary where name.contains("bn") {
                tensor.uniformInPlace(from: 0.5, to: 1.5, generator: RandomGenerator(seed: 11))
            }
        }
        network.setMode(.evaluation)
        let folded = network.foldingBatchNorms(), input = Tensor.normal([2] + (try graph.shapes()[0]), generator: RandomGenerator(seed: 12))
        #expect(!folded.graph.nodes.contains { if case .batchNorm = $0.operation { true } else { false } })
        let expected = withoutGradients { network(input) }
        #expect(mismatch(withoutGradients { folded(input) }, expected, relative: 1e-3, absolute: 1e-4 * expected.abs().max().item()) == nil)
    }

    @Test func networksWithoutRulesAreRefused() throws {
        let graph = NetworkGraph.lstmLanguageModel(vocabulary: 9, embeddingSize: 4, hiddenSize: 5, length: 3)
        let network = try GraphNetwork(graph, generator: RandomGenerator(seed: 0))
        let error = #expect(throws: GraphProblem.self) { try RelevancePropagation(network, rules: .zPlus) }
        #expect(error?.description.hasPrefix("there is no rule of relevance for node 'embedding'") == true)
    }

    /// Shares by a·w⁺, for inputs of both signs; a start at a score that is negative hands on nothing.
    @Test func positiveWeightsShareBySignedInputs() throws {
        let weight = Tensor([[1, -2, 0.5], [-1, 3, 2]] as [[Double]]), bias = Tensor([0.25, -9] as [Double])
        let network = try GraphNetwork(.perceptron([3, 2]), state: ["0.weight": weight, "0.bias": bias], generator: RandomGenerator(seed: 0))
        let propagation = try RelevancePropagation(network, rules: .positiveWeights), input = Tensor([[2, 1, -1]] as [[Double]])
        // Scores are 2·1 − 1·2 − 0.5 + 0.25 = −0.25 and −2 + 3 − 2 − 9 = −10.
        #expect(propagation(input, classes: Tensor([0]), start: .positiveScore)[0].abs().max().item() == 0)
        #expect(mismatch(propagation(input, classes: Tensor([0]), start: .one)[0], Tensor([[2, 0, -0.5]] as [[Double]]) / 1.5, relative: 1e-5, absolute: 1e-6) == nil)
        #expect(mismatch(propagation(input, classes: Tensor([1]), start: .score)[0], Tensor([[0, 3, -2]] as [[Double]]) * -10, relative: 1e-5, absolute: 1e-5) == nil)
    }
}
