import Foundation
import Torch

/// One file of a store, memory-mapped and checked against its record.
///
/// Tensors: `activations` [rows, width]; where they were collected `gradients` [rows, width]; with text also `tokens`
/// and `documents` [contexts, length], both int32: ids, and index of the document each token comes from; with dialogues `roles`
/// likewise, raw values of ``TokenRole``. Separate dialogues have one dimension, all tokens one after another, and `lengths` [contexts].
final class ActivationShard: Sendable {
    let folder: URL
    let record: StoreIndex.Shard
    private let file: SafetensorsFile
    private let activations: SafetensorsFile.Entry
    private let gradients: SafetensorsFile.Entry?
    private let text: (tokens: SafetensorsFile.Entry, documents: SafetensorsFile.Entry, roles: SafetensorsFile.Entry?)?
    private let description: StoreDescription
    /// nil without text.
    let contexts: ShardContexts?

    /// - Parameter verifyingChecksum: whether to read the whole file and compare its checksum, not only its sizes.
    /// - Throws: ``StoreError`` naming the shard.
    init(folder: URL, record: StoreIndex.Shard, description: StoreDescription, verifyingChecksum: Bool) throws {
        func damaged(_ problem: String) -> StoreError { StoreError(folder, .damagedShard(file: record.file, problem: problem)) }
        self.folder = folder
        self.record = record
        self.description = description
        let path = folder.appending(path: record.file).path(percentEncoded: false)
        let bytes: MappedBytes
        do {
            bytes = try MappedBytes(path: path)
        } catch let error as FileAccessError {
            throw damaged(error.reason)
        }
        guard bytes.count == record.bytes else { throw damaged("it has \(bytes.count) bytes, \(record.bytes) were written") }
        if verifyingChecksum {
            let checksum = Self.checksum(bytes.buffer)
            guard checksum == record.checksum else { throw damaged("its checksum is \(checksum), not \(record.checksum)") }
        }
        let file: SafetensorsFile
        do {
            file = try SafetensorsFile(bytes: bytes)
        } catch let error as FileFormatError {
            throw damaged(error.problem)
        }
        func entry(_ name: String, _ type: SafetensorsFile.ElementType, _ shape: [Int]) throws -> SafetensorsFile.Entry {
            guard let entry = file.entry(named: name), entry.elementType == type, entry.shape == shape else {
                throw damaged("it has no tensor '\(name)' of type \(type.rawValue) and shape \(shape)")
            }
            return entry
        }
        self.file = file
        activations = try entry("activations", description.elementType.fileType, [record.rows, description.width])
        gradients = try description.gradientType.map { try entry("gradients", $0.fileType, [record.rows, description.width]) }
        if let layout = description.contexts {
            var shape = [record.rows / layout.rowsPerContext, layout.length]
            if layout.hasEqualLengths {
                contexts = ShardContexts(layout, count: shape[0])
            } else {
                let entry = try entry("lengths", .int32, [record.contexts ?? 0])
                guard let found = ShardContexts(layout, lengths: Self.integers(of: entry, in: file), rows: record.rows) else {
                    throw damaged("the lengths of its dialogues do not fit its \(record.rows) rows")
                }
                contexts = found
                shape = [found.tokenCount]
            }
            text = (
                try entry("tokens", .int32, shape), try entry("documents", .int32, shape),
                layout.dialogues == nil ? nil : try entry("roles", .int32, shape)
            )
        } else {
            (text, contexts) = (nil, nil)
        }
    }

    static func checksum(_ bytes: UnsafeRawBufferPointer) -> String {
        var crc = CRC32(.castagnoli)
        crc.update(bytes)
        let digits = String(crc.value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    /// A tensor of rows as stored, a view of the mapped file.
    private func stored(_ entry: SafetensorsFile.Entry, _ type: StoreDescription.ElementType) -> Tensor {
        file.withBytes(of: entry) { Tensor(borrowing: $0, shape: entry.shape, dtype: type.dtype, owner: file) }
    }

    /// Copies of rows as float32 [range.count, width].
    ///
    /// - Parameter withGradients: whether gradients are wanted too, if there are any.
    /// - Throws: ``StoreError`` naming shard and row if a number is not finite.
    func rows(_ range: Range<Int>, withGradients: Bool) throws -> ActivationBatch {
        try batch(withGradients) { $0.narrowed(axis: 0, from: range.lowerBound, count: range.count) } rowInShard: { range.lowerBound + $0 }
    }

    /// Copies of rows in the given order as float32 [indices.count, width].
    func rows(at indices: [Int], withGradients: Bool) throws -> ActivationBatch {
        let places = Tensor(indices)
        return try batch(withGradients) { $0.gathered(indices: places) } rowInShard: { indices[$0] }
    }

    private func batch(_ withGradients: Bool, _ choose: (Tensor) -> Tensor, rowInShard: (Int) -> Int) throws -> ActivationBatch {
        func read(_ entry: SafetensorsFile.Entry, _ type: StoreDescription.ElementType) throws -> Tensor {
            let rows = choose(stored(entry, type)).to(dtype: .float32)
            if let bad = firstRow(of: rows, where: { $0.isFinite().logicalNot() }) {
                let row = rowInShard(bad)
                throw StoreError(folder, .notFinite(file: record.file, row: row, place: description.place(ofRow: row)))
            }
            // float32 rows may still be a view of the file.
            return type == .float32 ? rows.cloned() : rows
        }
        var batch = ActivationBatch(try read(activations, description.elementType))
        if withGradients, let gradients, let type = description.gradientType { batch.gradients = try read(gradients, type) }
        return batch
    }

    /// The text of contexts of this shard, one array per context; nil without text.
    func text(ofContexts range: Range<Int>) -> ContextTexts? {
        guard let text, let contexts else { return nil }
        func read(_ entry: SafetensorsFile.Entry) -> [[Int32]] {
            range.map { Self.integers(of: entry, in: file, contexts.tokens(ofContext: $0)) }
        }
        return ContextTexts(tokens: read(text.tokens), documents: read(text.documents), roles: text.roles.map(read))
    }

    private static func integers(of entry: SafetensorsFile.Entry, in file: SafetensorsFile, _ range: Range<Int>? = nil) -> [Int32] {
        file.withBytes(of: entry) { bytes in
            (range ?? 0..<bytes.count / 4).map { Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self)) }
        }
    }
}

/// Index of the first row with an element for which `condition` holds, nil if there is none.
func firstRow(of rows: Tensor, where condition: (Tensor) -> Tensor) -> Int? {
    let found = condition(rows).any(axis: 1)
    guard found.any().item() != 0 else { return nil }
    return Int(found.to(dtype: .int64).argmax(axis: 0).item())
}
