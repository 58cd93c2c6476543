internal import Foundation
internal import Torch

/// Integer distributions that symbols are coded with, one a row.
///
/// Row r stands for the consecutive integers from `offsets[r]` on, `lengths[r] − 2` of them, and for one more symbol, the
/// escape, behind which any other integer is written. Its entries 0 ..< `lengths[r]` rise from 0 to 65536; what follows in
/// the row is filling. This is how CompressAI keeps `_quantized_cdf`, `_cdf_length` and `_offset`.
public struct CDFTables: Sendable, Equatable {
    public let rowCount: Int
    /// Entries of a row, filling included.
    public let width: Int
    /// Cumulative frequencies, [rowCount, width] in row-major order.
    public let values: [Int32]
    public let lengths: [Int32]
    public let offsets: [Int32]
    let coding: CodingEntries

    /// - Parameter values: [lengths.count, width] in row-major order.
    /// - Throws: ``EntropyCodingError/invalidTables(_:)`` unless every row rises from 0 to 65536 in at least two steps.
    public init(values: [Int32], lengths: [Int32], offsets: [Int32]) throws {
        let rowCount = lengths.count
        guard rowCount > 0 && offsets.count == rowCount && values.count % rowCount == 0 else {
            throw EntropyCodingError.invalidTables("\(values.count) entries, \(rowCount) lengths and \(offsets.count) offsets")
        }
        let width = values.count / rowCount
        for (row, length) in lengths.enumerated() {
            guard length >= 3 && length <= width else {
                throw EntropyCodingError.invalidTables("row \(row) has length \(length), where 3 to \(width) are possible")
            }
            let entries = values[row * width..<row * width + Int(length)]
            guard entries.first == 0 && entries.last == Int32(CDFQuantization.total) && zip(entries, entries.dropFirst()).allSatisfy({ $0 < $1 }) else {
                throw EntropyCodingError.invalidTables("row \(row) does not rise from 0 to \(CDFQuantization.total)")
            }
        }
        self.rowCount = rowCount
        self.width = width
        self.values = values
        self.lengths = lengths
        self.offsets = offsets
        coding = CodingEntries(values: values, lengths: lengths, width: width)
    }

    /// Tables of probabilities: each row those of consecutive integers from its offset on, followed by that of all others
    /// together.
    /// - Throws: ``EntropyCodingError/invalidProbabilities(_:)``; ``EntropyCodingError/invalidTables(_:)`` for rows that
    ///   have only the escape.
    public init(probabilities: [[Float]], offsets: [Int32]) throws {
        let rows = try probabilities.map(CDFQuantization.cumulativeFrequencies(of:))
        let width = rows.map(\.count).max() ?? 0
        try self.init(
            values: rows.flatMap { $0 + Array(repeating: 0, count: width - $0.count) }, lengths: rows.map { Int32($0.count) },
            offsets: offsets)
    }

    /// The cumulative frequencies of one row, without filling.
    public subscript(row: Int) -> [Int32] { Array(values[row * width..<row * width + Int(lengths[row])]) }

    /// CRC-32C of what symbols are coded by: for each row its length, offset and entries, as little-endian 32-bit
    /// integers. Filling does not count.
    public var checksum: UInt32 {
        var crc = CRC32(.castagnoli)
        for row in 0..<rowCount {
            for word in [lengths[row], offsets[row]] + self[row] { withUnsafeBytes(of: word.littleEndian) { crc.update($0) } }
        }
        return crc.value
    }

    public static func == (a: CDFTables, b: CDFTables) -> Bool {
        a.lengths == b.lengths && a.offsets == b.offsets && a.values == b.values
    }
}

/// The tables as the coder reads them: rows behind each other without filling.
struct CodingEntries: Sendable {
    /// What an encoder needs of one symbol: 16 bytes, so that four lie in a line of the cache.
    struct Symbol: Sendable {
        /// ⌈2^(63 + shift) / frequency⌉: x / frequency is the high word of 2x · reciprocal, shifted right by `shift`, for every
        /// x below 2^63, since the rounding adds less than 1 / frequency.
        let reciprocal: UInt64
        let start: UInt16
        let frequency: UInt16
        let shift: UInt8

        init(start: Int32, end: Int32) {
            let frequency = UInt64(end - start)
            let shift = UInt64(64 - (frequency - 1).leadingZeroBitCount)
            // The dividend 2^(63 + shift) + frequency − 1 as two words.
            let high = shift == 0 ? 0 : UInt64(1) << (shift - 1), low = shift == 0 ? UInt64(1) << 63 : 0
            reciprocal = frequency.dividingFullWidth((high, low + frequency - 1)).quotient
            self.start = UInt16(start)
            self.frequency = UInt16(frequency)
            self.shift = UInt8(shift)
        }
    }

    /// Cumulative frequencies of a row are looked for from the place of their upper bits on.
    static let lookupBits = 8

    let symbols: [Symbol]
    /// Where a row begins in `symbols`; one more than rows. In `cumulative` rows have one entry more each.
    let rowStarts: [Int32]
    let cumulative: [UInt32]
    /// For each row and each value of a frequency's upper 8 bits, the symbol at the first frequency with these.
    let lookup: [UInt16]
    /// For each row what its most frequent symbol costs.
    let fewestBits: [Double]

    init(values: [Int32], lengths: [Int32], width: Int) {
        var symbols: [Symbol] = [], rowStarts: [Int32] = [0], cumulative: [UInt32] = [], lookup: [UInt16] = [], fewestBits: [Double] = []
        let step = CDFQuantization.total >> Self.lookupBits
        for (row, length) in lengths.enumerated() {
            let entries = values[row * width..<row * width + Int(length)]
            symbols += zip(entries, entries.dropFirst()).map { Symbol(start: $0, end: $1) }
            rowStarts.append(Int32(symbols.count))
            cumulative += entries.map { UInt32($0) }
            let mostFrequent = zip(entries, entries.dropFirst()).map { $1 - $0 }.max() ?? 1
            fewestBits.append(Double(CDFQuantization.precision) - log2(Double(mostFrequent)))
            var symbol = entries.startIndex
            for frequency in stride(from: 0, to: CDFQuantization.total, by: step) {
                while entries[symbol + 1] <= frequency { symbol += 1 }
                lookup.append(UInt16(symbol - entries.startIndex))
            }
        }
        self.symbols = symbols
        self.rowStarts = rowStarts
        self.cumulative = cumulative
        self.lookup = lookup
        self.fewestBits = fewestBits
    }
}
