public import Media
public import Torch

/// Relevances of pixels as colours: red speaks for the class, blue against it, over the picture in grey.
public struct HeatMap {
    /// Sums over channels [height, width].
    public let relevance: Tensor
    /// What is drawn in full colour; larger values, too.
    public let scale: Double

    /// - Parameters:
    ///   - relevance: of one input, [channels, height, width].
    ///   - smoothing: side of the square of pixels that is averaged, odd; 1 leaves them as they are.
    public init(_ relevance: Tensor, smoothing: Int = 3) {
        require(relevance.rank == 3 && smoothing > 0 && smoothing % 2 == 1, "HeatMap: relevances \(relevance.shape), squares of \(smoothing).")
        let sums = relevance.detached().to(dtype: .float32).sum(axes: [0], keepingDimensions: true).unsqueezed(0)
        let half = smoothing / 2
        let smooth = smoothing == 1 ? sums : sums.averagePooled(kernel: [smoothing, smoothing], stride: [1, 1], padding: [half, half])
        self.relevance = smooth.squeezed(0).squeezed(0)
        // Single bright pixels would leave all others without colour.
        let sizes = self.relevance.abs().flattened().sorted(descending: true).values
        scale = max(1e-30, sizes[min(sizes.elementCount - 1, sizes.elementCount / 200)].item())
    }

    /// Over a picture of the same size, [1 or 3, height, width] in 0…1.
    public func drawn(over picture: Tensor) -> Image {
        require(Array(picture.shape.dropFirst()) == relevance.shape, "HeatMap: a picture of \(picture.shape) for relevances of \(relevance.shape).")
        let grey = picture.mean(axes: [0]) * 0.5 + 0.5, strength = (relevance / scale).clamped(minimum: -1, maximum: 1)
        let red = strength.clamped(minimum: 0), blue = (-strength).clamped(minimum: 0)
        // Towards (0.8, 0, 0.1) and (0.1, 0.2, 0.8).
        func channel(_ ofRed: Double, _ ofBlue: Double) -> Tensor { grey * (1 - red - blue) + red * ofRed + blue * ofBlue }
        return Image(pixels: Tensor.stacked([channel(0.8, 0.1), channel(0, 0.2), channel(0.1, 0.8)]).clamped(minimum: 0, maximum: 1))
    }
}
