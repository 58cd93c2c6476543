public import Foundation
import Synchronization
public import Torch

/// Activations on disk: a folder with `store.json` and shards in safetensors format, read by memory-mapping.
///
/// Rows are numbered through all shards in the order of collection. With text, row r belongs to context
/// r / `rowsPerContext` and stands at position `firstPosition` + r mod `rowsPerContext` of it; of separate dialogues, each context
/// has as many rows as it has positions.
public final class ActivationStore: Sendable {
    public let folder: URL
    public let description: StoreDescription
    /// Whether collecting has ended.
    public let isComplete: Bool
    public let rowCount: Int

    private let records: [StoreIndex.Shard]
    /// First row of every shard, and the number of rows at the end.
    private let starts: [Int]
    /// First context of every shard, and the number of contexts at the end.
    private let contextStarts: [Int]
    private let verification: Verification
    private let opened: Mutex<[ActivationShard?]>

    /// How thoroughly a shard is checked when it is first used.
    public enum Verification: Sendable {
        /// Sizes and header.
        case sizes
        /// Every byte too, by its checksum: one reading of the file.
        case checksums
    }

    /// Opens a store and checks that all its shards are there in full size.
    ///
    /// - Parameters:
    ///   - verification: what is checked besides when a shard is first used.
    ///   - allowsIncomplete: whether a store may be read whose collection has not ended.
    /// - Throws: ``StoreError``.
    public init(at folder: URL, verification: Verification = .checksums, allowsIncomplete: Bool = false) throws {
        let index = try StoreIndex.read(from: folder)
        self.folder = folder
        description = index.description
        isComplete = index.isComplete
        records = index.shards
        rowCount = index.rowCount
        guard isComplete || allowsIncomplete else {
            throw StoreError(folder, .incomplete(rows: rowCount, planned: description.plannedRows))
        }
        starts = index.shards.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.rows) }
        let perContext = index.description.contexts?.rowsPerContext
        contextStarts = index.shards.reduce(into: [0]) { starts, shard in
            starts.append(starts[starts.count - 1] + (shard.contexts ?? perContext.map { shard.rows / $0 } ?? 0))
        }
        self.verification = verification
        opened = Mutex(Array(repeating: nil, count: index.shards.count))
        for record in index.shards { try index.checkSize(of: record, in: folder) }
    }

    public var width: Int { description.width }
    /// Whether gradients of the network's loss were collected with the activations.
    public var hasGradients: Bool { description.gradientType != nil }
    public var shardCount: Int { records.count }

    /// Bytes of all shards on disk.
    public var byteCount: Int { records.reduce(0) { $0 + $1.bytes } }

    /// Number of contexts, 0 without text.
    public var contextCount: Int { contextStarts[records.count] }

    /// Reads every byte of every shard and compares checksums.
    ///
    /// - Throws: ``StoreError`` naming the first damaged shard.
    public func verify() throws {
        for record in records {
            _ = try ActivationShard(folder: folder, record: record, description: description, verifyingChecksum: true)
        }
    }

    func shard(_ number: Int) throws -> ActivationShard {
        if let shard = opened.withLock({ $0[number] }) { return shard }
        let shard = try ActivationShard(
            folder: folder, record: records[number], description: description, verifyingChecksum: verification == .checksums)
        opened.withLock { $0[number] = shard }
        return shard
    }

    /// The shard that holds a row.
    private func shardNumber(ofRow row: Int) -> Int { starts.lastIndex(notAbove: row, below: records.count) }

    private func require(_ rows: Range<Int>) throws {
        guard rows.lowerBound >= 0 else { throw StoreError(folder, .outOfBounds(what: "row", wanted: rows.lowerBound, count: rowCount)) }
        guard rows.upperBound <= rowCount else {
            throw StoreError(folder, .outOfBounds(what: "row", wanted: rows.upperBound - 1, count: rowCount))
        }
    }

    /// Consecutive rows as float32 [range.count, width] on the CPU.
    ///
    /// - Throws: ``StoreError`` for rows that do not exist, damaged shards, and numbers that are not finite.
    public func rows(_ range: Range<Int>) throws -> Tensor { try batch(range, withGradients: false).activations }

    /// Consecutive rows with their gradients.
    ///
    /// - Throws: as ``rows(_:)``; also when the store has no gradients.
    public func rowsWithGradients(_ range: Range<Int>) throws -> ActivationBatch {
        try requireGradients()
        return try batch(range, withGradients: true)
    }

    /// - Throws: ``StoreError`` if there are no gradients.
    func requireGradients() throws(StoreError) { if !hasGradients { throw StoreError(folder, .noGradients) } }

    private func batch(_ range: Range<Int>, withGradients: Bool) throws -> ActivationBatch {
        try require(range)
        var pieces: [ActivationBatch] = []
        var next = range.lowerBound
        while next < range.upperBound {
            let number = shardNumber(ofRow: next)
            let end = min(range.upperBound, starts[number + 1])
            pieces.append(try shard(number).rows(next - starts[number]..<end - starts[number], withGradients: withGradients))
            next = end
        }
        guard pieces.isEmpty else { return .concatenated(pieces) }
        return ActivationBatch(Tensor.zeros([0, width]), gradients: withGradients ? Tensor.zeros([0, width]) : nil)
    }

    /// Any rows in any order as float32 [indices.count, width] on the CPU; each shard is visited once.
    ///
    /// - Throws: as ``rows(_:)``.
    public func rows(at indices: [Int]) throws -> Tensor {
        guard let low = indices.min(), let high = indices.max() else { return Tensor.zeros([0, width]) }
        try require(low..<high + 1)
        let result = Tensor.uninitialized([indices.count, width])
        let places = Dictionary(grouping: indices.indices) { shardNumber(ofRow: indices[$0]) }
        for (number, targets) in places.sorted(by: { $0.key < $1.key }) {
            let rows = try shard(number).rows(at: targets.map { indices[$0] - starts[number] }, withGradients: false).activations
            result.copySlicesInPlace(rows, at: Tensor(targets))
        }
        return result
    }

    /// The rows of consecutive contexts.
    ///
    /// - Throws: ``StoreError``; also when the store has no text or not so many contexts.
    public func rows(ofContexts range: Range<Int>) throws -> Range<Int> {
        let last = contextCount
        guard range.lowerBound >= 0, range.upperBound <= last else {
            throw StoreError(folder, .outOfBounds(what: "context", wanted: range.upperBound - 1, count: last))
        }
        func start(_ context: Int) throws -> Int {
            if context == last { return rowCount }
            let number = contextStarts.lastIndex(notAbove: context, below: records.count)
            let inShard = try shard(number).contexts?.firstRow(ofContext: context - contextStarts[number])
            return starts[number] + (inShard ?? 0)
        }
        return try start(range.lowerBound)..<start(range.upperBound)
    }

    /// Context and position of a row; nil without text.
    ///
    /// - Throws: ``StoreError`` for damaged shards.
    public func location(ofRow row: Int) throws -> (context: Int, position: Int)? {
        guard let layout = description.contexts else { return nil }
        let number = shardNumber(ofRow: row)
        guard let contexts = try shard(number).contexts else { return nil }
        let context = contexts.context(ofRow: row - starts[number])
        return (contextStarts[number] + context, layout.firstPosition + row - starts[number] - contexts.firstRow(ofContext: context))
    }

    /// Rows with the text they come from.
    ///
    /// - Throws: ``StoreError``; also when the store has no text.
    public func contexts(_ range: Range<Int>) throws -> ContextBatch {
        guard let layout = description.contexts else {
            throw StoreError(folder, .invalidDescription("its rows do not come from text, so they have no contexts"))
        }
        let activations = try rows(rows(ofContexts: range))
        var texts = ContextTexts(tokens: [], documents: [], roles: layout.dialogues.map { _ in [] })
        var next = range.lowerBound
        while next < range.upperBound {
            let number = contextStarts.lastIndex(notAbove: next, below: records.count)
            let start = contextStarts[number]
            let end = min(range.upperBound, contextStarts[number + 1])
            guard let text = try shard(number).text(ofContexts: next - start..<end - start) else { break }
            texts.append(text)
            next = end
        }
        return ContextBatch(
            activations: activations, tokens: texts.tokens, documents: texts.documents, roles: texts.roles, firstContext: range.lowerBound,
            layout: layout)
    }
}

extension StoreIndex {
    /// Reads and checks `store.json`.
    static func read(from folder: URL) throws -> StoreIndex {
        let url = folder.appending(path: fileName)
        guard FileManager.default.fileExists(atPath: url.path(percentEncoded: false)) else { throw StoreError(folder, .notAStore) }
        let index: StoreIndex
        do {
            index = try JSONDecoder().decode(StoreIndex.self, from: Data(contentsOf: url))
        } catch let error as DecodingError {
            throw StoreError(folder, .invalidDescription(error.sentence))
        } catch {
            throw StoreError(folder, .access(error.localizedDescription))
        }
        do {
            try index.validate()
        } catch {
            throw StoreError(folder, error)
        }
        return index
    }

    private func validate() throws(StoreError.Reason) {
        guard format == Self.formatName, version == Self.currentVersion else {
            throw .invalidDescription("its format is '\(format)' version \(version), expected '\(Self.formatName)' version \(Self.currentVersion)")
        }
        try description.validate()
        let perContext = description.contexts?.rowsPerContext ?? 1
        for (number, shard) in shards.enumerated() {
            let isLast = number == shards.count - 1
            guard shard.file == Self.shardName(number) else {
                throw .invalidDescription("shard \(number) is called '\(shard.file)', expected '\(Self.shardName(number))'")
            }
            // Shards of separate dialogues end where the next one might not fit.
            let isFilled =
                description.contexts?.hasEqualLengths ?? true
                ? (isLast ? shard.rows <= description.rowsPerShard : shard.rows == description.rowsPerShard)
                    && shard.rows % perContext == 0 && shard.contexts == nil
                : shard.rows <= description.rowsPerShard && (1...max(1, shard.rows)).contains(shard.contexts ?? 0)
            guard shard.rows > 0, isFilled, shard.bytes >= 0 else {
                throw .invalidDescription("\(shard.file) cannot have \(shard.rows) rows and \(shard.bytes) bytes")
            }
        }
    }

    func checkSize(of record: Shard, in folder: URL) throws {
        let path = folder.appending(path: record.file).path(percentEncoded: false)
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: path), let size = attributes[.size] as? NSNumber else {
            throw StoreError(folder, .damagedShard(file: record.file, problem: "the file is missing"))
        }
        guard size.intValue == record.bytes else {
            throw StoreError(folder, .damagedShard(file: record.file, problem: "it has \(size) bytes, \(record.bytes) were written"))
        }
    }
}

extension DecodingError {
    /// Key and problem in a few words.
    var sentence: String {
        func path(_ context: Context) -> String { context.codingPath.map(\.stringValue).joined(separator: ".") }
        switch self {
        case .keyNotFound(let key, let context):
            return "the key '\((context.codingPath.map(\.stringValue) + [key.stringValue]).joined(separator: "."))' is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            return "'\(path(context))' has a value of another type"
        case .dataCorrupted(let context):
            return context.codingPath.isEmpty ? "it is not valid JSON" : "'\(path(context))' has an impossible value"
        @unknown default: return "it cannot be decoded"
        }
    }
}
