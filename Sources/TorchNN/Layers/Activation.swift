public import Torch

/// An element-wise non-linearity, as a value for configurations: `activation(x)`.
public enum Activation: Codable, Sendable, Equatable {
    case identity
    case relu
    /// `min(max(x, 0), 6)`.
    case relu6
    /// `x` where positive, `negativeSlope · x` elsewhere.
    case leakyReLU(negativeSlope: Double = 0.01)
    /// `x` where positive, `alpha · (eˣ − 1)` elsewhere.
    case elu(alpha: Double = 1)
    /// The scaled ELU of self-normalising networks (Klambauer et al., arXiv:1706.02515).
    case selu
    /// `x` where positive, `alpha · (e^(x/alpha) − 1)` elsewhere.
    case celu(alpha: Double = 1)
    /// `x Φ(x)` (Hendrycks & Gimpel, arXiv:1606.08415).
    case gelu
    /// GELU in its tanh approximation, `0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
    case geluTanh
    /// `x σ(x)`, also called swish.
    case silu
    /// `x tanh(ln(1 + eˣ))` (Misra, arXiv:1908.08681).
    case mish
    case sigmoid
    /// `ln σ(x)`.
    case logSigmoid
    case tanh
    /// `ln(1 + e^(beta x)) / beta`; the identity where `beta x > threshold`.
    case softplus(beta: Double = 1, threshold: Double = 20)
    /// `x / (1 + |x|)`.
    case softsign
    /// `x · min(max(x + 3, 0), 6) / 6`.
    case hardswish
    /// `min(max(x + 3, 0), 6) / 6`.
    case hardsigmoid
    /// `min(max(x, from), to)`.
    case hardtanh(from: Double = -1, to: Double = 1)
    /// Moves towards zero by `threshold`, and stays there.
    case softshrink(threshold: Double = 0.5)
    /// Zero where `|x| ≤ threshold`.
    case hardshrink(threshold: Double = 0.5)
    /// `x − tanh x`.
    case tanhshrink
    /// `x` where greater than `threshold`, `value` elsewhere.
    case threshold(Double, value: Double)

    public func callAsFunction(_ x: Tensor) -> Tensor {
        switch self {
        case .identity: x
        case .relu: x.relu()
        case .relu6: x.clamped(minimum: 0, maximum: 6)
        case .leakyReLU(let slope): x.leakyReLU(negativeSlope: slope)
        case .elu(let alpha): x.elu(alpha: alpha)
        case .selu: x.selu()
        case .celu(let alpha): x.celu(alpha: alpha)
        case .gelu: x.gelu()
        case .geluTanh: x.gelu(tanhApproximation: true)
        case .silu: x.silu()
        case .mish: x.mish()
        case .sigmoid: x.sigmoid()
        case .logSigmoid: x.logSigmoid()
        case .tanh: x.tanh()
        case .softplus(let beta, let threshold): x.softplus(beta: beta, threshold: threshold)
        case .softsign: x / (x.abs() + 1)
        case .hardswish: x.hardSwish()
        case .hardsigmoid: x.hardSigmoid()
        case .hardtanh(let from, let to): x.clamped(minimum: from, maximum: to)
        case .softshrink(let threshold): x.softShrink(threshold: threshold)
        case .hardshrink(let threshold): x.hardShrink(threshold: threshold)
        case .tanhshrink: x - x.tanh()
        case .threshold(let threshold, let value): x.thresholded(threshold, value: value)
        }
    }
}

/// An ``Activation`` as a layer, for ``Sequential``.
public final class ActivationLayer: Layer {
    public let activation: Activation

    public init(_ activation: Activation) { self.activation = activation }

    public func visit(_ v: inout ParameterVisitor) {}
    public func callAsFunction(_ input: Tensor) -> Tensor { activation(input) }
}

/// ReLU with a learned slope for negative inputs, one for all or one per channel (He et al., arXiv:1502.01852).
public final class PReLU: Layer {
    /// Shape [1] or [channels].
    public let weight: Tensor

    public init(channels: Int = 1, initialSlope: Double = 0.25, device: Device = .cpu) {
        weight = Tensor.full([channels], initialSlope, device: device).requiringGrad()
    }

    public func visit(_ v: inout ParameterVisitor) { v("weight", weight) }

    /// - Parameter input: any shape, or [batch, channels, …].
    public func callAsFunction(_ input: Tensor) -> Tensor {
        require(
            weight.size(0) == 1 || input.rank >= 2 && input.size(1) == weight.size(0),
            "PReLU: the input must be [batch, \(weight.size(0)), …], found shape \(input.shape).")
        return input.prelu(slope: weight)
    }
}
