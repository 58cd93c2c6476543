/// A set of Unicode scalars as a tokenizer's regular expressions write them: `[^\s\p{L}]`, `\p{N}`, `a`.
struct ScalarSet: Sendable, Equatable {
    /// Membership of the scalars below 128.
    private(set) var ascii: (low: UInt64, high: UInt64) = (0, 0)
    /// Membership of all others, by general category (32 bits), then by category with `\s` (32 bits).
    private(set) var classes: UInt64 = 0
    /// Scalars listed one by one or as ranges, 128 and above; they are the exception from `classes`.
    private(set) var listed: [ClosedRange<UInt32>] = []
    private var isNegated = false

    static func == (a: ScalarSet, b: ScalarSet) -> Bool {
        a.ascii == b.ascii && a.classes == b.classes && a.listed == b.listed && a.isNegated == b.isNegated
    }

    @inline(__always)
    func contains(ascii byte: UInt8) -> Bool {
        (byte < 64 ? ascii.low >> UInt64(byte) : ascii.high >> UInt64(byte & 63)) & 1 == 1
    }

    /// For scalars of 128 and above.
    @inline(__always)
    func contains(wide scalar: UInt32) -> Bool {
        if !listed.isEmpty, listed.contains(where: { $0.contains(scalar) }) { return !isNegated }
        return classes >> ScalarProperties.of(scalar).categoryAndSpace & 1 == 1
    }

    /// Whether any scalar of 128 or above may be a member.
    var mayContainWide: Bool { classes != 0 || (!listed.isEmpty && !isNegated) }

    mutating func insert(_ scalars: ClosedRange<UInt32>) {
        for scalar in scalars.clamped(to: 0...127) where scalars.contains(scalar) { insert(ascii: scalar) }
        if scalars.upperBound >= 128 { listed.append(max(128, scalars.lowerBound)...scalars.upperBound) }
    }

    private mutating func insert(ascii scalar: UInt32) {
        if scalar < 64 { ascii.low |= 1 << UInt64(scalar) } else { ascii.high |= 1 << UInt64(scalar - 64) }
    }

    /// Adds every scalar whose properties satisfy `predicate`, which may look at category and `\s` only.
    mutating func insert(where predicate: (GeneralCategory, _ isSpace: Bool) -> Bool) {
        for category in GeneralCategory.allCases {
            for isSpace in [false, true] where predicate(category, isSpace) {
                classes |= 1 << (UInt64(category.rawValue) + (isSpace ? 32 : 0))
            }
        }
        for scalar in UInt32(0)..<128 where classes(contain: scalar, predicate) { insert(ascii: scalar) }
    }

    private func classes(contain scalar: UInt32, _ predicate: (GeneralCategory, Bool) -> Bool) -> Bool {
        let code = ScalarProperties.of(scalar).categoryAndSpace
        return predicate(GeneralCategory(rawValue: UInt8(code & 31)) ?? .cn, code >= 32)
    }

    var inverted: ScalarSet {
        var result = self
        result.ascii = (~ascii.low, ~ascii.high)
        result.classes = ~classes
        result.isNegated.toggle()
        return result
    }
}
