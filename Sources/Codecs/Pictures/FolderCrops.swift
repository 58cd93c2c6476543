internal import Experiments
internal import Media
public import Torch

/// Crops of the pictures of a folder or data item. Which piece of which picture crop number i is follows from the seed and the
/// files alone, whatever the cache holds.
///
/// Pictures are decoded when a crop needs them and kept, as bytes, up to a limit of memory. Large ones are made smaller first: that hides
/// the traces of their own compression, and gives crops something to see (Ballé et al. train on pictures made smaller for this reason).
/// Transparent pixels are put before white. A file that cannot be read is skipped, told once, and another picture takes its place.
public final class FolderCrops: CropSource {
    /// A file that is not used.
    public struct Skipped: Sendable, Equatable {
        public let path: String
        /// The sentence of the error.
        public let reason: String
    }

    /// Files that could not be read so far.
    public private(set) var skipped: [Skipped] = []
    private let source: PictureSource
    private let paths: [String]
    /// For each path how large its picture is here.
    private let sizes: [(height: Int, width: Int)]
    private let largestSide: Int?
    private let seed: UInt64
    private let onSkip: (Skipped) -> Void
    private var cache: PictureCache
    private static let attempts: UInt64 = 64

    /// Reads the headers of all files.
    /// - Parameters:
    ///   - largestSide: pictures with a longer side are made smaller by a whole number, each pixel the mean of those it covers; nil for never.
    ///   - cacheBytes: memory for decoded pictures; one is always kept.
    ///   - onSkip: called for each file that cannot be read.
    /// - Throws: ``PictureError/allUnreadable(source:count:first:)``.
    public init(
        _ source: PictureSource, seed: UInt64, largestSide: Int? = 1024, cacheBytes: Int = 1 << 30, onSkip: @escaping (Skipped) -> Void = { _ in }
    ) throws {
        var paths: [String] = [], sizes: [(height: Int, width: Int)] = [], skipped: [Skipped] = []
        for path in source.paths {
            do {
                let size = try Image.size(of: path)
                let factor = CodecPicture.reduction(size.height, size.width, to: largestSide)
                paths.append(path)
                sizes.append((size.height / factor, size.width / factor))
            } catch {
                skipped.append(Skipped(path: path, reason: "\(error)"))
                onSkip(skipped[skipped.count - 1])
            }
        }
        if paths.isEmpty, let first = skipped.first {
            throw PictureError.allUnreadable(source: source.name, count: skipped.count, first: first.reason)
        }
        (self.source, self.paths, self.sizes, self.largestSide, self.seed) = (source, paths, sizes, largestSide, seed)
        (self.skipped, self.onSkip) = (skipped, onSkip)
        cache = PictureCache(limit: cacheBytes)
    }

    /// Pictures that crops are taken from, as far as is known.
    public var pictureCount: Int { source.paths.count - skipped.count }

    public func crops(first: Int, count: Int, size: Int) throws -> Tensor {
        Tensor.stacked(try (first..<first + count).map { try crop($0, size: size) }).to(dtype: .float32) / 255
    }

    private func crop(_ number: Int, size: Int) throws -> Tensor {
        for attempt in 0..<Self.attempts {
            // The first is that of a source in memory with the same pictures.
            var random = attempt == 0 ? SplitMix64(seed: seed, stream: number) : SplitMix64(seed: seed, stream: number, Int(attempt))
            let choice = CropChoice(sizes: sizes, cropSize: size, &random)
            if let picture = picture(choice.image) { return choice.crop(of: picture) }
        }
        throw PictureError.allUnreadable(source: source.name, count: skipped.count, first: skipped.first?.reason ?? "")
    }

    /// Shape [3, height, width], uint8; nil if the file cannot be read.
    private func picture(_ index: Int) -> Tensor? {
        if let found = cache[index] { return found }
        let path = paths[index]
        if skipped.contains(where: { $0.path == path }) { return nil }
        do {
            let picture = try decoded(index)
            cache.insert(picture, index)
            return picture
        } catch {
            skipped.append(Skipped(path: path, reason: "\(error)"))
            onSkip(skipped[skipped.count - 1])
            return nil
        }
    }

    private func decoded(_ index: Int) throws -> Tensor {
        let pixels = try CodecPicture(path: paths[index], alpha: .white).reduced(to: largestSide).pixels
        guard (pixels.size(1), pixels.size(2)) == sizes[index] else { throw PictureError.changed(path: paths[index]) }
        return (pixels * 255).rounded().to(dtype: .uint8)
    }
}
