public import Datasets
import Foundation
public import Networks
public import Torch

/// A language model with its tokenizer and an identity that stores and autoencoders remember.
public final class TextModel {
    public let model: LanguageModel
    public let tokenizer: Tokenizer
    public let identity: ModelIdentity

    public init(_ model: LanguageModel, tokenizer: Tokenizer, identity: ModelIdentity) {
        self.model = model
        self.tokenizer = tokenizer
        self.identity = identity
    }

    /// Loads a model by catalogue name or path.
    ///
    /// - Parameter name: an item of the catalogue, fetched if it is not in the cache; or a GGUF file or a Hugging Face folder.
    /// - Throws: what fetching and loading fail with, each in one sentence.
    public static func load(
        _ name: String, device: Device = .cpu, store: DataStore = DataStore()
    ) throws -> TextModel {
        let location = try location(of: name, store: store)
        let tokenizer = try Tokenizer.load(location.path)
        let weights: [URL]
        switch location {
        case .gguf(let file): weights = [URL(filePath: file)]
        case .folder(let folder):
            let url = URL(filePath: folder, directoryHint: .isDirectory)
            let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
            weights = names.filter { $0.hasSuffix(".safetensors") }.sorted().map { url.appending(path: $0) }
        }
        let model = try LanguageModel.load(location.path, device: device)
        return TextModel(model, tokenizer: tokenizer, identity: ModelIdentity(name: name, digest: try sampledDigest(of: weights)))
    }

    /// Where a model lies: an item of the catalogue, fetched if it is not in the cache, or the user's own file or folder.
    ///
    /// - Throws: what fetching fails with; an error in one sentence if there is no such model.
    public static func location(of name: String, store: DataStore = DataStore()) throws -> ModelLocation {
        let isPath = name.contains("/") || FileManager.default.fileExists(atPath: name)
        if isPath, !store.items.contains(where: { $0.name == name }) { return try ModelLocation(name) }
        let item = try Catalog.item(named: name, in: store.items)
        guard item.kind == .languageModel else { throw CollectionError.notALanguageModel(item: name, kind: item.kind.rawValue) }
        return try ModelLocation(store.fetch(name).mainFile.path(percentEncoded: false))
    }

    /// CRC-32C of the files' sizes and of 64 blocks of each, so that telling two models apart takes no longer for large ones.
    private static func sampledDigest(of files: [URL]) throws -> String {
        var crc = CRC32(.castagnoli)
        for file in files {
            let bytes = try MappedBytes(path: file.path(percentEncoded: false))
            withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { crc.update($0) }
            let length = min(65_536, bytes.count)
            for block in 0..<64 {
                let start = (bytes.count - length) / 63 * block
                crc.update(UnsafeRawBufferPointer(rebasing: bytes.buffer[start..<start + length]))
            }
        }
        let digits = String(crc.value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    // MARK: Text

    /// The texts that tokens contribute, one each. Where several tokens make up one character, the last of them carries it.
    public func texts(of tokens: [Int32]) -> [String] {
        var texts: [String] = []
        var pending: [UInt8] = []
        for token in tokens {
            pending += tokenizer.bytes(of: Int(token))
            if let text = String(validating: pending, as: UTF8.self) {
                texts.append(text)
                pending = []
            } else if pending.count >= 4 {
                // Not the beginning of a character any more.
                texts.append(String(decoding: pending, as: UTF8.self))
                pending = []
            } else {
                texts.append("")
            }
        }
        if !pending.isEmpty, !texts.isEmpty { texts[texts.count - 1] = String(decoding: pending, as: UTF8.self) }
        return texts
    }

    // MARK: Activations

    /// Checks that a hook has one vector per token, and tells its width.
    ///
    /// - Throws: `UnknownHookPointError` with the nearest name; ``CollectionError/hookWithoutRows(_:)`` for attention patterns.
    public func width(of hook: HookPoint) throws -> Int {
        let length = 5
        let probe = Tensor(Array(repeating: 0, count: length), shape: [1, length])
        let shape = try inferenceMode { try activations(at: hook, tokens: probe).shape }
        guard shape.count >= 3, shape[0] == 1, shape[1] == length, !Self.isPattern(hook) else {
            throw CollectionError.hookWithoutRows(hook.name)
        }
        return shape.dropFirst(2).reduce(1, *)
    }

    private static func isPattern(_ hook: HookPoint) -> Bool {
        switch hook {
        case .block(_, .attentionScores), .block(_, .pattern): true
        default: false
        }
    }

    /// The activations at a hook, [B, T, …]; no block behind it is computed.
    func activations(at hook: HookPoint, tokens: Tensor) throws -> Tensor {
        guard let activations = try model.activations(at: [hook], tokens: tokens)[hook] else {
            preconditionFailure("activations: \(hook) did not fire")
        }
        return activations
    }

    /// The activations of contexts at a hook as [contexts, length, width], heads side by side.
    public func activations(at hook: HookPoint, contexts: [[Int32]]) throws -> Tensor {
        rows(try activations(at: hook, tokens: tokenTensor(contexts)))
    }

    /// Activations of contexts as ``activations(at:contexts:)``, with the gradients of the summed next-token cross-entropies.
    ///
    /// The graph of the blocks behind the hook is kept for a few contexts at a time, so that memory does not grow with their number.
    public func activationsWithGradients(at hook: HookPoint, contexts: [[Int32]]) throws -> ActivationBatch {
        let tokens = tokenTensor(contexts)
        let together = max(1, Self.gradientTokens / max(1, tokens.size(1)))
        return .concatenated(
            try tokens.split(size: together).map { tokens in
                let found = try model.lossGradients(at: hook, tokens: tokens)
                return ActivationBatch(rows(found.activations), gradients: rows(found.gradients))
            })
    }

    /// Tokens whose graph is kept at a time: as many as make full use of the processor.
    private static let gradientTokens = 512

    /// Checks that the loss can be differentiated with respect to a hook.
    ///
    /// - Throws: ``CollectionError/hookWithoutGradients(_:)``.
    func requireGradients(at hook: HookPoint) throws(CollectionError) {
        if hook != .embedding, hook.layer == nil { throw .hookWithoutGradients(hook.name) }
    }

    /// [B, T, …] as float32 [B, T, width] on the CPU, heads side by side.
    private func rows(_ found: Tensor) -> Tensor {
        found.reshaped([found.size(0), found.size(1), -1]).to(device: .cpu).to(dtype: .float32)
    }
}

/// Contexts of equal length as int64 [contexts, length].
func tokenTensor(_ contexts: [[Int32]]) -> Tensor {
    Tensor(contexts.flatMap { $0.map { Int($0) } }, shape: [contexts.count, contexts.first?.count ?? 0])
}

/// The documents of a text source as token ids.
public final class TextDocuments: TokenizedDocuments {
    private let reader: DocumentReader
    private let tokenizer: Tokenizer

    public init(_ reader: DocumentReader, tokenizer: Tokenizer) {
        self.reader = reader
        self.tokenizer = tokenizer
    }

    public func next() throws -> TokenizedDocument? {
        // Text that spells a control token is text, not control.
        try reader.next().map {
            TokenizedDocument(
                tokenizer.encode($0.text, addSpecialTokens: false, readsControlTokens: false).map { Int32(clamping: $0) })
        }
    }

    public func skip(_ count: Int) throws -> Int { try reader.skip(count) }
}
