internal import HeapModule

/// Byte pair encoding (Sennrich et al. 2016, arXiv:1508.07909): a word is cut into its smallest symbols, then the
/// adjacent pair with the lowest rank is merged, the leftmost first, until no pair can be.
struct BytePairEncoding: Sendable {
    /// What a word's smallest symbols are.
    enum Alphabet: Sendable {
        /// The 256 bytes (GPT-2's byte-level alphabet, with the vocabulary spelled in raw bytes).
        case bytes
        case scalars
    }

    /// What becomes of a symbol that is not in the vocabulary and has no byte tokens.
    struct Unknown: Sendable {
        var id: Int32
        /// Whether several in a row make one token.
        var isFused: Bool
    }

    let vocabulary: Vocabulary
    let merges: MergeTable
    let alphabet: Alphabet
    let unknown: Unknown?
    /// A word that is a token as a whole is that token, whether merges lead there or not (Llama 3).
    let ignoresMerges: Bool
    /// Spelling of symbols that do not begin a word, and of the one that ends it (CLIP's `</w>`).
    let continuingPrefix: [UInt8]
    let endSuffix: [UInt8]
    /// The tokens `<0x00>`…`<0xFF>`, −1 where missing; empty without byte fallback.
    let byteTokens: [Int32]
    /// Ids of single bytes, where symbols are bytes without prefix and suffix; otherwise empty.
    private let byteIDs: [Int32]

    init(
        vocabulary: Vocabulary, merges: MergeTable, alphabet: Alphabet, unknown: Unknown?, ignoresMerges: Bool = false,
        continuingPrefix: [UInt8] = [], endSuffix: [UInt8] = [], hasByteFallback: Bool = false
    ) {
        self.vocabulary = vocabulary
        self.merges = merges
        self.alphabet = alphabet
        self.unknown = unknown
        self.ignoresMerges = ignoresMerges
        self.continuingPrefix = continuingPrefix
        self.endSuffix = endSuffix
        byteTokens = hasByteFallback ? (0..<256).map { Int32(vocabulary.id(of: Self.byteToken($0)) ?? -1) } : []
        byteIDs =
            alphabet == .bytes && continuingPrefix.isEmpty && endSuffix.isEmpty
            ? (0..<256).map { Int32(vocabulary.id(of: [UInt8($0)]) ?? -1) } : []
    }

    static func byteToken(_ byte: Int) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        return Array("<0x".utf8) + [digits[byte >> 4], digits[byte & 15], UInt8(ascii: ">")]
    }

    /// A word's symbols as a doubly linked list, so that merging does not move anything.
    struct Symbols {
        var ids: [Int32] = []
        var lengths: [Int32] = []
        var next: [Int32] = []
        var previous: [Int32] = []
        /// Ranks of each symbol's pair with its successor; used for short words only.
        var ranks: [MergeTable.Merge] = []

        mutating func removeAll() {
            ids.removeAll(keepingCapacity: true)
            lengths.removeAll(keepingCapacity: true)
        }

        mutating func append(_ id: Int32, length: Int) {
            ids.append(id)
            lengths.append(Int32(length))
        }
    }

    func tokenize(
        _ bytes: UnsafePointer<UInt8>, _ word: Range<Int>, _ workspace: inout EncodingWorkspace, into output: inout TokenBuffer
    ) {
        let start = bytes + word.lowerBound
        let count = word.count
        let isCached = count <= WordCache.maximumWordLength
        var hash: UInt64 = 0
        if isCached {
            hash = ByteHash.hash(start, count: count)
            if workspace.cache.append(start, count: count, hash: hash, at: word.lowerBound, to: &output) { return }
        }
        workspace.symbols.removeAll()
        if ignoresMerges, case let id = vocabulary.id(of: start, count: count), id >= 0 {
            workspace.symbols.append(id, length: count)
        } else {
            appendSymbols(start, count, to: &workspace.symbols)
            if workspace.symbols.ids.count <= 32 {
                mergeByScanning(&workspace.symbols)
            } else {
                mergeByHeap(&workspace.symbols)
            }
        }
        var position = word.lowerBound
        for (id, length) in zip(workspace.symbols.ids, workspace.symbols.lengths) where length > 0 {
            output.append(id, position..<position + Int(length))
            position += Int(length)
        }
        if isCached {
            let tokens = zip(workspace.symbols.ids, workspace.symbols.lengths).lazy.filter { $0.1 > 0 }
                .map { (id: $0.0, length: Int($0.1)) }
            workspace.cache.insert(start, count: count, hash: hash, tokens: tokens)
        }
    }

    // MARK: Symbols

    private func appendSymbols(_ word: UnsafePointer<UInt8>, _ count: Int, to symbols: inout Symbols) {
        var pendingUnknown = 0
        var index = 0
        while index < count {
            let length = alphabet == .bytes ? 1 : UTF8Text.length(firstByte: word[index])
            let id = symbol(word, index, length, isLast: index + length == count)
            if id >= 0 {
                if let unknown, pendingUnknown > 0 { symbols.append(unknown.id, length: pendingUnknown) }
                pendingUnknown = 0
                symbols.append(id, length: length)
            } else if hasByteTokens(word + index, length) {
                for offset in index..<index + length { symbols.append(byteTokens[Int(word[offset])], length: 1) }
            } else if let unknown {
                if pendingUnknown > 0, !unknown.isFused {
                    symbols.append(unknown.id, length: pendingUnknown)
                    pendingUnknown = 0
                }
                pendingUnknown += length
            }
            index += length
        }
        if let unknown, pendingUnknown > 0 { symbols.append(unknown.id, length: pendingUnknown) }
    }

    @inline(__always)
    private func symbol(_ word: UnsafePointer<UInt8>, _ index: Int, _ length: Int, isLast: Bool) -> Int32 {
        if !byteIDs.isEmpty { return byteIDs[Int(word[index])] }
        let needsPrefix = index > 0 && !continuingPrefix.isEmpty
        let needsSuffix = isLast && !endSuffix.isEmpty
        if !needsPrefix, !needsSuffix { return vocabulary.id(of: word + index, count: length) }
        let spelled =
            (needsPrefix ? continuingPrefix : []) + Array(UnsafeBufferPointer(start: word + index, count: length))
            + (needsSuffix ? endSuffix : [])
        return Int32(vocabulary.id(of: spelled) ?? -1)
    }

    private func hasByteTokens(_ symbol: UnsafePointer<UInt8>, _ length: Int) -> Bool {
        !byteTokens.isEmpty && (0..<length).allSatisfy { byteTokens[Int(symbol[$0])] >= 0 }
    }

    // MARK: Merging

    /// For short words: look for the best pair among all, every time.
    private func mergeByScanning(_ symbols: inout Symbols) {
        var count = symbols.ids.count
        guard count > 1 else { return }
        symbols.ranks.removeAll(keepingCapacity: true)
        for index in 0..<count - 1 { symbols.ranks.append(merges[symbols.ids[index], symbols.ids[index + 1]]) }
        while count > 1 {
            var best = 0
            for index in 1..<max(1, count - 1) where symbols.ranks[index].rank < symbols.ranks[best].rank { best = index }
            let merge = symbols.ranks[best]
            if merge.rank == .max { break }
            symbols.ids[best] = merge.id
            symbols.lengths[best] += symbols.lengths[best + 1]
            symbols.ids.remove(at: best + 1)
            symbols.lengths.remove(at: best + 1)
            symbols.ranks.remove(at: best)
            count -= 1
            if best > 0 { symbols.ranks[best - 1] = merges[symbols.ids[best - 1], merge.id] }
            if best < count - 1 { symbols.ranks[best] = merges[merge.id, symbols.ids[best + 1]] }
        }
    }

    /// For long words: a heap of (rank, position) over a linked list, O(n log n). Merged symbols keep length 0.
    private func mergeByHeap(_ symbols: inout Symbols) {
        let count = symbols.ids.count
        symbols.next = (0..<Int32(count)).map { $0 + 1 }
        symbols.previous = (0..<Int32(count)).map { $0 - 1 }
        var initial: [UInt64] = []
        for index in 0..<count - 1 {
            let rank = merges[symbols.ids[index], symbols.ids[index + 1]].rank
            if rank != .max { initial.append(UInt64(rank) << 32 | UInt64(index)) }
        }
        var heap = Heap(initial)
        func push(_ left: Int, _ right: Int) {
            let rank = merges[symbols.ids[left], symbols.ids[right]].rank
            if rank != .max { heap.insert(UInt64(rank) << 32 | UInt64(left)) }
        }
        while let top = heap.popMin() {
            let left = Int(top & 0xFFFF_FFFF)
            let right = Int(symbols.next[left])
            guard symbols.lengths[left] > 0, right < count else { continue }
            let merge = merges[symbols.ids[left], symbols.ids[right]]
            // The entry may be about a pair that has meanwhile become another one.
            guard UInt64(merge.rank) == top >> 32 else { continue }
            symbols.ids[left] = merge.id
            symbols.lengths[left] += symbols.lengths[right]
            symbols.lengths[right] = 0
            let after = Int(symbols.next[right])
            symbols.next[left] = Int32(after)
            if after < count {
                symbols.previous[after] = Int32(left)
                push(left, after)
            }
            if symbols.previous[left] >= 0 { push(Int(symbols.previous[left]), left) }
        }
    }
}
