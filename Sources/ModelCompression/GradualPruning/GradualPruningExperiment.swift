package import Experiments
internal import Foundation
internal import Networks
internal import Torch

/// Large networks with many zeros against small ones without, with equally many weights that are not zero, and what the schedule does.
package struct GradualPruningExperiment {
    let setting: GradualPruningSetting
    let text: CharacterText
    let digits: DigitExamples
    private let context: ReproductionContext

    package init(_ setting: GradualPruningSetting, _ text: CharacterText, _ digits: DigitExamples, context: ReproductionContext) {
        (self.setting, self.text, self.digits, self.context) = (setting, text, digits, context)
    }

    /// How a network gets its number of weights.
    enum Arm: Hashable {
        case dense
        /// Along the cubic schedule, and what differs from the default.
        case sparse(Double, Variant = .usual)
        /// As many weights as a sparse network has that are not zero.
        case small(Double)

        enum Variant: String {
            case usual = "cubic"
            case oneShot = "all at once"
            case vanish = "masked weights vanish"
            case network = "one threshold"
        }

        var name: String {
            switch self {
            case .dense: "dense"
            case .sparse(let sparsity, .usual): "\(percentage(sparsity)) sparse"
            case .sparse(let sparsity, let variant): "\(percentage(sparsity)) sparse, \(variant.rawValue)"
            case .small(let sparsity): "small dense as \(percentage(sparsity)) sparse"
            }
        }
    }

    /// One network that was trained.
    struct Outcome {
        let arm: Arm
        let seed: UInt64
        /// On the test set.
        let quality: NetworkQuality
        let nonzero: Int
        let weights: Int
        /// Of the packed file, and of all weights in single precision.
        let fileBytes: Int, denseBytes: Int
        /// Of weights that may be pruned at each logged step, and the loss; of the first seed.
        let curve: [(step: Int, loss: Double, sparsity: Double)]
    }

    /// A task to learn.
    struct Task {
        let name: String
        let width: Int
        let graph: (Int) -> NetworkGraph
        let training: NetworkTrainingConfiguration
        let arms: [Arm]
        /// Smaller is better.
        let error: (NetworkQuality) -> Double
        let errorName: String
        /// For a seed.
        let data: (UInt64) -> (source: any ExampleSource, validation: Examples, test: Examples)
    }

    var textTask: Task {
        var training = NetworkTrainingConfiguration()
        (training.steps, training.batchSize, training.learningRate) = (setting.textSteps, setting.textBatchSize, setting.textLearningRate)
        training.warmupSteps = setting.textSteps / 20
        let most = setting.textSparsities.last ?? 0.9
        let length = setting.length, ids = text.training
        let (validation, test) = (TextWindows.all(of: text.validation, length: length), TextWindows.all(of: text.test, length: length))
        return Task(
            name: "LSTM language model", width: setting.hiddenSize,
            graph: { [vocabulary = text.vocabularySize, embedding = setting.embeddingSize] hidden in
                .lstmLanguageModel(vocabulary: vocabulary, embeddingSize: embedding, hiddenSize: hidden, length: length)
            }, training: training,
            arms: [.dense] + setting.textSparsities.map { .sparse($0) } + setting.textSparsities.dropFirst().map { .small($0) }
                + [.sparse(most, .oneShot)],
            error: \.bits, errorName: "bits per character",
            data: { (TextWindows(ids, length: length, seed: $0), validation, test) })
    }

    var digitTask: Task {
        var training = NetworkTrainingConfiguration()
        (training.steps, training.batchSize, training.learningRate) = (setting.digitSteps, setting.digitBatchSize, setting.digitLearningRate)
        let most = setting.digitSparsities.last ?? 0.95
        return Task(
            name: "Perceptron on digits", width: setting.perceptronWidth, graph: { .perceptron([784, $0, max(1, $0 / 3), 10]) }, training: training,
            arms: [.dense] + setting.digitSparsities.map { .sparse($0) } + setting.digitSparsities.map { .small($0) }
                + [.oneShot, .vanish, .network].map { .sparse(most, $0) },
            error: { (1 - $0.accuracy) * 100 }, errorName: "% wrong",
            data: { [digits] seed in
                let split = digits.split(seed: seed)
                return (ShuffledExamples(split.training, seed: seed), split.validation, split.test)
            })
    }

    package func run() throws -> Reproduction {
        var results: [GradualPruningFindings.TaskResult] = []
        for task in [textTask, digitTask] { results.append(try run(task)) }
        return GradualPruningFindings(setting: setting, text: text, seeds: context.seeds.count, onText: results[0], onDigits: results[1]).reproduction
    }

    private func run(_ task: Task) throws -> GradualPruningFindings.TaskResult {
        var search = LearningRateSearch(error: "\(task.errorName) on validation"), rates: [Arm: Double] = [:]
        for arm in task.arms {
            let seed = context.seeds[0], data = task.data(seed)
            rates[arm] = try search.rate(for: "\(task.name), \(arm.name)", from: task.training.learningRate) { rate in
                do {
                    let trained = try trained(
                        task, arm, on: data.source, rate: rate, seed: seed, note: ", learning rate \(formatNumber(rate, digits: 2))")
                    return .init(error: task.error(trained.network.quality(on: data.validation)))
                } catch NetworkTrainingError.diverged { return nil }
            }
        }
        var outcomes: [Outcome] = [], choices: [LayerChoice] = []
        let sparsest = task.arms.compactMap(\.usualSparsity).max()
        for seed in context.seeds {
            let data = task.data(seed), isFirst = seed == context.seeds[0]
            for arm in task.arms {
                let (network, curve) = try trained(task, arm, on: data.source, rate: rates[arm]!, seed: seed, note: ", seed \(seed)")
                let quality = network.quality(on: data.test), counts = network.weightCounts, bytes = try network.fileByteCount()
                try context.run.log(
                    ["\(task.name)/\(arm.name)/\(task.errorName)": task.error(quality), "\(task.name)/\(arm.name)/weights": Double(counts.nonzero)],
                    step: Int(seed &- context.seeds[0]))
                outcomes.append(
                    Outcome(
                        arm: arm, seed: seed, quality: quality, nonzero: counts.nonzero, weights: counts.all, fileBytes: bytes, denseBytes: counts.all * 4,
                        curve: isFirst ? curve : []))
                if isFirst, let sparsity = arm.usualSparsity, sparsity == sparsest {
                    choices = SparseNetwork(network, measuredWith: data.test.chosen([0]).inputs).choices
                }
            }
        }
        return .init(task: task, outcomes: outcomes, choices: choices, rates: search.evidence)
    }

    private func trained(
        _ task: Task, _ arm: Arm, on source: any ExampleSource, rate: Double, seed: UInt64, note: String
    ) throws -> (network: GraphNetwork, curve: [(step: Int, loss: Double, sparsity: Double)]) {
        var configuration = task.training, width = task.width
        configuration.learningRate = rate
        switch arm {
        case .dense: break
        case .sparse(let sparsity, let variant):
            let gradual = PruningSchedule(initial: 0, final: sparsity, begin: task.training.steps / 5, end: task.training.steps * 7 / 10, every: max(1, task.training.steps / 50))
            configuration.pruning = PruningPlan(
                schedule: variant == .oneShot ? .oneShot(sparsity, at: gradual.begin) : gradual, scope: variant == .network ? .network : .layer,
                maskedWeights: variant == .vanish ? .vanish : .rest)
        case .small(let sparsity): width = try smallWidth(task, sparsity)
        }
        let network = try GraphNetwork(task.graph(width), generator: RandomGenerator(seed: seed))
        var curve: [(step: Int, loss: Double, sparsity: Double)] = []
        try trainNetwork(
            network, configuration, on: source, task: "\(task.name), \(arm.name)\(note)", progress: context.progress,
            cancellation: context.cancellation
        ) { step, report in
            if step % configuration.logEvery == 0 { curve.append((step, report.loss, report.sparsity ?? 0)) }
        }
        return (network, curve)
    }

    /// The width at which a dense network has about as many weights as a sparse one of full width has that are not zero.
    private func smallWidth(_ task: Task, _ sparsity: Double) throws -> Int {
        func weights(_ width: Int) throws -> (all: Int, pruned: Int) {
            let graph = task.graph(width), plan = PruningPlan(schedule: .oneShot(sparsity, at: 0))
            let targets = Set(try plan.targets(in: graph).map(\.weight))
            return graph.nodes.reduce((0, 0)) { sums, node in
                node.operation.parameters.filter { !$0.isBuffer }.reduce(sums) { sums, parameter in
                    let count = parameter.shape.reduce(1, *)
                    return (sums.0 + count, sums.1 + (targets.contains("\(node.name).\(parameter.name)") ? count : 0))
                }
            }
        }
        let large = try weights(task.width), wanted = Double(large.all) - Double(large.pruned) * sparsity
        let distances = try (1..<task.width).map { width in (width, abs(Double(try weights(width).all) - wanted)) }
        return distances.min { $0.1 < $1.1 }?.0 ?? task.width
    }
}

/// A part as per cent, without zeros behind the point: 50 %, 97.5 %.
func percentage(_ part: Double) -> String {
    let tenths = (part * 1_000).rounded()
    return tenths.truncatingRemainder(dividingBy: 10) == 0 ? "\(Int(tenths / 10)) %" : "\(formatNumber(tenths / 10, digits: 3)) %"
}

extension GradualPruningExperiment.Arm {
    /// Of arms along the cubic schedule.
    fileprivate var usualSparsity: Double? { if case .sparse(let sparsity, .usual) = self { sparsity } else { nil } }
}
