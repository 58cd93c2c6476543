package import Experiments
internal import Foundation
internal import Networks
internal import Torch
internal import TorchNN

/// Relevance against weights, gradients and Taylor expansions as the criterion for what to cut.
package struct ExplainingExperiment {
    let setting: ExplainingSetting
    private let digits: DigitExamples
    private let context: ReproductionContext

    package init(_ setting: ExplainingSetting, _ digits: DigitExamples, context: ReproductionContext) {
        (self.setting, self.digits, self.context) = (setting, digits, context)
    }

    /// A perceptron on points after a third of its neurons has gone.
    struct PointOutcome {
        let set: PointSet
        let criterion: ChannelCriterion
        /// Reference examples of each class; nil where none are needed.
        let references: Int?
        let seed: UInt64
        /// Mean over the draws of references, on points that it was not trained on.
        let accuracy: Double
        let unpruned: Double
    }

    /// A network on digits on the way to being smaller.
    struct DigitOutcome {
        let criterion: ChannelCriterion
        let seed: UInt64
        /// Parts of the channels that are gone, and the accuracy with them.
        let curve: [(cut: Double, accuracy: Double)]
        /// After some steps of training behind the last cut.
        let tuned: Double
        let parameterPart: Double
        let multiplyAddPart: Double

        /// Mean accuracy over the curve.
        var area: Double { curve.map(\.accuracy).reduce(0, +) / Double(max(1, curve.count)) }
        func accuracy(at part: Double) -> Double { curve.min { abs($0.cut - part) < abs($1.cut - part) }?.accuracy ?? .nan }
    }

    package func run() throws -> Reproduction {
        var points: [PointOutcome] = [], pictures: [DigitOutcome] = []
        for seed in context.seeds {
            for set in PointSet.allCases { points += try pruned(set, seed: seed) }
            pictures += try prunedDigits(seed: seed)
        }
        return ExplainingFindings(setting: setting, points: points, digits: pictures, seeds: context.seeds.count).reproduction
    }

    // MARK: Points

    /// As published: nothing follows the third hidden layer, whose ReLU lost its name to another one in the authors' code.
    private func perceptron(classes: Int) -> NetworkGraph {
        let width = setting.width
        var graph = NetworkGraph(input: [2])
        var last = graph.add("linear1", .linear(inputSize: 2, outputSize: width, bias: true), to: graph.input)
        last = graph.add("dropout", .dropout(0.5), to: graph.add("relu1", .activation(.relu), to: last))
        last = graph.add("relu2", .activation(.relu), to: graph.add("linear2", .linear(inputSize: width, outputSize: width, bias: true), to: last))
        last = graph.add("linear3", .linear(inputSize: width, outputSize: width, bias: true), to: last)
        graph.add("classes", .linear(inputSize: width, outputSize: classes, bias: true), to: last)
        return graph
    }

    private func pruned(_ set: PointSet, seed: UInt64) throws -> [PointOutcome] {
        let network = try GraphNetwork(perceptron(classes: set.classes), generator: RandomGenerator(seed: seed))
        var training = NetworkTrainingConfiguration()
        (training.steps, training.batchSize, training.optimizer, training.gradientClipNorm) = (setting.pointSteps, setting.pointBatchSize, .sgd, nil)
        (training.learningRate, training.finalLearningRate) = (setting.pointLearningRate, 1)
        try trainNetwork(
            network, training, on: ShuffledExamples(set.examples(perClass: setting.pointsPerClass, seed: seed), seed: seed),
            task: "\(set.rawValue), seed \(seed)", progress: context.progress, cancellation: context.cancellation)
        let test = set.examples(perClass: setting.pointsPerClass, seed: seed &+ 1_000), unpruned = network.quality(on: test).accuracy
        func accuracy(_ criterion: ChannelCriterion, _ references: Examples?, _ draw: Int) throws -> Double {
            try context.cancellation.check()
            var pruning = try ChannelPruning(network, ChannelPruningPlan(.channels(1.0 / 3), criterion: criterion, step: 1.0 / 3))
            try pruning.cutNext(on: references, batchSize: 512, random: RandomGenerator(seed: seed &+ UInt64(draw)))
            return pruning.network.quality(on: test).accuracy
        }
        var outcomes: [PointOutcome] = []
        for criterion in ChannelCriterion.allCases {
            for count in criterion.needsExamples ? setting.references.map(Optional.some) : [nil] {
                let draws = criterion == .weight ? 1 : setting.draws
                let accuracies = try (0..<draws).map { draw in
                    try accuracy(criterion, count.map { references(set, $0, seed: seed &+ 2_000 &+ UInt64(draw)) }, draw)
                }
                outcomes.append(
                    PointOutcome(
                        set: set, criterion: criterion, references: count, seed: seed, accuracy: accuracies.reduce(0, +) / Double(draws), unpruned: unpruned))
            }
        }
        try context.run.log(
            Dictionary(uniqueKeysWithValues: outcomes.map { ("\(set.rawValue)/\($0.criterion.rawValue)/\($0.references ?? 0)/accuracy", $0.accuracy) }),
            step: Int(seed &- context.seeds[0]))
        return outcomes
    }

    /// New points, so many of each class.
    private func references(_ set: PointSet, _ count: Int, seed: UInt64) -> Examples {
        let all = set.examples(perClass: setting.pointsPerClass, seed: seed)
        var random = SplitMix64(seed: seed)
        return all.chosen(
            (0..<set.classes).flatMap { label in
                random.permutation(setting.pointsPerClass).prefix(count).map { $0 + label * setting.pointsPerClass }
            })
    }

    // MARK: Digits

    private var convolutional: NetworkGraph {
        var graph = NetworkGraph(input: [1, 28, 28]), last = graph.input, inputs = 1
        for (place, channels) in setting.channels.enumerated() {
            last = graph.add("conv\(place + 1)", .convolution(.init(inputs, channels, kernel: 3)), to: last)
            last = graph.add("relu\(place + 1)", .activation(.relu), to: last)
            if place % 2 == 1 { last = graph.add("pool\(place + 1)", .maxPool(.init(2)), to: last) }
            inputs = channels
        }
        let side = 28 >> (setting.channels.count / 2)
        last = graph.add("flatten", .flatten, to: last)
        graph.add("classes", .linear(inputSize: inputs * side * side, outputSize: 10, bias: true), to: last)
        return graph
    }

    private func prunedDigits(seed: UInt64) throws -> [DigitOutcome] {
        func pictures(_ examples: Examples) -> Examples { Examples(inputs: examples.inputs.reshaped([-1, 1, 28, 28]), targets: examples.targets) }
        let split = digits.split(seed: seed), training = pictures(split.training), test = pictures(split.test)
        let network = try GraphNetwork(convolutional, generator: RandomGenerator(seed: seed))
        var configuration = NetworkTrainingConfiguration()
        (configuration.steps, configuration.batchSize, configuration.learningRate) = (setting.digitSteps, 50, 1e-3)
        try trainNetwork(
            network, configuration, on: ShuffledExamples(training, seed: seed), task: "Digits, seed \(seed)", progress: context.progress,
            cancellation: context.cancellation)
        let references = Self.perClass(setting.digitReferences, of: training)
        return try ChannelCriterion.allCases.map { criterion in
            var pruning = try ChannelPruning(
                network, ChannelPruningPlan(.channels(setting.digitPart), criterion: criterion, step: setting.digitStep))
            var curve = [(cut: 0.0, accuracy: network.quality(on: test).accuracy)]
            let random = RandomGenerator(seed: seed)
            while !pruning.isFinished {
                try context.cancellation.check()
                try pruning.cutNext(on: references, batchSize: 100, random: random)
                curve.append((pruning.cutPart, pruning.network.quality(on: test).accuracy))
            }
            var tuning = configuration
            (tuning.steps, tuning.logEvery) = (setting.tuningSteps, setting.tuningSteps)
            try trainNetwork(
                pruning.network, tuning, on: ShuffledExamples(training, seed: seed &+ 1), task: "Digits, \(criterion.rawValue), fine-tuning",
                progress: context.progress, cancellation: context.cancellation)
            return DigitOutcome(
                criterion: criterion, seed: seed, curve: curve, tuned: pruning.network.quality(on: test).accuracy, parameterPart: pruning.parameterPart,
                multiplyAddPart: pruning.multiplyAddPart)
        }
    }

    /// The first so many examples of each class.
    private static func perClass(_ count: Int, of examples: Examples) -> Examples {
        var left: [Int: Int] = [:]
        let labels: [Int] = examples.targets.scalars()
        return examples.chosen(
            labels.indices.filter { place in
                left[labels[place], default: 0] += 1
                return left[labels[place]]! <= count
            })
    }
}
