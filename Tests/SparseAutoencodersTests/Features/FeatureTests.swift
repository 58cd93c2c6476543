import Foundation
import SparseAutoencoders
import Testing
import Torch

/// A dictionary whose codes can be worked out by hand: feature i of a row is max(0, x_i − bias).
final class ThresholdDictionary: ActivationDictionary {
    let inputSize: Int
    let isSparse: Bool
    let bias: Double

    init(size: Int, bias: Double, isSparse: Bool) {
        inputSize = size
        self.bias = bias
        self.isSparse = isSparse
    }

    var dictionarySize: Int { inputSize }
    var decoderDirections: Tensor { Tensor.identity(inputSize) * 2 }

    func encode(_ input: Tensor) -> FeatureCode {
        let dense = (input - bias).relu()
        guard isSparse else { return .dense(dense) }
        let (values, indices) = dense.topK(inputSize)
        return .sparse(SparseCode(values: values, indices: indices, featureCount: inputSize))
    }

    func decode(_ code: FeatureCode, of input: Tensor?) -> Tensor { code.dense() * 2 + bias }
}

/// 30 contexts of 6 tokens, one document per two contexts, and the activations to them.
struct FeatureFixture {
    static let width = 4
    static let layout = ContextLayout(length: 6, beginningToken: 1, separatorToken: 2, firstPosition: 1)
    static let contextCount = 30
    let store: ActivationStore
    /// [contexts · 5][width].
    let rows: [[Float]]

    static func tokens(_ context: Int) -> [Int32] { (0..<6).map { Int32($0 == 0 ? 1 : 10 + (context * 5 + $0) % 17) } }

    init(in folder: URL) throws {
        var generator = SystemLikeGenerator(state: 5)
        var rows: [[Float]] = []
        for row in 0..<Self.contextCount * 5 {
            // Feature 0 is active often, 1 seldom, 2 on every seventh row, 3 never.
            let values: [Float] = [
                Float(generator.next(100)) / 100, Float(generator.next(100)) / 100 - 0.45, row % 7 == 0 ? Float(row) / 50 : 0, -1,
            ]
            rows.append(values)
        }
        self.rows = rows
        let description = StoreDescription(
            model: ModelIdentity(name: "tiny"), hook: "h", width: Self.width, elementType: .float32, contexts: Self.layout,
            plannedRows: rows.count, rowsPerShard: 40)
        let writer = try ActivationStoreWriter(to: folder, description: description)
        for start in stride(from: 0, to: Self.contextCount, by: 8) {
            let contexts = start..<min(Self.contextCount, start + 8)
            let part = rows[contexts.lowerBound * 5..<contexts.upperBound * 5]
            try writer.append(
                .init(
                    activations: Tensor(Array(part)), tokens: contexts.map(Self.tokens),
                    documents: contexts.map { Array(repeating: Int32($0 / 2), count: 6) }))
        }
        try writer.finish()
        store = try ActivationStore(at: folder)
    }

    /// Activations of a feature by row, as the dictionary gives them.
    func activations(_ feature: Int, bias: Float) -> [Float] { rows.map { max(0, $0[feature] - bias) } }
}

/// A linear congruential generator, enough for fixtures.
struct SystemLikeGenerator {
    var state: UInt64
    mutating func next(_ bound: UInt64) -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state >> 33) % bound
    }
}

@Suite struct FeatureTests {
    let temporary: TemporaryFolder
    let fixture: FeatureFixture

    init() throws {
        temporary = try TemporaryFolder()
        fixture = try FeatureFixture(in: temporary.file("store"))
    }

    @Test(arguments: [true, false]) func statisticsAreThoseOfAllCodes(isSparse: Bool) throws {
        let dictionary = ThresholdDictionary(size: 4, bias: 0.25, isSparse: isSparse)
        let statistics = try FeatureStatistics(of: dictionary, on: FeatureSource(fixture.store))
        #expect(statistics.rowCount == 150)
        for feature in 0..<4 {
            let values = fixture.activations(feature, bias: 0.25)
            let active = values.indices.filter { values[$0] > 0 }
            #expect(statistics.firingCounts[feature] == active.count)
            #expect(statistics.contextCounts[feature] == Set(active.map { $0 / 5 }).count)
            #expect(statistics.documentCounts[feature] == Set(active.map { $0 / 10 }).count)
            #expect(statistics.maxima[feature] == values.max())
            #expect(abs(statistics.sums[feature] - values.reduce(0) { $0 + Double($1) }) < 1e-5)
        }
        #expect(statistics.density(of: 3) == 0 && statistics.meanActivation(of: 3) == 0)
    }

    @Test(arguments: [true, false]) func topContextsAreTheStrongestInOrder(isSparse: Bool) throws {
        let dictionary = ThresholdDictionary(size: 4, bias: 0.25, isSparse: isSparse)
        let source = try FeatureSource(fixture.store)
        let statistics = try FeatureStatistics(of: dictionary, on: source)
        var settings = FeatureExampleSettings()
        settings.topContexts = 5
        let found = try FeatureExamples(of: [2, 0], statistics: statistics, dictionary: dictionary, source: source, settings: settings)
        #expect(found.activities.map(\.feature) == [2, 0])

        let activity = found.activities[0]
        let values = fixture.activations(2, bias: 0.25)
        let peaks: [(Int, Float)] = (0..<30).map { context in (context, values[context * 5..<context * 5 + 5].max()!) }
        let byContext = peaks.filter { $0.1 > 0 }
        let expected = byContext.sorted { $0.1 > $1.1 }.prefix(5)
        #expect(activity.top.map(\.context) == expected.map(\.0))
        #expect(activity.top.map(\.maximum) == expected.map(\.1))
        for example in activity.top {
            #expect(example.tokens == Array(FeatureFixture.tokens(example.context)[1...]))
            #expect(example.activations == Array(values[example.context * 5..<example.context * 5 + 5]))
            #expect(example.document == example.context / 2)
        }
        #expect(activity.histogram.reduce(0, +) == values.count { $0 > 0 })
        #expect(activity.bands.reduce(0) { $0 + $1.count } == byContext.count)
        for band in activity.bands {
            for example in band.examples {
                let fraction = Double(example.maximum / activity.maximum)
                #expect(fraction >= band.range.lowerBound && fraction <= band.range.upperBound)
            }
        }
    }

    @Test func tokenSharesAddUpAndFall() throws {
        let dictionary = ThresholdDictionary(size: 4, bias: 0.25, isSparse: false)
        let source = try FeatureSource(fixture.store)
        let statistics = try FeatureStatistics(of: dictionary, on: source)
        var settings = FeatureExampleSettings()
        settings.tokens = 100
        let activity = try FeatureExamples(of: [0], statistics: statistics, dictionary: dictionary, source: source, settings: settings).activities[0]
        var sums: [Int32: Double] = [:]
        for (row, value) in fixture.activations(0, bias: 0.25).enumerated() where value > 0 {
            sums[FeatureFixture.tokens(row / 5)[1 + row % 5], default: 0] += Double(value)
        }
        let total = sums.values.reduce(0, +)
        #expect(activity.tokens.count == sums.count)
        for token in activity.tokens { #expect(abs(token.share - sums[token.token]! / total) < 1e-6) }
        #expect(zip(activity.tokens, activity.tokens.dropFirst()).allSatisfy { $0.share >= $1.share })
    }

    @Test func repeatedTextAppearsOnceAmongTheTop() throws {
        let folder = temporary.file("repeated")
        var description = fixture.store.description
        description.plannedRows = 50
        let writer = try ActivationStoreWriter(to: folder, description: description)
        let rows: [[Float]] = (0..<40).map { row in
            let activation = row % 5 == 2 ? 1 + row / 5 : 0
            return [Float(activation), 0, 0, 0]
        }
        try writer.append(
            .init(
                activations: Tensor(rows), tokens: (0..<8).map { FeatureFixture.tokens($0 < 6 ? 0 : $0) },
                documents: Array(repeating: Array(repeating: 0, count: 6), count: 8)))
        try writer.finish()
        let source = try FeatureSource(try ActivationStore(at: folder))
        let dictionary = ThresholdDictionary(size: 4, bias: 0, isSparse: true)
        let statistics = try FeatureStatistics(of: dictionary, on: source)
        let activity = try FeatureExamples(of: [0], statistics: statistics, dictionary: dictionary, source: source).activities[0]
        #expect(activity.top.map(\.context) == [7, 6, 5])
    }

    @Test func logitEffectsAreTheProductWithTheFoldedUnembedding() throws {
        let generator = RandomGenerator(seed: 1)
        let unembedding = Tensor.normal([50, 4], generator: generator)
        let gain = Tensor.uniform([4], generator: generator)
        let directions = Tensor.normal([70, 4], generator: generator)
        for centring in [false, true] {
            let effects = LogitLens(unembedding: unembedding, finalNormGain: gain, centring: centring).effects(of: directions, count: 3)
            #expect(effects.count == 70)
            var unit = directions / directions.norm(axes: [1], keepingDimensions: true)
            if centring { unit = unit - unit.mean(axis: 1, keepingDimensions: true) }
            let logits = (unit * gain).matmul(unembedding.transposed())
            for row in [0, 33, 69] {
                let values = logits[row].scalars(as: Float.self)
                let order = values.indices.sorted { values[$0] > values[$1] }
                #expect(effects[row].promoted.map { Int($0.token) } == Array(order.prefix(3)))
                #expect(effects[row].suppressed.map { Int($0.token) } == Array(order.reversed().prefix(3)))
                #expect(abs(effects[row].promoted[0].logit - values[order[0]]) < 1e-5)
            }
        }
    }

    @Test func neighboursAreByCosineWithoutTheFeatureItself() {
        let directions = Tensor([[1, 0], [2, 0.1], [0, 1], [-1, 0], [0, 0]] as [[Float]])
        let found = nearestDirections(to: [0, 2], among: directions, count: 2)
        #expect(found[0].map(\.feature) == [1, 2] || found[0].map(\.feature) == [1, 4])
        #expect(found[1][0].feature == 1)
        #expect(abs(found[0][0].cosine - 2 / (4.01 as Float).squareRoot()) < 1e-6)
    }

    @Test func interestingFeaturesAreAliveSparseStrongAndDistinct() throws {
        let dictionary = ThresholdDictionary(size: 4, bias: 0.25, isSparse: true)
        let statistics = try FeatureStatistics(of: dictionary, on: FeatureSource(fixture.store))
        var interest = FeatureInterest()
        interest.maximumDensity = 0.5
        let chosen = interest.indices(4, in: statistics, of: dictionary)
        #expect(!chosen.contains(0), "dense")
        #expect(!chosen.contains(3), "dead")
        #expect(chosen.first == 2 || statistics.documentCounts[2] < 5)
        #expect(throws: FeatureError.noSuchFeature(4, count: 4)) {
            try FeatureSelection.indices([1, 4]).indices(in: statistics, of: dictionary)
        }
    }
}
