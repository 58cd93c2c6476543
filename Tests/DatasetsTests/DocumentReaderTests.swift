import Datasets
import Foundation
import Testing

@Suite struct RecordReaderTests {
    let bench: Workbench

    init() throws { bench = try Workbench() }

    private func records(_ text: String, _ format: RecordReader.Format) throws -> [String] {
        let url = try bench.write(text, to: "file")
        let reader = try RecordReader(url, format: format)
        let again = try RecordReader(url, format: format)
        var records: [String] = []
        while let record = try reader.next() {
            #expect(try again.read(at: record.offset, count: record.bytes.count) == record.bytes)
            records.append(String(decoding: record.bytes, as: UTF8.self))
        }
        return records
    }

    @Test func cutsJSONIntoObjects() throws {
        let objects = [#"{"a":"}\"{[","b":[{"c":1}]}"#, #"{"x":{}}"#]
        #expect(try records("[\n" + objects.joined(separator: ",\n") + "\n]", .jsonObjects) == objects)
        #expect(try records(#"{"k":\#(objects[0]),"l{":\#(objects[1])}"#, .jsonObjects) == objects)
    }

    @Test func leavesOutWhatWasCutOff() throws {
        let text = #"[{"a":1},{"b":"x\\"},{"c":"y"#
        #expect(try records(text, .jsonObjects) == [#"{"a":1}"#, #"{"b":"x\\"}"#])
        for end in text.indices { #expect(try records(String(text[..<end]), .jsonObjects).count <= 2) }
    }

    @Test func cutsAcrossBlocks() throws {
        let objects = (0..<3000).map { "{\"n\":\($0),\"t\":\"\(String(repeating: "ä\\\"", count: $0 % 97))\"}" }
        #expect(try records("[" + objects.joined(separator: ",") + "]", .jsonObjects) == objects)
        let lines = objects.map { $0 + "\n" }
        #expect(try records(lines.joined(), .lines) == lines)
    }

    @Test func keepsQuotedLineFeedsInARow() throws {
        #expect(try records("a,b\n\"x\ny\",\"\"\"\"\nlast", .csvRows) == ["a,b\n", "\"x\ny\",\"\"\"\"\n", "last"])
    }

    @Test func cutsPassagesAtEmptyLines() throws {
        #expect(try records("one\ntwo\n\nthree\n\nfour", .passages(bytes: 5)) == ["one\ntwo\n\n", "three\n\n", "four"])
        #expect(try records(String(repeating: "line\n", count: 20), .passages(bytes: 5)).map(\.utf8.count) == [40, 40, 20])
    }
}

@Suite struct DocumentReaderTests {
    let bench: Workbench

    init() throws { bench = try Workbench() }

    private func texts(
        _ source: TextSource, order: DocumentOrder = .sequential, subset: Subset = .all, skipping count: Int = 0
    ) throws -> [String] {
        let reader = try DocumentReader(source, in: bench.store([]), order: order, subset: subset)
        try reader.skip(count)
        var texts: [String] = []
        while let document = try reader.next() { texts.append(document.text) }
        #expect(reader.position == count + texts.count)
        return texts
    }

    private func numbered(_ count: Int) throws -> TextSource {
        .jsonLines(try bench.write((0..<count).map { "{\"text\":\"text \($0)\"}\n" }.joined(), to: "n.jsonl"), field: "text")
    }

    @Test func shufflesTheSameWayForTheSameSeed() throws {
        let source = try numbered(500)
        let inOrder = try texts(source)
        let shuffled = try texts(source, order: .shuffled(seed: 7))
        #expect(inOrder == (0..<500).map { "text \($0)" })
        #expect(shuffled != inOrder && shuffled.sorted() == inOrder.sorted())
        #expect(try texts(source, order: .shuffled(seed: 7)) == shuffled)
        #expect(try texts(source, order: .shuffled(seed: 8)) != shuffled)
        #expect(try texts(source, order: .shuffled(seed: 7), skipping: 123) == Array(shuffled[123...]))
    }

    @Test func trainingAndHeldOutDocumentsShareNoText() throws {
        let source = try numbered(2000)
        let heldOut = try texts(source, subset: .heldOut(0.1))
        let training = try texts(source, subset: .training(heldOut: 0.1))
        #expect(Set(heldOut).isDisjoint(with: training))
        #expect(heldOut.count + training.count == 2000)
        #expect((140...260).contains(heldOut.count))
        // Fixed, so that what was held out once stays held out.
        #expect(heldOut.prefix(4) == ["text 10", "text 43", "text 55", "text 85"])
    }

    @Test func readsTheUsersFiles() throws {
        let long = "A page with a paragraph that is long enough to be taken for prose by the reader of pages."
        try bench.write("first\r\nline\n", to: "texts/b.txt")
        try bench.write("# Title\n", to: "texts/a.md")
        try bench.write("<p>\(long)</p>", to: "texts/sub/c.html")
        try bench.write("no", to: "texts/.hidden/d.txt")
        try bench.write("no", to: "texts/e.bin")
        #expect(try texts(.files([bench.url("texts")])) == ["# Title", "first\nline", long])
        #expect(sentence { _ = try texts(.files([bench.url("nowhere")])) }?.contains("nowhere could not be read") == true)
        try bench.makeFolder("empty")
        #expect(sentence { _ = try texts(.files([bench.url("empty")])) }?.contains("has no text file") == true)
    }

    @Test func readsTables() throws {
        let table = try bench.write("id,text\r\n1,\"a, \"\"b\"\"\"\r\n2,c\r\n", to: "t.csv")
        #expect(try texts(.table(table, column: "text")) == ["a, \"b\"", "c"])
        #expect(throws: DataError.missingField(path: table.path, field: "column 'body'", found: ["id", "text"])) {
            try texts(.table(table, column: "body"))
        }
    }

    @Test func saysWhereALineIsMalformed() throws {
        let file = try bench.write("{\"text\":\"a\"}\n\n{\"body\":\"b\"}\n", to: "m.jsonl")
        #expect(throws: DataError.missingField(path: file.path, field: "text under 'text' at byte 14", found: ["body"])) {
            try texts(.jsonLines(file, field: "text"))
        }
        let broken = try bench.write("{\"text\":\"a\"\n", to: "b.jsonl")
        #expect(throws: DataError.malformed(path: broken.path, position: 0, expected: "a JSON object", found: "something else")) {
            try texts(.jsonLines(broken, field: "text"))
        }
    }

    @Test func readsLinesOfMessages() throws {
        let file = try bench.write(
            """
            {"id":"x","messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}
            {"messages":[{"from":"human","value":"c"},{"from":"gpt","value":""}]}
            {"messages":[]}
            {"messages":[{"role":"user"}]}
            """, to: "chats.jsonl")
        let reader = try DocumentReader(.jsonLines(file, field: "messages"))
        let first = try #require(try reader.next()), second = try #require(try reader.next())
        #expect(first.id == "x" && first.turns.map(\.role) == [.system, .user, .assistant] && first.turns.map(\.content) == ["s", "a", "b"])
        #expect(second.turns == [.init(role: .user, content: "c")] && second.text == "c")
        #expect(sentence { _ = try reader.next() }?.contains("role and content of each message") == true)
    }

    @Test func readsConversationsAndLabels() throws {
        let package = try bench.wheel(
            "p",
            files: [
                "p/c.json": #"""
                [{"id":"1","conversations":[{"from":"human","value":"Hi"},{"from":"gpt","value":"Hello"}]},{"id":"2","conversations":[]},
                {"id":"3","conversations":[{"from":"human","value":"cut
                """#,
                "p/l.csv": "sentiment,text\nnegative,bad\npositive,good\n",
                "p/data.noun": "  licence | no\n00001740 03 n 02 living_thing 0 x 0 001 @ 1 n 0000 | what lives; \"a cat\"  \n",
            ])
        let store = bench.store([
            item("c", [package], .files(["p/c.json"]), mainFile: "c.json", textFormat: .conversations),
            item(
                "l", [package], .files(["p/l.csv"]), mainFile: "l.csv",
                textFormat: .labelledTable(text: "text", label: "sentiment", labels: ["negative", "positive"], encoding: .latin1)),
            item("w", [package], .files(["p/data.*"]), textFormat: .wordNetGlosses),
        ])
        func all(_ name: String) throws -> [Document] {
            _ = try store.fetch(name)
            let reader = try DocumentReader(.catalog(name), in: store)
            var documents: [Document] = []
            while let document = try reader.next() { documents.append(document) }
            return documents
        }
        #expect(
            try all("c") == [
                Document(
                    id: "1", text: "Hi\n\nHello",
                    turns: [Document.Turn(role: .user, content: "Hi"), Document.Turn(role: .assistant, content: "Hello")])
            ])
        #expect(try all("l").map(\.label) == [.init(index: 0, name: "negative"), .init(index: 1, name: "positive")])
        #expect(
            try all("w") == [
                Document(id: "noun/00001740", title: "living thing", text: "what lives; \"a cat\"", label: .init(index: 3, name: "noun.Tops"))
            ])
    }

    @Test func saysWhatHasToBeFetchedOrHoldsNoText() throws {
        let store = bench.store([item("m", [try bench.wheel("p", files: ["p/a": "x"])], .files(["p/*"]))])
        #expect(throws: DataError.notFetched(item: "m")) { try DocumentReader(.catalog("m"), in: store) }
        _ = try store.fetch("m")
        #expect(throws: DataError.notText(item: "m", kind: "text")) { try DocumentReader(.catalog("m"), in: store) }
    }

    @Test func sourcesAreWrittenAsOneString() {
        #expect(TextSource("prose") == .catalog("prose"))
        #expect(TextSource("posts.jsonl:body") == .jsonLines(URL(fileURLWithPath: "posts.jsonl"), field: "body"))
        #expect(TextSource("a/b.csv") == .table(URL(fileURLWithPath: "a/b.csv"), column: "text"))
        #expect(TextSource("./prose") == .files([URL(fileURLWithPath: "./prose")]))
        #expect(TextSource("no-such-item") == .catalog("no-such-item"))
    }
}

/// The smallest items of both registries, really fetched (into the user's cache, so only once).
@Suite struct RealItemTests {
    @Test func tweetsAreFetchedAndRead() throws {
        let store = DataStore()
        let fetched = try store.fetch("tweet-sentiment")
        #expect(fetched.totalBytes == 4_530_967)
        let reader = try DocumentReader(.catalog("tweet-sentiment"), in: store)
        var counts = [0, 0, 0]
        while let document = try reader.next() { counts[try #require(document.label).index] += 1 }
        #expect(reader.labels == ["negative", "neutral", "positive"])
        #expect(counts == [16_186, 15_018, 6_954])
    }

    @Test(.enabled(if: Workbench.hasDebianTools, "needs apt-get")) func aDebianManualIsFetchedAndRead() throws {
        let store = DataStore()
        _ = try store.fetch("libreoffice-help")
        let reader = try DocumentReader(.catalog("libreoffice-help"), in: store)
        var characters = 0
        while let document = try reader.next() {
            #expect(!document.text.isEmpty && !document.text.contains("  ") && !document.text.contains("<p"))
            characters += document.text.utf8.count
        }
        // Point releases change a few sentences.
        #expect((1_800_000...2_800_000).contains(characters))
        #expect((1_900...2_400).contains(reader.position))
    }
}
