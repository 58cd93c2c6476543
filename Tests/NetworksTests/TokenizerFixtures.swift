import Foundation

/// Files made by `Tools/goldens/tokenizers_goldens.py`.
enum TokenizerFixtures {
    static func data(_ name: String) throws -> Data {
        try Data(contentsOf: Bundle.module.bundleURL.appendingPathComponent("Fixtures/Tokenizers/\(name)"))
    }

    /// One 32-bit hash per line.
    static func hashes(_ name: String) throws -> [UInt32] {
        let bytes = [UInt8](try data(name))
        return stride(from: 0, to: bytes.count, by: 4).map { start in
            (0..<4).reduce(0) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) }
        }
    }

    /// 32-bit FNV-1a.
    static func hash(_ bytes: some Sequence<UInt8>) -> UInt32 {
        bytes.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    }

    static func hash(ids: [Int]) -> UInt32 {
        hash(ids.flatMap { id in (0..<4).map { UInt8(truncatingIfNeeded: id >> (8 * $0)) } })
    }

    /// The lines whose hash is not the expected one, as far as there are hashes.
    static func differences(_ lines: [String], from expected: [UInt32], _ hash: (String) -> UInt32) -> [String] {
        zip(lines, expected).filter { hash($0) != $1 }.map(\.0)
    }

    static let lines: [String] = {
        var source = try! TokenizerLines()
        return (0..<10_000).map { _ in source.line() }
    }()
}

/// The lines of `Tools/goldens/tokenizers_lines.py`, drawn in the same way from the same atoms.
struct TokenizerLines {
    private struct Source: Decodable {
        var atoms: [[String]]
        var ranges: [[UInt32]]
        var seed: UInt64
    }

    private let source: Source
    private var state: UInt64

    init() throws {
        source = try JSONDecoder().decode(Source.self, from: TokenizerFixtures.data("atoms.json"))
        state = source.seed
    }

    /// SplitMix64.
    private mutating func draw(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ mixed >> 31) % UInt64(bound))
    }

    private mutating func atom() -> String {
        let group = source.atoms[draw(source.atoms.count)]
        return group[draw(group.count)]
    }

    private mutating func scalar() -> String {
        let range = source.ranges[draw(source.ranges.count)]
        let value = range[0] + UInt32(draw(Int(range[1] - range[0] + 1)))
        return Unicode.Scalar(value).map { String($0) } ?? "?"
    }

    private mutating func part() -> String {
        switch draw(100) {
        case ..<65: return atom()
        case ..<80: return scalar()
        case ..<84:
            let atom = atom()
            return String(repeating: atom, count: 1 + draw(40))
        case ..<93: return characters(count: 1 + draw(6), from: 48, count: 10)
        default: return characters(count: 1 + draw(30), from: 33, count: 94)
        }
    }

    private mutating func characters(count: Int, from first: Int, count choices: Int) -> String {
        String(decoding: (0..<count).map { _ in UInt8(first + draw(choices)) }, as: UTF8.self)
    }

    mutating func line() -> String {
        var text = ""
        for _ in 0..<1 + draw(14) {
            text += part()
            if draw(2) == 1 { text += " " }
        }
        return text
    }
}
