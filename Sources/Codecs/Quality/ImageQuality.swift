public import Torch

/// How near an image is to another. Both are [batch, channels, height, width] with values in 0…1; results are one number an image, shape
/// [batch], and differentiable.
public enum ImageQuality {
    /// Peak signal to noise ratio in dB, 10·log₁₀(1 / mean squared error over all channels); infinite for equal images.
    public static func psnr(_ image: Tensor, _ reference: Tensor) -> Tensor {
        check(image, reference, smallest: 1, "psnr")
        return (image - reference).squared().mean(axes: [1, 2, 3]).log10() * -10
    }

    /// Structural similarity (Wang et al. 2004): a Gaussian window of 11 × 11 with σ = 1.5, only where it fits, K = 0.01 and 0.03, the mean
    /// over channels.
    public static func ssim(_ image: Tensor, _ reference: Tensor) -> Tensor {
        check(image, reference, smallest: windowSize, "ssim")
        return similarity(image, reference).structure.mean(axis: 1)
    }

    /// Structural similarity at five scales (Wang et al. 2003), each half as large as the one before.
    public static func msSSIM(_ image: Tensor, _ reference: Tensor) -> Tensor { similarities(image, reference).multiscale }

    /// ``ssim(_:_:)`` and ``msSSIM(_:_:)`` for little more than the cost of the second.
    static func similarities(_ image: Tensor, _ reference: Tensor) -> (single: Tensor, multiscale: Tensor) {
        check(image, reference, smallest: smallestMultiscaleSide, "msSSIM")
        var (image, reference) = (image, reference)
        let first = similarity(image, reference)
        var product = first.contrast.relu().power(scaleWeights[0])
        for (scale, weight) in scaleWeights.enumerated().dropFirst() {
            (image, reference) = (halved(image), halved(reference))
            let similarity = similarity(image, reference), isLast = scale == scaleWeights.count - 1
            // Negative values have no powers.
            product = product * (isLast ? similarity.structure : similarity.contrast).relu().power(weight)
        }
        return (first.structure.mean(axis: 1), product.mean(axis: 1))
    }

    /// Height and width that ``msSSIM(_:_:)`` needs at least.
    public static let smallestMultiscaleSide = (windowSize - 1) << (scaleWeights.count - 1) + 1

    /// Height and width that ``ssim(_:_:)`` needs at least.
    public static let smallestSide = windowSize

    private static let windowSize = 11
    private static let scaleWeights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]

    private static func check(_ image: Tensor, _ reference: Tensor, smallest: Int, _ name: String) {
        require(image.rank == 4 && image.shape == reference.shape, "ImageQuality.\(name): images \(image.shape) and \(reference.shape) differ in shape.")
        require(
            image.size(2) >= smallest && image.size(3) >= smallest,
            "ImageQuality.\(name): height and width must be at least \(smallest), found shape \(image.shape).")
    }

    /// The means over all places where the window fits, [batch, channels], of SSIM and of its part without brightness.
    private static func similarity(_ image: Tensor, _ reference: Tensor) -> (structure: Tensor, contrast: Tensor) {
        let (c1, c2) = (0.01 * 0.01, 0.03 * 0.03)
        let channels = image.size(1)
        let places = (Tensor.arange(0, windowSize) - windowSize / 2).to(dtype: .float64)
        let bell = (places.squared() * (-0.5 / (1.5 * 1.5))).exp()
        let window = (bell / bell.sum()).to(dtype: image.dtype).to(device: image.device)
        func blurred(_ x: Tensor) -> Tensor {
            [[channels, 1, windowSize, 1], [channels, 1, 1, windowSize]].reduce(x) { x, shape in
                let weight = window.reshaped([1, 1, shape[2], shape[3]]).expanded(to: shape).contiguous()
                return x.convolved(weight: weight, bias: nil, stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: channels)
            }
        }
        let (meanA, meanB) = (blurred(image), blurred(reference))
        let varianceA = blurred(image.squared()) - meanA.squared(), varianceB = blurred(reference.squared()) - meanB.squared()
        let covariance = blurred(image * reference) - meanA * meanB
        let contrast = (2 * covariance + c2) / (varianceA + varianceB + c2)
        let structure = (2 * meanA * meanB + c1) / (meanA.squared() + meanB.squared() + c1) * contrast
        return (structure.mean(axes: [2, 3]), contrast.mean(axes: [2, 3]))
    }

    /// Means of 2 × 2 places; odd sides get a border of zeros that counts.
    private static func halved(_ x: Tensor) -> Tensor {
        x.averagePooled(kernel: [2, 2], padding: [x.size(2) % 2, x.size(3) % 2])
    }
}
