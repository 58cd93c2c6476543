public import Experiments
internal import Foundation
internal import Networks
internal import Torch
internal import TorchNN

/// The settings with which a network is trained on somebody's own data.
public struct NetworkFittingConfiguration: RunConfiguration {
    /// A run or folder, file of weights or vision model of the catalogue; or a new network: `new:lstm-256`, `new:perceptron-300-100`,
    /// `new:resnet18`, `new:vgg16`, `new:efficientnet-lite0`.
    public var network = ""
    /// Height and width of pictures; the network's own if nil.
    public var imageSize: Int?
    public var data = NetworkDataConfiguration()
    /// Whether the last layer is replaced by a new one with the classes of the data.
    public var newClasses = false
    public var training = NetworkTrainingConfiguration()

    public init() {
        (training.steps, training.batchSize, training.learningRate) = (200, 16, 1e-3)
    }

    public func validate() throws(ConfigurationError) {
        try ConfigurationError.require(!network.isEmpty, "network", "must name a network", found: "nothing")
        try ConfigurationError.require(imageSize.map { (8...4_096).contains($0) } ?? true, "imageSize", "must be between 8 and 4096", found: imageSize ?? 0)
        try data.validate()
        try training.validate()
    }
}

/// Trains a network in a run directory: `network/`, metrics, checkpoints, a report.
/// - Throws: `ConfigurationError`, `GraphProblem`, ``NetworkDataError``, errors of opening and of ``trainNetwork(_:_:on:references:task:run:progress:cancellation:afterStep:)``.
public func fitNetwork(
    _ configuration: NetworkFittingConfiguration, settings: RunSettings, run: Run, progress: any ProgressReporter, cancellation: Cancellation
) throws -> Report {
    let device = try Device(parsing: settings.device), (start, data) = try configuration.beginning(seed: settings.seed, progress)
    let trained = try trainNetwork(
        start.network.copied(to: device, seed: settings.seed), configuration.training, on: DeviceExamples(data.batches(seed: settings.seed), device), run: run,
        progress: progress, cancellation: cancellation
    ).moved(to: .cpu, seed: settings.seed)
    let measured = try NetworkMeasurement.all([trained], on: data.test, progress: progress, cancellation: cancellation)[0].measurement
    var details = ExportDetails(method: "training on \(configuration.data.source)")
    details.seed = settings.seed
    _ = try TrainedNetwork(trained, characters: start.characters).write(to: run, mode: .fold, details: details)
    try run.write(measured, named: "measurement.json")
    return Report(
        title: "Network \(configuration.network)",
        subtitle: "Trained on \(formatCount(data.training.count)) examples of \(configuration.data.source), measured on \(formatCount(data.test.count)) others",
        blocks: [
            .keyNumbers(measured.keyNumbers(ofText: start.characters != nil)),
            .heading("Training"),
        ] + (try MetricWriter.read(run.directory)).curves([MetricCurve("loss", "Loss", Axis("cross-entropy of a batch, nats"))]))
}

extension NetworkFittingConfiguration {
    /// The network to train, and what it is trained on.
    package func beginning(seed: UInt64, _ progress: any ProgressReporter) throws -> (start: TrainedNetwork, data: NetworkData) {
        let random = RandomGenerator(seed: seed)
        if network.hasPrefix("new:") {
            let plan = try NewNetwork(String(network.dropFirst(4)))
            if let size = plan.recurrentSize {
                let text = try CharacterText.parts(
                    of: data.source, test: data.test, heldOut: data.heldOut, limit: data.limit.map { $0 * 1_000 }, seed: seed)
                let characters = CharacterVocabulary(of: text.training).characters
                let graph = NetworkGraph.lstmLanguageModel(vocabulary: characters.count + 1, embeddingSize: min(size, 64), hiddenSize: size, length: 48)
                let start = TrainedNetwork(try GraphNetwork(graph, generator: random), characters: characters)
                return (start, try NetworkData(data, for: graph, characters: characters, seed: seed, progress: progress))
            }
            let draft = plan.graph(classes: 2, imageSize: imageSize)
            let found = try NetworkData(data, for: draft, characters: nil, replacingClasses: true, seed: seed, progress: progress)
            let graph = plan.graph(classes: max(2, found.classes.count), imageSize: imageSize)
            return (TrainedNetwork(try GraphNetwork(graph, generator: random), characters: nil), found)
        }
        let start = try TrainedNetwork(network, imageSize: imageSize)
        let found = try NetworkData(data, for: start.network.graph, characters: start.characters, replacingClasses: newClasses, seed: seed, progress: progress)
        guard newClasses else { return (start, found) }
        return (TrainedNetwork(try start.network.replacingLastLayer(classes: found.classes.count, generator: random), characters: start.characters), found)
    }
}

/// A network that is to be made.
private enum NewNetwork {
    case lstm(Int)
    case perceptron([Int])
    case resNet(ResNetSize)
    case vgg
    case efficientNetLite(Int)

    /// - Throws: `ConfigurationError` for a name that means nothing.
    init(_ name: String) throws(ConfigurationError) {
        let parts = name.split(separator: "-").map(String.init), numbers = parts.dropFirst().compactMap { Int($0) }.filter { (1...65_536).contains($0) }
        let areAllNumbers = numbers.count == parts.count - 1
        switch parts.first {
        case "lstm" where areAllNumbers && numbers.count < 2: self = .lstm(numbers.first ?? 256)
        case "perceptron" where areAllNumbers && !numbers.isEmpty: self = .perceptron(numbers)
        case "vgg16" where parts.count == 1: self = .vgg
        case "efficientnet" where parts.count == 2 && ["lite0", "lite1", "lite2"].contains(parts[1]): self = .efficientNetLite(Int(String(parts[1].last!))!)
        default:
            guard let size = ResNetSize.allCases.first(where: { "\($0)".lowercased() == name }) else {
                throw ConfigurationError(
                    key: "network",
                    problem: "names no new network, found '\(name)'; there are lstm-256, perceptron-300-100, resnet18, vgg16 and efficientnet-lite0, and other sizes of them")
            }
            self = .resNet(size)
        }
    }

    var recurrentSize: Int? { if case .lstm(let size) = self { size } else { nil } }

    func graph(classes: Int, imageSize: Int?) -> NetworkGraph {
        let side = imageSize ?? 224
        switch self {
        case .lstm(let size): return .lstmLanguageModel(vocabulary: classes, embeddingSize: min(size, 64), hiddenSize: size, length: 48)
        case .perceptron(let sizes): return .perceptron([784] + sizes + [classes])
        // Small pictures would lose their pixels to the first layer.
        case .resNet(let size): return .resNet(size, input: [3, side, side], classes: classes, startsSmall: side < 64)
        case .vgg: return .vgg16(input: [3, max(32, side / 32 * 32), max(32, side / 32 * 32)], classes: classes, hidden: 512, normalizes: true)
        case .efficientNetLite(let size): return .efficientNetLite(size, classes: classes, imageSize: imageSize)
        }
    }
}
