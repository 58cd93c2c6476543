import EntropyCoding
import Foundation
import Testing
import Torch

/// Damaged compressed files and streams are read or refused in one sentence, without allocating by their word.
///
/// `CONDENSE_FUZZ` sets the number of inputs (25,000 by default), `CONDENSE_FUZZ_SEED` the seed.
@Suite struct CodecFuzzTests {
    private let count = ProcessInfo.processInfo.environment["CONDENSE_FUZZ"].flatMap(Int.init) ?? 25_000
    private let seed = ProcessInfo.processInfo.environment["CONDENSE_FUZZ_SEED"].flatMap(UInt64.init) ?? 1

    private static let file = CodedFile(
        model: 3, quality: 2, height: 70, width: 41, latentHeight: 2, latentWidth: 1, fingerprint: ModelFingerprint(value: 77),
        tablesChecksum: 5, streams: [[1, 2, 3, 4, 5, 6, 7, 8], Array(0..<40), []])

    /// Reads until an error; its description must be a sentence.
    private func refused(_ body: () throws -> Void) -> Bool {
        do {
            try body()
            return false
        } catch {
            let sentence = "\(error)"
            #expect((10..<2_000).contains(sentence.utf8.count) && !sentence.contains("\n"), "\(sentence)")
            return true
        }
    }

    @Test func damagedFilesAreRefused() {
        var mutator = Mutator(seed: seed)
        let bytes = Self.file.serialized()
        for _ in 0..<count {
            let damaged = mutator.mutated([bytes])
            #expect(damaged == bytes || refused { _ = try CodedFile(bytes: damaged) })
        }
    }

    /// With checksums that fit, so that mutations reach what lies behind them.
    @Test func hostileFilesAreReadOrRefused() {
        var mutator = Mutator(seed: seed)
        let body = Array(Self.file.serialized().dropLast(4))
        var refusals = 0
        for _ in 0..<count {
            let bytes = mutator.mutated([body])
            let sealed = bytes + withUnsafeBytes(of: CRC32.checksum(bytes, .castagnoli).littleEndian, Array.init)
            let isRefused = refused {
                let file = try CodedFile(bytes: sealed)
                #expect(file.payloadByteCount <= sealed.count && file.serialized() == sealed)
            }
            if isRefused { refusals += 1 }
        }
        #expect(refusals > count / 4 && refusals < count)
    }

    @Test func filesOfTheReferencesExampleAreReadOrRefused() {
        var mutator = Mutator(seed: seed)
        let file = CompressAIFile(
            model: 2, metric: .meanSquaredError, quality: 3, height: 70, width: 41, latentHeight: 2, latentWidth: 1, streams: [[1, 2, 3, 4], Array(0..<40)])
        var refusals = 0
        for _ in 0..<count {
            let bytes = mutator.mutated([file.serialized()])
            let isRefused = refused {
                let file = try CompressAIFile(bytes: bytes)
                #expect(file.payloadByteCount <= bytes.count && file.serialized() == bytes)
            }
            if isRefused { refusals += 1 }
        }
        #expect(refusals > count / 4 && refusals < count)
    }

    @Test func damagedStreamsAreReadOrRefused() throws {
        var mutator = Mutator(seed: seed)
        let tables = try CDFTables(
            values: [0, 1, 65535, 65536, 0, 0, 0, 9000, 30000, 60000, 65530, 65536], lengths: [4, 6], offsets: [-1, 100])
        let rows = (0..<120).map { Int32($0 % 2) }
        let symbols = rows.indices.map { $0 % 17 == 0 ? Int32($0 * $0 * 1000) : Int32($0 % 2 == 0 ? 0 : 100 + $0 % 4) }
        let stream = try tables.encode(symbols, rows: rows)
        var refusals = 0
        for _ in 0..<count {
            let bytes = mutator.mutated([stream])
            let isRefused = refused {
                let decoded = try tables.decode(bytes, rows: rows)
                #expect(decoded.count == rows.count)
            }
            if isRefused { refusals += 1 }
        }
        #expect(refusals > count / 4 && refusals < count)
    }

    /// Whatever the numbers, making and using tables ends well or with an error.
    @Test func damagedTablesAreUsedOrRefused() throws {
        var mutator = Mutator(seed: seed)
        let values: [Int32] = [0, 1, 65535, 65536, 0, 0, 0, 9000, 30000, 60000, 65530, 65536], lengths: [Int32] = [4, 6], offsets: [Int32] = [-1, 100]
        let sample = (values + lengths + offsets).withUnsafeBytes(Array.init)
        var refusals = 0
        for _ in 0..<count {
            let bytes = mutator.mutated([sample])
            let words = bytes.withUnsafeBytes { bytes in (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self) } }
            let isRefused = refused {
                let tables = try CDFTables(
                    values: Array(words.dropLast(4)), lengths: Array(words.suffix(4).prefix(2)), offsets: Array(words.suffix(2)))
                let symbols: [Int32] = [0, 100, -5, 90, 1 << 20, 103]
                let rows: [Int32] = [0, 1, 0, 1, 0, 1]
                let decoded = try tables.decode(tables.encode(symbols, rows: rows), rows: rows)
                #expect(decoded == symbols)
            }
            if isRefused { refusals += 1 }
        }
        #expect(refusals > count / 4 && refusals < count)
    }
}
