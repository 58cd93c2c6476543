import CondenseTesting
import EntropyCoding
import Experiments
import Foundation
import Testing
import Torch

@Suite("Integer distributions") struct DistributionTests {
    @Test(arguments: [
        ([0.1, 0.2, 0.4, 0.2, 0.0999, 0.0001], [0, 6554, 19661, 45875, 58982, 65529, 65536]),
        ([0.999999, 1e-9, 1e-9, 1e-9], [0, 65533, 65534, 65535, 65536]),
        ([1e-9, 1e-9, 0.5, 1e-9, 0.5], [0, 1, 2, 32767, 32768, 65536]),
    ] as [([Float], [Int32])])
    func vectors(probabilities: [Float], expected: [Int32]) throws {
        #expect(try CDFTables(probabilities: [probabilities], offsets: [0])[0] == expected)
    }

    @Test func equalTheReference() throws {
        let golden = try goldens("distributions")
        let cases = Set(golden.names.map { $0.prefix { $0 != "/" } })
        #expect(cases.count == 8)
        for name in cases {
            let probabilities: [Float] = try golden("\(name)/probabilities").scalars()
            let tables = try CDFTables(probabilities: [probabilities], offsets: [0])
            #expect(try tables[0] == golden.integers("\(name)/cumulative"), "\(probabilities.count) symbols")
        }
    }

    /// The rule as it is written: 1 taken at a time from the first of the narrowest that have more than 1.
    @Test func emptySymbolsTakeFromTheNarrowest() throws {
        var random = SplitMix64(seed: 3)
        for _ in 0..<200 {
            let count = Int.random(in: 2...60, using: &random)
            let probabilities = (0..<count).map { _ in
                Bool.random(using: &random) ? 0 : Float(Int.random(in: 1...9, using: &random)) / 65536
            } + [Float.random(in: 0...1, using: &random)]
            var widths = probabilities.map { Int(($0 * 65536).rounded()) }
            let sum = widths.reduce(0, +)
            for index in widths.indices { widths[index] = 65536 * widths[index] / sum }
            widths[count] += 65536 - widths.reduce(0, +)
            while let empty = widths.firstIndex(of: 0) {
                let giver = try #require(widths.indices.filter { widths[$0] > 1 }.min { widths[$0] < widths[$1] })
                widths[giver] -= 1
                widths[empty] += 1
            }
            let cumulative = try CDFTables(probabilities: [probabilities], offsets: [0])[0]
            #expect(zip(cumulative, cumulative.dropFirst()).map { Int($1 - $0) } == widths)
        }
    }

    @Test(arguments: [[.nan, 0.5], [0.5, -0.1], [.infinity, 1], [0, 0], [], [1]] as [[Float]])
    func impossibleProbabilitiesAreRefused(probabilities: [Float]) {
        #expect(throws: EntropyCodingError.self) { try CDFTables(probabilities: [probabilities], offsets: [0]) }
    }

    @Test func tooManySymbolsAreRefused() throws {
        let full = try CDFTables(probabilities: [Array(repeating: Float(1) / 65536, count: 65536)], offsets: [0])
        #expect(full[0] == Array(0...65536))
        #expect(throws: EntropyCodingError.self) {
            try CDFTables(probabilities: [Array(repeating: 1, count: 65537)], offsets: [0])
        }
    }

    @Test(arguments: [
        ([0, 65536], [2]), ([0, 1, 1, 65536], [4]), ([0, 5, 65535], [3]), ([1, 5, 65536], [3]), ([0, 5, 65536], [4]), ([0, 5, 65536], [-1]),
        ([0, 5, 65536, 0], [3, 3]), ([0, 5, 65536], [3, 3]), ([], []),
    ] as [([Int32], [Int32])])
    func invalidTablesAreRefused(values: [Int32], lengths: [Int32]) {
        #expect(throws: EntropyCodingError.self) { try CDFTables(values: values, lengths: lengths, offsets: lengths) }
    }

    @Test func checksumCoversWhatCodes() throws {
        let table = try CDFTables(values: [0, 5, 65536, 0, 9, 65536], lengths: [3, 3], offsets: [0, -1])
        let filled = try CDFTables(values: [0, 5, 65536, 7, 0, 9, 65536, -1], lengths: [3, 3], offsets: [0, -1])
        let moved = try CDFTables(values: [0, 5, 65536, 0, 9, 65536], lengths: [3, 3], offsets: [0, 0])
        let other = try CDFTables(values: [0, 6, 65536, 0, 9, 65536], lengths: [3, 3], offsets: [0, -1])
        #expect(table.checksum == filled.checksum && table.checksum != moved.checksum && table.checksum != other.checksum)
    }
}

@Suite("Streams of symbols") struct StreamTests {
    static let first: [Int32] = [0, 6554, 19661, 45875, 58982, 65529, 65536]

    @Test func vector() throws {
        let symbols: [Int32] = [0, -1, 1, -2, 2, 0, 0, 3, -3, 7, -40, 1000]
        let tables = try CDFTables(values: Self.first, lengths: [7], offsets: [-2])
        let expected = bytes(hex: "924dcd2901000000b136189611fbff5481fdff62fefff25a")
        #expect(try tables.encode(symbols, rows: [0], run: 12) == expected)
        #expect(try tables.decode(expected, rows: Array(repeating: 0, count: 12)) == symbols)
    }

    @Test(arguments: ["inside", "outside", "certain", "few"])
    func equalTheReference(name: String) throws {
        let golden = try goldens("streams")
        let tables = try golden.tables(name)
        let symbols = try golden.integers("\(name)/symbols"), rows = try golden.integers("\(name)/rows")
        let stream = try golden.stream("\(name)/stream")
        #expect(try tables.encode(symbols, rows: rows) == stream)
        #expect(try tables.decode(stream, rows: rows) == symbols)
    }

    /// Tables of random rows, from one symbol and the escape to hundreds.
    static func randomTables(_ random: inout SplitMix64) throws -> CDFTables {
        let rows = (0..<Int.random(in: 1...12, using: &random)).map { _ in
            (0...Int.random(in: 1...300, using: &random)).map { _ in Float.random(in: 0...1, using: &random) }.map { $0 * $0 * $0 }
        }
        return try CDFTables(probabilities: rows.map { row in row.map { $0 / row.reduce(0, +) } }, offsets: rows.map { -Int32($0.count / 2) })
    }

    @Test func randomSymbolsComeBack() throws {
        var random = SplitMix64(seed: 5)
        for count in [0, 1, 2, 3, 10, 100, 5000] {
            for _ in 0..<8 {
                let tables = try Self.randomTables(&random)
                let rows = (0..<count).map { _ in Int32.random(in: 0..<Int32(tables.rowCount), using: &random) }
                let symbols = rows.map { row in
                    let inside = Int32.random(in: 0...tables.lengths[Int(row)] - 2, using: &random) + tables.offsets[Int(row)]
                    let far = Int32.random(in: -(1 << 29)...1 << 29, using: &random) >> Int32.random(in: 0...28, using: &random)
                    return Int.random(in: 0..<20, using: &random) == 0 ? far : inside
                }
                let stream = try tables.encode(symbols, rows: rows)
                #expect(try tables.decode(stream, rows: rows) == symbols)
                // In pieces the same.
                var decoder = try SymbolDecoder(stream, tables: tables), pieces: [Int32] = []
                for start in stride(from: 0, to: count, by: 7) { pieces += try decoder.decode(rows: Array(rows[start..<min(start + 7, count)])) }
                try decoder.finish()
                #expect(pieces == symbols)
            }
        }
    }

    @Test(arguments: [1 << 29, -(1 << 29), Int32.max, Int32.min + 2])
    func oneFarSymbolComesBack(symbol: Int32) throws {
        let tables = try CDFTables(values: Self.first, lengths: [7], offsets: [-2])
        #expect(try tables.decode(tables.encode([symbol], rows: [0]), rows: [0]) == [symbol])
    }

    @Test func runsShareTheirRow() throws {
        var random = SplitMix64(seed: 9)
        let tables = try Self.randomTables(&random)
        let rows = (0..<Int32(tables.rowCount)).map { $0 }
        let symbols = (0..<rows.count * 50).map { _ in Int32.random(in: -20...20, using: &random) }
        let stream = try tables.encode(symbols, rows: rows, run: 50)
        #expect(try stream == tables.encode(symbols, rows: rows.flatMap { Array(repeating: $0, count: 50) }))
        #expect(try tables.decode(stream, rows: rows, run: 50) == symbols)
    }

    /// What the stream costs is what its frequencies say: within 0.01 % and the 8 bytes of the state.
    @Test func lengthIsTheEntropy() throws {
        var random = SplitMix64(seed: 13)
        let tables = try Self.randomTables(&random)
        let rows = (0..<20_000).map { _ in Int32.random(in: 0..<Int32(tables.rowCount), using: &random) }
        var bits = 0.0
        let symbols = rows.map { row in
            let cumulative = tables[Int(row)], frequency = Int32.random(in: 0..<65536, using: &random)
            let place = min(cumulative.lastIndex { $0 <= frequency } ?? 0, cumulative.count - 3)
            bits += 16 - log2(Double(cumulative[place + 1] - cumulative[place]))
            return Int32(place) + tables.offsets[Int(row)]
        }
        let stream = try tables.encode(symbols, rows: rows)
        #expect(abs(Double(stream.count * 8) - bits) < 1e-4 * bits + 64)
    }

    @Test func symbolsThatNothingCanSayAreRefused() throws {
        let tables = try CDFTables(values: Self.first, lengths: [7], offsets: [2000])
        let error = #expect(throws: EntropyCodingError.self) { try tables.encode([0, .min], rows: [0, 0]) }
        #expect(error == .symbolOutOfRange(symbol: .min, index: 1))
    }

    @Test func rowsThatDoNotFitAreRefused() throws {
        let tables = try CDFTables(values: Self.first, lengths: [7], offsets: [-2])
        #expect(throws: EntropyCodingError.self) { try tables.encode([0], rows: [1]) }
        #expect(throws: EntropyCodingError.self) { try tables.encode([0], rows: [-1]) }
        #expect(throws: EntropyCodingError.self) { try tables.encode([0], rows: [0, 0]) }
        #expect(throws: EntropyCodingError.self) { try tables.encode([0, 0, 0], rows: [0], run: 2) }
        #expect(throws: EntropyCodingError.self) { try tables.decode(tables.encode([0], rows: [0]), rows: [3]) }
        #expect(throws: EntropyCodingError.self) { try tables.decode(tables.encode([0], rows: [0]), rows: [0, 0], run: .max) }
    }

    @Test func cutAndForeignStreamsAreRefused() throws {
        let tables = try CDFTables(values: Self.first, lengths: [7], offsets: [-2])
        let rows = [Int32](repeating: 0, count: 200)
        let symbols = rows.indices.map { Int32($0 % 5) - 2 }
        let stream = try tables.encode(symbols, rows: rows)
        for length in 0..<stream.count {
            #expect(throws: EntropyCodingError.self) { try tables.decode(stream[..<length], rows: rows) }
        }
        #expect(throws: EntropyCodingError.self) { try tables.decode(stream + [0, 0, 0, 0], rows: rows) }
        #expect(throws: EntropyCodingError.self) { try tables.decode(stream, rows: Array(rows.dropLast())) }
        #expect(throws: EntropyCodingError.self) { try tables.decode(Array(repeating: 0xFF, count: 80), rows: rows) }
        // 15 pieces of 4 bits, again and again, would be a number without end.
        var endless: UInt64 = 65_535
        endless = endless << 16 | 65_530
        #expect(throws: EntropyCodingError.self) {
            try tables.decode(withUnsafeBytes(of: endless.littleEndian, Array.init) + Array(repeating: 0xFF, count: 400), rows: rows)
        }
    }

    /// The coder notices most changed bits itself: by the state it ends in, or by running out of words. The last words are
    /// not held against others, which is why containers have a checksum.
    @Test func mostChangedBitsAreNoticed() throws {
        var random = SplitMix64(seed: 17)
        let tables = try Self.randomTables(&random)
        let rows = (0..<300).map { _ in Int32.random(in: 0..<Int32(tables.rowCount), using: &random) }
        let symbols = rows.map { Int32.random(in: -5...5, using: &random) + Int32($0) }
        let stream = try tables.encode(symbols, rows: rows)
        var unnoticed = 0
        for bit in 0..<stream.count * 8 {
            var damaged = stream
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            do {
                #expect(try tables.decode(damaged, rows: rows) != symbols)
                unnoticed += 1
            } catch is EntropyCodingError {}
        }
        #expect(unnoticed < stream.count * 8 / 100)
    }
}
