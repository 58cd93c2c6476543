public import Experiments
internal import Foundation
internal import Networks
internal import Torch
internal import TorchNN

/// The settings with which a network is made smaller.
public struct NetworkPruningConfiguration: RunConfiguration {
    /// A run or folder, file of weights or vision model of the catalogue.
    public var network = ""
    /// Height and width of pictures; the network's own if nil.
    public var imageSize: Int?
    /// What it is trained and measured on; nil for neither.
    public var data: NetworkDataConfiguration?
    public var goal = PruningGoal()
    /// Which weights go together, where weights become zero.
    public var pattern = SparsityPattern.unstructured
    public var scope = PruningPlan.Scope.layer
    public var maskedWeights = PruningPlan.MaskedWeights.rest
    /// Which channels go first, where channels are cut.
    public var criterion = ChannelCriterion.taylor
    /// Of relevance.
    public var rule = RulePreset.zPlus
    /// The part of all channels that goes between two measurements of what they matter.
    public var step = 0.05
    /// No layer loses more than this part of its channels.
    public var largestPart = 0.8
    /// Examples of each class that the criterion is measured on.
    public var references = 10
    /// Part of the training at which the goal is reached; what goes goes along a cubic curve until then.
    public var end = 0.6
    /// While what is to go goes, and after it; with 0 steps it goes at once and nothing is trained.
    public var training = NetworkTrainingConfiguration()

    public init() {
        (training.steps, training.batchSize, training.learningRate) = (0, 16, 3e-4)
    }

    public func validate() throws(ConfigurationError) {
        try ConfigurationError.require(!network.isEmpty, "network", "must name a network", found: "nothing")
        try ConfigurationError.require(imageSize.map { (8...4_096).contains($0) } ?? true, "imageSize", "must be between 8 and 4096", found: imageSize ?? 0)
        try data?.validate()
        try goal.validate()
        try ConfigurationError.require(references > 0, "references", "must be positive", found: references)
        try ConfigurationError.require(end > 0 && end < 1, "end", "must be more than 0 and less than 1", found: end)
        try plan(goal.part).validate()
        try channels().validate()
        try training.validate()
        guard training.pruning == nil, training.channels == nil else {
            throw ConfigurationError(key: "training", problem: "must not have pruning or channels; goal and end say what goes, and when")
        }
        if data == nil {
            try ConfigurationError.require(training.steps == 0, "training.steps", "must be 0 without data to train on", found: training.steps)
            guard goal.means == .weights || !criterion.needsExamples else {
                throw ConfigurationError(key: "criterion", problem: "must be weight or random without data, found \(criterion.rawValue)")
            }
        }
    }

    /// Looks for what would stop the pruning only after it has begun: files, channels, classes, layers.
    /// - Throws: as ``pruneNetwork(_:settings:run:progress:cancellation:)``.
    package func check() throws {
        let opened = try TrainedNetwork(network, imageSize: imageSize), graph = opened.network.graph
        if let data { _ = try NetworkData(data, for: graph, characters: opened.characters, seed: 0) }
        switch goal.means {
        case .weights:
            _ = try plan(goal.part).targets(in: graph)
            // Time is not measured twice.
            if goal.measure != .latency { _ = try goal.sparsity(of: opened.network, plan(goal.part)) }
        case .channels:
            let plan = channels(of: graph), most = try ChannelPruning(opened.network, plan).mostThatCanGo()
            guard most >= goal.part || goal.measure == .latency else {
                throw GraphProblem(
                    "\(percentage(goal.part)) of the \(goal.measure.words) cannot go: with \(percentage(largestPart)) of the channels of each layer gone it is \(percentage(max(0, most))); "
                        + "choose a smaller part, or a larger part of each layer")
            }
            if criterion == .relevance { _ = try RelevancePropagation(opened.network, rules: plan.rules) }
        }
    }

    /// Along the training, or at once.
    private func schedule(_ part: Double) -> PruningSchedule {
        let last = Int((Double(training.steps) * end).rounded(.down))
        return training.steps == 0 ? .oneShot(part, at: 0) : PruningSchedule(final: part, begin: 0, end: last, every: max(1, last / 25))
    }

    func plan(_ sparsity: Double) -> PruningPlan { PruningPlan(schedule: schedule(sparsity), pattern: pattern, scope: scope, maskedWeights: maskedWeights) }

    /// - Parameter graph: of the network that is cut; nil where it is not known yet.
    func channels(of graph: NetworkGraph? = nil) -> ChannelPruningPlan {
        var plan = ChannelPruningPlan(goal.measure.ofChannels ?? .channels, schedule: schedule(goal.part), criterion: criterion, step: step)
        plan.largestPart = largestPart
        plan.rules = rule.rules(graph.map { ImagePreparation(for: $0) } ?? .none)
        return plan
    }
}

/// Makes a network smaller in a run directory: `network/`, metrics, checkpoints, and a report of what was saved and lost.
///
/// The network that is read is not written to.
/// - Throws: `ConfigurationError`, `GraphProblem` for goals that cannot be reached, ``NetworkDataError``, errors of opening and of training.
public func pruneNetwork(
    _ configuration: NetworkPruningConfiguration, settings: RunSettings, run: Run, progress: any ProgressReporter, cancellation: Cancellation
) throws -> Report {
    let opened = try TrainedNetwork(configuration.network, imageSize: configuration.imageSize), device = try Device(parsing: settings.device)
    let before = opened.network
    let data = try configuration.data.map { try NetworkData($0, for: before.graph, characters: opened.characters, seed: settings.seed, progress: progress) }
    let pruning = NetworkPruning(configuration, before, data, device: device, seed: settings.seed)
    let after = try pruning.pruned(run: run, progress: progress, cancellation: cancellation)
    let measured = try NetworkMeasurement.all([before, after], on: data?.test, progress: progress, cancellation: cancellation)
    let outcome = PruningOutcome(
        configuration: configuration, before: before, after: after, measurements: measured.map(\.measurement), choices: measured[1].choices,
        examples: data.map { ($0.training.count, $0.test.count) }, isText: opened.characters != nil)
    try run.write(["before": outcome.measurements[0], "after": outcome.measurements[1]], named: "measurement.json")
    var details = outcome.details
    details.seed = settings.seed
    _ = try TrainedNetwork(after, characters: opened.characters).write(to: run, mode: .packed, details: details)
    return try outcome.report(MetricWriter.read(run.directory))
}

/// One network on its way.
private struct NetworkPruning {
    let configuration: NetworkPruningConfiguration
    let network: GraphNetwork
    let data: NetworkData?
    let device: Device
    let seed: UInt64

    init(_ configuration: NetworkPruningConfiguration, _ network: GraphNetwork, _ data: NetworkData?, device: Device, seed: UInt64) {
        (self.configuration, self.network, self.data, self.device, self.seed) = (configuration, network, data, device, seed)
    }

    func pruned(run: Run, progress: any ProgressReporter, cancellation: Cancellation) throws -> GraphNetwork {
        var training = configuration.training
        var references: Examples?
        switch configuration.goal.means {
        case .weights:
            let plan = configuration.plan(try sparsity(run))
            guard training.steps > 0 else {
                let copy = try network.copied(to: device, seed: seed)
                try WeightPruner(copy, plan).pruneAtOnce()
                return try copy.moved(to: .cpu, seed: seed)
            }
            training.pruning = plan
        case .channels:
            references = configuration.criterion.needsExamples ? try data?.references(perClass: configuration.references).on(device) : nil
            // Cutting changes no weights in place.
            guard training.steps > 0 else {
                return try cutAtOnce(network.moved(to: device, seed: seed), references, progress, cancellation).moved(to: .cpu, seed: seed)
            }
            training.channels = configuration.channels(of: network.graph)
        }
        guard let data else { preconditionFailure("a training has data") }
        return try trainNetwork(
            network.copied(to: device, seed: seed), training, on: DeviceExamples(data.batches(seed: seed), device), references: references, task: "Pruning", run: run, progress: progress,
            cancellation: cancellation
        ).moved(to: .cpu, seed: seed)
    }

    private func cutAtOnce(
        _ network: GraphNetwork, _ references: Examples?, _ progress: any ProgressReporter, _ cancellation: Cancellation
    ) throws -> GraphNetwork {
        var pruning = try ChannelPruning(network, configuration.channels(of: network.graph))
        let random = RandomGenerator(seed: seed, device: device)
        progress.begin("Cutting channels", total: 100, unit: "% of the goal")
        while try !pruning.isFinished {
            try cancellation.check()
            try pruning.cutNext(on: references, random: random)
            progress.update(min(100, Int(100 * (try pruning.part(gone: pruning.plan.measure)) / max(configuration.goal.part, 1e-9))))
        }
        progress.end()
        return pruning.network
    }

    /// A run that was resumed goes on with the sparsity it began with: one that was found by time would not be found again.
    private func sparsity(_ run: Run) throws -> Double {
        let file = run.directory.appending(path: "sparsity.json")
        if run.resumedFrom != nil, let data = try? Data(contentsOf: file), let found = try? JSONDecoder().decode([Double].self, from: data).first { return found }
        let found = try configuration.goal.sparsity(of: network, configuration.plan(configuration.goal.part))
        try run.write([found], named: "sparsity.json")
        return found
    }
}
