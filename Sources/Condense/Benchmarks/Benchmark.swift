/// What a benchmark measured: a time beside the time of something to compare with, taken in the same run.
public struct BenchmarkRow: Codable, Sendable {
    public var name: String
    /// Seconds of one repetition: the median, and the fastest.
    public var median: Double
    public var fastest: Double
    /// What `ratio` divides by, e.g. "bare product"; nil for a baseline itself.
    public var baseline: String?
    /// This row's median over the baseline's: below 1 is faster.
    public var ratio: Double?
    /// A rate worth reading, e.g. "760 tokens/s".
    public var remark: String
    /// Where the row stands in a series over one size; nil outside of such.
    public var point: Point?

    public struct Point: Codable, Sendable, Equatable {
        /// What is varied, e.g. "features".
        public var axis: String
        public var value: Double
    }

    init(_ name: String, _ timing: Timing, remark: String = "") {
        self.name = name
        median = timing.median
        fastest = timing.fastest
        self.remark = remark
    }

    func compared(with row: BenchmarkRow) -> BenchmarkRow {
        var copy = self
        copy.baseline = row.name
        copy.ratio = median / row.median
        return copy
    }
}

/// A group of measurements that `condense bench` can run.
public struct Benchmark: Sendable {
    /// As typed on the command line.
    public var name: String
    public var summary: String
    let measure: @Sendable (_ python: String?, _ progress: (String) -> Void) throws -> [BenchmarkRow]

    /// - Parameter python: an interpreter with the reference packages; their rows are left out if nil.
    public func run(python: String?, progress: (String) -> Void) throws -> [BenchmarkRow] {
        try measure(python, progress)
    }

    /// All benchmarks, in the order they are listed.
    public static let all: [Benchmark] = [.engine, .languageModel, .sparseAutoencoder, .sparseAutoencoderScaling, .entropyCoder, .imageCodec, .sparseLayer]
}

/// Wall-clock seconds of several repetitions.
struct Timing {
    var seconds: [Double]
    var fastest: Double { seconds.min() ?? .nan }
    var median: Double { seconds.isEmpty ? .nan : seconds.sorted()[seconds.count / 2] }

    init(seconds: [Double]) { self.seconds = seconds }

    /// Runs `body` once to warm caches up, then `repetitions` times; divides each time by `operations`.
    static func measure(repetitions: Int = 7, operations: Int = 1, _ body: () throws -> Void) rethrows -> Timing {
        try body()
        return Timing(seconds: try (0..<repetitions).map { _ in try duration(body) / Double(operations) })
    }

    /// Measures several bodies in turn, so that a disturbance from outside meets them alike.
    static func interleaved(repetitions: Int = 7, _ bodies: [() throws -> Void]) throws -> [Timing] {
        for body in bodies { try body() }
        var timings = bodies.map { _ in Timing(seconds: []) }
        for _ in 0..<repetitions {
            for (index, body) in bodies.enumerated() { timings[index].seconds.append(try duration(body)) }
        }
        return timings
    }

    static func duration(_ body: () throws -> Void) rethrows -> Double {
        let clock = ContinuousClock()
        let start = clock.now
        try body()
        let elapsed = (clock.now - start).components
        return Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18
    }
}
