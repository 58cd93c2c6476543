import Foundation
import SparseAutoencoders
import Testing
import Torch

@Suite struct ActivationStoreTests {
    let temporary: TemporaryFolder

    init() throws { temporary = try TemporaryFolder() }

    @Test(arguments: StoreDescription.ElementType.allCases)
    func rowsComeBack(elementType: StoreDescription.ElementType) throws {
        let store = try StoreFixture.write(StoreFixture.description(elementType: elementType), to: temporary.file("store"))
        #expect(store.rowCount == 40 && store.shardCount == 3 && store.contextCount == 10)
        // Numbers up to 119 are exact in every element type.
        #expect(try store.rows(0..<40).scalars(as: Float.self) == (0..<120).map { Float($0) })
        #expect(try store.rows(14..<34).scalars(as: Float.self) == (42..<102).map { Float($0) })
        #expect(try store.rows(at: [33, 2, 39, 2]).scalars(as: Float.self) == [99, 100, 101, 6, 7, 8, 117, 118, 119, 6, 7, 8])
        #expect(try store.rows(5..<5).shape == [0, 3])
    }

    @Test func contextsCarryTheirText() throws {
        let store = try StoreFixture.write(StoreFixture.description(), to: temporary.file("store"))
        let batch = try store.contexts(3..<9)
        #expect(batch.tokens == (3..<9).map { context in (0..<5).map { Int32(100 * context + $0) } })
        #expect(batch.documents.map { $0[0] } == [1, 2, 2, 3, 3, 4])
        #expect(batch.activations.isEqual(to: try store.rows(12..<36)))
        let location = try #require(try store.location(ofRow: 14))
        #expect(location.context == 3 && location.position == 3)
    }

    @Test func resumedStoreHasTheSameBytes() throws {
        let whole = temporary.file("whole")
        let resumed = temporary.file("resumed")
        try StoreFixture.write(StoreFixture.description(), to: whole)
        try StoreFixture.append(to: try ActivationStoreWriter(to: resumed, description: StoreFixture.description()), until: 8)
        // What a kill in the middle of a shard leaves: a temporary file, and a shard that is not listed yet.
        try Data("half".utf8).write(to: resumed.appending(path: "shard-000002.safetensors.1.2.tmp"))
        try Data("unlisted".utf8).write(to: resumed.appending(path: "shard-000002.safetensors"))
        #expect(throws: StoreError(resumed, .incomplete(rows: 32, planned: 40))) { try ActivationStore(at: resumed) }

        let writer = try ActivationStoreWriter(to: resumed, description: StoreFixture.description(), resuming: true)
        #expect(writer.rowCount == 32)
        #expect(writer.next == TextCursor(document: 4, token: 8))
        try StoreFixture.append(to: writer, until: 10)
        try writer.finish()
        #expect(try StoreFixture.contents(of: resumed) == StoreFixture.contents(of: whole))
    }

    @Test func anotherStoreOrOtherFilesAreNotOverwritten() throws {
        let folder = temporary.file("store")
        try StoreFixture.write(StoreFixture.description(), to: folder)
        #expect(throws: StoreError(folder, .exists)) { try ActivationStoreWriter(to: folder, description: StoreFixture.description()) }
        var other = StoreFixture.description()
        other.hook = "blocks.1.hook_resid_post"
        let difference = StoreError.Reason.differs(key: "the hook", found: "blocks.0.hook_resid_post", expected: "blocks.1.hook_resid_post")
        #expect(throws: StoreError(folder, difference)) { try ActivationStoreWriter(to: folder, description: other, resuming: true) }

        let foreign = temporary.file("foreign")
        try FileManager.default.createDirectory(at: foreign, withIntermediateDirectories: true)
        try Data("mine".utf8).write(to: foreign.appending(path: "thesis.txt"))
        #expect(throws: StoreError(foreign, .notEmpty)) { try ActivationStoreWriter(to: foreign, description: StoreFixture.description()) }
    }

    @Test func numbersThatAreNotFiniteNameShardAndRow() throws {
        let folder = temporary.file("store")
        let writer = try ActivationStoreWriter(to: folder, description: StoreFixture.description(elementType: .float16))
        try writer.append(StoreFixture.shard(contexts: 0..<4))
        let file = "shard-000001.safetensors"
        #expect(throws: StoreError(folder, .notFinite(file: file, row: 6, place: "context 1 of the shard, position 3"))) {
            try writer.append(StoreFixture.shard(contexts: 4..<8) { $0[6, 1] = Tensor(scalar: Float.nan) })
        }
        #expect(throws: StoreError(folder, .outOfRange(file: file, row: 9, elementType: "float16"))) {
            try writer.append(StoreFixture.shard(contexts: 4..<8) { $0[9, 0] = Tensor(scalar: Float(70_000)) })
        }
        #expect(writer.rowCount == 16, "a refused shard leaves the store as it was")
        try writer.finish()
        #expect(try ActivationStore(at: folder).rowCount == 16)
    }

    @Test func foreignNotANumberIsFoundWhenRead() throws {
        let folder = temporary.file("store")
        try StoreFixture.write(StoreFixture.description(), to: folder)
        // Overwrite row 5, column 0 of the second shard, in place.
        let file = folder.appending(path: "shard-000001.safetensors")
        var bytes = try Data(contentsOf: file)
        let entry = try #require(try SafetensorsFile(path: file.path()).entry(named: "activations"))
        bytes.replaceSubrange(entry.byteRange.lowerBound + 5 * 12..<entry.byteRange.lowerBound + 5 * 12 + 4, with: [0, 0, 0xC0, 0x7F])
        try bytes.write(to: file)
        let expected = StoreError.Reason.notFinite(
            file: "shard-000001.safetensors", row: 5, place: "context 1 of the shard, position 2")
        #expect(throws: StoreError(folder, expected)) { try ActivationStore(at: folder, verification: .sizes).rows(20..<24) }
        #expect(throws: StoreError.self) { try ActivationStore(at: folder).rows(20..<24) }
    }

    @Test func damagedShardsAreFound() throws {
        let folder = temporary.file("store")
        try StoreFixture.write(StoreFixture.description(), to: folder)
        let file = folder.appending(path: "shard-000001.safetensors")
        let intact = try Data(contentsOf: file)

        func reason(_ body: () throws -> Void) -> String {
            do {
                try body()
                return "no error"
            } catch let error as StoreError {
                guard case .damagedShard("shard-000001.safetensors", let problem) = error.reason else { return "\(error)" }
                return problem
            } catch {
                return "\(error)"
            }
        }
        try intact.dropLast(7).write(to: file)
        #expect(reason { _ = try ActivationStore(at: folder) } == "it has \(intact.count - 7) bytes, \(intact.count) were written")
        var flipped = intact
        flipped[intact.count - 40] ^= 0x10
        try flipped.write(to: file)
        let store = try ActivationStore(at: folder)
        #expect(try store.rows(0..<4).shape == [4, 3], "other shards stay readable")
        #expect(reason { _ = try store.rows(16..<20) }.hasPrefix("its checksum is"))
        #expect(reason { try store.verify() }.hasPrefix("its checksum is"))
        try FileManager.default.removeItem(at: file)
        #expect(reason { _ = try ActivationStore(at: folder) } == "the file is missing")
    }

    @Test func everyAlteredDescriptionGivesAStoreError() throws {
        let folder = temporary.file("store")
        try StoreFixture.write(StoreFixture.description(), to: folder)
        let url = folder.appending(path: "store.json")
        let intact = try Data(contentsOf: url)
        let text = String(decoding: intact, as: UTF8.self)
        for (old, new) in [
            ("\"width\" : 3", "\"width\" : -3"), ("\"rows\" : 16", "\"rows\" : 9223372036854775807"),
            ("\"length\" : 5", "\"length\" : 0"), ("shard-000001.safetensors", "../shard-000001.safetensors"),
            ("\"rowsPerShard\" : 16", "\"rowsPerShard\" : 15"), ("\"version\" : 1", "\"version\" : 2"),
            ("\"elementType\" : \"float32\"", "\"elementType\" : \"float16\""),
        ] {
            let altered = text.replacingOccurrences(of: old, with: new)
            try #require(altered != text, "nothing to replace for \(old)")
            try Data(altered.utf8).write(to: url)
            #expect(throws: StoreError.self, "\(new)") { try ActivationStore(at: folder).rows(0..<40) }
        }
        // Any single damaged byte: either it is noticed, or the store still reads.
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            var damaged = intact
            damaged[Int.random(in: 0..<damaged.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            try damaged.write(to: url)
            do {
                _ = try ActivationStore(at: folder, allowsIncomplete: true).rows(0..<8)
            } catch {
                #expect(error is StoreError)
            }
        }
        #expect(throws: StoreError(temporary.url, .notAStore)) { try ActivationStore(at: temporary.url) }
    }

    @Test func rowsThatDoNotExistAreRefused() throws {
        let store = try StoreFixture.write(StoreFixture.description(), to: temporary.file("store"))
        #expect(throws: StoreError.self) { try store.rows(39..<41) }
        #expect(throws: StoreError.self) { try store.rows(at: [0, 40]) }
    }
}
