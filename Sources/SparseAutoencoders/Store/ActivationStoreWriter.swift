public import Foundation
public import Torch

/// Writes an activation store shard by shard.
///
/// A shard is written to a temporary file, synchronised to disk and renamed; then `store.json`, which lists it, likewise.
/// Whatever interrupts the writing, the folder holds a store of complete shards, and resuming gives the same bytes as an
/// uninterrupted run: nothing in the files depends on time or place.
public final class ActivationStoreWriter {
    public let folder: URL
    public let description: StoreDescription
    private var index: StoreIndex

    /// The rows of one shard, all of it but at the end of the store.
    public struct Shard {
        /// [rows, width], floating-point; with gradients where the description says so.
        public var batch: ActivationBatch
        public var activations: Tensor { batch.activations }
        /// Token ids and document indices, `[contexts][length]`; empty without text.
        public var tokens: [[Int32]]
        public var documents: [[Int32]]
        /// What each token is, `[contexts][length]`; empty without dialogues.
        public var roles: [[TokenRole]]
        /// Where the text continues.
        public var next: TextCursor?

        public init(
            activations: Tensor, gradients: Tensor? = nil, tokens: [[Int32]] = [], documents: [[Int32]] = [], roles: [[TokenRole]] = [],
            next: TextCursor? = nil
        ) {
            batch = ActivationBatch(activations, gradients: gradients)
            self.tokens = tokens
            self.documents = documents
            self.roles = roles
            self.next = next
        }
    }

    /// Begins a store, or continues one.
    ///
    /// - Parameters:
    ///   - folder: a folder that does not exist or is empty; with `resuming`, one that holds a store of the same description.
    ///   - resuming: whether to continue a store that is there. Without one, writing begins anew.
    /// - Throws: ``StoreError`` if another store or other files are there, or settings differ.
    public init(to folder: URL, description: StoreDescription, resuming: Bool = false) throws {
        self.folder = folder
        self.description = description
        do {
            try description.validate()
        } catch {
            throw StoreError(folder, error)
        }
        index = StoreIndex(description: description)
        let path = folder.path(percentEncoded: false)
        let contents = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        if contents.contains(StoreIndex.fileName) {
            guard resuming else { throw StoreError(folder, .exists) }
            index = try StoreIndex.read(from: folder)
            try requireSame(index.description)
            for record in index.shards { try index.checkSize(of: record, in: folder) }
            try removeLeftovers(contents)
        } else {
            guard contents.allSatisfy({ $0.hasSuffix(".tmp") }) else { throw StoreError(folder, .notEmpty) }
            try removeLeftovers(contents)
            do {
                try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            } catch {
                throw StoreError(folder, .access(error.localizedDescription))
            }
            try writeIndex()
        }
    }

    public var rowCount: Int { index.rowCount }
    public var isComplete: Bool { index.isComplete }
    /// Where the text continues after the last complete shard.
    public var next: TextCursor { index.shards.last?.next ?? .start }

    /// Writes the next shard.
    ///
    /// - Throws: ``StoreError`` for numbers that are not finite or out of range, `FileAccessError` when the disk is full;
    ///   the store is then as it was before.
    public func append(_ shard: Shard) throws {
        let rows = shard.activations.size(0)
        require(!isComplete, "append to a complete store")
        require(
            shard.activations.shape == [rows, description.width] && rows > 0 && rows <= description.rowsPerShard,
            "append: shard of shape \(shard.activations.shape), expected at most [\(description.rowsPerShard), \(description.width)]")
        if let layout = description.contexts {
            let expected = shard.tokens.reduce(0) { $0 + $1.count - layout.firstPosition }
            require(
                rows == expected && shard.documents.count == shard.tokens.count
                    && shard.roles.count == (layout.dialogues == nil ? 0 : shard.tokens.count),
                "append: \(rows) rows for \(shard.tokens.count) contexts with \(expected) rows")
        }
        let name = StoreIndex.shardName(index.shards.count)
        require(
            (shard.batch.gradients != nil) == (description.gradientType != nil), "append: gradients are not as the description says")
        var tensors = [try item("activations", shard.activations, description.elementType, file: name)]
        if let gradients = shard.batch.gradients, let type = description.gradientType {
            tensors.append(try item("gradients", gradients, type, file: name))
        }
        let url = folder.appending(path: name)
        try SafetensorsWriter.write(tensors + textItems(shard), to: url.path(percentEncoded: false))

        let bytes = try MappedBytes(path: url.path(percentEncoded: false))
        index.shards.append(
            StoreIndex.Shard(
                file: name, rows: rows, bytes: bytes.count, checksum: ActivationShard.checksum(bytes.buffer),
                contexts: description.contexts.flatMap { $0.hasEqualLengths ? nil : shard.tokens.count }, next: shard.next))
        try writeIndex()
    }

    /// Marks the store as complete.
    ///
    /// - Throws: ``StoreError`` if it has no rows.
    public func finish() throws {
        guard index.rowCount > 0 else { throw StoreError(folder, .empty) }
        index.isComplete = true
        try writeIndex()
    }

    /// Removes a store that has no rows yet, and its folder if nothing else is in it.
    func discard() {
        precondition(index.rowCount == 0, "discard: the store has rows")
        try? FileManager.default.removeItem(at: folder.appending(path: StoreIndex.fileName))
        // Fails where other files are.
        rmdir(folder.path(percentEncoded: false))
    }

    /// Rows in an element type of the store, to be written.
    private func item(
        _ name: String, _ rows: Tensor, _ type: StoreDescription.ElementType, file: String
    ) throws -> SafetensorsWriter.Item {
        if let row = firstRow(of: rows, where: { $0.isFinite().logicalNot() }) {
            throw StoreError(folder, .notFinite(file: file, row: row, place: description.place(ofRow: row)))
        }
        let stored = rows.to(dtype: type.dtype)
        if let row = firstRow(of: stored, where: { $0.isFinite().logicalNot() }) {
            throw StoreError(folder, .outOfRange(file: file, row: row, elementType: type.rawValue))
        }
        return SafetensorsWriter.Item(name: name, elementType: type.fileType, shape: stored.shape) { try stored.withBytes($0) }
    }

    private func textItems(_ shard: Shard) -> [SafetensorsWriter.Item] {
        guard let layout = description.contexts else { return [] }
        func integers(_ name: String, _ rows: [[Int32]]) -> SafetensorsWriter.Item {
            require(
                zip(rows, shard.tokens).allSatisfy { $0.count == $1.count && (!layout.hasEqualLengths || $0.count == layout.length) },
                "append: \(name) of contexts that are not \(layout.length) long")
            let shape = layout.hasEqualLengths ? [rows.count, layout.length] : [rows.reduce(0) { $0 + $1.count }]
            return SafetensorsWriter.Item(name: name, elementType: .int32, shape: shape) { write in
                for row in rows { try row.map(\.littleEndian).withUnsafeBytes(write) }
            }
        }
        var items = [integers("tokens", shard.tokens), integers("documents", shard.documents)]
        if layout.dialogues != nil { items.append(integers("roles", shard.roles.map { $0.map(\.rawValue) })) }
        if !layout.hasEqualLengths {
            let lengths = shard.tokens.map { Int32($0.count).littleEndian }
            items.append(.init(name: "lengths", elementType: .int32, shape: [lengths.count]) { try lengths.withUnsafeBytes($0) })
        }
        return items
    }

    private func writeIndex() throws {
        try AtomicFile.write(json: index, to: folder.appending(path: StoreIndex.fileName).path(percentEncoded: false))
    }

    /// Removes what an interrupted writing left: temporary files, and a shard that was renamed but not yet listed.
    private func removeLeftovers(_ contents: [String]) throws {
        let unlisted = StoreIndex.shardName(index.shards.count)
        for name in contents where name.hasSuffix(".tmp") || name == unlisted {
            try? FileManager.default.removeItem(at: folder.appending(path: name))
        }
    }

    /// Names the first setting that differs from the store that is there.
    private func requireSame(_ found: StoreDescription) throws {
        func require<Value: Equatable>(_ key: String, _ path: KeyPath<StoreDescription, Value>) throws {
            guard found[keyPath: path] == description[keyPath: path] else {
                throw StoreError(
                    folder, .differs(key: key, found: "\(found[keyPath: path])", expected: "\(description[keyPath: path])"))
            }
        }
        try require("the model", \.model.name)
        try require("the model digest", \.model.digest)
        try require("the hook", \.hook)
        try require("width", \.width)
        try require("the element type", \.elementType.rawValue)
        try require("the element type of gradients", \.gradientType?.rawValue)
        try require("context length", \.contexts?.length)
        try require("the contexts' settings", \.contexts)
        try require("the text", \.text)
        try require("seed", \.seed)
        try require("the planned number of rows", \.plannedRows)
        try require("rows per shard", \.rowsPerShard)
    }
}
