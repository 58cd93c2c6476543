public import Experiments
internal import Networks
internal import Torch

/// Networks measured beside each other.
public struct NetworkEvaluation: Codable, Sendable {
    public struct Entry: Codable, Sendable {
        /// As it was asked for.
        public var network: String
        public var measurement: NetworkMeasurement
        /// By the number of the class; empty for sequences and where there are no data.
        public var classes: [Int: NetworkScore.ClassScore]
    }

    public var entries: [Entry]
    /// Names of the classes by their numbers.
    public var classes: [String]
    public var isText: Bool

    /// - Parameters:
    ///   - networks: with their names, at least one, all of one kind of input.
    ///   - data: what to measure quality on; nil for size and time alone.
    ///   - limit: examples at most, drawn by chance, or thousands of characters.
    /// - Throws: `GraphProblem` for networks of different inputs; ``NetworkDataError``, errors of reading.
    public init(
        _ networks: [(name: String, network: TrainedNetwork)], on data: String?, limit: Int? = nil, progress: any ProgressReporter = SilentProgress(),
        cancellation: Cancellation = Cancellation()
    ) throws {
        let first = networks[0].network
        for other in networks.dropFirst() where other.network.network.graph.inputShape != first.network.graph.inputShape {
            throw GraphProblem(
                "'\(networks[0].name)' takes \(first.network.graph.inputShape) and '\(other.name)' \(other.network.network.graph.inputShape); compare networks that take the same")
        }
        let sets = try data.map { name in
            try networks.map { try NetworkData.all(name, limit: limit, for: $0.network.network.graph, characters: $0.network.characters, progress: progress) }
        }
        isText = first.characters != nil
        classes = sets?.first?.classes ?? []
        let sizes = try NetworkMeasurement.all(networks.map(\.network.network), on: nil, progress: progress, cancellation: cancellation)
        var entries: [Entry] = []
        for (place, entry) in networks.enumerated() {
            let score = try sets.map { try entry.network.network.quality(on: $0[place].examples, progress: progress, cancellation: cancellation) }
            var measurement = sizes[place].measurement
            measurement.quality = score?.all
            entries.append(Entry(network: entry.name, measurement: measurement, classes: score?.classes ?? [:]))
        }
        self.entries = entries
    }

    public var table: Table { NetworkMeasurement.table(entries.map { ($0.network, $0.measurement) }, ofText: isText) }

    /// What is right of each class; nil where there are none, or more than people read.
    public var classTable: Table? {
        let labels = Set(entries.flatMap(\.classes.keys)).sorted()
        guard (1...50).contains(labels.count) else { return nil }
        return Table(
            columns: [.text("Class"), .number("examples")] + entries.map { .number("\($0.network): right, %") },
            rows: labels.map { label in
                [classes.indices.contains(label) ? classes[label] : "\(label)", formatCount(entries[0].classes[label]?.examples ?? 0)]
                    + entries.map { entry in entry.classes[label].map { formatNumber(Double($0.right) / Double($0.examples) * 100, digits: 4) } ?? "–" }
            })
    }
}
