import Experiments
import Foundation
import Testing

private struct Settings: RunConfiguration {
    struct Inner: Codable, Sendable, Equatable {
        var steps = 10
        var rate = 0.5
        var names = ["a", "b"]
        var note: String?
    }

    enum Choice: Codable, Sendable, Equatable {
        case topK(k: Int)
        case l1(Double)
    }

    var inner = Inner()
    var choice = Choice.topK(k: 3)
    var table: [String: Double] = ["x": 1]
    init() {}
}

/// Mutated settings are read or refused in one sentence; nothing else may happen.
///
/// `CONDENSE_FUZZ` sets the number of inputs (100,000 by default), `CONDENSE_FUZZ_SEED` the seed.
@Suite struct ConfigurationFuzzTests {
    private static let seeds = [
        "inner:\n  steps: 3\n  rate: 1e-3\n  names: [x, \"y\\n\", 'z']\n  note: |\n    two\n    lines\nchoice: {l1: {_0: 2}}\n",
        "# comment\n---\ntable: {a: .inf, b: -.inf, c: .nan}\nrun: {seed: 1, threads: 2, device: cuda:1}\n...\n",
        "a: &a [1, 2]\nb: [*a, *a]\n? complex\n: value\n!!str c: !!int \"3\"\n<<: *a\n",
        "inner: {steps: 0x10, rate: 1_000.5, names: [[[[{}]]]], note: ~}\n",
    ]
    private static let pieces = [
        "&a ", "*a", "[", "]", "{", "}", ": ", "- ", "? ", "\n", "  ", "\"", "'", "|", ">", "!!map ", "%YAML 1.1\n", "---\n", "\t",
        "\u{0}", "\u{FEFF}", "é", "\\u0000", "\\xff", "1e999", "99999999999999999999", "~", "#",
    ]

    @Test func mutatedSettingsAreReadOrRefused() throws {
        let environment = ProcessInfo.processInfo.environment
        let count = environment["CONDENSE_FUZZ"].flatMap(Int.init) ?? 100_000
        var random = SplitMix64(seed: environment["CONDENSE_FUZZ_SEED"].flatMap(UInt64.init) ?? 1)
        var read = 0
        for _ in 0..<count {
            var bytes = Array(Self.seeds.randomElement(using: &random)!.utf8)
            for _ in 0..<Int.random(in: 1...6, using: &random) { Self.mutate(&bytes, &random) }
            // Overrides are read like files, without the detour over the disk.
            let text = String(decoding: bytes, as: UTF8.self)
            do {
                _ = try ConfigurationSource(overrides: ["inner=\(text)"]).resolve(Settings())
                read += 1
            } catch let error as ConfigurationError {
                let sentence = error.description
                #expect((10..<800).contains(sentence.count) && !sentence.contains("\n"), "\(sentence)")
            }
        }
        #expect(read < count)
    }

    private static func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
        let place = Int.random(in: 0...bytes.count, using: &random)
        let end = Int.random(in: place...min(bytes.count, place + 12), using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes.insert(contentsOf: pieces.randomElement(using: &random)!.utf8, at: place)
        case 1: bytes.removeSubrange(place..<end)
        case 2: bytes.insert(contentsOf: bytes[place..<end], at: Int.random(in: 0...bytes.count, using: &random))
        case 3: if place < bytes.count { bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random) }
        default:
            let piece = Array(pieces.randomElement(using: &random)!.utf8)
            bytes.insert(contentsOf: (0..<Int.random(in: 1...80, using: &random)).flatMap { _ in piece }, at: place)
        }
    }
}
