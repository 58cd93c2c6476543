internal import Foundation
internal import Torch
internal import TorchNN

/// What weights begin with.
public enum CodecInitialization: String, Codable, Sendable, CaseIterable {
    /// Random weights as the published codecs have them. Every layer gives less than it gets, so that training begins with latents much smaller
    /// than the noise that stands for rounding, and takes thousands of steps to leave that.
    case published
    /// A tree of Karhunen–Loève transforms, computed from the first crops: each halving convolution gives the principal components of blocks of
    /// 2 × 2, the doubling ones are its transposes, and latents are scaled to the step of rounding that is best for λ at high rates; a tenth of the
    /// published weights is added. A hyperprior begins with local means and sizes of the largest channels. Short trainings end much better.
    /// Codecs of residual blocks keep the published weights.
    case principalComponents
}

extension ImageCodec {
    /// ``CodecInitialization/principalComponents``.
    /// - Parameters:
    ///   - images: shape [batch, 3, height, width].
    ///   - lambda: of 255² times the mean squared error.
    /// - Returns: whether the codec is one that can be initialised so.
    func initialize(from images: Tensor, lambda: Double) -> Bool {
        let modules = namedModules()
        func layers(_ name: String) -> [any Layer] { (modules.first { $0.name == name }?.module as? Sequential)?.layers ?? [] }
        let analysis = layers("g_a"), synthesis = layers("g_s")
        guard analysis.count == synthesis.count, analysis.last is Conv2d, synthesis.last is ConvTranspose2d else { return false }
        withoutGradients {
            // The loss is λ · 255² / 3 times the squared error plus bits, both of a pixel. For R = ½ log₂(σ² / D) its slope vanishes at
            // D = 3 / (2 ln 2 · λ · 255²), and rounding to steps of Δ has D = Δ² / 12.
            let gain = sqrt(2 * log(2) * lambda * 255 * 255 / (3 * 12))
            var values = images
            for (index, layer) in analysis.enumerated() {
                if let convolution = layer as? Conv2d, let transposed = synthesis[analysis.count - 1 - index] as? ConvTranspose2d {
                    // Small numbers between the layers, for which GDN changes little.
                    let scale = index == 0 ? smallness : index == analysis.count - 1 ? gain / smallness : 1
                    BlockComponents(values, count: convolution.weight.size(0)).write(to: convolution, transposed, scale: scale)
                }
                values = layer(values)
            }
            switch configuration.kind {
            case .scaleHyperprior, .meanScaleHyperprior: describeLocally(values, layers("h_a"), layers("h_s"))
            default:
                // Where a Gaussian is much narrower than what it is to describe, its likelihoods have no gradient.
                let deviations = values.standardDeviation(axes: [0, 2, 3])
                distributionLayer?.bias?.narrowed(axis: 0, from: 0, count: deviations.size(0)).copyInPlace(from: deviations)
            }
        }
        return true
    }

    /// The layer that tells scales, and means behind them; nil for codecs without a hyperprior.
    var distributionLayer: Conv2d? {
        let modules = namedModules(), name = modules.contains { $0.name == "entropy_parameters" } ? "entropy_parameters" : "h_s"
        return (modules.first { $0.name == name }?.module as? Sequential)?.layers.last { $0 is Conv2d } as? Conv2d
    }

    private var smallness: Double { 0.25 }
}

/// The principal components of blocks of 2 × 2 places.
private struct BlockComponents {
    /// Shape [components, channels, 2, 2], orthonormal; and the channels' means.
    let components: Tensor, means: Tensor

    /// - Parameter values: shape [batch, channels, height, width], sides even.
    init(_ values: Tensor, count: Int) {
        let channels = values.size(1)
        means = values.mean(axes: [0, 2, 3])
        let blocks = (values - means.reshaped([1, channels, 1, 1])).pixelUnshuffled(2).permuted([0, 2, 3, 1]).reshaped([-1, 4 * channels])
        let covariance = blocks.transposed(0, 1).matmul(blocks) / Double(blocks.size(0))
        // Eigenvalues rise.
        let vectors = covariance.to(dtype: .float64).symmetricEigen().vectors.flipped(axes: [1]).to(dtype: values.dtype)
        let kept = min(count, 4 * channels)
        components = vectors.narrowed(axis: 1, from: 0, count: kept).transposed(0, 1).contiguous().reshaped([kept, channels, 2, 2])
    }

    /// Makes one layer give the components, times `scale`, and the other their sum.
    func write(to analysis: Conv2d, _ synthesis: ConvTranspose2d, scale: Double) {
        let kept = components.size(0)
        // A block lies on the places 2 and 3 of a kernel of 5 with stride 2, in both directions.
        func add(_ weight: Tensor, _ factor: Double) {
            weight.multiplyInPlace(by: 0.1 * factor)
            let place = weight.narrowed(axis: 0, from: 0, count: kept).narrowed(axis: 2, from: 2, count: 2).narrowed(axis: 3, from: 2, count: 2)
            place.addInPlace(components, scale: factor)
        }
        add(analysis.weight, scale)
        add(synthesis.weight, 1 / scale)
        analysis.bias?.zeroInPlace()
        let offsets = (components.sum(axes: [2, 3]) * means).sum(axis: 1) * -scale
        analysis.bias?.narrowed(axis: 0, from: 0, count: kept).copyInPlace(from: offsets)
        synthesis.bias?.copyInPlace(from: means)
    }
}
