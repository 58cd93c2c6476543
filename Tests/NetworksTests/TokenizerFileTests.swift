import Foundation
import Networks
import Testing

/// Faulty and hostile files: one clear error each, never a crash.
@Suite struct TokenizerFileTests {
    private static func error(_ json: String) -> String? {
        do {
            _ = try Tokenizer(tokenizerJSON: Array(json.utf8))
            return nil
        } catch {
            return error.description
        }
    }

    private static func model(_ section: String = "", vocab: String = #""a":0,"b":1,"ab":2"#, merges: String = #"["a","b"]"#) -> String {
        #"{\#(section)"model":{"type":"BPE","vocab":{\#(vocab)},"merges":[\#(merges)]}}"#
    }

    private static func nested(_ key: String, _ list: String, _ type: String = "Sequence") -> String {
        let count = 40
        return #""\#(key)":"# + String(repeating: #"{"type":"\#(type)","\#(list)":["#, count: count)
            + String(repeating: "]}", count: count) + ","
    }

    @Test func theModelItselfIsFine() {
        #expect(Self.error(Self.model()) == nil)
        #expect(Self.error(Self.model(merges: #""a b""#)) == nil)
    }

    @Test(arguments: [
        ("", "byte 0"),
        ("[1,2]", "an object"),
        ("{", "a key was expected"),
        (#"{"model":{"vocab":{"a":0"#, "was expected"),
        (#"{"model":null}"#, "model should be an object, but is null"),
        (#"{"model":{"type":"Unigram","vocab":{"a":0}}}"#, "the model Unigram"),
        (model(vocab: #""a":-1"#), #"model.vocab["a"] should be an id near the size of the vocabulary, but is the number -1"#),
        (model(vocab: #""a":4000000000"#), "4000000000"),
        (model(vocab: #""a":1e3"#), "1e3"),
        (model(vocab: #""a":"0""#), #"the string "0""#),
        (model(vocab: #""a":0,"a":1"#), "the id given before"),
        (model(vocab: #""a":0,"b":0"#), "an id that no other token has"),
        (model(vocab: ""), "at least one token"),
        (model(merges: #"["a","c"]"#), "model.merges[0]"),
        (model(merges: #"["b","a"]"#), "concatenation"),
        (model(merges: #"["a"]"#), "two tokens"),
        (model(merges: #""a b c""#), "two tokens"),
        (model(merges: "7"), "the number 7"),
        (model(#""normalizer":{"type":"Precompiled"},"#), "the normaliser Precompiled"),
        (model(#""pre_tokenizer":{"type":"UnicodeScripts"},"#), "the pre-tokeniser UnicodeScripts"),
        (model(#""decoder":{"type":"CTC"},"#), "the decoder CTC"),
        (model(#""post_processor":{"type":"Strange"},"#), "the post-processor Strange"),
        (model(#""pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?<=a)b"},"behavior":"Isolated"},"#), "(?<=a)b"),
        (model(#""pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\p{Han}+"},"behavior":"Isolated"},"#), "the property Han"),
        (model(#""pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a*)*b"},"behavior":"Isolated"},"#), "a repeated group"),
        (model(#""pre_tokenizer":{"type":"Split","pattern":{"Regex":"a*"},"behavior":"Isolated"},"#), "the empty text"),
        (model(#""pre_tokenizer":{"type":"Split","pattern":{"String":"a"},"behavior":"Sideways"},"#), "one of Removed"),
        (model(#""added_tokens":[{"id":-5,"content":"x"}],"#), "added_tokens[0].id"),
        (model(#""added_tokens":[{"id":99999999,"content":"x"}],"#), "near the size"),
        (model(#""added_tokens":[{"id":1,"content":"a"}],"#), "0, the token's id in the vocabulary"),
        (model(#""added_tokens":[{"id":1,"content":"x"}],"#), "an id that no other token has"),
        (model(nested("normalizer", "normalizers")), "nested"),
        (model(nested("pre_tokenizer", "pretokenizers")), "nested"),
        (model(nested("decoder", "decoders")), "nested"),
        (model(nested("post_processor", "processors")), "nested"),
        (String(repeating: "[", count: 100_000), "nested more than 64 deep"),
        (model(#""x":"\ud800","#), "a surrogate stands alone"),
    ]) func faultsAreNamed(json: String, part: String) throws {
        let message = try #require(Self.error(json))
        #expect(message.contains(part), "\(message)")
    }

    @Test func missingFolderIsNamed() {
        let folder = URL(fileURLWithPath: "/nonexistent/model")
        #expect { try Tokenizer(folder: folder) } throws: { "\($0)".contains("/nonexistent/model/tokenizer.json") }
    }

    @Test func invalidUTF8IsNoString() throws {
        let json = Array(#"{"model":{"vocab":{""#.utf8) + [0xC3, 0x28] + Array(#"":0},"merges":[]}}"#.utf8)
        #expect { try Tokenizer(tokenizerJSON: json) } throws: { "\($0)".contains("not valid UTF-8") }
    }

    /// Every prefix and many single-byte changes of a real file: an error or a tokenizer, but no crash.
    @Test(arguments: ["llama3", "clip", "added", "cased"]) func mutationsDoNotCrash(name: String) throws {
        let original = [UInt8](try TokenizerFixtures.data("small-\(name).json"))
        var state: UInt64 = 7
        func draw(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        var outcomes = (loaded: 0, refused: 0)
        for round in 0..<2_000 {
            var bytes = original
            if round % 4 == 0 {
                bytes.removeLast(draw(bytes.count))
            } else {
                for _ in 0..<1 + draw(3) { bytes[draw(bytes.count)] = Array(#"{}[]",:0123456789-eabtfn\u."#.utf8)[draw(26)] }
            }
            do throws(TokenizerError) {
                let tokenizer = try Tokenizer(tokenizerJSON: bytes)
                _ = tokenizer.decode(tokenizer.encode("Left <|im_start|> the Привет 12 \n\n"))
                outcomes.loaded += 1
            } catch {
                #expect(!error.description.isEmpty)
                outcomes.refused += 1
            }
        }
        #expect(outcomes.refused > 500 && outcomes.loaded > 0)
    }

    // MARK: GGUF

    private static func gguf(_ change: (inout GGUFVocabulary) -> Void) -> String? {
        var vocabulary = GGUFVocabulary(model: "gpt2", preTokenizer: "smollm", tokens: ["a", "b", "ab"], merges: ["a b"])
        change(&vocabulary)
        do throws(TokenizerError) {
            _ = try Tokenizer(gguf: vocabulary)
            return nil
        } catch {
            return error.description
        }
    }

    @Test func faultyGGUFListsAreNamed() throws {
        #expect(Self.gguf { _ in } == nil)
        #expect(try #require(Self.gguf { $0.preTokenizer = "strange" }).contains("the GGUF pre-tokeniser strange"))
        #expect(try #require(Self.gguf { $0.model = "t5" }).contains("the GGUF tokenizer model t5"))
        #expect(try #require(Self.gguf { $0.tokens = [] }).contains("tokenizer.ggml.tokens"))
        #expect(try #require(Self.gguf { $0.bosID = 3 }).contains("tokenizer.ggml.bos_token_id should be an id below 3"))
        #expect(try #require(Self.gguf { $0.tokenTypes = [1] }).contains("tokenizer.ggml.token_type"))
        #expect(try #require(Self.gguf { $0.merges = ["a c"] }).contains("tokenizer.ggml.merges[0]"))
        #expect(try #require(Self.gguf { $0.addsBOS = true }).contains("tokenizer.ggml.bos_token_id"))
        #expect(try #require(Self.gguf { $0.model = "llama" }).contains("tokenizer.ggml.scores"))
    }
}
