import CondenseTesting
import EntropyCoding
import Foundation
import Testing
import Torch
import TorchNN

@Suite("Gaussian conditional model against CompressAI") struct GaussianConditionalTests {
    static func loaded(_ golden: Goldens) throws -> GaussianConditional {
        let model = GaussianConditional(generator: RandomGenerator(seed: noiseSeed))
        try model.load(golden.group("weights/"), matching: .allowingMissing)
        try model.update()
        return model
    }

    @Test func likelihoodsWithMeans() throws {
        let golden = try goldens("gaussian"), model = try Self.loaded(golden)
        try expectGolden(golden, "with_means", model, inputCount: 3) { model($0[0], scales: $0[1], means: $0[2]) }
    }

    @Test func likelihoodsWithoutMeans() throws {
        let golden = try goldens("gaussian"), model = try Self.loaded(golden)
        try expectGolden(golden, "without_means", model, inputCount: 2) { model($0[0], scales: $0[1]) }
    }

    /// 1 apart at most: the last bit of the error function is the machine's.
    @Test func standardTables() throws {
        let golden = try goldens("gaussian"), model = GaussianConditional(generator: RandomGenerator(seed: 1))
        expectClose(model.scaleTable, try golden("table/scale_table"), relative: 2e-7, absolute: 0)
        try model.update()
        let tables = try model.tables()
        #expect(try tables.lengths == golden.integers("table/lengths") && tables.offsets == golden.integers("table/offsets"))
        let widths: [Int16] = try golden("table/widths").scalars()
        var place = 0
        for row in 0..<tables.rowCount {
            let cumulative = tables[row]
            var expected: Int32 = 0
            for index in cumulative.indices.dropFirst() {
                expected += Int32(UInt16(bitPattern: widths[place]))
                place += 1
                #expect(abs(cumulative[index] - expected) <= 1, "row \(row), entry \(index)")
            }
        }
        #expect(place == widths.count)
        #expect(tables[0].count == 5 && tables[63].count == 3133)
        for (row, expected) in [(0, [0, 1, 65534, 65535, 65536]), (1, [0, 1, 65533, 65535, 65536]), (10, [0, 1, 2, 6036, 59499, 65533, 65534, 65535, 65536])] as [(Int, [Int32])] {
            #expect(tables[row].count == expected.count && zip(tables[row], expected).allSatisfy { abs($0 - $1) <= 1 })
        }
    }

    @Test func probabilitiesSumToOne() throws {
        for row in try GaussianConditional(generator: RandomGenerator(seed: 1)).probabilities().probabilities {
            #expect(abs(row.reduce(0.0) { $0 + Double($1) } - 1) < 1e-5)
        }
    }

    @Test func rowsOfScales() throws {
        let golden = try goldens("gaussian"), model = try Self.loaded(golden)
        #expect(try model.rows(for: golden("edges/scales")).isEqual(to: golden("edges/rows")))
        #expect(try model.rows(for: golden("with_means/input1")).isEqual(to: golden("coded/rows")))
    }

    @Test func streamsAreTheReferences() throws {
        let golden = try goldens("gaussian"), model = try Self.loaded(golden)
        let latents = try golden("with_means/input0"), rows = try golden("coded/rows")
        for (name, means) in [("with_means", try golden("with_means/input2")), ("without_means", nil)] {
            let streams = try model.compress(latents, rows: rows, means: means)
            #expect(try streams == [golden.stream("coded/\(name)/0"), golden.stream("coded/\(name)/1")])
            #expect(try model.decompress(streams, rows: rows, means: means).isEqual(to: golden("coded/\(name)/output")))
            #expect(throws: EntropyCodingError.self) { try model.decompress(streams, rows: rows * 0, means: means) }
        }
    }

    /// A stream costs what the likelihoods say, but for rounding of scales and frequencies.
    @Test func rateIsTheFileSize() throws {
        let generator = RandomGenerator(seed: 3), model = GaussianConditional(generator: generator)
        try model.update()
        model.mode = .evaluation
        let scales = (Tensor.uniform([1, 8, 40, 40], generator: generator) * 4 - 1).exp()
        let latents = Tensor.normal([1, 8, 40, 40], generator: generator) * scales
        let bits = model(latents, scales: scales).bits.item()
        let stream = try model.compress(latents, rows: model.rows(for: scales))[0]
        #expect(abs(Double(8 * stream.count) - bits) < 0.01 * bits + 64)
    }

    @Test func anEmptyScaleTableKeepsTheModels() throws {
        let model = GaussianConditional(generator: RandomGenerator(seed: 1))
        var state = model.stateDictionary
        state["scale_table"] = Tensor.zeros([0])
        try model.load(state)
        #expect(model.scaleTable.shape == [64])
        #expect(throws: EntropyCodingError.self) { try model.compress(Tensor.zeros([1, 2]), rows: Tensor.zeros([1, 2], dtype: .int32)) }
    }

    @Test(arguments: [Float.nan, .infinity, 1e9])
    func impossibleScalesAreRefused(value: Float) throws {
        let model = GaussianConditional(generator: RandomGenerator(seed: 1))
        var state = model.stateDictionary
        state["scale_table"] = Tensor([1, value] as [Float])
        try model.load(state)
        #expect(throws: EntropyCodingError.self) { try model.update() }
    }

    @Test func rowsWithoutTableAreRefused() throws {
        let model = GaussianConditional(generator: RandomGenerator(seed: 1))
        try model.update()
        for row in [-1, 64] as [Double] {
            let rows = Tensor.full([1, 3], row, dtype: .int32)
            #expect(throws: EntropyCodingError.self) { try model.compress(Tensor.zeros([1, 3]), rows: rows) }
        }
    }
}
