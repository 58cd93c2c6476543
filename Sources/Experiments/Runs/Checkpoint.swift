public import Foundation
internal import Torch

/// The files of one checkpoint while they are written.
///
/// They stand in a hidden directory that gets its name when everything is on the disk.
public struct CheckpointWriter {
    let directory: URL

    /// Writes a Codable state, e.g. step, data position and generator seeds, as `<name>.json`.
    public func write(_ state: some Encodable, named name: String = "state") throws {
        try AtomicStorage.write(try RunRecord.encoder.encode(state), to: url("\(name).json"))
    }

    /// Where a file of another format is to be written, e.g. `model.safetensors`.
    public func url(_ name: String) -> URL { directory.appending(path: name) }
}

/// A complete checkpoint on the disk.
public struct Checkpoint: Sendable, Equatable {
    /// Directory `checkpoints/step-…` of a run.
    public let directory: URL
    /// Number of optimiser steps done.
    public let step: Int
    let position: MetricWriter.Position

    /// Reads a state written with ``CheckpointWriter/write(_:named:)-(Encodable,_)``.
    ///
    /// - Throws: ``StorageError`` if there is no such state or it has another form.
    public func state<State: Decodable>(_ type: State.Type, named name: String = "state") throws -> State {
        let url = url("\(name).json")
        guard let data = try? Data(contentsOf: url) else { throw StorageError("read", url, code: ENOENT) }
        do {
            return try RunRecord.decoder.decode(State.self, from: data)
        } catch {
            throw StorageError("read", url, problem: "it does not hold a \(State.self); was it written by another version?")
        }
    }

    /// A file of the checkpoint, e.g. `model.safetensors`.
    public func url(_ name: String) -> URL { directory.appending(path: name) }
}

/// The checkpoints of a run: written complete or not at all, checked when read, the last few kept.
struct CheckpointStore {
    let directory: URL

    /// Names, sizes and checksums of the files, written last.
    private struct Manifest: Codable {
        struct File: Codable {
            var name: String
            var bytes: Int
            var crc32c: UInt32
        }
        var version = 1
        var step: Int
        var position: MetricWriter.Position
        var files: [File]
    }

    private static let manifestName = "manifest.json"

    init(run: URL) { directory = run.appending(path: "checkpoints") }

    /// Writes a checkpoint and removes all but the last `keeping`.
    ///
    /// - Throws: ``StorageError`` or what `body` throws; earlier checkpoints are untouched then.
    func save(
        step: Int, position: MetricWriter.Position, keeping: Int, _ body: (CheckpointWriter) throws -> Void
    ) throws -> Checkpoint {
        require(keeping > 0, "at least one checkpoint must be kept, found \(keeping)")
        let target = url(step: step)
        let temporary = AtomicStorage.temporaryURL(for: target)
        do {
            try? FileManager.default.removeItem(at: temporary)
            try AtomicStorage.createDirectory(temporary)
            try body(CheckpointWriter(directory: temporary))
            let files = try FileManager.default.contentsOfDirectory(atPath: temporary.filePath).sorted()
            let manifest = Manifest(
                step: step, position: position,
                files: try files.map { name in
                    let url = temporary.appending(path: name)
                    try AtomicStorage.synchronize(url)
                    let (bytes, crc) = try Self.checksum(url)
                    return Manifest.File(name: name, bytes: bytes, crc32c: crc)
                })
            try AtomicStorage.write(
                try RunRecord.encoder.encode(manifest), to: temporary.appending(path: Self.manifestName))
            // A directory cannot be renamed over another; the same step again has the same contents.
            try? FileManager.default.removeItem(at: target)
            try AtomicStorage.rename(temporary, to: target)
        } catch {
            try? FileManager.default.removeItem(at: temporary)
            guard var error = error as? StorageError else { throw error }
            error.path = error.path.replacing(temporary.filePath, with: target.filePath)
            throw error
        }
        prune(keeping: keeping)
        return Checkpoint(directory: target, step: step, position: position)
    }

    /// Removes all but the last `keeping` checkpoints.
    func prune(keeping: Int) {
        for old in steps().dropLast(keeping) { try? FileManager.default.removeItem(at: url(step: old)) }
    }

    /// The newest checkpoint whose files are as they were written.
    ///
    /// - Returns: the checkpoint, and the steps of newer ones that are damaged.
    func latest() -> (checkpoint: Checkpoint?, damaged: [Int]) {
        var damaged: [Int] = []
        for step in steps().reversed() {
            if let checkpoint = verified(step: step) { return (checkpoint, damaged) }
            damaged.append(step)
        }
        return (nil, damaged)
    }

    /// Removes checkpoints after `step` and what interrupted writes have left.
    func removeAll(after step: Int?) {
        for later in steps() where later > step ?? -1 { try? FileManager.default.removeItem(at: url(step: later)) }
        for name in (try? FileManager.default.contentsOfDirectory(atPath: directory.filePath)) ?? []
        where name.hasSuffix(".tmp") {
            try? FileManager.default.removeItem(at: directory.appending(path: name))
        }
    }

    private func verified(step: Int) -> Checkpoint? {
        let directory = url(step: step)
        guard let data = try? Data(contentsOf: directory.appending(path: Self.manifestName)),
            let manifest = try? RunRecord.decoder.decode(Manifest.self, from: data), manifest.step == step
        else { return nil }
        for file in manifest.files {
            guard !file.name.contains("/"), let (bytes, crc) = try? Self.checksum(directory.appending(path: file.name)),
                bytes == file.bytes, crc == file.crc32c
            else { return nil }
        }
        return Checkpoint(directory: directory, step: step, position: manifest.position)
    }

    private func url(step: Int) -> URL {
        let digits = String(step)
        return directory.appending(path: "step-" + String(repeating: "0", count: max(0, 9 - digits.count)) + digits)
    }

    private func steps() -> [Int] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.filePath)) ?? []
        return names.compactMap { $0.hasPrefix("step-") ? Int($0.dropFirst(5)) : nil }.sorted()
    }

    private static func checksum(_ url: URL) throws -> (bytes: Int, crc: UInt32) {
        guard let handle = try? FileHandle(forReadingFrom: url) else { throw StorageError("read", url) }
        defer { try? handle.close() }
        var crc = CRC32(.castagnoli)
        var bytes = 0
        while let chunk = try handle.read(upToCount: 4 << 20), !chunk.isEmpty {
            chunk.withUnsafeBytes { crc.update($0) }
            bytes += chunk.count
        }
        return (bytes, crc.value)
    }
}
