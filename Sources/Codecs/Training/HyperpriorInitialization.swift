internal import Foundation
internal import Torch
internal import TorchNN

extension ImageCodec {
    /// Makes a hyperprior begin with a description that says something: the local means of the largest channels, and the local sizes of as many as
    /// it has room for, from which the scales of all channels follow linearly.
    ///
    /// Left alone, a short training finds neither: random layers let hardly anything of the latents through, so that making the description cheap
    /// pays before it has become useful. Layers bend, and hand signed numbers on in pairs x, −x: behind a leaky ReLU with slope s their
    /// difference is (1 + s)·x and their sum (1 − s)·|x|. A tenth of the published weights is added.
    /// - Parameters:
    ///   - latents: of the first crops, the largest channels first.
    ///   - analysis: the layers that describe them, three convolutions.
    ///   - synthesis: the layers that make distributions of the description, three convolutions.
    func describeLocally(_ latents: Tensor, _ analysis: [any Layer], _ synthesis: [any Layer]) {
        guard let first = analysis[0] as? Conv2d, let second = analysis[2] as? Conv2d, let third = analysis[4] as? Conv2d,
            let up = synthesis[0] as? ConvTranspose2d, let upper = synthesis[2] as? ConvTranspose2d, let last = synthesis[4] as? Conv2d
        else { return }
        let count = latents.size(1), room = third.weight.size(0), isSigned = configuration.kind == .meanScaleHyperprior
        let seen = min(count, isSigned ? room / 2 : room), means = isSigned ? min(3, seen) : 0, sizes = min(seen, room - 2 * means)
        guard seen > 0, sizes > 0, up.weight.size(1) >= 2 * means + sizes, upper.weight.size(1) >= 2 * means + sizes else { return }
        let slope = isSigned ? 0.01 : 0, deviations = latents.standardDeviation(axes: [0, 2, 3]).clamped(minimum: 1e-3)
        let units: [Double] = deviations.to(dtype: .float64).scalars()
        let input = isSigned ? latents : latents.abs()

        /// Differences of pairs, and what follows them as it is.
        var handedOn: [Entry] = []
        for d in 0..<means {
            for (row, column, sign) in [(0, 0, 1.0), (0, 1, -1), (1, 0, -1), (1, 1, 1)] { handedOn.append((2 * d + row, 2 * d + column, sign / (1 + slope))) }
        }
        let pairs = handedOn
        for r in 0..<sizes { handedOn.append((2 * means + r, 2 * means + r, 1)) }
        // Each channel in units of its deviation, and its negative.
        var entries: [Entry] = []
        for k in 0..<seen { entries += isSigned ? [(2 * k, k, 1 / units[k]), (2 * k + 1, k, -1 / units[k])] : [(k, k, 1 / units[k])] }
        first.begin(with: entries)
        // Means over 2 × 2 places: of pairs, of magnitudes.
        if isSigned {
            entries = pairs
            for r in 0..<sizes { entries += [(2 * means + r, 2 * r, 1 / (1 - slope)), (2 * means + r, 2 * r + 1, 1 / (1 - slope))] }
        }
        second.begin(with: isSigned ? entries : handedOn)

        let pooled = analysis[..<4].reduce(input) { $1($0) }.averagePooled(kernel: [2, 2], stride: [2, 2], padding: [0, 0]).to(dtype: .float64)
        func column(_ place: Int) -> Tensor { pooled.narrowed(axis: 1, from: place, count: 1) }
        func gain(_ values: Tensor) -> Double { describedDeviation / max(1e-6, values.standardDeviation(axes: [0, 1, 2, 3]).item()) }
        var down: [Entry] = [], back: [Entry] = [], offsets: [(Int, Double)] = [], backOffsets: [(Int, Double)] = []
        for d in 0..<means {
            let gain = gain((column(2 * d) - column(2 * d + 1)) / (1 + slope))
            down += [(d, 2 * d, gain / (1 + slope)), (d, 2 * d + 1, -gain / (1 + slope))]
            back += [(2 * d, d, 1 / gain), (2 * d + 1, d, -1 / gain)]
        }
        for r in 0..<sizes {
            let values = column(2 * means + r), gain = gain(values), mean = values.mean().item()
            down.append((means + r, 2 * means + r, gain))
            offsets.append((means + r, -gain * mean))
            back.append((2 * means + r, means + r, 1 / gain))
            backOffsets.append((2 * means + r, mean))
        }
        third.begin(with: down, bias: offsets)
        up.begin(with: back, bias: backOffsets)
        upper.begin(with: handedOn)

        let described = synthesis[..<4].reduce(analysis.reduce(input) { $1($0) }) { $1($0) }
        let residual = latents / deviations.reshaped([1, count, 1, 1])
        var distribution: [Entry] = []
        for d in 0..<means {
            let predicted = described.narrowed(axis: 1, from: 2 * d, count: 1) - described.narrowed(axis: 1, from: 2 * d + 1, count: 1)
            residual.narrowed(axis: 1, from: d, count: 1).addInPlace(predicted, scale: -1 / (1 + slope))
            distribution += [(count + d, 2 * d, units[d] / (1 + slope)), (count + d, 2 * d + 1, -units[d] / (1 + slope))]
        }
        let scales = Self.regression(of: residual.abs(), on: described.narrowed(axis: 1, from: 2 * means, count: sizes))
        // A Gaussian's mean magnitude is √(2/π) of its deviation.
        let factor = sqrt(Double.pi / 2)
        for c in 0..<count { for r in 0..<sizes { distribution.append((c, 2 * means + r, factor * units[c] * scales[r][c])) } }
        last.begin(with: distribution, bias: (0..<count).map { ($0, factor * units[$0] * scales[sizes][$0]) })
    }

    /// Of the description, in steps of rounding.
    private var describedDeviation: Double { 2 }

    /// Factors and, last, constants of a linear map of features [batch, features, …] that comes nearest to targets [batch, targets, …].
    private static func regression(of targets: Tensor, on features: Tensor) -> [[Double]] {
        func rows(_ values: Tensor) -> Tensor { values.to(dtype: .float64).permuted([0, 2, 3, 1]).reshaped([-1, values.size(1)]) }
        let t = rows(targets), f = rows(features), x = Tensor.concatenated([f, Tensor.ones([f.size(0), 1], dtype: .float64, device: f.device)], axis: 1)
        // A little of the identity, for features that say the same.
        let gram = x.transposed(0, 1).matmul(x) / Double(x.size(0)) + Tensor.identity(x.size(1), device: x.device).to(dtype: .float64) * 1e-3
        let map = gram.solve(x.transposed(0, 1).matmul(t) / Double(x.size(0)))
        return (0..<map.size(0)).map { map[$0].scalars() }
    }
}

/// Output, input, factor.
private typealias Entry = (Int, Int, Double)

private func matrix(_ rows: Int, _ columns: Int, _ entries: [Entry]) -> Tensor {
    var values = [Float](repeating: 0, count: rows * columns)
    for (row, column, factor) in entries { values[row * columns + column] += Float(factor) }
    return Tensor(values, shape: [rows, columns])
}

extension Tensor {
    fileprivate func begin(with entries: [(Int, Double)]) {
        var values = [Float](repeating: 0, count: elementCount)
        for (place, value) in entries { values[place] = Float(value) }
        copyInPlace(from: Tensor(values, shape: shape).to(device: device))
    }
}

extension Conv2d {
    /// A linear map between channels, of the place itself or of the mean over 2 × 2, beside a tenth of the weights that were there.
    fileprivate func begin(with entries: [Entry], bias constants: [(Int, Double)] = []) {
        let map = matrix(weight.size(0), weight.size(1), entries).to(device: weight.device).unsqueezed(2).unsqueezed(3), isHalving = weight.size(2) == 5
        weight.multiplyInPlace(by: 0.1)
        let place = weight.narrowed(axis: 2, from: isHalving ? 2 : 1, count: isHalving ? 2 : 1).narrowed(axis: 3, from: isHalving ? 2 : 1, count: isHalving ? 2 : 1)
        place.addInPlace(map.expanded(to: place.shape), scale: isHalving ? 0.25 : 1)
        bias?.begin(with: constants)
    }
}

extension ConvTranspose2d {
    /// A linear map between channels, to each of 2 × 2 places, beside a tenth of the weights that were there.
    fileprivate func begin(with entries: [Entry], bias constants: [(Int, Double)] = []) {
        let map = matrix(weight.size(1), weight.size(0), entries).to(device: weight.device).transposed(0, 1).unsqueezed(2).unsqueezed(3)
        weight.multiplyInPlace(by: 0.1)
        let place = weight.narrowed(axis: 2, from: 2, count: 2).narrowed(axis: 3, from: 2, count: 2)
        place.addInPlace(map.expanded(to: place.shape))
        bias?.begin(with: constants)
    }
}
