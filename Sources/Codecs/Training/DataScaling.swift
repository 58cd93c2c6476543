internal import Torch
internal import TorchNN

/// What weights begin with.
public enum CodecInitialization: String, Codable, Sendable, CaseIterable {
    /// Random weights as the published codecs have them. Every layer gives less than it gets: training begins with latents much smaller than the
    /// noise that stands for rounding.
    case published
    /// The same, with the convolutions between pictures and latents scaled layer by layer until what they give of the first crops has mean 0 and
    /// standard deviation 1 (Mishkin and Matas, arXiv:1511.06422); latents have 3, and reconstructions the pictures' own. Short trainings end better.
    case scaledToData
}

extension ImageCodec {
    /// ``CodecInitialization/scaledToData``; layers that are no plain convolutions stay as they are.
    /// - Parameter images: shape [batch, 3, height, width].
    func scale(to images: Tensor, generator: RandomGenerator) {
        func transform(_ name: String) -> Sequential? { namedModules().first { $0.name == name }?.module as? Sequential }
        guard let analysis = transform("g_a"), let synthesis = transform("g_s") else { return }
        withoutGradients {
            let latents = analysis.scaled(to: images, mean: 0, deviation: Self.initialLatentDeviation)
            let noisy = latents + (Tensor.uniform(latents.shape, generator: generator) - 0.5)
            _ = synthesis.scaled(to: noisy, mean: images.mean().item(), deviation: images.standardDeviation().item())
        }
    }

    /// A few steps of rounding: with less, rounding leaves little of them; with more, the first files are large.
    private static var initialLatentDeviation: Double { 3 }
}

extension Sequential {
    /// - Parameters:
    ///   - mean, deviation: of what the last convolution is to give; the others give 0 and 1.
    /// - Returns: what the layers make of the input afterwards.
    fileprivate func scaled(to input: Tensor, mean: Double, deviation: Double) -> Tensor {
        let last = layers.lastIndex { $0 is Conv2d || $0 is ConvTranspose2d }
        return layers.enumerated().reduce(input) { input, entry in
            let (index, layer) = entry
            guard let (weight, bias) = layer.convolution else { return layer(input) }
            let output = layer(input), found = output.standardDeviation(axes: [0, 2, 3]).mean().item()
            let wanted = index == last ? deviation : 1
            if found > 0 { weight.multiplyInPlace(by: wanted / found) }
            bias.zeroInPlace()
            bias.copyInPlace(from: layer(input).mean(axes: [0, 2, 3]) * -1 + (index == last ? mean : 0))
            return layer(input)
        }
    }
}

extension Layer {
    /// Weight and bias of a plain convolution.
    fileprivate var convolution: (weight: Tensor, bias: Tensor)? {
        if let layer = self as? Conv2d, let bias = layer.bias { return (layer.weight, bias) }
        if let layer = self as? ConvTranspose2d, let bias = layer.bias { return (layer.weight, bias) }
        return nil
    }
}
