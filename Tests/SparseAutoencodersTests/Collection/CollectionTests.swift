import CondenseTesting
import Experiments
import Foundation
import SparseAutoencoders
import Testing
import Torch

/// Documents given as arrays of ids.
final class ListedDocuments: TokenizedDocuments {
    private let documents: [TokenizedDocument]
    private var position = 0

    init(_ documents: [[Int32]]) { self.documents = documents.map { TokenizedDocument($0) } }
    init(_ documents: [TokenizedDocument]) { self.documents = documents }

    func next() throws -> TokenizedDocument? {
        guard position < documents.count else { return nil }
        position += 1
        return documents[position - 1]
    }

    func skip(_ count: Int) throws -> Int {
        let skipped = min(count, documents.count - position)
        position += skipped
        return skipped
    }
}

@Suite struct ContextPackerTests {
    private func contexts(_ documents: [[Int32]], _ layout: ContextLayout, from cursor: TextCursor = .start) throws -> [ContextPacker.Context] {
        let packer = try ContextPacker(ListedDocuments(documents), layout: layout, from: cursor)
        var contexts: [ContextPacker.Context] = []
        while let context = try packer.next() { contexts.append(context) }
        return contexts
    }

    @Test func documentsAreJoinedBySeparatorsAndCutIntoContexts() throws {
        let layout = ContextLayout(length: 4, beginningToken: 1, separatorToken: 2, firstPosition: 1)
        let found = try contexts([[10, 11], [], [20, 21, 22, 23], [30]], layout)
        // Stream: 10 11 2 | 2 20 21 | 22 23 2 | 30 2, of which the last does not fill a context.
        #expect(found.map(\.tokens) == [[1, 10, 11, 2], [1, 2, 20, 21], [1, 22, 23, 2]])
        #expect(found.map(\.documents) == [[0, 0, 0, 0], [1, 1, 2, 2], [2, 2, 2, 2]])
        #expect(found.map(\.next) == [TextCursor(document: 1), TextCursor(document: 2, token: 2), TextCursor(document: 3)])
    }

    @Test func withoutSpecialTokensTextIsJoinedDirectly() throws {
        let layout = ContextLayout(length: 3, beginningToken: nil, separatorToken: nil, firstPosition: 0)
        #expect(try contexts([[10, 11], [], [20, 21, 22, 23]], layout).map(\.tokens) == [[10, 11, 20], [21, 22, 23]])
    }

    @Test func longDocumentsAreCut() throws {
        let layout = ContextLayout(length: 3, beginningToken: nil, separatorToken: 2, firstPosition: 0, documentLimit: 2)
        #expect(try contexts([[10, 11, 12, 13], [20, 21, 22]], layout).map(\.tokens) == [[10, 11, 2], [20, 21, 2]])
    }

    @Test func everyCursorContinuesTheSameStream() throws {
        let documents: [[Int32]] = (0..<30).map { document in
            let first = Int32(100 * document)
            return Array(first..<first + Int32(document * 7 % 11))
        }
        let layout = ContextLayout(length: 5, beginningToken: 1, separatorToken: 2, firstPosition: 1)
        let all = try contexts(documents, layout)
        #expect(all.count > 20)
        for (index, context) in all.enumerated() {
            #expect(try contexts(documents, layout, from: context.next) == Array(all[(index + 1)...]))
        }
    }

    @Test func shortTextGivesNoContext() throws {
        let layout = ContextLayout(length: 8, beginningToken: 1, separatorToken: 2, firstPosition: 1)
        #expect(try contexts([[10, 11, 12]], layout).isEmpty)
        #expect(try contexts([], layout).isEmpty)
    }
}

@Suite struct ActivationCollectorTests {
    let temporary: TemporaryFolder
    /// Document d holds tokens 1000·d, 1000·d + 1, …
    let documents: [[Int32]] = (0..<40).map { document in
        let first = Int32(1_000 * document)
        let count = Int32(5 + document * 7 % 13)
        return Array(first..<first + count)
    }

    init() throws { temporary = try TemporaryFolder() }

    private func description(rows: Int = 100, gradients: Bool = false) -> StoreDescription {
        StoreDescription(
            model: ModelIdentity(name: "tiny"), hook: "blocks.0.hook_resid_post", width: 2, elementType: .float32,
            gradientType: gradients ? .bfloat16 : nil, contexts: ContextLayout(length: 6, beginningToken: 1, separatorToken: 2, firstPosition: 1), plannedRows: rows, rowsPerShard: 35)
    }

    /// A network whose activation is (token, position), with the gradient (position, −token / 64) if wanted.
    private func collector(
        _ name: String, rows: Int = 100, gradients: Bool = false, documents: [[Int32]]? = nil,
        onBatch: @escaping ([[Int32]]) throws -> Void = { _ in }
    ) -> ActivationCollector {
        ActivationCollector(
            to: temporary.file(name), description: description(rows: rows, gradients: gradients), batchContexts: 3,
            documents: ListedDocuments(documents ?? self.documents)
        ) { contexts in
            try onBatch(contexts)
            var elements: [Float] = []
            for context in contexts {
                for (position, token) in context.enumerated() { elements += [Float(token), Float(position)] }
            }
            let activations = Tensor(elements, shape: [contexts.count, 6, 2])
            return ActivationBatch(activations, gradients: gradients ? Self.gradients(of: activations) : nil)
        }
    }

    private static func gradients(of activations: Tensor) -> Tensor {
        Tensor.concatenated(
            [activations.narrowed(axis: -1, from: 1, count: 1), activations.narrowed(axis: -1, from: 0, count: 1) / -64], axis: -1)
    }

    @Test func rowsAreTheKeptPositionsOfTheirTokens() throws {
        let store = try collector("store").run()
        #expect(store.rowCount == 100 && store.shardCount == 3 && store.isComplete)
        let batch = try store.contexts(0..<20)
        var expected: [Float] = []
        for tokens in batch.tokens {
            for position in 1..<6 { expected += [Float(tokens[position]), Float(position)] }
        }
        #expect(batch.activations.scalars(as: Float.self) == expected)
        #expect(batch.tokens.allSatisfy { $0[0] == 1 })
    }

    /// Interrupted after any batch, then resumed, as often as it takes.
    @Test(arguments: [1, 2, 4, 5]) func resumedCollectionHasTheSameBytes(batchesPerAttempt: Int) throws {
        _ = try collector("whole").run()
        var attempts = 0
        var lastRows = -1
        while true {
            attempts += 1
            try #require(attempts < 20)
            let cancellation = Cancellation()
            var batches = 0
            // Every attempt gets through one more shard at least, as long as a shard fits in it.
            let limit = max(batchesPerAttempt, 4)
            let collector = self.collector("resumed") { _ in
                batches += 1
                if batches == limit { cancellation.cancel() }
            }
            do {
                let store = try collector.run(resuming: true, cancellation: cancellation)
                #expect(store.rowCount == 100)
                break
            } catch is RunInterrupted {
                let store = try ActivationStore(at: temporary.file("resumed"), allowsIncomplete: true)
                #expect(store.rowCount > lastRows)
                lastRows = store.rowCount
            }
        }
        #expect(attempts > 1)
        #expect(try StoreFixture.contents(of: temporary.file("resumed")) == StoreFixture.contents(of: temporary.file("whole")))
    }

    @Test func gradientsStandBesideTheirActivations() throws {
        let store = try collector("store", gradients: true).run()
        #expect(store.hasGradients && store.description.rowByteCount == 2 * (4 + 2))
        let batch = try store.rowsWithGradients(7..<80)
        // The numbers have few enough digits for bfloat16, but for the larger tokens.
        #expect(mismatch(try #require(batch.gradients), Self.gradients(of: batch.activations), relative: 1.0 / 256) == nil)
        let plan = CollectionPlan(description(gradients: true), folder: temporary.url, batchContexts: 3)
        #expect(store.byteCount <= plan.diskBytes && plan.diskBytes < store.byteCount + 3 * 512)

        let source = try ShuffledActivations(store, rows: 0..<90, seed: 3, bufferRows: 40, withGradients: true)
        let plain = try ShuffledActivations(store, rows: 0..<90, seed: 3, bufferRows: 40)
        #expect(source.hasGradients && !plain.hasGradients)
        for count in [17, 50, 90] {
            let batch = try source.nextBatch(count)
            #expect(batch.activations.isEqual(to: try plain.next(count)), "the order does not depend on gradients")
            #expect(mismatch(try #require(batch.gradients), Self.gradients(of: batch.activations), relative: 1.0 / 256) == nil)
        }
    }

    @Test func resumingWithGradientsGivesTheSameBytes() throws {
        _ = try collector("whole", gradients: true).run()
        let cancellation = Cancellation()
        var batches = 0
        let interrupted = collector("resumed", gradients: true) { _ in
            batches += 1
            if batches == 5 { cancellation.cancel() }
        }
        #expect(throws: RunInterrupted.self) { try interrupted.run(cancellation: cancellation) }
        do {
            _ = try collector("resumed").run(resuming: true)
            Issue.record("expected an error")
        } catch let error as StoreError {
            #expect("\(error)".contains("the element type of gradients"))
        }
        _ = try collector("resumed", gradients: true).run(resuming: true)
        #expect(try StoreFixture.contents(of: temporary.file("resumed")) == StoreFixture.contents(of: temporary.file("whole")))
    }

    /// Older descriptions do not know gradients.
    @Test func storesWithoutGradientsStayReadable() throws {
        let store = try collector("store").run()
        let index = try String(contentsOf: temporary.file("store").appending(path: "store.json"), encoding: .utf8)
        #expect(!index.contains("gradient") && !store.hasGradients)
        let error = #expect(throws: StoreError.self) { try ShuffledActivations(store, seed: 0, withGradients: true) }
        #expect(error?.reason == .noGradients && "\(error!)".contains("--gradients"))
        #expect(throws: StoreError.self) { try store.rowsWithGradients(0..<3) }
    }

    @Test func batchesNeverSpanShards() throws {
        var sizes: [Int] = []
        _ = try collector("store") { sizes.append($0.count) }.run()
        #expect(sizes == [3, 3, 1, 3, 3, 1, 3, 3])
    }

    @Test func aTextThatEndsEarlyGivesASmallerStore() throws {
        let store = try collector("store", rows: 10_000).run()
        #expect(store.isComplete && store.rowCount < 10_000 && store.rowCount > 300)
    }

    @Test func shortTextIsAClearError() throws {
        let error = #expect(throws: CollectionError.self) { try collector("store", documents: [[7, 8]]).run() }
        #expect(error == .textTooShort(tokens: 3, contextLength: 6))
    }

    @Test func tooLittleDiskIsRefusedBeforeAnythingIsWritten() throws {
        var error: CollectionError?
        do {
            _ = try collector("store", rows: 1 << 44).run()
        } catch let thrown as CollectionError {
            error = thrown
        }
        guard case .diskTooSmall = error else {
            Issue.record("expected a refusal, got \(String(describing: error))")
            return
        }
        #expect(!FileManager.default.fileExists(atPath: temporary.file("store").path()))
    }

    @Test func thePredictionIsTheSizeOnDisk() throws {
        let plan = CollectionPlan(description(), folder: temporary.url, batchContexts: 3)
        let store = try collector("store").run()
        #expect(plan.rows == 100 && plan.tokens == 120 && plan.shards == 3)
        #expect(store.byteCount <= plan.diskBytes && plan.diskBytes < store.byteCount + 3 * 512)
    }

    @Test func notANumberNamesContextAndPosition() throws {
        let collector = ActivationCollector(
            to: temporary.file("store"), description: description(), batchContexts: 3, documents: ListedDocuments(documents)
        ) { contexts in
            let activations = Tensor.zeros([contexts.count, 6, 2])
            if contexts.contains(where: { $0.contains(3_004) }) { activations[0, 2, 1] = Tensor(scalar: Float.infinity) }
            return ActivationBatch(activations)
        }
        do {
            _ = try collector.run()
            Issue.record("expected an error")
        } catch let error as StoreError {
            guard case .notFinite(let file, _, let place) = error.reason else { throw error }
            #expect(file == "shard-000000.safetensors" && place.hasSuffix("position 2"))
        }
    }
}
