internal import Datasets
package import Experiments
internal import Foundation
package import Networks
internal import Torch
internal import TorchNN

/// Relevance against weights, gradients and Taylor expansions as the criterion for what to cut.
package struct ExplainingExperiment {
    let setting: ExplainingSetting
    private let digits: DigitExamples
    private let cells: Cells?
    private let context: ReproductionContext

    /// Solar cells, and the network that is trained on them.
    package struct Cells {
        let pictures: any ExampleSet
        /// Trained on other pictures.
        let network: GraphNetwork

        package init(_ pictures: any ExampleSet, _ network: GraphNetwork) { (self.pictures, self.network) = (pictures, network) }

        /// The data item `elpv`, and EfficientNet-Lite0; both are fetched if needed.
        init(imageSize: Int, progress: any ProgressReporter) throws {
            progress.message("Solar cells: the data item elpv; EfficientNet-Lite0 with weights of ImageNet: the data item efficientnet-lite0")
            _ = try DataStore().fetch("efficientnet-lite0")
            network = try GraphNetwork.open("efficientnet-lite0", imageSize: imageSize)
            pictures = try LabelledPictures(solarCellsFor: network.graph)
        }
    }

    /// - Parameter cells: nil for an experiment without them.
    package init(_ setting: ExplainingSetting, _ digits: DigitExamples, _ cells: Cells?, context: ReproductionContext) {
        (self.setting, self.digits, self.cells, self.context) = (setting, digits, cells, context)
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

    /// A network on pictures on the way to being smaller.
    struct CutOutcome {
        /// Of the task.
        let task: String
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

    /// Pictures to tell apart, and the network that learns it before it is cut.
    private struct PictureTask {
        let name: String
        let network: GraphNetwork
        let training: any ExampleSet, test: any ExampleSet
        let configuration: NetworkTrainingConfiguration
        let mirrors: Bool
        let plan: ExplainingSetting.Cuts
    }

    package func run() throws -> Reproduction {
        var points: [PointOutcome] = [], pictures: [CutOutcome] = []
        for seed in context.seeds {
            for set in PointSet.allCases { points += try pruned(set, seed: seed) }
            pictures += try pruned(digitTask(seed: seed), seed: seed)
            if let cells { pictures += try pruned(cellTask(cells, seed: seed), seed: seed) }
        }
        return ExplainingFindings(setting: setting, points: points, pictures: pictures, seeds: context.seeds.count).reproduction
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
            var pruning = try ChannelPruning(network, ChannelPruningPlan(.channels, less: 1.0 / 3, criterion: criterion, step: 1.0 / 3))
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

    // MARK: Pictures

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

    private func digitTask(seed: UInt64) throws -> PictureTask {
        func pictures(_ examples: Examples) -> Examples { Examples(inputs: examples.inputs.reshaped([-1, 1, 28, 28]), targets: examples.targets) }
        let split = digits.split(seed: seed)
        var configuration = NetworkTrainingConfiguration()
        (configuration.steps, configuration.batchSize, configuration.learningRate) = (setting.digitSteps, 50, 1e-3)
        return PictureTask(
            name: ExplainingSetting.digitName, network: try GraphNetwork(convolutional, generator: RandomGenerator(seed: seed)), training: pictures(split.training),
            test: pictures(split.test), configuration: configuration, mirrors: false, plan: setting.digitCuts)
    }

    private func cellTask(_ cells: Cells, seed: UInt64) throws -> PictureTask {
        let split = cells.pictures.split(heldOut: 0.3, seed: seed)
        var configuration = NetworkTrainingConfiguration()
        (configuration.steps, configuration.batchSize, configuration.learningRate) = (setting.cellSteps, 16, setting.cellLearningRate)
        configuration.warmupSteps = setting.cellSteps / 10
        return PictureTask(
            name: ExplainingSetting.cellName, network: try cells.network.replacingLastLayer(classes: 2, generator: RandomGenerator(seed: seed)),
            training: split.training, test: ExampleSubset(split.heldOut, Array(0..<min(split.heldOut.count, setting.cellTestCount))), configuration: configuration,
            mirrors: true, plan: setting.cellCuts)
    }

    private func pruned(_ task: PictureTask, seed: UInt64) throws -> [CutOutcome] {
        func train(_ network: GraphNetwork, _ configuration: NetworkTrainingConfiguration, seed: UInt64, _ note: String) throws {
            try trainNetwork(
                network, configuration, on: ShuffledExamples(task.training, seed: seed, mirrors: task.mirrors), task: "\(task.name), \(note)", progress: context.progress,
                cancellation: context.cancellation)
        }
        func accuracy(_ network: GraphNetwork) throws -> Double {
            try network.quality(on: task.test, batchSize: 100, progress: SilentProgress(), cancellation: context.cancellation).balancedAccuracy
        }
        let network = task.network
        try train(network, task.configuration, seed: seed, "seed \(seed)")
        let references = try task.training.chosen(task.training.places(perClass: task.plan.references)), whole = try accuracy(network)
        let outcomes = try ChannelCriterion.allCases.map { criterion in
            var plan = ChannelPruningPlan(.channels, less: task.plan.part, criterion: criterion, step: task.plan.step)
            plan.rules = task.plan.rules
            var pruning = try ChannelPruning(network, plan)
            var curve = [(cut: 0.0, accuracy: whole)]
            let random = RandomGenerator(seed: seed)
            while try !pruning.isFinished {
                try context.cancellation.check()
                try pruning.cutNext(on: references, batchSize: task.plan.batchSize, random: random)
                curve.append((try pruning.part(gone: .channels), try accuracy(pruning.network)))
            }
            var tuning = task.configuration
            (tuning.steps, tuning.logEvery, tuning.warmupSteps) = (task.plan.tuningSteps, task.plan.tuningSteps, 0)
            try train(pruning.network, tuning, seed: seed &+ 1, "\(criterion.rawValue), training again")
            return CutOutcome(
                task: task.name, criterion: criterion, seed: seed, curve: curve, tuned: try accuracy(pruning.network),
                parameterPart: 1 - (try pruning.part(gone: .parameters)), multiplyAddPart: 1 - (try pruning.part(gone: .multiplyAdds)))
        }
        try context.run.log(
            Dictionary(uniqueKeysWithValues: outcomes.map { ("\(task.name)/\($0.criterion.rawValue)/accuracy", $0.area) }), step: Int(seed &- context.seeds[0]))
        return outcomes
    }
}

extension NetworkScore {
    /// The mean over classes of what is right, so that the largest class does not decide.
    var balancedAccuracy: Double {
        classes.values.reduce(0) { $0 + Double($1.right) / Double(max(1, $1.examples)) } / Double(max(1, classes.count))
    }
}
