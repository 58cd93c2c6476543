public import Torch
internal import TorchNN

/// The directions of most variance among the bands of signals.
public struct BandComponents {
    /// [bands].
    public let mean: Tensor
    /// Unit rows [count, bands], the largest variance first.
    public let directions: Tensor
    /// [count], standard deviations along them.
    public let deviations: Tensor

    /// - Parameters:
    ///   - bands: [batch, bands, …].
    ///   - count: at most the number of bands.
    public init(of bands: Tensor, count: Int) {
        let rows = bands.detached().flattened(from: 2).transposed(1, 2).flattened(from: 0, to: 1)
        require(rows.size(0) > 1 && 1...rows.size(1) ~= count, "BandComponents: \(count) components of \(rows.size(0)) places with \(rows.size(1)) bands")
        let axes = rows.principalAxes()
        mean = axes.mean
        directions = axes.directions.transposed().flipped(axes: [0]).narrowed(axis: 0, from: 0, count: count).contiguous()
        deviations = axes.variances.flipped(axes: [0]).narrowed(axis: 0, from: 0, count: count).clamped(minimum: 0).sqrt()
    }
}

/// What the 1 × 1 encoder starts with.
public enum WaLLoCStart: String, Codable, Sendable, CaseIterable {
    /// Random weights, as published.
    case random
    /// The principal components of the bands (ours): near the end of the encoder's training from the first step.
    case principalComponents
}

extension WaLLoC {
    /// Makes the 1 × 1 encoder project on principal components, all with one factor, so that rounding disturbs every direction alike (which
    /// costs the least for its rate) and the widest one fills the range.
    public func startAtPrincipalComponents(_ components: BandComponents) {
        require(configuration.encoderWidth == nil, "WaLLoC.startAtPrincipalComponents: only for the 1 × 1 encoder")
        require(components.directions.shape == [configuration.latentChannels, configuration.bandCount], "WaLLoC.startAtPrincipalComponents: components \(components.directions.shape)")
        let factor = projectionFactor(components)
        let parameters = [String: Tensor](uniqueKeysWithValues: encoder.namedParameters().map { ($0.name, $0.tensor) })
        withoutGradients {
            guard let weight = parameters["weight"], let bias = parameters["bias"] else { return }
            weight.copyInPlace(from: (components.directions * factor).reshaped(weight.shape))
            bias.copyInPlace(from: components.directions.matmul(components.mean) * -factor)
        }
    }

    /// From bands to what is compressed.
    func projectionFactor(_ components: BandComponents) -> Double { compander.scale / Swift.max(components.deviations[0].item(), 1e-9) }
}

/// The codec that is left when the decoder is linear, too: a projection on principal components, rounded in the same way. What WaLLoC's
/// decoder has to beat.
public struct LinearBandCodec {
    private let codec: WaLLoC
    /// Shape [bands, d], and [bands].
    private let weight: Tensor, bias: Tensor

    /// - Parameters:
    ///   - configuration: of which only the encoder's side counts.
    ///   - bands: of training signals.
    public init(_ configuration: WaLLoCConfiguration, bands: Tensor) {
        var small = configuration
        (small.encoderWidth, small.postFilterTaps) = (nil, nil)
        small.decoderWidth = small.signal == .image ? WaLLoCConfiguration.groupCount : small.latentChannels
        codec = WaLLoC(small, generator: RandomGenerator(seed: 0, device: bands.device))
        let components = BandComponents(of: bands, count: configuration.latentChannels)
        codec.startAtPrincipalComponents(components)
        weight = (components.directions.transposed() / codec.projectionFactor(components)).to(dtype: bands.dtype)
        bias = components.mean.to(dtype: bands.dtype)
    }

    /// - Parameter signal: [batch, channels, …] as for ``WaLLoC``.
    /// - Returns: whole numbers.
    public func latents(_ signal: Tensor) -> Tensor { codec.latents(signal) }

    /// The same before rounding.
    public func unroundedLatents(_ signal: Tensor) -> Tensor { withoutGradients { codec.unroundedLatents(signal) } }

    /// - Returns: the signal, −½…½.
    public func decoded(_ latents: Tensor) -> Tensor {
        let places = codec.compander.expanded(latents).transposed(1, -1)
        let bands = places.linear(weight: weight, bias: bias).transposed(1, -1)
        return codec.synthesis(bands.contiguous()).clamped(minimum: -0.5, maximum: 0.5)
    }
}
