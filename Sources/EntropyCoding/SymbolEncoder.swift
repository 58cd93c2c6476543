/// rANS (Duda, arXiv:1311.2540): a state of 64 bits, at least 2^31 between symbols, that gives away 32 bits at a time.
enum RangeANS {
    /// The state before the first symbol is coded, and after the last one is decoded.
    static let initial: UInt64 = 1 << 31
    /// From `frequency << limitShift` on, coding a symbol would leave no state below 2^63.
    static let limitShift: UInt64 = 47
    /// Integers outside of a row are written in pieces of so many bits.
    static let escapeBits: UInt64 = 4
    /// Pieces of the largest integer that can be written so.
    static let mostEscapePieces = 8
}

extension CDFTables {
    /// The symbols as bytes: about −Σ log2 of their frequencies bits, and 8 bytes for an empty list. The same bytes as
    /// CompressAI's `RansEncoder` gives.
    /// - Parameters:
    ///   - rows: by which row of the tables each symbol is coded.
    ///   - run: so many symbols in turn share an entry of `rows`.
    /// - Throws: ``EntropyCodingError/invalidRows(_:)`` if there is not one row for `run` symbols, or no such row;
    ///   ``EntropyCodingError/symbolOutOfRange(symbol:index:)``.
    public func encode(_ symbols: [Int32], rows: [Int32], run: Int = 1) throws -> [UInt8] {
        try checkRows(rows, run: run, symbolCount: symbols.count)
        var encoder = SymbolEncoder(wordCapacity: symbols.count / 4 + 64)
        try symbols.withUnsafeBufferPointer { symbols in
            try rows.withUnsafeBufferPointer { rows in try encoder.encode(symbols, rows: rows, run: run, tables: self) }
        }
        return encoder.finished()
    }

    func checkRows(_ rows: [Int32], run: Int, symbolCount: Int) throws {
        let (covered, overflow) = rows.count.multipliedReportingOverflow(by: run)
        guard run >= 0 && !overflow && covered == symbolCount else {
            throw EntropyCodingError.invalidRows("\(rows.count) rows for \(run) symbols each do not fit \(symbolCount) symbols")
        }
        if let smallest = rows.min(), let largest = rows.max(), smallest < 0 || largest >= rowCount {
            throw EntropyCodingError.invalidRows("rows \(smallest) to \(largest) of tables with \(rowCount)")
        }
    }
}

/// Writes a stream from its end to its beginning, as a coder that works like a stack must.
private struct SymbolEncoder: ~Copyable {
    private var state = RangeANS.initial
    private var words: UnsafeMutableBufferPointer<UInt32>
    /// Where the words begin that were written already.
    private var first: Int

    init(wordCapacity: Int) {
        words = .allocate(capacity: wordCapacity)
        first = wordCapacity
    }

    deinit { words.deallocate() }

    mutating func encode(
        _ symbols: UnsafeBufferPointer<Int32>, rows: UnsafeBufferPointer<Int32>, run: Int, tables: CDFTables
    ) throws {
        try tables.coding.symbols.withUnsafeBufferPointer { entries in
            try tables.coding.rowStarts.withUnsafeBufferPointer { starts in
                try tables.offsets.withUnsafeBufferPointer { offsets in
                    var index = symbols.count
                    for row in rows.reversed() {
                        let begin = Int(starts[Int(row)]), escape = Int(starts[Int(row) + 1]) - 1 - begin, offset = Int(offsets[Int(row)])
                        for _ in 0..<run {
                            index -= 1
                            if first < 16 { grow() }
                            let place = Int(symbols[index]) - offset
                            if place >= 0 && place < escape {
                                put(entries[begin + place])
                            } else {
                                try putEscaped(place, escape: escape, symbol: symbols[index], index: index)
                                put(entries[begin + escape])
                            }
                        }
                    }
                }
            }
        }
    }

    @inline(__always)
    private mutating func put(_ symbol: CodingEntries.Symbol) {
        let frequency = UInt64(symbol.frequency)
        if state >= frequency << RangeANS.limitShift { emit() }
        let quotient = (state << 1).multipliedFullWidth(by: symbol.reciprocal).high >> UInt64(symbol.shift)
        // (quotient << 16) + state − quotient · frequency + start
        state = state &+ UInt64(symbol.start) &+ quotient &* (UInt64(CDFQuantization.total) &- frequency)
    }

    /// How far outside of a row an integer is: places below it are odd, those above even. Then how many pieces it has
    /// and the pieces, lowest first; all in reverse, since it is written from the end.
    private mutating func putEscaped(_ place: Int, escape: Int, symbol: Int32, index: Int) throws {
        let distance = place < 0 ? -2 * place - 1 : 2 * (place - escape)
        let count = (64 - distance.leadingZeroBitCount + 3) / 4
        guard count <= RangeANS.mostEscapePieces else { throw EntropyCodingError.symbolOutOfRange(symbol: symbol, index: index) }
        for piece in (0..<count).reversed() { putPiece(UInt64(distance) >> (4 * UInt64(piece)) & 15) }
        putPiece(UInt64(count))
    }

    private mutating func putPiece(_ piece: UInt64) {
        if state >= 1 << (63 - RangeANS.escapeBits) { emit() }
        state = state << RangeANS.escapeBits | piece
    }

    @inline(__always)
    private mutating func emit() {
        first -= 1
        words[first] = UInt32(truncatingIfNeeded: state).littleEndian
        state >>= 32
    }

    private mutating func grow() {
        let larger = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: 2 * words.count)
        let added = larger.count - words.count
        _ = UnsafeMutableBufferPointer(rebasing: larger[added...]).update(fromContentsOf: words)
        words.deallocate()
        first += added
        words = larger
    }

    /// The final state, its lower half first, and the words before it.
    consuming func finished() -> [UInt8] {
        if first < 16 { grow() }
        state = state << 32 | state >> 32
        emit()
        emit()
        return Array(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: words[first...])))
    }
}
