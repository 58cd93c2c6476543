import Foundation
import SparseAutoencoders
import Torch

/// A folder that disappears with the value that holds it.
final class TemporaryFolder {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appending(path: "condense-tests-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func file(_ name: String) -> URL { url.appending(path: name) }
}

/// Stores whose contents are known: row r holds r·width, r·width + 1, …; context c holds tokens 100·c, 100·c + 1, ….
enum StoreFixture {
    static let layout = ContextLayout(length: 5, beginningToken: 1, separatorToken: 2, firstPosition: 1)

    static func description(
        contexts: Int = 10, perShard: Int = 4, width: Int = 3, elementType: StoreDescription.ElementType = .float32
    ) -> StoreDescription {
        StoreDescription(
            model: ModelIdentity(name: "tiny", digest: "00"), hook: "blocks.0.hook_resid_post", width: width, elementType: elementType,
            contexts: layout, text: "test", seed: 7, plannedRows: contexts * layout.rowsPerContext,
            rowsPerShard: perShard * layout.rowsPerContext)
    }

    static func shard(contexts: Range<Int>, width: Int = 3, changing: (Tensor) -> Void = { _ in }) -> ActivationStoreWriter.Shard {
        let rows = contexts.lowerBound * layout.rowsPerContext..<contexts.upperBound * layout.rowsPerContext
        let activations = Tensor((rows.lowerBound * width..<rows.upperBound * width).map { Float($0) }, shape: [rows.count, width])
        changing(activations)
        return .init(
            activations: activations,
            tokens: contexts.map { context in (0..<layout.length).map { Int32(100 * context + $0) } },
            documents: contexts.map { context in Array(repeating: Int32(context / 2), count: layout.length) },
            next: TextCursor(document: contexts.upperBound / 2, token: contexts.upperBound))
    }

    @discardableResult
    static func write(_ description: StoreDescription, to folder: URL, contexts: Int = 10) throws -> ActivationStore {
        let writer = try ActivationStoreWriter(to: folder, description: description)
        try append(to: writer, until: contexts)
        try writer.finish()
        return try ActivationStore(at: folder)
    }

    /// Appends shards until the store has `contexts` contexts.
    static func append(to writer: ActivationStoreWriter, until contexts: Int) throws {
        let perShard = writer.description.rowsPerShard / layout.rowsPerContext
        var next = writer.rowCount / layout.rowsPerContext
        while next < contexts {
            let end = min(contexts, next + perShard)
            try writer.append(shard(contexts: next..<end, width: writer.description.width))
            next = end
        }
    }

    /// A store of `rows` rows without text.
    static func writePlain(rows: Int, perShard: Int, to folder: URL) throws -> ActivationStore {
        let description = StoreDescription(
            model: ModelIdentity(name: "none"), hook: "none", width: 2, elementType: .float32, plannedRows: rows, rowsPerShard: perShard)
        let writer = try ActivationStoreWriter(to: folder, description: description)
        for start in stride(from: 0, to: rows, by: perShard) {
            let end = min(rows, start + perShard)
            let elements = (start..<end).flatMap { [Float($0), Float(-$0)] }
            try writer.append(.init(activations: Tensor(elements, shape: [end - start, 2])))
        }
        try writer.finish()
        return try ActivationStore(at: folder)
    }

    /// All files of a folder by name.
    static func contents(of folder: URL) throws -> [String: Data] {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path(percentEncoded: false))
        return try Dictionary(uniqueKeysWithValues: names.map { ($0, try Data(contentsOf: folder.appending(path: $0))) })
    }
}
