public import Torch
internal import TorchNN

/// How signals of any size are coded, and pictures larger than attention can look at.
extension WaLLoC {
    /// Places of a sound's latent that are decoded together.
    static let segmentLength = 4096

    /// The latent of a signal of any size, mirrored at its edges to a multiple of ``WaLLoCConfiguration/sizeMultiple``: pictures on all sides,
    /// sound behind its end.
    /// - Parameter signal: [channels, height, width] or [channels, samples], −½…½.
    /// - Returns: int8, [d, height, width] or [d, places].
    public func encoded(_ signal: Tensor) -> Tensor {
        require(signal.rank == configuration.axes.rawValue + 1 && signal.elementCount > 0, "WaLLoC.encoded: a signal of shape \(signal.shape)")
        var whole = signal
        for axis in 1..<signal.rank {
            let added = paddedSide(signal.size(axis)) - signal.size(axis)
            let before = configuration.signal == .image ? added / 2 : 0
            whole = whole.mirrored(axis: axis, before: before, after: added - before)
        }
        return latents(whole.unsqueezed(0))[0].to(dtype: .int8)
    }

    /// The signal of a latent.
    ///
    /// Pictures whose latent has a side beyond ``WaLLoCConfiguration/tileSide`` are decoded in overlapping tiles, since normalisation and attention of the decoder
    /// see all places at once: memory then grows with the picture, not with its square. Sound is decoded in segments that give exactly what
    /// the whole gives.
    /// - Parameters:
    ///   - latents: int8 as from ``encoded(_:)``.
    ///   - size: height and width, or samples, that went in.
    /// - Returns: [channels, height, width] or [channels, samples], −½…½.
    public func decoded(_ latents: Tensor, size: [Int]) -> Tensor {
        require(
            latents.rank == configuration.axes.rawValue + 1 && latents.size(0) == configuration.latentChannels,
            "WaLLoC.decoded: a latent must be [\(configuration.latentChannels), …], found \(latents.shape).")
        return withoutGradients {
            let levels = latents.to(dtype: encoder.parameters()[0].dtype).unsqueezed(0)
            let bands = switch configuration.signal {
            case .image: tiledBands(levels)
            case .audio: segmentedBands(levels)
            }
            var signal = synthesis(bands).clamped(minimum: -0.5, maximum: 0.5)[0]
            for (axis, count) in size.enumerated() {
                let surplus = signal.size(axis + 1) - count
                require(surplus >= 0 && count > 0, "WaLLoC.decoded: a latent of shape \(latents.shape) for a signal of \(size)")
                signal = signal.narrowed(axis: axis + 1, from: configuration.signal == .image ? surplus / 2 : 0, count: count)
            }
            return signal.contiguous()
        }
    }

    /// The shape of the latent of a signal of this size, without its channels.
    public func latentSize(of size: [Int]) -> [Int] {
        size.map { paddedSide($0) / configuration.sizeMultiple + (configuration.signal == .audio ? 2 : 0) }
    }

    private func paddedSide(_ count: Int) -> Int {
        (count + configuration.sizeMultiple - 1) / configuration.sizeMultiple * configuration.sizeMultiple
    }

    // MARK: Tiles

    /// - Parameters:
    ///   - latents: [1, d, height, width].
    ///   - side: of a tile.
    /// - Returns: [1, bands, height, width]. Where tiles share a quarter of their side one fades into the other.
    package func tiledBands(_ latents: Tensor, side: Int? = nil) -> Tensor {
        let side = side ?? configuration.tileSide, overlap = side / 4
        let (height, width) = (latents.size(2), latents.size(3))
        if height <= side && width <= side { return bandsDecoded(latents) }
        let sum = Tensor.zeros([1, configuration.bandCount, height, width], dtype: latents.dtype, device: latents.device)
        let weights = Tensor.zeros([1, 1, height, width], dtype: latents.dtype, device: latents.device)
        for row in Tile.along(height, side: side, overlap: overlap) {
            for column in Tile.along(width, side: side, overlap: overlap) {
                let place: [TensorIndex] = [.all, .all, row.range.tensorIndex, column.range.tensorIndex]
                let weight = row.weights(latents).reshaped([1, 1, -1, 1]) * column.weights(latents).reshaped([1, 1, 1, -1])
                sum.elements(at: place).addInPlace(bandsDecoded(latents.elements(at: place)) * weight)
                weights.elements(at: place).addInPlace(weight)
            }
        }
        return sum / weights
    }

    /// A stretch of one side.
    private struct Tile {
        let range: Range<Int>
        /// Places over which it fades in and out.
        let fadeIn: Int, fadeOut: Int

        /// Tiles of one size, the last ones moved back to end with the side.
        static func along(_ count: Int, side: Int, overlap: Int) -> [Tile] {
            guard count > side else { return [Tile(range: 0..<count, fadeIn: 0, fadeOut: 0)] }
            let tiles = (count - overlap + side - overlap - 1) / (side - overlap)
            // Spread evenly, so that all neighbours share at least the overlap.
            let starts = (0..<tiles).map { $0 * (count - side) / (tiles - 1) }
            return starts.enumerated().map { index, start in
                Tile(
                    range: start..<start + side, fadeIn: index > 0 ? starts[index - 1] + side - start : 0,
                    fadeOut: index + 1 < tiles ? start + side - starts[index + 1] : 0)
            }
        }

        /// Rising from 0 and falling to it where there are neighbours.
        func weights(_ like: Tensor) -> Tensor {
            let values = range.indices.map { place -> Float in
                let (before, after) = (place - range.lowerBound, range.upperBound - 1 - place)
                let rising = fadeIn > 0 ? min(1, (Float(before) + 0.5) / Float(fadeIn)) : 1
                return rising * (fadeOut > 0 ? min(1, (Float(after) + 0.5) / Float(fadeOut)) : 1)
            }
            return Tensor(values).to(dtype: like.dtype).to(device: like.device)
        }
    }

    /// - Parameter latents: [1, d, places + 2].
    /// - Parameter length: of a segment.
    package func segmentedBands(_ latents: Tensor, length: Int = segmentLength) -> Tensor {
        let count = latents.size(2) - 2, reach = AudioLatentNetwork.decoderReach
        if count <= length { return bandsDecoded(latents) }
        let pieces = stride(from: 0, to: count, by: length).map { start in
            let end = min(count, start + length), from = max(0, start - reach), to = min(count, end + reach)
            return bandsDecoded(latents.narrowed(axis: 2, from: from, count: to - from + 2)).narrowed(axis: 2, from: start - from, count: end - start)
        }
        return Tensor.concatenated(pieces, axis: 2)
    }
}

extension Tensor {
    /// Continued at both ends of an axis as its mirror image, the last element not repeated, as often as it takes.
    func mirrored(axis: Int, before: Int, after: Int) -> Tensor {
        if before == 0 && after == 0 { return self }
        let count = size(axis), period = Swift.max(1, 2 * (count - 1))
        let places = Tensor.arange(-before, count + after, device: device).remainder(dividingBy: period)
        return gathered(indices: places.minimum(period - places), axis: axis)
    }
}
