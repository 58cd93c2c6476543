import Datasets
import Foundation
import Networks
import Testing

/// Real models' tokenizers on 10,000 varied lines, against `tokenizers` and `transformers`.
@Suite struct TokenizerModelTests {
    private struct Readable: Decodable {
        var lines: [String]
        var smollm2: [[Int]]
        var minilm: [[Int]]
        var gemma3: [[Int]]
    }

    private static func readable() throws -> Readable {
        try JSONDecoder().decode(Readable.self, from: TokenizerFixtures.data("readable.json"))
    }

    private static func expectReference(_ tokenizer: Tokenizer, _ name: String) throws {
        let lines = TokenizerFixtures.lines
        let ids = try TokenizerFixtures.hashes("\(name).ids")
        let texts = try TokenizerFixtures.hashes("\(name).text")
        #expect(ids.count == 10_000 && texts.count == 2_000)
        #expect(
            TokenizerFixtures.differences(lines, from: ids) { TokenizerFixtures.hash(ids: tokenizer.encode($0)) } == [])
        #expect(
            TokenizerFixtures.differences(lines, from: texts) {
                TokenizerFixtures.hash(tokenizer.decode(tokenizer.encode($0), skipSpecialTokens: false).utf8)
            } == [])
    }

    private static func smollm2() throws -> GGUFVocabulary {
        let file = try DataStore().fetch("smollm2-135m-instruct").mainFile
        return try GGUFVocabulary(GGUFFile(path: file.path).metadata)
    }

    @Test func smolLM2FromGGUF() throws {
        let tokenizer = try Tokenizer(gguf: Self.smollm2())
        try Self.expectReference(tokenizer, "smollm2")
        let readable = try Self.readable()
        #expect(readable.lines.map { tokenizer.encode($0) } == readable.smollm2)
        #expect(tokenizer.vocabularySize == 49_152)
        #expect(tokenizer.specialTokens.bos == 1 && tokenizer.specialTokens.eos == 2 && tokenizer.specialTokens.pad == 2)
        let text = try #require(tokenizer.chatTemplate).render(
            messages: [ChatMessage(role: "user", content: "Hi")], addGenerationPrompt: true)
        #expect(text.hasSuffix("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"))
        #expect(tokenizer.encode(text, addSpecialTokens: false).first == 1)
    }

    /// The same vocabulary as `tokenizer.json`, with the model's way of cutting words and with the one that
    /// `transformers` assumes when it reads the GGUF file.
    @Test(arguments: [true, false]) func smolLM2FromTokenizerJSON(separatesDigits: Bool) throws {
        let byteLevel = #"{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#
        let digits = #"{"type":"Digits","individual_digits":true}"#
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("condense-tokenizer-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let vocabulary = try Self.smollm2()
        let json = TokenizerJSONText.of(
            vocabulary,
            preTokenizer: separatesDigits ? #"{"type":"Sequence","pretokenizers":[\#(digits),\#(byteLevel)]}"# : byteLevel,
            decoder: byteLevel)
        try Data(json.utf8).write(to: folder.appendingPathComponent("tokenizer.json"))
        try Data(#"{"bos_token":"<|im_start|>","eos_token":{"content":"<|im_end|>"},"chat_template":"{{ bos_token }}"}"#.utf8)
            .write(to: folder.appendingPathComponent("tokenizer_config.json"))
        let tokenizer = try Tokenizer(folder: folder)
        try Self.expectReference(tokenizer, separatesDigits ? "smollm2" : "smollm2-transformers")
        #expect(tokenizer.specialTokens.bos == 1 && tokenizer.specialTokens.eos == 2)
        #expect(try tokenizer.chatTemplate?.render(messages: [], addGenerationPrompt: false) == "<|im_start|>")
    }

    @Test func miniLM() throws {
        let tokenizer = try Tokenizer(folder: DataStore().fetch("all-minilm-l6-v2").folder)
        try Self.expectReference(tokenizer, "minilm")
        let readable = try Self.readable()
        #expect(readable.lines.map { tokenizer.encode($0) } == readable.minilm)
        #expect(tokenizer.encode("hello world") == [101, 7592, 2088, 102])
        let text = "Unbelievable naïve 漢字"
        let encoding = tokenizer.encoding(of: text)
        let bytes = Array(text.utf8)
        #expect(
            encoding.ranges.map { String(decoding: bytes[$0], as: UTF8.self) } == ["", "Unbelievable", "naïve", "漢", "字", ""])
        #expect(encoding.isAdded == [true, false, false, false, false, true])
    }

    /// Gemma's file is large: the test runs where it has been fetched, or where long tests are asked for.
    @Test(
        .enabled(
            if: ProcessInfo.processInfo.environment["CONDENSE_LONG_TESTS"] != nil
                || (try? DataStore().location(of: "gemma-3-270m")) ?? nil != nil))
    func gemma3FromGGUF() throws {
        let file = try DataStore().fetch("gemma-3-270m").mainFile
        let tokenizer = try Tokenizer(gguf: GGUFFile(path: file.path))
        try Self.expectReference(tokenizer, "gemma3")
        let readable = try Self.readable()
        #expect(readable.lines.map { tokenizer.encode($0) } == readable.gemma3)
    }
}

/// Writes a vocabulary as `tokenizer.json`, byte for byte.
enum TokenizerJSONText {
    static func of(_ vocabulary: GGUFVocabulary, preTokenizer: String, decoder: String) -> String {
        let entries = vocabulary.tokens.enumerated().map { "\(quoted($0.element)):\($0.offset)" }
        let merges = vocabulary.merges.map(quoted)
        let added = vocabulary.tokenTypes.enumerated().filter { $0.element == 3 }.map { id, _ in
            #"{"id":\#(id),"content":\#(quoted(vocabulary.tokens[id])),"special":true,"normalized":false}"#
        }
        return """
            {"added_tokens":[\(added.joined(separator: ","))],"pre_tokenizer":\(preTokenizer),"decoder":\(decoder),
            "model":{"type":"BPE","vocab":{\(entries.joined(separator: ","))},"merges":[\(merges.joined(separator: ","))]}}
            """
    }

    private static func quoted(_ text: String) -> String {
        var output = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": output += "\\\""
            case "\\": output += "\\\\"
            default: output.unicodeScalars.append(scalar)
            }
        }
        return output + "\""
    }
}
