import Experiments
public import Foundation

/// What collecting is going to need, known before it starts.
public struct CollectionPlan: Codable, Sendable, Equatable {
    /// Rows planned: tokens whose activations are kept.
    public var rows: Int
    /// Tokens that go through the model for them.
    public var tokens: Int
    public var shards: Int
    /// Bytes on disk of all shards.
    public var diskBytes: Int
    /// Bytes of memory beside the model and what it keeps for gradients: a shard in float32 and in the store's type, and the
    /// activations of one batch.
    public var memoryBytes: Int
    /// Free bytes where the store is to be, nil if the system does not say.
    public var freeBytes: Int?

    /// - Parameters:
    ///   - rowsPresent: rows that an interrupted collection has written already.
    ///   - batchContexts: contexts that go through the model together.
    public init(_ description: StoreDescription, folder: URL, rowsPresent: Int = 0, batchContexts: Int) {
        let perContext = description.contexts?.rowsPerContext ?? 1
        let length = description.contexts?.length ?? 0
        let contexts = (description.plannedRows - rowsPresent + perContext - 1) / perContext
        rows = contexts * perContext
        tokens = contexts * length
        shards = (rows + description.rowsPerShard - 1) / description.rowsPerShard
        // Two int32 a token beside the activations, four at most with dialogues, and a header per shard.
        diskBytes = rows * description.rowByteCount + tokens * (description.contexts?.dialogues == nil ? 8 : 16) + shards * 512
        // Separate dialogues go through the model one by one.
        let batchContexts = description.contexts?.hasEqualLengths ?? true ? batchContexts : 1
        let shardRows = min(rows, description.rowsPerShard)
        let numbers = description.width * (description.gradientType == nil ? 1 : 2)
        memoryBytes = shardRows * (numbers * 4 + description.rowByteCount) + batchContexts * length * numbers * 4 * 4
        freeBytes = Self.freeBytes(at: folder)
    }

    /// Refuses what cannot fit.
    ///
    /// - Throws: ``CollectionError/diskTooSmall(folder:needed:free:)``.
    public func check(folder: URL) throws(CollectionError) {
        // A hundredth of the need, at least 16 MiB, is left to the rest of the system.
        let needed = diskBytes + max(16 << 20, diskBytes / 100)
        if let freeBytes, freeBytes < needed {
            throw .diskTooSmall(folder: folder.path(percentEncoded: false), needed: needed, free: freeBytes)
        }
    }

    /// One line for people.
    public var summary: String {
        let free = freeBytes.map { " of \(formatBytes($0)) free" } ?? ""
        return "\(formatCount(rows)) activations in \(formatCount(shards)) shards: \(formatBytes(diskBytes)) on disk\(free), "
            + "\(formatBytes(memoryBytes)) of memory beside the model"
    }

    /// Free bytes for this user on the volume of a path or of its nearest existing parent.
    private static func freeBytes(at url: URL) -> Int? {
        var folder = url.absoluteURL
        while folder.path != "/", !FileManager.default.fileExists(atPath: folder.path) { folder.deleteLastPathComponent() }
        let attributes = try? FileManager.default.attributesOfFileSystem(forPath: folder.path)
        return (attributes?[.systemFreeSize] as? NSNumber)?.intValue
    }
}

/// Collecting that cannot be done, in one sentence.
public enum CollectionError: Error, CustomStringConvertible, Equatable {
    case diskTooSmall(folder: String, needed: Int, free: Int)
    case textTooShort(tokens: Int, contextLength: Int)
    case invalidSetting(name: String, requirement: String, found: String)
    case notALanguageModel(item: String, kind: String)
    case hookWithoutRows(String)
    case hookWithoutGradients(String)
    case noChatTemplate(model: String)
    case noDialogues(text: String)
    case dialogueRejected(document: String, reason: String)

    public var description: String {
        switch self {
        case .diskTooSmall(let folder, let needed, let free):
            "collecting into '\(folder)' needs \(formatBytes(needed)) and \(formatBytes(free)) are free: free some space, collect fewer tokens, or choose another disk with --out"
        case .textTooShort(let tokens, let contextLength):
            "the text has \(tokens) tokens, too few for one context of \(contextLength): give more text or a smaller --context-length"
        case .invalidSetting(let name, let requirement, let found):
            "\(name) must be \(requirement), found \(found)"
        case .notALanguageModel(let item, let kind):
            "'\(item)' is of kind \(kind), not a language model: see 'condense data list --kind language-model'"
        case .hookWithoutGradients(let name):
            "gradients cannot be collected at \(name), which lies behind the blocks: use a hook in a block, or collect without --gradients"
        case .noChatTemplate(let model):
            "the model '\(model)' has no chat template to write dialogues in: use an instruct model, or collect plain text with --mode text"
        case .noDialogues(let text):
            "the text '\(text)' has no dialogues: choose a source of them, e.g. sharegpt or file.jsonl:messages, or collect with --mode text"
        case .dialogueRejected(let document, let reason):
            "the chat template cannot write the dialogue \(document) (\(reason)): take it out of the text or correct it"
        case .hookWithoutRows(let name):
            "\(name) has no vector for each token: use a residual stream, an attention or feed-forward output, or attn.hook_z"
        }
    }
}
