public import Torch

/// max(x, bound), through which elements that fell below the bound can come back: see ``Torch/Tensor/lowerBounded(by:)``.
public final class LowerBound: Layer {
    /// One number, shape [1].
    public let bound: Tensor

    public init(_ bound: Double, device: Device = .cpu) { self.bound = Tensor.full([1], bound, device: device) }

    public func visit(_ v: inout ParameterVisitor) { v.buffer("bound", bound) }
    public func callAsFunction(_ input: Tensor) -> Tensor { input.lowerBounded(by: bound) }
}

/// Turns a parameter without bounds into one that stays above a minimum: max(stored, √(minimum + p))² − p with p = 2⁻³⁶, which
/// keeps gradients alive near 0 (Ballé, arXiv:1802.00847).
public final class NonNegativeParametrization: Layer {
    /// p, shape [1].
    public let pedestal: Tensor
    public let lowerBound: LowerBound

    private static let offset = 0x1p-18

    public init(minimum: Double = 0, device: Device = .cpu) {
        require(minimum >= 0, "NonNegativeParametrization: the minimum must not be negative, found \(minimum).")
        pedestal = Tensor.full([1], Self.offset * Self.offset, device: device)
        lowerBound = LowerBound((minimum + Self.offset * Self.offset).squareRoot(), device: device)
    }

    public func visit(_ v: inout ParameterVisitor) {
        v.buffer("pedestal", pedestal)
        v("lower_bound", lowerBound)
    }

    /// The value of a stored parameter.
    public func callAsFunction(_ stored: Tensor) -> Tensor { lowerBound(stored).squared() - pedestal }

    /// What to store for a value: √max(value + p, p).
    public func stored(for value: Tensor) -> Tensor { withoutGradients { (value + pedestal).maximum(pedestal).sqrt() } }
}

/// Generalised divisive normalisation over channels (Ballé et al., arXiv:1511.06281; the simplified form of Johnston et al.,
/// arXiv:1912.08771), the activation of learned image codecs: each channel is divided by, or multiplied with, a norm of all
/// channels at its position.
public final class GDN: Layer {
    public enum Norm: String, Codable, Sendable {
        /// √(βᵢ + Σⱼ γᵢⱼ·xⱼ²).
        case quadratic
        /// βᵢ + Σⱼ γᵢⱼ·|xⱼ|, also known as GDN1.
        case absolute
    }

    public enum Direction: String, Codable, Sendable {
        case dividing
        /// The decoder's IGDN. An approximation, no exact inverse.
        case multiplying
    }

    public let norm: Norm
    public let direction: Direction
    /// √(β + p), shape [channels], and √(γ + p), shape [channels, channels] with the row of the channel that is normalised.
    public let beta: Tensor, gamma: Tensor
    private let betaReparametrization: NonNegativeParametrization, gammaReparametrization: NonNegativeParametrization

    /// β = 1 and γ a multiple of the identity.
    public init(
        _ channels: Int, norm: Norm = .quadratic, direction: Direction = .dividing, minimumBeta: Double = 1e-6,
        initialGamma: Double = 0.1, device: Device = .cpu
    ) {
        require(channels > 0, "GDN: the number of channels must be positive, found \(channels).")
        self.norm = norm
        self.direction = direction
        betaReparametrization = NonNegativeParametrization(minimum: minimumBeta, device: device)
        gammaReparametrization = NonNegativeParametrization(device: device)
        beta = betaReparametrization.stored(for: Tensor.ones([channels], device: device)).requiringGrad()
        gamma = gammaReparametrization.stored(for: Tensor.identity(channels, device: device) * initialGamma).requiringGrad()
    }

    public func visit(_ v: inout ParameterVisitor) {
        v("beta", beta)
        v("gamma", gamma)
        v("beta_reparam", betaReparametrization)
        v("gamma_reparam", gammaReparametrization)
    }

    /// - Parameter input: shape [batch, channels, positions…].
    public func callAsFunction(_ input: Tensor) -> Tensor {
        let channels = beta.size(0), axes = input.rank - 2
        require(
            (1...3).contains(axes) && input.size(1) == channels,
            "GDN: the input must be [batch, \(channels), 1 to 3 more], found shape \(input.shape).")
        let weight = gammaReparametrization(gamma), bias = betaReparametrization(beta)
        if norm == .quadratic {
            // The kernel takes images; other positions are those of one row.
            let images = axes == 2 ? input : input.reshaped([input.size(0), channels, 1, -1])
            let normalization = OwnKernels.choice(.divisiveNormalization, .composedNormalization)
            return normalization(images, weight, bias, direction == .multiplying).reshaped(input.shape)
        }
        let ones = Array(repeating: 1, count: axes)
        let norms = input.abs().convolved(
            weight: weight.reshaped([channels, channels] + ones), bias: bias, stride: ones, padding: ones.map { _ in 0 }, dilation: ones)
        return direction == .dividing ? input / norms : input * norms
    }
}
