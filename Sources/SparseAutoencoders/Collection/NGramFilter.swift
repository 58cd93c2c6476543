internal import Torch

/// Leaves out texts that share a sequence of words with an earlier one, in order: the first of several stays (Li et al. 2025,
/// arXiv:2506.07691, section 3.1, with 20-grams).
///
/// Words are what lies between white space. Of a text with fewer words the whole is compared. Sequences are told apart by 64-bit
/// hashes, 8 bytes a word of what was admitted and some more for the table. Filtering what was admitted again changes nothing.
public struct NGramFilter: Sendable {
    /// Words per sequence.
    public let length: Int
    private var seen: Set<UInt64> = []

    public init(length: Int) {
        require(length > 0, "NGramFilter: sequences of \(length) words")
        self.length = length
    }

    /// Whether no sequence of the text was in one that was admitted before; then it is admitted.
    public mutating func admits(_ text: String) -> Bool {
        let words = text.utf8.split { $0 == 0x20 || (0x09...0x0D).contains($0) }.map(Self.hash)
        let count = Swift.min(length, words.count)
        let hashes = (0...words.count - count).map { start in
            words[start..<start + count].reduce(UInt64(count)) { Self.mixed($0 ^ $1) }
        }
        guard !hashes.contains(where: seen.contains) else { return false }
        seen.formUnion(hashes)
        return true
    }

    /// FNV-1a, the same in every process.
    private static func hash(_ word: Substring.UTF8View) -> UInt64 {
        word.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    /// A bijection that makes the order of words count.
    private static func mixed(_ value: UInt64) -> UInt64 {
        let product = (value ^ value >> 32) &* 0x9e37_79b9_7f4a_7c15
        return product ^ product >> 29
    }
}
