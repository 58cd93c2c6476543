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
    /// costs the least for its rate) and the widest one fills the range. The decoder of pictures, where it is wide enough, begins as the linear
    /// decoder of that latent (``LinearBandCodec``), to which training adds what other places tell.
    public func startAtPrincipalComponents(_ components: BandComponents) {
        require(configuration.encoderWidth == nil, "WaLLoC.startAtPrincipalComponents: only for the 1 × 1 encoder")
        require(components.directions.shape == [configuration.latentChannels, configuration.bandCount], "WaLLoC.startAtPrincipalComponents: components \(components.directions.shape)")
        let factor = projectionFactor(components)
        let parameters = [String: Tensor](uniqueKeysWithValues: encoder.namedParameters().map { ($0.name, $0.tensor) })
        withoutGradients {
            guard let weight = parameters["weight"], let bias = parameters["bias"] else { return }
            weight.copyInPlace(from: (components.directions * factor).reshaped(weight.shape))
            bias.copyInPlace(from: components.directions.matmul(components.mean) * -factor)
            // Far above what is carried, so that the norm of a group is nearly the constants' alone.
            (decoder as? ImageLatentDecoder)?.startLinear(components.directions.transposed() / factor, bias: components.mean, constant: 8 * compander.scale)
        }
    }

    /// From bands to what is compressed.
    func projectionFactor(_ components: BandComponents) -> Double { compander.scale / Swift.max(components.deviations[0].item(), 1e-9) }
}

extension ImageLatentDecoder {
    /// Makes the decoder a matrix, though its last layers normalise and bend.
    ///
    /// Groups of channels carry latents x in pairs (x, −x) beside a pair of constants (K, −K): the mean of such a group is 0 and its norm K·√(2/g)
    /// for g channels, whatever the latents are, as long as K is far above them. And silu(a) − silu(−a) = a. All other channels begin as
    /// always but for the last layers of what is added, which begin at 0.
    ///
    /// Does nothing if the groups have no room for all latents: at most ⌊g/2 − 1⌋ fit into each.
    /// - Parameters:
    ///   - matrix: shape [bands, latents].
    ///   - bias: shape [bands].
    func startLinear(_ matrix: Tensor, bias: Tensor, constant: Double) {
        let groups = WaLLoCConfiguration.groupCount, size = norm.channels / groups, room = size / 2 - 1
        guard room > 0, matrix.size(1) <= groups * room else { return }
        for block in blocks + middle.resnets { block.conv2.zero() }
        middle.attention.output.weight.zeroInPlace()
        middle.attention.output.bias?.zeroInPlace()
        last.zero()
        last.bias?.copyInPlace(from: bias)
        for latent in 0..<matrix.size(1) {
            let group = latent / room * size, pair = group + 2 * (latent % room)
            if latent % room == 0 {
                for channel in group..<group + size {
                    first.weight[channel].zeroInPlace()
                    first.bias?[channel].zeroInPlace()
                }
                for (channel, sign) in [(group + size - 2, 1.0), (group + size - 1, -1.0)] { first.bias?[channel].fillInPlace(sign * constant) }
            }
            for (channel, sign) in [(pair, 1.0), (pair + 1, -1.0)] {
                first.weight[channel, latent, 1, 1].fillInPlace(sign)
                last.weight[.all, channel, 1, 1].copyInPlace(from: matrix[.all, latent] * (sign * constant * (2 / Double(size)).squareRoot()))
            }
        }
    }
}

extension Conv2d {
    fileprivate func zero() {
        weight.zeroInPlace()
        bias?.zeroInPlace()
    }
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
