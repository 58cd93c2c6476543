internal import Experiments
public import Torch

/// Pieces of images in an order that follows from a seed: crop number i is always the same one.
public protocol CropSource: AnyObject {
    /// The crops from number `first` on.
    /// - Returns: shape [count, 3, size, size], values in 0…1.
    /// - Throws: errors of reading images.
    func crops(first: Int, count: Int, size: Int) throws -> Tensor
}

/// Crops of images in memory.
public final class InMemoryCrops: CropSource {
    private let images: [Tensor]
    private let seed: UInt64

    /// - Parameter images: each [3, height, width] with values in 0…1. Images smaller than a crop are mirrored at their edges.
    public init(_ images: [Tensor], seed: UInt64) {
        require(!images.isEmpty && images.allSatisfy { $0.rank == 3 && $0.size(0) == 3 }, "InMemoryCrops: images must be [3, height, width].")
        self.images = images
        self.seed = seed
    }

    public func crops(first: Int, count: Int, size: Int) -> Tensor {
        Tensor.stacked(
            (first..<first + count).map { number in
                var random = SplitMix64(seed: seed, stream: number)
                // Large images have more to show.
                let choice = CropChoice(sizes: images.map { ($0.size(1), $0.size(2)) }, cropSize: size, &random)
                return choice.crop(of: images[choice.image])
            })
    }
}

/// Which piece of which image, mirrored or not.
struct CropChoice {
    let image: Int
    let size: Int
    private let top: UInt64, left: UInt64
    private let isMirrored: Bool

    /// - Parameter sizes: height and width of the images, which are chosen in proportion to the crops that fit into them.
    init(sizes: [(height: Int, width: Int)], cropSize: Int, _ random: inout SplitMix64) {
        let weights = sizes.map { UInt64(max(1, $0.height / cropSize) * max(1, $0.width / cropSize)) }
        image = random.index(weights: weights)
        size = cropSize
        top = random.below(UInt64(max(1, sizes[image].height - cropSize + 1)))
        left = random.below(UInt64(max(1, sizes[image].width - cropSize + 1)))
        isMirrored = random.below(2) == 1
    }

    /// - Parameter image: shape [3, height, width].
    /// - Returns: shape [3, size, size].
    func crop(of image: Tensor) -> Tensor {
        let large = mirroredToSize(mirroredToSize(image, axis: 1), axis: 2)
        let piece = large.narrowed(axis: 1, from: Int(top), count: size).narrowed(axis: 2, from: Int(left), count: size)
        return isMirrored ? piece.flipped(axes: [2]) : piece
    }

    /// An image that is smaller than a crop goes on as its mirror image.
    private func mirroredToSize(_ image: Tensor, axis: Int) -> Tensor {
        let length = image.size(axis)
        if length >= size { return image }
        let there = Tensor.arange(0, size).remainder(dividingBy: 2 * length)
        return image.gathered(indices: there.minimum(2 * length - 1 - there), axis: axis)
    }
}
