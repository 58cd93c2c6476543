import Datasets
import Experiments
import Foundation
import Networks
import SparseAutoencoders
import Testing
import Torch

@Suite struct DialogueCollectionTests {
    let temporary: TemporaryFolder
    /// Dialogue d holds tokens 1000·d, 1000·d + 1, …; every third token is the template's.
    let dialogues: [TokenizedDocument] = (0..<40).map { dialogue in
        let count = 1 + dialogue * 7 % 13
        return TokenizedDocument(
            (0..<count).map { Int32(1_000 * dialogue + $0) }, roles: (0..<count).map { [.template, .user, .assistant][$0 % 3] })
    }

    init() throws { temporary = try TemporaryFolder() }

    private func layout(_ arrangement: DialogueLayout.Arrangement = .separate) -> ContextLayout {
        ContextLayout(
            length: 9, beginningToken: arrangement == .joined ? 1 : nil, separatorToken: nil, firstPosition: 1,
            dialogues: DialogueLayout(arrangement: arrangement, templateDigest: "00"))
    }

    private func collector(
        _ name: String, rows: Int = 100, dialogues: [TokenizedDocument]? = nil, onBatch: @escaping ([[Int32]]) throws -> Void = { _ in }
    ) -> ActivationCollector {
        ActivationCollector(
            to: temporary.file(name),
            description: StoreDescription(
                model: ModelIdentity(name: "tiny"), hook: "blocks.0.hook_resid_post", width: 2, elementType: .float32, contexts: layout(),
                plannedRows: rows, rowsPerShard: 32),
            batchContexts: 4, documents: ListedDocuments(dialogues ?? self.dialogues)
        ) { contexts in
            try onBatch(contexts)
            // The sum of all tokens before stands for attention.
            let rows = contexts.flatMap { context in
                context.indices.flatMap { [Float(context[...$0].reduce(0, +)), Float($0)] }
            }
            return ActivationBatch(Tensor(rows, shape: [contexts.count, contexts[0].count, 2]))
        }
    }

    @Test func everyDialogueIsItsOwnContext() throws {
        var batches: [[[Int32]]] = []
        let store = try collector("store", rows: 10_000) { batches.append($0) }.run()
        // Those of one token give no row behind the first position; long ones are cut.
        let expected = dialogues.filter { $0.tokens.count > 1 }.map { Array($0.tokens.prefix(9)) }
        #expect(batches == expected.map { [$0] })
        #expect(store.contextCount == expected.count)
        #expect(store.rowCount == expected.reduce(0) { $0 + $1.count - 1 })
        let batch = try store.contexts(0..<store.contextCount)
        #expect(batch.tokens == expected)
        #expect(batch.documents.map { $0[0] } == expected.map { $0[0] / 1_000 })
        #expect(batch.roles == expected.map { $0.indices.map { [.template, .user, .assistant][$0 % 3] } })
        let rows = expected.flatMap { context in (1..<context.count).map { Float(context[...$0].reduce(0, +)) } }
        #expect(batch.activations.selected(axis: 1, index: 0).scalars(as: Float.self) == rows)
        for row in stride(from: 0, to: store.rowCount, by: 7) {
            let location = try #require(try store.location(ofRow: row))
            #expect(location == batch.location(ofRow: row))
            #expect(batch.activations[row, 1].item() == Double(location.position))
        }
    }

    @Test func contextsAreReadAcrossShards() throws {
        let store = try collector("store", rows: 10_000).run()
        #expect(store.shardCount > 3)
        let all = try store.contexts(0..<store.contextCount)
        for start in 0..<store.contextCount - 5 {
            let part = try store.contexts(start..<start + 5)
            #expect(part.tokens == Array(all.tokens[start..<start + 5]) && part.roles == all.roles.map { Array($0[start..<start + 5]) })
            let rows = try store.rows(ofContexts: start..<start + 5)
            #expect(rows == all.rowStarts[start]..<all.rowStarts[start + 5])
            #expect(part.activations.scalars(as: Float.self) == all.activations[rows].scalars(as: Float.self))
        }
        #expect(throws: StoreError.self) { try store.rows(ofContexts: 0..<store.contextCount + 1) }
    }

    @Test func anotherDialogueChangesNoRow() throws {
        var changed = dialogues
        changed[5].tokens[0] += 500
        let before = try collector("before").run(), after = try collector("after", dialogues: changed).run()
        #expect(before.rowCount == after.rowCount)
        let (first, second) = (try before.contexts(0..<before.contextCount), try after.contexts(0..<after.contextCount))
        let context = try #require(first.documents.firstIndex { $0[0] == 5 })
        for row in 0..<before.rowCount {
            let isSame = first.activations[row].scalars(as: Float.self) == second.activations[row].scalars(as: Float.self)
            #expect(isSame == (first.location(ofRow: row).context != context))
        }
    }

    @Test(arguments: [11, 14]) func resumedCollectionHasTheSameBytes(batchesPerAttempt: Int) throws {
        _ = try collector("whole", rows: 150).run()
        for attempt in 0..<40 {
            let cancellation = Cancellation()
            var batches = 0
            let collector = collector("resumed", rows: 150) { _ in
                batches += 1
                // More than the dialogues of any shard, fewer than those of the store.
                if batches == batchesPerAttempt { cancellation.cancel() }
            }
            do {
                _ = try collector.run(resuming: true, cancellation: cancellation)
                #expect(attempt > 0)
                break
            } catch is RunInterrupted {}
        }
        #expect(try StoreFixture.contents(of: temporary.file("resumed")) == StoreFixture.contents(of: temporary.file("whole")))
    }

    @Test func theMixingBufferServesEachRowOnce() throws {
        let store = try collector("store", rows: 200).run()
        let source = try ShuffledActivations(store, seed: 3, bufferRows: 64)
        let served = try source.next(store.rowCount).selected(axis: 1, index: 0).scalars(as: Float.self)
        let stored = try store.rows(0..<store.rowCount).selected(axis: 1, index: 0).scalars(as: Float.self)
        #expect(served != stored && served.sorted() == stored.sorted())
    }

    @Test func joinedDialoguesKeepTheirRoles() throws {
        let packer = try ContextPacker(
            ListedDocuments([
                TokenizedDocument([10, 11, 12], roles: [.template, .user, .template]),
                TokenizedDocument(Array(20..<40), roles: Array(repeating: .assistant, count: 20)),
            ]), layout: layout(.joined))
        let first = try #require(try packer.next()), second = try #require(try packer.next())
        #expect(first.tokens == [1, 10, 11, 12, 20, 21, 22, 23, 24])
        #expect(first.roles == [.template, .template, .user, .template] + Array(repeating: .assistant, count: 5))
        #expect(second.roles == [.template] + Array(repeating: .assistant, count: 8))
    }

    @Test func lengthsThatDoNotFitTheRowsAreRefused() throws {
        let store = try collector("store", rows: 200).run()
        let index = store.folder.appending(path: "store.json")
        let text = try String(contentsOf: index, encoding: .utf8)
        let shards = text.matches(of: #/"contexts" : (\d+),/#)
        let count = try #require(shards.first.flatMap { Int($0.1) })
        try text.replacing("\"contexts\" : \(count),", with: "\"contexts\" : \(count + 1),").write(to: index, atomically: true, encoding: .utf8)
        let error = #expect(throws: StoreError.self) { try ActivationStore(at: store.folder).contexts(0..<1) }
        #expect("\(error!)".contains("lengths"))
    }
}

@Suite struct NGramFilterTests {
    @Test func laterTextsWithASharedSequenceAreLeftOut() {
        var filter = NGramFilter(length: 3)
        // What was left out does not count: "c d y" was only in the second.
        let texts = ["a b c d", "x  b\nc d y", "b c x y", "c d y", "a b", "a b", "b a", "", " "]
        #expect(texts.map { filter.admits($0) } == [true, false, true, true, true, false, true, true, false])
    }

    @Test func filteringAgainChangesNothing() {
        let texts = (0..<200).map { number in (0..<8).map { "w\((number * 31 + $0 * 17) % 61)" }.joined(separator: " ") }
        var first = NGramFilter(length: 2), second = NGramFilter(length: 2)
        let kept = texts.filter { first.admits($0) }
        #expect(kept.count > 5 && kept.count < 150)
        #expect(kept.filter { second.admits($0) } == kept)
    }
}

@Suite struct DialogueTemplateTests {
    private static let turns: [Document.Turn] = [
        .init(role: .user, content: " Hello there.\n"), .init(role: .assistant, content: "Hello! user, what is it?"),
        .init(role: .user, content: "Hello"),
    ]

    /// SmolLM2's own template: the ids are those of the rendered text, and roles those of the messages.
    @Test func tokensAreThoseOfTheRenderedText() throws {
        let file = try DataStore().fetch("smollm2-135m-instruct").mainFile
        let tokenizer = try Tokenizer(gguf: GGUFVocabulary(GGUFFile(path: file.path).metadata))
        let template = try #require(tokenizer.chatTemplate)
        let document = try tokenizer.encode(dialogue: Self.turns, template)
        let rendered = try template.render(
            messages: Self.turns.map { ChatMessage(role: $0.role.rawValue, content: $0.content) }, addGenerationPrompt: false)
        #expect(document.tokens.map(Int.init) == tokenizer.encode(rendered, addSpecialTokens: false))
        func text(_ role: TokenRole) -> String {
            tokenizer.decode(zip(document.tokens, document.roles).compactMap { $1 == role ? Int($0) : nil }, skipSpecialTokens: false)
        }
        #expect(text(.user) == " Hello there.\nHello")
        #expect(text(.assistant) == "Hello! user, what is it?")
        #expect(text(.template).components(separatedBy: "<|im_end|>").count == 5)
        #expect(text(.template).contains("assistant") && !text(.template).contains("Hello"))
    }

    @Test func everyCursorContinuesTheSameDialogues() throws {
        let temporary = try TemporaryFolder()
        let lines = (0..<12).map { number in
            #"{"messages":[{"role":"user","content":"question \#(number % 5) of many"},{"role":"assistant","content":"yes \#(number % 5)"}]}"#
        }
        let url = temporary.file("chats.jsonl")
        try lines.joined(separator: "\n").write(to: url, atomically: true, encoding: .utf8)
        let model = try TextModel.tiny(in: temporary.file("model"), chatTemplate: DialogueModel.template)
        func documents(_ deduplication: Int?) throws -> DialogueDocuments {
            try DialogueDocuments(
                DocumentReader(.jsonLines(url, field: "messages")), model: model, text: "chats", deduplication: deduplication)
        }
        for deduplication in [nil, 4] {
            var all: [TokenizedDocument] = []
            let reader = try documents(deduplication)
            while let next = try reader.next() { all.append(next) }
            #expect(all.count == (deduplication == nil ? 12 : 5))
            for start in all.indices {
                let reader = try documents(deduplication)
                #expect(try reader.skip(start) == start)
                #expect(try reader.next() == all[start])
            }
        }
    }

    @Test func wrongTextsAndModelsAreClearErrors() throws {
        let temporary = try TemporaryFolder()
        let url = temporary.file("text.jsonl")
        try #"{"text":"no dialogue"}"#.write(to: url, atomically: true, encoding: .utf8)
        let reader = try DocumentReader(.jsonLines(url, field: "text"))
        let model = try TextModel.tiny(in: temporary.file("model"), chatTemplate: DialogueModel.template)
        let noDialogues = #expect(throws: CollectionError.self) { try DialogueDocuments(reader, model: model, text: "text.jsonl").next() }
        #expect(noDialogues == .noDialogues(text: "text.jsonl"))
        let base = try TextModel.tiny(in: temporary.file("base"), chatTemplate: nil)
        let noTemplate = #expect(throws: CollectionError.self) { try DialogueDocuments(reader, model: base, text: "text.jsonl") }
        #expect(noTemplate == .noChatTemplate(model: "tiny"))
        let strict = try TextModel.tiny(in: temporary.file("strict"), chatTemplate: "{{ raise_exception('only questions') }}")
        try #"{"text":[{"from":"gpt","value":"answer"}]}"#.write(to: url, atomically: true, encoding: .utf8)
        let rejected = #expect(throws: CollectionError.self) {
            try DialogueDocuments(DocumentReader(.jsonLines(url, field: "text")), model: strict, text: "t").next()
        }
        #expect("\(rejected!)".contains("only questions"))
    }
}

/// A language model of random weights with a tokenizer of whole characters and a chat template.
enum DialogueModel {
    static let template = """
        {% for message in messages %}<|im_start|>{{ message['role'] }}
        {{ message['content'] }}<|im_end|>
        {% endfor %}
        """
}

extension TextModel {
    /// - Parameter folder: where the tokenizer's files are written.
    static func tiny(in folder: URL, chatTemplate: String?) throws -> TextModel {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let control = ["<|im_start|>", "<|im_end|>"]
        let bytes = (0..<256).map { byte -> String in
            // The byte alphabet of byte-level vocabularies.
            let isPlain = (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
            let others = (0..<byte).count { !((33...126).contains($0) || (161...172).contains($0) || (174...255).contains($0)) }
            return String(UnicodeScalar(UInt32(isPlain ? byte : 256 + others))!)
        }
        let vocabulary = Dictionary(uniqueKeysWithValues: (control + bytes).enumerated().map { ($1, $0) })
        let tokenizer: [String: Any] = [
            "version": "1.0",
            "added_tokens": control.enumerated().map {
                ["id": $0, "content": $1, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false]
            },
            "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true],
            "decoder": ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true],
            "model": ["type": "BPE", "vocab": vocabulary, "merges": [String]()],
        ]
        try JSONSerialization.data(withJSONObject: tokenizer).write(to: folder.appending(path: "tokenizer.json"))
        var names = ["bos_token": control[0], "eos_token": control[1]]
        names["chat_template"] = chatTemplate
        try JSONSerialization.data(withJSONObject: names).write(to: folder.appending(path: "tokenizer_config.json"))
        let configuration = try LanguageModelConfiguration(
            vocabularySize: 258, hiddenSize: 16, layerCount: 2, headCount: 2, feedForwardSize: 24, contextLength: 512)
        let generator = RandomGenerator(seed: 5)
        let weights = configuration.weightShapes.map { name, shape in
            (name, Tensor.normal(shape, generator: generator) * 0.3 + (shape.count == 1 ? 1 : 0))
        }
        let model = try LanguageModel(configuration, weights: DictionaryWeights(Dictionary(uniqueKeysWithValues: weights)))
        return TextModel(model, tokenizer: try Tokenizer(folder: folder), identity: ModelIdentity(name: "tiny"))
    }
}
