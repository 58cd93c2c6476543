public import Torch

/// Normalises each channel over the batch and all positions (Ioffe & Szegedy, arXiv:1502.03167).
///
/// In training the statistics are those of the batch, and running averages of them are kept; in
/// evaluation the running averages are used. Without running averages the batch's are always used.
public final class BatchNorm<Axes: SpatialAxes>: Layer, ModeDependent {
    /// How the running statistics follow those of the batches.
    public enum RunningStatistics: Codable, Sendable, Equatable {
        /// `(1 − momentum) · old + momentum · new`.
        case exponential(momentum: Double)
        /// The mean over all batches seen.
        case cumulative
        /// None are kept.
        case none
    }

    public let channels: Int
    public let epsilon: Double
    public let runningStatistics: RunningStatistics
    public var mode = ModuleMode.training
    /// Both of shape [channels].
    public let weight: Tensor?, bias: Tensor?
    /// Both of shape [channels]. The variance is the unbiased one.
    public let runningMean: Tensor?, runningVariance: Tensor?
    /// Number of training batches seen, int64.
    public let batchCount: Tensor?

    public init(
        _ channels: Int, epsilon: Double = 1e-5, runningStatistics: RunningStatistics = .exponential(momentum: 0.1),
        affine: Affine = .scaleAndShift, device: Device = .cpu
    ) {
        require(channels > 0, "BatchNorm: the number of channels must be positive, found \(channels).")
        self.channels = channels
        self.epsilon = epsilon
        self.runningStatistics = runningStatistics
        weight = affine.scale([channels], device: device)
        bias = affine.shift([channels], device: device)
        let keeps = runningStatistics != .none
        runningMean = keeps ? Tensor.zeros([channels], device: device) : nil
        runningVariance = keeps ? Tensor.ones([channels], device: device) : nil
        batchCount = keeps ? Tensor.zeros([], dtype: .int64, device: device) : nil
    }

    public func visit(_ v: inout ParameterVisitor) {
        v("weight", weight)
        v("bias", bias)
        v.buffer("running_mean", runningMean)
        v.buffer("running_var", runningVariance)
        v.buffer("num_batches_tracked", batchCount)
    }

    /// - Parameter input: shape [batch, channels, positions…]; in one dimension also [batch, channels].
    public func callAsFunction(_ input: Tensor) -> Tensor {
        let ranks = Axes.count == 1 ? 2...3 : Axes.count + 2...Axes.count + 2
        require(
            ranks.contains(input.rank) && input.size(1) == channels,
            "BatchNorm\(Axes.count)d: the input must be [batch, \(channels), \(Axes.count) more], found shape \(input.shape).")
        let usesBatch = mode == .training || runningMean == nil
        require(
            !usesBatch || input.elementCount > channels,
            "BatchNorm\(Axes.count)d: training needs more than one value per channel, found shape \(input.shape).")
        if mode == .training, let batchCount { withoutGradients { _ = batchCount.addInPlace(1) } }
        return input.batchNorm(
            weight: weight, bias: bias, runningMean: runningMean, runningVariance: runningVariance, training: usesBatch,
            momentum: momentum, epsilon: epsilon)
    }

    private var momentum: Double {
        switch runningStatistics {
        case .exponential(let momentum): momentum
        case .cumulative: mode == .training ? 1 / (batchCount?.item() ?? 1) : 0
        case .none: 0
        }
    }
}

public typealias BatchNorm1d = BatchNorm<OneAxis>
public typealias BatchNorm2d = BatchNorm<TwoAxes>
public typealias BatchNorm3d = BatchNorm<ThreeAxes>
