internal import EntropyCoding
internal import Foundation
public import Torch

/// Latents of many signals as shards, to learn on: safetensors files with one int8 tensor [d, …] a signal under its path, and
/// `latents.safetensors.index.json`, with which Hugging Face's loaders and `SafetensorsCheckpoint` find them.
///
/// The metadata of each shard say the codec's fingerprint and settings. Divide by 2^(b−1) for numbers in −1…1, or give them to
/// ``Compander/expanded(_:)``, as the decoder has them.
public final class LatentDatasetWriter {
    private let folder: String, metadata: [String: String]
    private let shardBytes: Int
    private var pending: [String: Tensor] = [:]
    private var pendingBytes = 0
    /// Shard of each name.
    private var shards: [String: Int] = [:]
    private var shardCount = 0

    /// - Parameters:
    ///   - folder: made if there is none; a data set that is there is replaced when this one is finished.
    ///   - shardBytes: about how large shards become.
    /// - Throws: errors of making the folder.
    public init(_ folder: String, of coder: WaLLoCCoder, shardBytes: Int = 256 << 20) throws {
        self.folder = folder
        self.shardBytes = shardBytes
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        metadata = [
            "format": "condense-walloc-latents", "codec": coder.fingerprint.description,
            "configuration": String(decoding: try encoder.encode(coder.codec.configuration), as: UTF8.self),
        ]
    }

    /// Number of signals so far.
    public var count: Int { shards.count }

    /// - Parameters:
    ///   - latents: int8 [d, …].
    ///   - name: of the signal; each once.
    /// - Throws: `FileAccessError` when the disk is full.
    public func add(_ latents: Tensor, named name: String) throws {
        require(shards[name] == nil, "LatentDatasetWriter: '\(name)' is given twice.")
        pending[name] = latents
        shards[name] = shardCount
        pendingBytes += latents.byteCount
        if pendingBytes >= shardBytes { try writeShard() }
    }

    /// Writes what is left, and the index.
    public func finish() throws {
        if !pending.isEmpty { try writeShard() }
        let index = Index(
            metadata: .init(count: shards.count, codec: metadata["codec"] ?? ""), weight_map: shards.mapValues { Self.name($0, of: shardCount) })
        for shard in 0..<shardCount {
            // Only now it is known how many there are.
            let (from, to) = ("\(folder)/\(Self.name(shard, of: nil))", "\(folder)/\(Self.name(shard, of: shardCount))")
            try? FileManager.default.removeItem(atPath: to)
            try FileManager.default.moveItem(atPath: from, toPath: to)
        }
        try AtomicFile.write(json: index, to: "\(folder)/latents.safetensors.index.json")
    }

    private struct Index: Encodable {
        struct Metadata: Encodable {
            var count: Int, codec: String
        }
        var metadata: Metadata
        var weight_map: [String: String]
    }

    private func writeShard() throws {
        try SafetensorsWriter.write(pending, metadata: metadata, to: "\(folder)/\(Self.name(shardCount, of: nil))")
        shardCount += 1
        (pending, pendingBytes) = ([:], 0)
    }

    private static func name(_ shard: Int, of count: Int?) -> String {
        func digits(_ number: Int) -> String { String(repeating: "0", count: max(0, 5 - "\(number)".count)) + "\(number)" }
        return "latents-\(digits(shard + 1))" + (count.map { "-of-\(digits($0))" } ?? "") + ".safetensors"
    }
}
