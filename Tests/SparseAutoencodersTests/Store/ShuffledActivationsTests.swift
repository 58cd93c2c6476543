import Foundation
import SparseAutoencoders
import Testing
import Torch

@Suite struct ShuffledActivationsTests {
    let temporary: TemporaryFolder

    init() throws { temporary = try TemporaryFolder() }

    /// Row numbers served by `count` batches.
    private func served(_ source: ShuffledActivations, batches: Int, of size: Int) throws -> [Int] {
        try (0..<batches).flatMap { _ in try source.next(size)[.all, 0].scalars(as: Float.self).map { Int($0) } }
    }

    /// 1,000 rows are seven blocks of 128 and a short one of 104, in every place among the buffers over the epochs.
    @Test(arguments: [128, 256, 384, 100_000]) func everyEpochServesEveryRowOnce(bufferRows: Int) throws {
        let store = try StoreFixture.writePlain(rows: 1_000, perShard: 300, to: temporary.file("store"))
        let source = try ShuffledActivations(store, seed: 3, bufferRows: bufferRows)
        var orders: Set<[Int]> = []
        for _ in 0..<12 {
            let order = try served(source, batches: 8, of: 125)
            #expect(order.sorted() == Array(0..<1_000))
            orders.insert(order)
        }
        #expect(orders.count == 12, "epochs differ")
    }

    @Test func batchesSpanEpochs() throws {
        let store = try StoreFixture.writePlain(rows: 1_000, perShard: 300, to: temporary.file("store"))
        let rows = try served(try ShuffledActivations(store, seed: 3, bufferRows: 256), batches: 10, of: 300)
        for epoch in 0..<3 { #expect(Set(rows[epoch * 1_000..<(epoch + 1) * 1_000]).count == 1_000) }
    }

    @Test func positionBringsTheSameBatchesBack() throws {
        let store = try StoreFixture.writePlain(rows: 1_000, perShard: 300, to: temporary.file("store"))
        let source = try ShuffledActivations(store, seed: 5, bufferRows: 256)
        _ = try served(source, batches: 7, of: 170)
        let position = source.position
        let expected = try served(source, batches: 9, of: 170)
        let resumed = try ShuffledActivations(store, seed: 0, bufferRows: 256)
        resumed.position = position
        #expect(try served(resumed, batches: 9, of: 170) == expected)
        source.position = position
        #expect(try served(source, batches: 9, of: 170) == expected)
        #expect(try served(try ShuffledActivations(store, seed: 6, bufferRows: 256), batches: 9, of: 170) != expected)
    }

    /// The first buffer of a quarter of the rows holds blocks from all of the store, and neighbours are torn apart.
    @Test func mixingReachesAcrossShards() throws {
        let store = try StoreFixture.writePlain(rows: 25_600, perShard: 1_280, to: temporary.file("store"))
        let rows = try served(try ShuffledActivations(store, seed: 1, bufferRows: 6_400), batches: 1, of: 6_400)
        #expect(Set(rows.map { $0 / 1_280 }).count >= 15, "of 20 shards")
        let neighbours = zip(rows, rows.dropFirst()).count { $0 + 1 == $1 }
        #expect(neighbours < 10)
    }

    @Test func aPartOfTheStoreIsServedAlone() throws {
        let store = try StoreFixture.write(StoreFixture.description(), to: temporary.file("store"))
        let source = try ShuffledActivations(store, rows: 8..<32, seed: 1, bufferRows: 8)
        let rows = try source.next(24)[.all, 0].scalars(as: Float.self).map { Int($0) / 3 }
        #expect(rows.sorted() == Array(8..<32))
        #expect(throws: StoreError.self) { try ShuffledActivations(store, rows: 8..<8, seed: 1) }
    }
}
