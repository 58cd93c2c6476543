internal import Foundation

/// The general categories of Unicode, in the order of `UnicodeData.generalCategories`.
enum GeneralCategory: UInt8, CaseIterable {
    case lu, ll, lt, lm, lo, mn, mc, me, nd, nl, no, pc, pd, ps, pe, pi, pf, po, sm, sc, sk, so, zs, zl, zp, cc, cf, co, cs, cn

    /// The categories that `\p{name}` of a regular expression stands for: one, or all that begin with a letter.
    static func named(_ name: String) -> [GeneralCategory] {
        let lowered = name.lowercased()
        return allCases.filter { category in
            let own = String(describing: category)
            return own == lowered || (lowered.count == 1 && own.hasPrefix(lowered))
        }
    }
}

/// Everything a tokenizer asks about a Unicode scalar, as one table lookup.
///
/// The properties are those of the reference implementation (see `UnicodeData`), not of the standard library.
struct ScalarProperties: Sendable {
    var bits: UInt16

    static let space: UInt16 = 1 << 5
    static let wordCharacter: UInt16 = 1 << 6
    static let whiteSpace: UInt16 = 1 << 7
    static let numeric: UInt16 = 1 << 8
    static let punctuation: UInt16 = 1 << 9
    static let control: UInt16 = 1 << 10
    static let nonspacingMark: UInt16 = 1 << 11
    static let combiningMark: UInt16 = 1 << 12

    /// Index of the general category (5 bits) with `\s` as sixth bit: what a regular expression can see.
    @inline(__always) var categoryAndSpace: UInt64 { UInt64(bits & 63) }
    @inline(__always) func has(_ property: UInt16) -> Bool { bits & property != 0 }
    @inline(__always) var isWhiteSpace: Bool { has(Self.whiteSpace) }
    @inline(__always) var isNumeric: Bool { has(Self.numeric) }
    @inline(__always) var isWordCharacter: Bool { has(Self.wordCharacter) }
    /// Punctuation as BERT has it: every ASCII symbol counts.
    @inline(__always) var isPunctuation: Bool { has(Self.punctuation) }

    /// One entry per scalar value; built once (about a millisecond), 2.2 MB.
    static let table: [UInt16] = {
        var table = [UInt16](repeating: UInt16(GeneralCategory.cn.rawValue), count: 0x110000)
        var categories = VariableLengthReader(UnicodeData.generalCategories)
        var position = 0
        while !categories.isAtEnd {
            let category = UInt16(categories.byte())
            let end = position + categories.next()
            for scalar in position..<end { table[scalar] = category }
            position = end
        }
        let sets: [(String, UInt16)] = [
            (UnicodeData.space, space), (UnicodeData.wordCharacter, wordCharacter), (UnicodeData.whiteSpace, whiteSpace),
            (UnicodeData.numeric, numeric), (UnicodeData.punctuation, punctuation), (UnicodeData.control, control),
            (UnicodeData.nonspacingMark, nonspacingMark), (UnicodeData.combiningMark, combiningMark),
        ]
        for (data, bit) in sets {
            var reader = VariableLengthReader(data)
            var position = 0
            while !reader.isAtEnd {
                let first = position + reader.next()
                position = first + reader.next()
                for scalar in first..<position { table[scalar] |= bit }
            }
        }
        return table
    }()

    @inline(__always)
    static func of(_ scalar: UInt32) -> ScalarProperties {
        ScalarProperties(bits: table[Int(scalar)])
    }
}

/// Reads the variable-length integers of `UnicodeData`: seven bits a byte, lowest first.
struct VariableLengthReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ base64: String) {
        guard let data = Data(base64Encoded: base64) else { preconditionFailure("UnicodeData is not base64") }
        bytes = [UInt8](data)
    }

    var isAtEnd: Bool { position == bytes.count }

    mutating func byte() -> UInt8 {
        defer { position += 1 }
        return bytes[position]
    }

    mutating func next() -> Int {
        var value = 0
        var shift = 0
        while true {
            let part = byte()
            value |= Int(part & 127) << shift
            if part < 128 { return value }
            shift += 7
        }
    }

    mutating func nextSigned() -> Int {
        let value = next()
        return value & 1 == 0 ? value >> 1 : -((value + 1) >> 1)
    }
}
