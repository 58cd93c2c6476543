import Foundation
public import Torch

/// How a parameter is filled before training.
///
/// The same generator state gives the same numbers as PyTorch's `torch.nn.init`.
public enum Initializer: Codable, Sendable, Equatable {
    case constant(Double)
    case uniform(from: Double, to: Double)
    case normal(mean: Double, standardDeviation: Double)
    /// A normal distribution restricted to an interval, drawn by rejection.
    case truncatedNormal(mean: Double, standardDeviation: Double, from: Double, to: Double)
    /// Glorot & Bengio 2010: uniform with variance `gain² · 2 / (fanIn + fanOut)`.
    case xavierUniform(gain: Gain = .linear)
    /// Glorot & Bengio 2010: normal with variance `gain² · 2 / (fanIn + fanOut)`.
    case xavierNormal(gain: Gain = .linear)
    /// He et al., arXiv:1502.01852: uniform with variance `gain² / fan`.
    case kaimingUniform(fan: FanMode = .fanIn, gain: Gain = .relu)
    /// He et al., arXiv:1502.01852: normal with variance `gain² / fan`.
    case kaimingNormal(fan: FanMode = .fanIn, gain: Gain = .relu)
    /// Saxe et al., arXiv:1312.6120: rows (or columns) of the matrix `[size 0, all others]` orthogonal, of length `gain`.
    case orthogonal(gain: Gain = .linear)

    /// All zeros.
    public static let zeros = Initializer.constant(0)
    /// All ones.
    public static let ones = Initializer.constant(1)
    /// PyTorch's default for linear layers and convolutions: uniform on ±1/√fanIn.
    public static let linearDefault = Initializer.kaimingUniform(fan: .fanIn, gain: .leakyReLU(negativeSlope: 5.0.squareRoot()))

    /// Which number of connections keeps its variance: `fanIn` that of the forward pass, `fanOut` that of the gradients.
    public enum FanMode: String, Codable, Sendable { case fanIn, fanOut }

    /// The factor on the standard deviation that makes up for the non-linearity after a layer.
    public enum Gain: Codable, Sendable, Equatable {
        case linear, tanh, relu, selu
        case leakyReLU(negativeSlope: Double)
        case factor(Double)

        public var value: Double {
            switch self {
            case .linear: 1
            case .tanh: 5.0 / 3
            case .relu: 2.0.squareRoot()
            case .selu: 3.0 / 4
            case .leakyReLU(let slope): (2 / (1 + slope * slope)).squareRoot()
            case .factor(let factor): factor
            }
        }
    }

    /// Inputs and outputs of one unit of a weight: for shape `[out, in, k…]`, `in·∏k` and `out·∏k`.
    public static func fans(of shape: [Int]) -> (fanIn: Int, fanOut: Int) {
        require(shape.count >= 2, "Initializer.fans: a weight needs at least two dimensions, found shape \(shape).")
        guard let outputs = shape.first else { return (0, 0) }
        let field = shape.dropFirst(2).reduce(1, *)
        return (shape.dropFirst().reduce(1, *), outputs * field)
    }

    /// Fills a tensor in place, without recording a gradient.
    public func fill(_ tensor: Tensor, generator: RandomGenerator) {
        withoutGradients { fillUnrecorded(tensor, generator) }
    }

    /// A new trainable parameter, on the generator's device.
    public func parameter(_ shape: [Int], generator: RandomGenerator) -> Tensor {
        let tensor = Tensor.zeros(shape, device: generator.device)
        fill(tensor, generator: generator)
        return tensor.requiringGrad()
    }

    private func fillUnrecorded(_ tensor: Tensor, _ generator: RandomGenerator) {
        switch self {
        case .constant(let value):
            tensor.fillInPlace(value)
        case .uniform(let low, let high):
            tensor.uniformInPlace(from: low, to: high, generator: generator)
        case .normal(let mean, let deviation):
            tensor.normalInPlace(mean: mean, standardDeviation: deviation, generator: generator)
        case .truncatedNormal(let mean, let deviation, let low, let high):
            TruncatedNormal(mean: mean, deviation: deviation, low: low, high: high).fill(tensor, generator)
        case .xavierUniform(let gain):
            fillUniform(tensor, deviation: Self.xavierDeviation(gain, tensor.shape), generator)
        case .xavierNormal(let gain):
            tensor.normalInPlace(standardDeviation: Self.xavierDeviation(gain, tensor.shape), generator: generator)
        case .kaimingUniform(let fan, let gain):
            fillUniform(tensor, deviation: Self.kaimingDeviation(fan, gain, tensor.shape), generator)
        case .kaimingNormal(let fan, let gain):
            tensor.normalInPlace(standardDeviation: Self.kaimingDeviation(fan, gain, tensor.shape), generator: generator)
        case .orthogonal(let gain):
            fillOrthogonal(tensor, gain: gain.value, generator)
        }
    }

    private static func xavierDeviation(_ gain: Gain, _ shape: [Int]) -> Double {
        let (fanIn, fanOut) = fans(of: shape)
        return gain.value * (2.0 / Double(fanIn + fanOut)).squareRoot()
    }

    private static func kaimingDeviation(_ fan: FanMode, _ gain: Gain, _ shape: [Int]) -> Double {
        let (fanIn, fanOut) = fans(of: shape)
        return gain.value / Double(fan == .fanIn ? fanIn : fanOut).squareRoot()
    }

    private func fillUniform(_ tensor: Tensor, deviation: Double, _ generator: RandomGenerator) {
        let bound = 3.0.squareRoot() * deviation
        tensor.uniformInPlace(from: -bound, to: bound, generator: generator)
    }

    private func fillOrthogonal(_ tensor: Tensor, gain: Double, _ generator: RandomGenerator) {
        require(tensor.rank >= 2, "Initializer.orthogonal: at least two dimensions needed, found shape \(tensor.shape).")
        let rows = tensor.size(0), columns = tensor.elementCount / max(rows, 1)
        let random = Tensor.zeros([rows, columns], dtype: tensor.dtype, device: tensor.device)
        random.normalInPlace(generator: generator)
        let (q, r) = (rows < columns ? random.transposed() : random).qr()
        // Without the signs Q would not be uniform among orthogonal matrices (Mezzadri, arXiv:math-ph/0609050).
        let unique = q * r.diagonal().sign()
        tensor.copyInPlace(from: (rows < columns ? unique.transposed() : unique).reshaped(tensor.shape) * gain)
    }
}

/// Rejection sampling of a restricted normal distribution, in the order in which PyTorch draws.
private struct TruncatedNormal {
    let mean, deviation, low, high: Double

    /// Probability of the interval under the unrestricted distribution.
    private var accepted: Double {
        func cumulative(_ x: Double) -> Double { (1 + erf((x - mean) / deviation / 2.0.squareRoot())) / 2 }
        return cumulative(high) - cumulative(low)
    }

    func fill(_ tensor: Tensor, _ generator: RandomGenerator) {
        require(low < high && deviation > 0, "Initializer.truncatedNormal: empty interval [\(low), \(high)] or deviation \(deviation).")
        if accepted > 0.3 { fillFromNormal(tensor, generator) } else { fillFromUniform(tensor, generator) }
    }

    private func fillFromNormal(_ tensor: Tensor, _ generator: RandomGenerator) {
        var result = tensor.normalInPlace(mean: mean, standardDeviation: deviation, generator: generator)
        while true {
            // Bounds in the tensor's own precision, so that a rounded value at the bound is not rejected for ever.
            let low = tensor.dtype == .float32 ? Double(Float(low)) : low, high = tensor.dtype == .float32 ? Double(Float(high)) : high
            let outside = (result .< low).logicalOr(result .> high)
            if outside.any().item() == 0 { break }
            let fresh = Tensor.zeros(like: result).normalInPlace(mean: mean, standardDeviation: deviation, generator: generator)
            result = Tensor.select(where: outside, fresh, else: result)
        }
        tensor.copyInPlace(from: result)
    }

    private func fillFromUniform(_ tensor: Tensor, _ generator: RandomGenerator) {
        let mode = max(low, min(mean, high))
        let logPeak = -0.5 * ((mode - mean) / deviation) * ((mode - mean) / deviation)
        let candidates = Tensor.zeros(like: tensor), coin = Tensor.zeros(like: tensor)
        var result = tensor, pending: Tensor? = nil
        while true {
            candidates.uniformInPlace(from: low, to: high, generator: generator)
            result = pending.map { Tensor.select(where: $0, candidates, else: result) } ?? candidates.cloned()
            let scaled = (candidates - mean) / deviation
            let logDensity = scaled * scaled * -0.5 - logPeak
            let rejected = coin.uniformInPlace(generator: generator).log() .> logDensity
            pending = pending?.logicalAnd(rejected) ?? rejected
            if pending!.any().item() == 0 { break }
        }
        tensor.copyInPlace(from: result)
    }
}
