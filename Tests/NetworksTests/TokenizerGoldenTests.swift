import Foundation
import Networks
import Testing

/// Small tokenizers that together use every component, against `tokenizers`.
@Suite struct TokenizerGoldenTests {
    static let names = [
        "gpt2", "llama3", "qwen2", "cl100k", "o200k", "deepseek", "clip", "llama2", "metaspace", "nfkc", "nfkd", "cased", "added",
    ]

    static func tokenizer(_ name: String) throws -> Tokenizer {
        try Tokenizer(tokenizerJSON: [UInt8](TokenizerFixtures.data("small-\(name).json")))
    }

    @Test(arguments: names) func idsAndTextAreTheReferences(name: String) throws {
        let tokenizer = try Self.tokenizer(name)
        let ids = try TokenizerFixtures.hashes("small-\(name).ids")
        let texts = try TokenizerFixtures.hashes("small-\(name).text")
        #expect(ids.count == 1000 && texts.count == 1000)
        #expect(
            TokenizerFixtures.differences(TokenizerFixtures.lines, from: ids) {
                TokenizerFixtures.hash(ids: tokenizer.encode($0))
            } == [])
        #expect(
            TokenizerFixtures.differences(TokenizerFixtures.lines, from: texts) {
                TokenizerFixtures.hash(tokenizer.decode(tokenizer.encode($0), skipSpecialTokens: false).utf8)
            } == [])
    }

    @Test(arguments: names) func placesDoNotChangeIDs(name: String) throws {
        let tokenizer = try Self.tokenizer(name)
        for line in TokenizerFixtures.lines.prefix(500) {
            let encoding = tokenizer.encoding(of: line)
            #expect(encoding.ids == tokenizer.encode(line))
            #expect(encoding.ranges.count == encoding.ids.count && encoding.isAdded.count == encoding.ids.count)
            #expect(encoding.ranges.allSatisfy { $0.upperBound <= line.utf8.count })
        }
    }

    /// The tokens of a byte-level vocabulary without normalisation cover the text exactly, and in order.
    @Test(arguments: ["llama3", "cl100k", "o200k", "deepseek"]) func byteLevelPlacesCoverTheText(name: String) throws {
        let tokenizer = try Self.tokenizer(name)
        for line in TokenizerFixtures.lines.prefix(1000) {
            let encoding = tokenizer.encoding(of: line, addSpecialTokens: false)
            var end = 0
            for (id, range) in zip(encoding.ids, encoding.ranges) {
                #expect(range.lowerBound == end)
                #expect(Array(Array(line.utf8)[range]) == tokenizer.bytes(of: id))
                end = range.upperBound
            }
            #expect(end == line.utf8.count)
            #expect(Array(tokenizer.decode(encoding.ids, skipSpecialTokens: false).utf8) == Array(line.utf8))
        }
    }

    @Test func batchesAreTheSingleTexts() throws {
        let tokenizer = try Self.tokenizer("llama3")
        let lines = Array(TokenizerFixtures.lines.prefix(1000))
        #expect(tokenizer.encode(batch: lines) == lines.map { tokenizer.encode($0) })
        #expect(tokenizer.encode(batch: []) == [])
    }

    /// Ids one by one give the same text as all at once, and never half a character.
    @Test(arguments: ["llama3", "llama2", "o200k"]) func streamingGivesTheWholeText(name: String) throws {
        let tokenizer = try Self.tokenizer(name)
        for line in TokenizerFixtures.lines.prefix(500) where !line.contains("\u{FFFD}") {
            let ids = tokenizer.encode(line, addSpecialTokens: false)
            var decoder = tokenizer.streamingDecoder(skipSpecialTokens: false)
            let parts = ids.map { decoder.append($0) }
            #expect(decoder.finish() == "" && !parts.contains { $0.unicodeScalars.contains("\u{FFFD}") })
            // Llama 2's decoder drops the space that its normaliser has put in front; space by space, since a mark after
            // it would make another `Character` of it.
            let isPadded = name == "llama2"
            let text = Array(parts.joined().unicodeScalars.drop { isPadded && $0 == " " })
            let whole = Array(tokenizer.decode(ids, skipSpecialTokens: false).unicodeScalars.drop { isPadded && $0 == " " })
            #expect(text == whole)
        }
    }

    @Test func longWordsMergeLikeShortOnes() throws {
        let tokenizer = try Self.tokenizer("llama2")
        // Beyond 32 symbols a heap does the merging; both ways agree on a text whose words are the same in either.
        let word = "the "
        let ids = tokenizer.encode(String(repeating: word, count: 1000), addSpecialTokens: false)
        let short = tokenizer.encode(String(repeating: word, count: 6), addSpecialTokens: false)
        #expect(ids.count > 1000 && tokenizer.decode(ids) == String(repeating: word, count: 1000))
        #expect(Array(ids.prefix(8)) == Array(short.prefix(8)))
    }

    @Test func lengthIsLimitedInsideTheAddedTokens() throws {
        let tokenizer = try Self.tokenizer("llama2")
        let all = tokenizer.encode("the of and to in")
        let cut = tokenizer.encode("the of and to in", maximumCount: 4)
        #expect(cut == Array(all.prefix(3)) + [all.last!])
        #expect(tokenizer.encode("the", addSpecialTokens: false, maximumCount: 0) == [])
    }

    @Test func controlTokensInTextCanBeIgnored() throws {
        let tokenizer = try Self.tokenizer("added")
        let text = "a<|im_start|>b"
        let id = try #require(tokenizer.id(of: "<|im_start|>"))
        #expect(tokenizer.encode(text).contains(id))
        let ids = tokenizer.encode(text, readsControlTokens: false)
        #expect(!ids.contains(id) && tokenizer.decode(ids) == text)
    }

    /// NFC and NFD spellings are different bytes, so they are different keys, although Swift calls them equal.
    @Test func canonicallyEquivalentTokensStayApart() throws {
        let json = #"{"model":{"type":"BPE","vocab":{"\u00e9":0,"e":1,"\u0301":2,"e\u0301":3},"merges":[["e","\u0301"]]}}"#
        let tokenizer = try Tokenizer(tokenizerJSON: Array(json.utf8))
        #expect(tokenizer.encode("\u{e9}") == [0])
        #expect(tokenizer.encode("e\u{301}") == [3])
        #expect(tokenizer.id(of: "\u{e9}") == 0 && tokenizer.id(of: "e\u{301}") == 3)
    }
}
