internal import Datasets
internal import Experiments
internal import Foundation
internal import Media
public import Torch

/// The sound of files, in memory.
public struct SoundCollection {
    /// Each [channels, samples].
    public let sounds: [Tensor]
    /// Of the sounds: path, in their order.
    public let paths: [String]
    public let sampleRate: Int

    /// Ends of file names that are taken for sound, in folders.
    public static let extensions: Set<String> = ["wav", "flac", "ogg", "opus", "mp3", "m4a", "aac", "mkv", "mp4"]

    /// Sound files of an item of the catalogue in the cache, below a folder in the order of the bytes of their paths, or the file itself.
    /// - Throws: ``SoundError`` if there is none, `DataError`.
    public static func paths(of name: String) throws -> [String] {
        let store = DataStore()
        if store.items.contains(where: { $0.name == name && $0.kind == .audio }) {
            guard let item = try store.location(of: name) else { throw SoundError.notFetched(name: name) }
            return item.files.map(\.path).filter(hasSoundName)
        }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: name, isDirectory: &isFolder) else { throw SoundError.missing(path: name) }
        if !isFolder.boolValue { return [name] }
        let found = try FileManager.default.subpathsOfDirectory(atPath: name).filter(hasSoundName)
        guard !found.isEmpty else { throw SoundError.noSound(folder: name) }
        return found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { "\(name)/\($0)" }
    }

    private static func hasSoundName(_ path: String) -> Bool {
        let file = path.split(separator: "/").last ?? ""
        return !file.hasPrefix(".") && extensions.contains(file.split(separator: ".").last.map { $0.lowercased() } ?? "")
    }

    /// Reads the beginnings of files.
    /// - Parameters:
    ///   - sampleRate: to which all are resampled.
    ///   - channels: 1 (the mean of all) or 2 (one becomes two equal ones).
    ///   - sampleLimit: samples per channel of all files together, of each an equal part.
    /// - Throws: ``SoundError``, errors of `AudioReader`.
    public init(_ paths: [String], sampleRate: Int, channels: Int, sampleLimit: Int = 1 << 25) throws {
        self.sampleRate = sampleRate
        self.paths = paths
        sounds = try paths.map { path in
            let reader = try AudioReader(path, sampleRate: sampleRate)
            let samples = try reader.next(max(1, sampleLimit / paths.count)) ?? Tensor.zeros([reader.channelCount, 0])
            guard samples.size(1) > 0 else { throw SoundError.empty(path: path) }
            return try Self.matched(samples, channels, path)
        }
    }

    /// Sound in another number of channels.
    /// - Throws: ``SoundError/channels(path:expected:found:)`` where it would have to be invented.
    public static func matched(_ samples: Tensor, _ channels: Int, _ path: String) throws(SoundError) -> Tensor {
        switch (samples.size(0), channels) {
        case (let found, channels) where found == channels: return samples
        case (_, 1): return samples.mean(axis: 0, keepingDimensions: true)
        case (1, 2): return samples.expanded(to: [2, samples.size(1)]).contiguous()
        default: throw .channels(path: path, expected: channels, found: samples.size(0))
        }
    }
}

/// Pieces of sounds, each brought to −½…½ by its own peak. Longer sounds are chosen more often; short ones go on as their mirror image.
public final class SoundSegments: WaLLoCSource {
    private let sounds: [Tensor]
    private let length: Int
    private let seed: UInt64

    /// - Parameters:
    ///   - sounds: each [channels, samples], all with as many channels.
    ///   - length: samples of a piece.
    public init(_ sounds: [Tensor], length: Int, seed: UInt64) {
        require(!sounds.isEmpty && sounds.allSatisfy { $0.rank == 2 && $0.elementCount > 0 }, "SoundSegments: sounds must be [channels, samples].")
        (self.sounds, self.length, self.seed) = (sounds, length, seed)
    }

    public func signals(first: Int, count: Int) -> Tensor {
        Tensor.stacked((first..<first + count).map(segment))
    }

    private func segment(_ number: Int) -> Tensor {
        var random = SplitMix64(seed: seed, stream: number)
        let sound = sounds[random.index(weights: sounds.map { UInt64($0.size(1)) })], samples = sound.size(1)
        let start = Int(random.below(UInt64(max(1, samples - length + 1))))
        let piece = sound.narrowed(axis: 1, from: start, count: min(length, samples))
        let whole = piece.mirrored(axis: 1, before: 0, after: length - piece.size(1))
        return SoundLevel(of: whole).normalized(whole)
    }
}

/// Sound that cannot be used.
public enum SoundError: Error, CustomStringConvertible, Equatable, Sendable {
    case missing(path: String)
    case noSound(folder: String)
    case notFetched(name: String)
    case empty(path: String)
    case channels(path: String, expected: Int, found: Int)
    case tooFew(source: String, count: Int)

    public var description: String {
        switch self {
        case .missing(let path): "there is no file, folder or data item '\(path)'; 'condense data list' shows the items"
        case .noSound(let folder): "the folder '\(folder)' holds no sound: give one with WAV, FLAC, Ogg, Opus, MP3 or AAC files"
        case .notFetched(let name): "the data item '\(name)' is not in the cache; fetch it with 'condense data fetch \(name)'"
        case .empty(let path): "'\(path)' holds no samples; leave it out"
        case .channels(let path, let expected, let found): "'\(path)' has \(found) channels, and the codec takes \(expected); mix it down first"
        case .tooFew(let source, let count): "'\(source)' holds \(count) sounds, which are too few to hold some back; set heldOut to 0 to train on all"
        }
    }
}
