/// Tokens as a model produces them: ids, and on request the bytes of the normalised text each one covers.
struct TokenBuffer {
    private(set) var ids: [Int32] = []
    private(set) var spans: [Range<Int>] = []
    let isTracking: Bool

    init(isTracking: Bool) { self.isTracking = isTracking }

    @inline(__always)
    mutating func append(_ id: Int32, _ span: @autoclosure () -> Range<Int>) {
        ids.append(id)
        if isTracking { spans.append(span()) }
    }

    mutating func removeAll() {
        ids.removeAll(keepingCapacity: true)
        spans.removeAll(keepingCapacity: true)
    }
}

/// Remembers the tokens of words already seen. It changes the speed of encoding, never its result.
///
/// A table of fixed size; when its storage is full everything is forgotten, so memory stays below three megabytes.
struct WordCache {
    private struct Slot {
        var hash: UInt64 = 0
        var keyStart: UInt32 = 0
        var keyCount: UInt32 = 0
        var valueStart: UInt32 = 0
        var valueCount: UInt32 = 0
    }

    private static let slotCount = 1 << 15
    private static let keyCapacity = 1 << 20
    /// Longer words are too rare to be worth remembering.
    static let maximumWordLength = 64

    private var slots = [Slot](repeating: Slot(), count: slotCount)
    private var keys: [UInt8] = []
    private var ids: [Int32] = []
    private var lengths: [UInt16] = []
    private var used = 0

    /// Appends the tokens of a known word; false if it is not known.
    @inline(__always)
    func append(_ word: UnsafePointer<UInt8>, count: Int, hash: UInt64, at start: Int, to output: inout TokenBuffer) -> Bool {
        var index = Int(truncatingIfNeeded: hash) & (Self.slotCount - 1)
        while true {
            let slot = slots[index]
            if slot.keyCount == 0 { return false }
            if slot.hash == hash, slot.keyCount == count, matches(word, slot) {
                var position = start
                for value in Int(slot.valueStart)..<Int(slot.valueStart + slot.valueCount) {
                    let end = position + Int(lengths[value])
                    output.append(ids[value], position..<end)
                    position = end
                }
                return true
            }
            index = (index + 1) & (Self.slotCount - 1)
        }
    }

    @inline(__always)
    private func matches(_ word: UnsafePointer<UInt8>, _ slot: Slot) -> Bool {
        let start = Int(slot.keyStart)
        for offset in 0..<Int(slot.keyCount) where keys[start + offset] != word[offset] { return false }
        return true
    }

    /// Remembers a word whose tokens follow each other without gaps.
    mutating func insert(
        _ word: UnsafePointer<UInt8>, count: Int, hash: UInt64, tokens: some Sequence<(id: Int32, length: Int)>
    ) {
        if used * 2 >= Self.slotCount || keys.count + count > Self.keyCapacity {
            self = WordCache()
        }
        let valueStart = ids.count
        for token in tokens {
            ids.append(token.id)
            lengths.append(UInt16(token.length))
        }
        var index = Int(truncatingIfNeeded: hash) & (Self.slotCount - 1)
        while slots[index].keyCount != 0 { index = (index + 1) & (Self.slotCount - 1) }
        slots[index] = Slot(
            hash: hash, keyStart: UInt32(keys.count), keyCount: UInt32(count), valueStart: UInt32(valueStart),
            valueCount: UInt32(ids.count - valueStart))
        keys.append(contentsOf: UnsafeBufferPointer(start: word, count: count))
        used += 1
    }
}

/// What encoding needs to have at hand, reused from call to call by one thread at a time.
struct EncodingWorkspace {
    var cache = WordCache()
    var symbols = BytePairEncoding.Symbols()
    var pieces: [Range<Int>] = []
    var otherPieces: [Range<Int>] = []
}
