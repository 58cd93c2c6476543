import CondenseTesting
import Experiments
import Foundation
import ModelCompression
import Networks
import Testing
import Torch
import TorchNN

@Suite struct ChannelPruningTests {
    /// Two convolutions and two linear layers; in double precision.
    static func network(bias: Bool = true) throws -> GraphNetwork {
        var graph = NetworkGraph(input: [2, 8, 8])
        let first = graph.add("relu1", .activation(.relu), to: graph.add("conv1", .convolution(.init(2, 6, kernel: 3, bias: bias)), to: graph.input))
        let second = graph.add("conv2", .convolution(.init(6, 5, kernel: 3, bias: bias)), to: graph.add("pool", .maxPool(.init(2)), to: first))
        let vector = graph.add("flatten", .flatten, to: graph.add("relu2", .activation(.relu), to: second))
        let hidden = graph.add("hidden", .linear(inputSize: 80, outputSize: 7, bias: bias), to: vector)
        graph.add("classes", .linear(inputSize: 7, outputSize: 3, bias: bias), to: graph.add("relu3", .activation(.relu), to: hidden))
        let network = try GraphNetwork(graph, generator: RandomGenerator(seed: 3))
        return try GraphNetwork(graph, state: network.stateDictionary.mapValues { $0.to(dtype: .float64) }, generator: RandomGenerator(seed: 3))
    }

    static func examples(_ count: Int = 12) -> Examples {
        let random = RandomGenerator(seed: 4)
        return Examples(
            inputs: Tensor.uniform([count, 2, 8, 8], generator: random).to(dtype: .float64), targets: Tensor.integers(in: 0..<3, [count], generator: random))
    }

    @Test func groupsAreTheLayers() throws {
        for criterion in ChannelCriterion.allCases {
            let scores = try ChannelScores(of: Self.network(), by: criterion, on: Self.examples())
            #expect(scores.groups.mapValues(\.count) == ["conv1": 6, "conv2": 5, "hidden": 7], "\(criterion)")
            for (_, values) in scores.groups {
                #expect(values.allSatisfy { $0.isFinite && $0 >= 0 })
                let size = criterion == .gradient || criterion == .taylor ? values.reduce(0) { $0 + $1 * $1 }.squareRoot() : values.reduce(0, +)
                #expect(abs(size - 1) < 1e-6)
            }
        }
    }

    @Test func weightsAreSumsOfMagnitudes() throws {
        let network = try Self.network(), scores = try ChannelScores(of: network, by: .weight)
        let sums: [Double] = try #require(network.stateDictionary["conv2.weight"]).abs().sum(axes: [1, 2, 3]).scalars()
        #expect(zip(try #require(scores.groups["conv2"]), sums).allSatisfy { abs($0 - $1 / sums.reduce(0, +)) < 1e-12 })
    }

    /// z·∂L/∂z summed is the derivative by a factor on the channel, and ∂L/∂z summed the one by its bias.
    @Test(arguments: [ChannelCriterion.taylor, .gradient]) func derivativesAreThoseOfFactorsAndBiases(_ criterion: ChannelCriterion) throws {
        let network = try Self.network(), examples = Self.examples(), step = 1e-5
        func loss(_ channel: Int, _ change: Double) throws -> Double {
            var state = network.prunedState
            withoutGradients {
                let selection = Tensor((0..<5).map { $0 == channel ? 1.0 : 0.0 })
                if criterion == .taylor {
                    state["conv2.weight"] = state["conv2.weight"]! * (1 + selection.reshaped([5, 1, 1, 1]) * change)
                    state["conv2.bias"] = state["conv2.bias"]! * (1 + selection * change)
                } else {
                    state["conv2.bias"] = state["conv2.bias"]! + selection * change
                }
            }
            let changed = try GraphNetwork(network.graph, state: state, generator: RandomGenerator(seed: 0))
            return changed.quality(on: examples).crossEntropy
        }
        let slopes = try (0..<5).map { abs(try loss($0, step) - loss($0, -step)) / (2 * step) }
        let size = slopes.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let found = try #require(try ChannelScores(of: network, by: criterion, on: examples, batchSize: 5).groups["conv2"])
        #expect(zip(found, slopes).allSatisfy { abs($0 - $1 / size) < 1e-5 }, "\(found) \(slopes.map { $0 / size })")
    }

    /// What nobody listens to goes first.
    @Test func unheardChannelsGoFirst() throws {
        let network = try Self.network(), weight = try #require(network.stateDictionary["classes.weight"])
        withoutGradients { _ = weight.narrowed(axis: 1, from: 4, count: 1).copyInPlace(from: Tensor.zeros([3, 1], dtype: .float64)) }
        for criterion in [ChannelCriterion.relevance, .taylor, .gradient] {
            #expect(try #require(try ChannelScores(of: network, by: criterion, on: Self.examples()).groups["hidden"])[4] == 0, "\(criterion)")
        }
        // Others may have no relevance, too: those that say nothing for any right class.
        let unheard = try ChannelScores(of: network, by: .relevance, on: Self.examples()).groups.values.joined().count { $0 == 0 }, part = Double(unheard) / 18
        var pruning = try ChannelPruning(network, ChannelPruningPlan(.channels, less: part, step: part))
        try pruning.cutNext(on: Self.examples())
        #expect(try pruning.isFinished && pruning.kept["hidden"]?.contains(4) == false)
    }

    /// Scores do not depend on the order of channels nor on how examples are divided.
    @Test(arguments: [ChannelCriterion.relevance, .weight, .gradient, .taylor]) func orderDoesNotMatter(_ criterion: ChannelCriterion) throws {
        let network = try Self.network(), order = [3, 0, 5, 1, 4, 2]
        var state = network.prunedState
        withoutGradients {
            for name in ["conv1.weight", "conv1.bias"] { state[name] = state[name]!.gathered(indices: Tensor(order)) }
            state["conv2.weight"] = state["conv2.weight"]!.gathered(indices: Tensor(order), axis: 1)
        }
        let other = try GraphNetwork(network.graph, state: state, generator: RandomGenerator(seed: 0))
        let scores = try #require(try ChannelScores(of: network, by: criterion, on: Self.examples()).groups["conv1"])
        let permuted = try #require(try ChannelScores(of: other, by: criterion, on: Self.examples(), batchSize: 5).groups["conv1"])
        #expect(zip(permuted, order.map { scores[$0] }).allSatisfy { abs($0 - $1) < 1e-9 })
    }

    /// As many channels go as are asked for, one of each layer stays, and the list of those kept cuts the first network to the same.
    @Test(arguments: ChannelCriterion.allCases) func channelsGoUntilTheTarget(_ criterion: ChannelCriterion) throws {
        let network = try Self.network()
        var pruning = try ChannelPruning(network, ChannelPruningPlan(.channels, less: 0.7, criterion: criterion, step: 0.2)), sizes: [Int] = []
        while try !pruning.isFinished {
            try pruning.cutNext(on: Self.examples())
            sizes.append(pruning.kept.values.reduce(0) { $0 + $1.count })
        }
        #expect(sizes == [14, 10, 6, 5])
        #expect(pruning.kept.values.allSatisfy { !$0.isEmpty && $0 == $0.sorted() })
        #expect(try pruning.part(gone: .parameters) > 0.5 && pruning.part(gone: .multiplyAdds) > 0.5)
        let couplings = try ChannelCouplings(of: network.graph)
        let gone = couplings.groups.flatMap { group in
            pruning.kept[group.name].map { kept in group.units.enumerated().filter { !kept.contains($0.offset) }.map(\.element) } ?? []
        }
        let again = try network.cutting(Set(gone), couplings: couplings), input = Self.examples().inputs
        #expect(again.graph == pruning.network.graph && again(input).isEqual(to: pruning.network(input)))
    }

    @Test(arguments: [ChannelPruningPlan.Measure.parameters, .multiplyAdds, .fileBytes]) func noMoreGoesThanThePlanNeeds(_ measure: ChannelPruningPlan.Measure) throws {
        var pruning = try ChannelPruning(Self.network(), ChannelPruningPlan(measure, less: 0.55, criterion: .weight, step: 0.3)), before = pruning
        while try !pruning.isFinished {
            before = pruning
            try pruning.cutNext()
        }
        #expect(try !before.isFinished)
        // With one channel of the last cut back, less than the plan wants would be gone.
        #expect((0.55..<0.75).contains(try pruning.part(gone: measure)))
    }

    @Test func everyLayerKeepsItsPart() throws {
        var plan = ChannelPruningPlan(.channels, less: 0.5, criterion: .weight, step: 0.1)
        plan.largestPart = 0.5
        var pruning = try ChannelPruning(Self.network(), plan)
        // 6, 5 and 7 channels lose 3, 2 and 3 at most.
        #expect(try abs(pruning.mostThatCanGo() - 8.0 / 18) < 1e-9)
        #expect(throws: GraphProblem.self) { for _ in 0..<20 { try pruning.cutNext() } }
        #expect(pruning.kept.values.map(\.count).sorted() == [3, 3, 4])
    }

    @Test func whatCannotBeDoneIsSaid() throws {
        let network = try Self.network()
        var pruning = try ChannelPruning(network, ChannelPruningPlan(.parameters, less: 0.999, criterion: .weight, step: 0.5))
        let problem = #expect(throws: GraphProblem.self) { for _ in 0..<9 { try pruning.cutNext() } }
        #expect(try #require(problem?.description).contains("nothing more can be cut: 83.3 % of the channels, "), "\(problem?.description ?? "")")
        #expect(throws: GraphProblem("the criterion 'taylor' needs examples")) { _ = try ChannelScores(of: network, by: .taylor) }
        let examples = Self.examples(), wide = Examples(inputs: Tensor.concatenated([examples.inputs, examples.inputs], axis: 1), targets: examples.targets)
        let wrongShape = #expect(throws: GraphProblem.self) { _ = try ChannelScores(of: network, by: .taylor, on: wide) }
        #expect(try #require(wrongShape?.description).hasPrefix("the examples have the shape ["))
        let wrongClass = #expect(throws: GraphProblem.self) {
            _ = try ChannelScores(of: network, by: .relevance, on: Examples(inputs: examples.inputs, targets: examples.targets + 1_000))
        }
        #expect(try #require(wrongClass?.description).hasPrefix("the examples have classes from 100"))
        #expect(throws: ConfigurationError.self) { _ = try ChannelPruning(network, ChannelPruningPlan(.channels, less: 1)) }
        #expect(throws: ConfigurationError.self) { _ = try ChannelPruning(network, ChannelPruningPlan(.parameters, less: -0.1)) }
        #expect(throws: ConfigurationError.self) { _ = try ChannelPruning(network, ChannelPruningPlan(.channels, less: 0.5, step: 0)) }
        let single = try GraphNetwork(.perceptron([4, 3]), generator: RandomGenerator(seed: 1))
        #expect(try #require(#expect(throws: GraphProblem.self) { _ = try ChannelPruning(single, ChannelPruningPlan(.channels, less: 0.5)) }).description.contains("no channel of the network can be cut"))
        let recurrent = try GraphNetwork(.lstmLanguageModel(vocabulary: 9, embeddingSize: 4, hiddenSize: 6, length: 5), generator: RandomGenerator(seed: 1))
        let text = Examples(inputs: Tensor.zeros([2, 5], dtype: .int64), targets: Tensor.zeros([2, 5], dtype: .int64))
        #expect(throws: GraphProblem.self) { _ = try ChannelScores(of: recurrent, by: .relevance, on: text) }
        #expect(try ChannelScores(of: recurrent, by: .taylor, on: text).groups["lstm.0"]?.count == 6)
    }

    /// Residual streams are one group, which all that write to it have a say in.
    @Test func residualNetworks() throws {
        let network = try GraphNetwork(.resNet(.resNet18, input: [3, 32, 32], classes: 4, width: 8, startsSmall: true), generator: RandomGenerator(seed: 2))
        let random = RandomGenerator(seed: 4)
        let examples = Examples(inputs: Tensor.uniform([6, 3, 32, 32], generator: random), targets: Tensor.integers(in: 0..<4, [6], generator: random))
        for criterion in ChannelCriterion.allCases {
            var pruning = try ChannelPruning(network, ChannelPruningPlan(.channels, less: 0.3, criterion: criterion, step: 0.15))
            while try !pruning.isFinished { try pruning.cutNext(on: examples) }
            #expect(abs((try pruning.part(gone: .channels)) - 0.3) < 0.01 && pruning.network(examples.inputs).shape == [6, 4], "\(criterion)")
        }
    }

    @Test(arguments: PointSet.allCases) func pointsAreOfTheirClasses(_ set: PointSet) {
        let examples = set.examples(perClass: 50, seed: 3)
        #expect(examples.inputs.shape == [50 * set.classes, 2] && examples.targets.scalars(as: Int.self) == (0..<set.classes).flatMap { Array(repeating: $0, count: 50) })
        #expect(examples.inputs.isEqual(to: set.examples(perClass: 50, seed: 3).inputs) && !examples.inputs.isEqual(to: set.examples(perClass: 50, seed: 4).inputs))
        if set == .circles {
            let radii = examples.inputs.squared().sum(axis: 1).sqrt()
            #expect(abs(radii.narrowed(axis: 0, from: 0, count: 50).mean().item() - 1) < 0.1 && abs(radii.narrowed(axis: 0, from: 50, count: 50).mean().item() - 0.3) < 0.1)
        }
    }

    /// The whole experiment at the size of seconds.
    @Test func theExperimentRuns() throws {
        var setting = ExplainingSetting(.small)
        (setting.width, setting.pointsPerClass, setting.pointSteps, setting.pointBatchSize, setting.draws) = (30, 60, 40, 20, 2)
        (setting.references, setting.channels, setting.digitSteps) = ([1, 3], [3, 4], 10)
        (setting.digitCuts.references, setting.digitCuts.step, setting.digitCuts.tuningSteps) = (2, 0.3, 5)
        (setting.cellCuts.references, setting.cellCuts.step, setting.cellCuts.tuningSteps, setting.cellSteps) = (2, 0.2, 2, 3)
        let random = RandomGenerator(seed: 1)
        let digits = DigitExamples(Examples(inputs: Tensor.uniform([200, 784], generator: random), targets: Tensor.integers(in: 0..<10, [200], generator: random)))
        let reproduction = try withReproductionContext(of: PruningByExplaining.self) { context in
            let network = try GraphNetwork(.perceptron([12, 10, 3]), generator: random)
            let cells = Examples(inputs: Tensor.uniform([40, 12], generator: random), targets: Tensor.integers(in: 0..<2, [40], generator: random))
            return try ExplainingExperiment(setting, digits, .init(cells, network), context: context).run()
        }
        #expect(reproduction.rows.count == 15)
        #expect(reproduction.rows.allSatisfy { !$0.measured.contains("not a number") && !$0.measured.contains("–") }, "\(reproduction.rows)")
    }
}
