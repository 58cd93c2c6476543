/// Reads a stream that ``CDFTables/encode(_:rows:run:)`` wrote, in as many pieces as the caller likes: models that need
/// earlier symbols to tell the rows of later ones read a few at a time.
///
/// Streams are not trusted. Every read is checked against the stream's end, no more symbols are made room for than its bytes can
/// hold, no loop runs by what it says, and ``finish()`` tells whether the coder came back to the state that writing began with. That notices most
/// damage but not all, in the last words least: containers have a checksum.
public struct SymbolDecoder: Sendable {
    private let tables: CDFTables
    private let words: [UInt32]
    private var state: UInt64
    /// The next word of `words`.
    private var next: Int
    private var symbolsRead = 0

    /// - Throws: ``EntropyCodingError/damagedStream(_:)`` for bytes that are no stream.
    public init(_ bytes: some Collection<UInt8>, tables: CDFTables) throws {
        let byteCount = bytes.count
        guard byteCount >= 8 && byteCount % 4 == 0 else {
            throw EntropyCodingError.damagedStream("it has \(byteCount) bytes, where 8 or a larger multiple of 4 are possible")
        }
        var words = [UInt32](repeating: 0, count: byteCount / 4)
        words.withUnsafeMutableBytes { $0.copyBytes(from: bytes) }
        self.tables = tables
        self.words = words
        state = UInt64(UInt32(littleEndian: words[0])) | UInt64(UInt32(littleEndian: words[1])) << 32
        next = 2
        guard state >= RangeANS.initial && state < 1 << 63 else {
            throw EntropyCodingError.damagedStream("its first 8 bytes are no state of the coder")
        }
    }

    /// The next symbols.
    /// - Parameters:
    ///   - rows: by which row of the tables each symbol was coded.
    ///   - run: so many symbols in turn share an entry of `rows`.
    /// - Throws: ``EntropyCodingError/truncatedStream(symbolsRead:symbolCount:)``, ``EntropyCodingError/damagedStream(_:)``;
    ///   ``EntropyCodingError/invalidRows(_:)`` if there is no such row.
    public mutating func decode(rows: [Int32], run: Int = 1) throws -> [Int32] {
        let (count, overflow) = rows.count.multipliedReportingOverflow(by: run)
        guard run >= 0 && !overflow else {
            throw EntropyCodingError.invalidRows("\(rows.count) rows for \(run) symbols each")
        }
        try tables.checkRows(rows, run: run, symbolCount: count)
        try checkRoom(rows, run: run, count: count)
        let symbols = try [Int32](unsafeUninitializedCapacity: count) { buffer, initializedCount in
            var cursor = Cursor(state: state, next: next)
            try words.withUnsafeBufferPointer { words in
                try rows.withUnsafeBufferPointer { rows in
                    try cursor.decode(rows, run: run, tables: tables, words: words, into: buffer, symbolsRead: symbolsRead)
                }
            }
            state = cursor.state
            next = cursor.next
            initializedCount = count
        }
        symbolsRead += count
        return symbols
    }

    /// Checks that what is left of the stream can hold so many symbols, were each the most frequent of its row: sizes come from
    /// files as well. Rounding saves a coder less than 2⁻¹⁵ of a symbol's bits.
    private func checkRoom(_ rows: [Int32], run: Int, count: Int) throws {
        let needed = Double(run) * rows.reduce(0.0) { $0 + tables.coding.fewestBits[Int($1)] } * (1 - 0x1p-14)
        // A state has at most 63 bits, and 31 when all is read.
        guard needed <= Double(32 * (words.count - next + 1)) else {
            throw EntropyCodingError.damagedStream("\(count) more symbols cannot be in the \(4 * (words.count - next)) bytes that are left")
        }
    }

    /// Checks that the stream is read to its end.
    /// - Throws: ``EntropyCodingError/damagedStream(_:)`` otherwise.
    public func finish() throws {
        guard next == words.count && state == RangeANS.initial else {
            throw EntropyCodingError.damagedStream("after \(symbolsRead) symbols it is not at its end")
        }
    }
}

extension CDFTables {
    /// The symbols of a whole stream; the inverse of ``encode(_:rows:run:)``.
    /// - Throws: as ``SymbolDecoder/decode(rows:run:)`` and ``SymbolDecoder/finish()``.
    public func decode(_ bytes: some Collection<UInt8>, rows: [Int32], run: Int = 1) throws -> [Int32] {
        var decoder = try SymbolDecoder(bytes, tables: self)
        let symbols = try decoder.decode(rows: rows, run: run)
        try decoder.finish()
        return symbols
    }
}

/// State and place in the stream, kept in registers while symbols are read.
private struct Cursor {
    var state: UInt64
    var next: Int

    mutating func decode(
        _ rows: UnsafeBufferPointer<Int32>, run: Int, tables: CDFTables, words: UnsafeBufferPointer<UInt32>,
        into symbols: UnsafeMutableBufferPointer<Int32>, symbolsRead: Int
    ) throws {
        try tables.coding.cumulative.withUnsafeBufferPointer { cumulative in
            try tables.coding.lookup.withUnsafeBufferPointer { lookup in
                try tables.coding.rowStarts.withUnsafeBufferPointer { starts in
                    var index = 0
                    for row in rows {
                        let row = Int(row)
                        // Rows have one entry more among cumulative frequencies than among symbols.
                        let begin = Int(starts[row]) + row, escape = Int(starts[row + 1]) + row - begin - 1
                        let offset = tables.offsets[row]
                        for _ in 0..<run {
                            let frequency = UInt32(truncatingIfNeeded: state) & 0xFFFF
                            var place = Int(lookup[row << CodingEntries.lookupBits | Int(frequency) >> (CDFQuantization.precision - CodingEntries.lookupBits)])
                            while cumulative[begin + place + 1] <= frequency { place += 1 }
                            let start = cumulative[begin + place], width = cumulative[begin + place + 1] - start
                            state = UInt64(width) &* (state >> UInt64(CDFQuantization.precision)) &+ UInt64(frequency &- start)
                            guard refill(words) else {
                                throw EntropyCodingError.truncatedStream(symbolsRead: symbolsRead + index, symbolCount: symbolsRead + symbols.count)
                            }
                            if place < escape {
                                symbols[index] = offset &+ Int32(truncatingIfNeeded: place)
                            } else {
                                symbols[index] = try escaped(
                                    words, escape: escape, offset: Int(offset), index: symbolsRead + index, count: symbolsRead + symbols.count)
                            }
                            index += 1
                        }
                    }
                }
            }
        }
    }

    @inline(__always)
    private mutating func refill(_ words: UnsafeBufferPointer<UInt32>) -> Bool {
        if state >= RangeANS.initial { return true }
        guard next < words.count else { return false }
        state = state << 32 | UInt64(UInt32(littleEndian: words[next]))
        next += 1
        return true
    }

    private mutating func piece(_ words: UnsafeBufferPointer<UInt32>, index: Int, count: Int) throws -> Int {
        let piece = Int(state & 15)
        state >>= RangeANS.escapeBits
        guard refill(words) else { throw EntropyCodingError.truncatedStream(symbolsRead: index, symbolCount: count) }
        return piece
    }

    /// An integer outside of its row.
    private mutating func escaped(_ words: UnsafeBufferPointer<UInt32>, escape: Int, offset: Int, index: Int, count: Int) throws -> Int32 {
        let pieces = try piece(words, index: index, count: count)
        guard pieces <= RangeANS.mostEscapePieces else {
            throw EntropyCodingError.damagedStream("symbol \(index) is said to have \(4 * pieces) bits or more")
        }
        var distance = 0
        for place in 0..<pieces { distance |= try piece(words, index: index, count: count) << (4 * place) }
        let symbol = offset + (distance & 1 == 1 ? -(distance + 1) / 2 : distance / 2 + escape)
        guard let symbol = Int32(exactly: symbol) else {
            throw EntropyCodingError.damagedStream("symbol \(index) is \(symbol), which has more than 32 bits")
        }
        return symbol
    }
}
