/// Hashing of short byte strings; the same on every machine and in every run.
enum ByteHash {
    @inline(__always)
    static func hash(_ bytes: UnsafePointer<UInt8>, count: Int) -> UInt64 {
        let raw = UnsafeRawPointer(bytes)
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15 ^ UInt64(truncatingIfNeeded: count)
        var offset = 0
        while offset + 8 <= count {
            state = mix(state ^ raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        var rest: UInt64 = 0
        while offset < count {
            rest = rest << 8 | UInt64(bytes[offset])
            offset += 1
        }
        return mix(state ^ rest)
    }

    @inline(__always)
    static func mix(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
        return product.high ^ product.low
    }
}

/// Tokens by id and ids by token, keyed by bytes.
struct Vocabulary: Sendable {
    private var arena: [UInt8] = []
    /// Start and length in the arena, by id; the length is −1 where no token has the id.
    private var spans: [(start: UInt32, length: Int32)] = []
    /// Open addressing: ids, −1 where free. Its size is a power of two.
    private var slots: [Int32]
    private(set) var tokenCount = 0

    /// - Parameter capacity: the number of tokens expected.
    init(capacity: Int) {
        slots = [Int32](repeating: -1, count: Self.slotCount(for: capacity))
        spans.reserveCapacity(capacity)
        arena.reserveCapacity(capacity * 8)
    }

    private static func slotCount(for capacity: Int) -> Int {
        var count = 16
        while count < capacity * 2 { count *= 2 }
        return count
    }

    /// One more than the largest id.
    var idUpperBound: Int { spans.count }

    /// Whether an id may be used at all: ids may have gaps, but not such that a small file asks for a large table.
    static func isPlausible(id: Int, tokenCount: Int) -> Bool {
        id >= 0 && id < 4 * tokenCount + (1 << 20)
    }

    enum Collision { case none, token(existing: Int), id }

    /// Adds a token. If its bytes or its id are already there, nothing changes and the result says which.
    mutating func insert(_ token: some Collection<UInt8>, id: Int) -> Collision {
        if id < spans.count, spans[id].length >= 0 { return .id }
        if tokenCount * 2 >= slots.count { grow() }
        let start = arena.count
        arena.append(contentsOf: token)
        let length = arena.count - start
        let (slot, existing) = arena.withUnsafeBufferPointer { buffer in
            find(buffer.baseAddress.map { $0 + start }, count: length)
        }
        if existing >= 0 {
            arena.removeLast(length)
            return .token(existing: Int(existing))
        }
        while spans.count <= id { spans.append((0, -1)) }
        spans[id] = (UInt32(start), Int32(length))
        slots[slot] = Int32(id)
        tokenCount += 1
        return .none
    }

    private mutating func grow() {
        slots = [Int32](repeating: -1, count: slots.count * 2)
        for id in spans.indices where spans[id].length >= 0 {
            let (slot, _) = arena.withUnsafeBufferPointer {
                find($0.baseAddress.map { $0 + Int(spans[id].start) }, count: Int(spans[id].length))
            }
            slots[slot] = Int32(id)
        }
    }

    /// The slot where a token is or would be, and its id or −1.
    @inline(__always)
    private func find(_ bytes: UnsafePointer<UInt8>?, count: Int) -> (slot: Int, id: Int32) {
        var slot = 0
        let mask = slots.count - 1
        if let bytes, count > 0 { slot = Int(truncatingIfNeeded: ByteHash.hash(bytes, count: count)) & mask }
        while true {
            let id = slots[slot]
            if id < 0 { return (slot, -1) }
            let span = spans[Int(id)]
            if Int(span.length) == count, equal(bytes, Int(span.start), count) { return (slot, id) }
            slot = (slot + 1) & mask
        }
    }

    @inline(__always)
    private func equal(_ bytes: UnsafePointer<UInt8>?, _ start: Int, _ count: Int) -> Bool {
        guard let bytes else { return count == 0 }
        for offset in 0..<count where arena[start + offset] != bytes[offset] { return false }
        return true
    }

    /// The id of a token, −1 if there is none.
    @inline(__always)
    func id(of bytes: UnsafePointer<UInt8>, count: Int) -> Int32 {
        find(bytes, count: count).id
    }

    /// The id of a token, nil if there is none.
    func id(of bytes: [UInt8]) -> Int? {
        let id = bytes.withUnsafeBufferPointer { find($0.baseAddress, count: $0.count).id }
        return id < 0 ? nil : Int(id)
    }

    func token(_ id: Int) -> ArraySlice<UInt8>? {
        guard spans.indices.contains(id), spans[id].length >= 0 else { return nil }
        let start = Int(spans[id].start)
        return arena[start..<start + Int(spans[id].length)]
    }
}

/// The merges of byte pair encoding: which adjacent pairs join, in what order, into what.
struct MergeTable: Sendable {
    struct Merge: Sendable {
        var rank: UInt32
        var id: Int32
    }

    private struct Slot {
        var key: UInt64
        var merge: Merge
    }

    private var slots: [Slot]
    private let mask: Int

    /// - Parameter merges: left, right and resulting id, the first to be applied first. Of a repeated pair the last counts.
    init(_ merges: [(left: Int32, right: Int32, result: Int32)]) {
        var count = 16
        while count < merges.count * 2 { count *= 2 }
        slots = [Slot](repeating: Slot(key: .max, merge: Merge(rank: .max, id: -1)), count: count)
        mask = count - 1
        for (rank, merge) in merges.enumerated() {
            let key = Self.key(merge.left, merge.right)
            var slot = Int(truncatingIfNeeded: ByteHash.mix(key ^ 0x9E37_79B9_7F4A_7C15)) & mask
            while slots[slot].key != .max, slots[slot].key != key { slot = (slot + 1) & mask }
            slots[slot] = Slot(key: key, merge: Merge(rank: UInt32(rank), id: merge.result))
        }
    }

    @inline(__always)
    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    /// The merge of a pair; its rank is `.max` if the pair does not merge.
    @inline(__always)
    subscript(_ left: Int32, _ right: Int32) -> Merge {
        let key = Self.key(left, right)
        var slot = Int(truncatingIfNeeded: ByteHash.mix(key ^ 0x9E37_79B9_7F4A_7C15)) & mask
        while true {
            let found = slots[slot]
            if found.key == key || found.key == .max { return found.merge }
            slot = (slot + 1) & mask
        }
    }
}
