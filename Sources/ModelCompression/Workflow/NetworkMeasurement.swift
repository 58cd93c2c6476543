public import Experiments
internal import Networks
internal import Torch

/// How large, fast and good a network is.
public struct NetworkMeasurement: Codable, Sendable, Equatable {
    /// All weights, statistics of norms left out, and those that are not zero.
    public var weights: Int, nonzero: Int
    /// For one example, zeros counted.
    public var multiplyAdds: Int
    /// Of the packed file of weights.
    public var fileBytes: Int
    /// Median of a pass of one example, layers with zeros in the form that is fastest for them, batch norms multiplied into the layers before.
    public var seconds: Double
    /// On examples that were not trained on; nil where there are none.
    public var quality: NetworkQuality?

    /// - Parameter seconds: of a pass.
    init(of network: GraphNetwork, seconds: Double, quality: NetworkQuality?) throws {
        let counts = network.weightCounts
        (weights, nonzero) = (counts.all, counts.nonzero)
        multiplyAdds = try network.graph.multiplyAdds().reduce(0, +)
        fileBytes = try network.fileByteCount()
        self.seconds = seconds
        self.quality = quality
    }

    /// Measures networks of equal inputs, their passes taking turns.
    /// - Parameter tests: examples to measure quality on; nil for none.
    /// - Returns: a measurement of each, and how the layers of each that have zeros are computed fastest.
    static func all(
        _ networks: [GraphNetwork], on tests: (any ExampleSet)?, progress: any ProgressReporter, cancellation: Cancellation
    ) throws -> [(measurement: NetworkMeasurement, choices: [LayerChoice])] {
        let input = networks[0].exampleInput(batch: 1)
        let fast = networks.map { SparseNetwork($0.foldingBatchNorms(), measuredWith: input) }
        let seconds = GraphNetwork.secondsOfPasses(fast.map { network in { network($0) } }, input, repetitions: 15)
        return try networks.indices.map { place in
            let quality = try tests.map { try networks[place].quality(on: $0, progress: progress, cancellation: cancellation) }
            return (try NetworkMeasurement(of: networks[place], seconds: seconds[place], quality: quality?.all), fast[place].choices)
        }
    }

    /// What is told of a network.
    struct Line {
        let name: String
        let value: (NetworkMeasurement) -> Double?
        /// For a table, and set large.
        let text: (Double) -> String, short: (Double) -> String
        /// Whether the change is told as a part.
        let isRelative: Bool
        /// Whether it is one of the headline numbers.
        let isHeadline: Bool

        init(
            _ name: String, _ value: @escaping (NetworkMeasurement) -> Double?, _ text: @escaping (Double) -> String, short: ((Double) -> String)? = nil,
            isRelative: Bool = true, isHeadline: Bool = true
        ) {
            (self.name, self.value, self.text, self.short) = (name, value, text, short ?? text)
            (self.isRelative, self.isHeadline) = (isRelative, isHeadline)
        }
    }

    static func lines(ofText isText: Bool) -> [Line] {
        func count(_ value: Double) -> String { formatCount(Int(value)) }
        func large(_ value: Double) -> String { formatLargeCount(Int(value)) }
        return [
            Line("File", { Double($0.fileBytes) }, { "\(count($0)) bytes" }, short: { formatBytes(Int($0)) }),
            Line("Weights", { Double($0.weights) }, count, isHeadline: false),
            Line("Weights that are not zero", { Double($0.nonzero) }, count, short: large),
            Line("Multiply-adds", { Double($0.multiplyAdds) }, count, short: large),
            Line("Time for one example", { $0.seconds * 1e3 }, { "\(formatNumber($0, digits: 3)) ms" }),
            isText
                ? Line("Bits per character", { $0.quality?.bits }, { formatNumber($0, digits: 4) }, isRelative: false)
                : Line("Right", { $0.quality.map { $0.accuracy * 100 } }, { "\(formatNumber($0, digits: 4)) %" }, isRelative: false),
            Line("Cross-entropy, nats", { $0.quality?.crossEntropy }, { formatNumber($0, digits: 4) }, isRelative: false, isHeadline: false),
        ]
    }

    /// The headline numbers, beside those from before if there were any.
    func keyNumbers(before: NetworkMeasurement? = nil, ofText isText: Bool) -> [KeyNumber] {
        Self.lines(ofText: isText).filter(\.isHeadline).compactMap { line in
            guard let value = line.value(self) else { return nil }
            let first = before.flatMap(line.value)
            return KeyNumber(label: line.name, value: line.short(value), note: first.map { $0 == value ? "as before" : "before: \(line.short($0))" })
        }
    }

    /// Names and values of networks beside each other, and what the last has of the first.
    public static func table(_ measurements: [(name: String, measurement: NetworkMeasurement)], ofText isText: Bool) -> Table {
        let rows = lines(ofText: isText).compactMap { line -> [String]? in
            let values = measurements.map { line.value($0.measurement) }
            guard values.contains(where: { $0 != nil }) else { return nil }
            let cells = [line.name] + values.map { $0.map(line.text) ?? "–" }
            guard values.count > 1 else { return cells }
            guard let first = values.first ?? nil, let last = values.last ?? nil else { return cells + [""] }
            return cells + [line.isRelative ? "\(formatNumber(last / first * 100, digits: 3)) %" : "\(last >= first ? "+" : "−")\(formatNumber(abs(last - first), digits: 3))"]
        }
        return Table(columns: [.text("")] + measurements.map { .number($0.name) } + (measurements.count > 1 ? [.number("change")] : []), rows: rows)
    }
}
