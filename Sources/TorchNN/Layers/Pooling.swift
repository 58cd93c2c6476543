public import Torch

/// The greatest value of each window.
public final class MaxPool<Axes: SpatialAxes>: Layer {
    public let windows: PoolingWindows
    public let dilation: [Int]

    /// - Parameter stride: the kernel size if nil.
    public init(kernelSize: PerAxis, stride: PerAxis? = nil, padding: PerAxis = 0, dilation: PerAxis = 1, roundsUp: Bool = false) {
        windows = PoolingWindows(Axes.self, "MaxPool", kernelSize, stride, padding, roundsUp: roundsUp)
        self.dilation = dilation.expanded(to: Axes.count, "MaxPool\(Axes.count)d dilation")
    }

    public func visit(_ v: inout ParameterVisitor) {}

    /// - Parameter input: shape [batch, channels, positions…].
    public func callAsFunction(_ input: Tensor) -> Tensor {
        windows.check(input)
        return input.maxPooled(
            kernel: windows.kernelSize, stride: windows.stride, padding: windows.padding, dilation: dilation,
            roundingUp: windows.roundsUp)
    }
}

/// The mean of each window.
public final class AveragePool<Axes: SpatialAxes>: Layer {
    public let windows: PoolingWindows
    /// Whether padded zeros count in the mean.
    public let countsPadding: Bool

    /// - Parameter stride: the kernel size if nil.
    public init(
        kernelSize: PerAxis, stride: PerAxis? = nil, padding: PerAxis = 0, roundsUp: Bool = false, countsPadding: Bool = true
    ) {
        windows = PoolingWindows(Axes.self, "AvgPool", kernelSize, stride, padding, roundsUp: roundsUp)
        self.countsPadding = countsPadding
    }

    public func visit(_ v: inout ParameterVisitor) {}

    /// - Parameter input: shape [batch, channels, positions…].
    public func callAsFunction(_ input: Tensor) -> Tensor {
        windows.check(input)
        return input.averagePooled(
            kernel: windows.kernelSize, stride: windows.stride, padding: windows.padding, roundingUp: windows.roundsUp,
            countingPadding: countsPadding)
    }
}

/// Where the windows of a pooling layer lie.
public struct PoolingWindows: Sendable, Equatable {
    public let kernelSize: [Int], stride: [Int], padding: [Int]
    /// Whether the last window may reach beyond the input.
    public let roundsUp: Bool
    private let name: String

    init(
        _ axes: (some SpatialAxes).Type, _ name: String, _ kernelSize: PerAxis, _ stride: PerAxis?, _ padding: PerAxis, roundsUp: Bool
    ) {
        let name = "\(name)\(axes.count)d"
        self.name = name
        self.kernelSize = kernelSize.expanded(to: axes.count, "\(name) kernel")
        self.stride = (stride ?? kernelSize).expanded(to: axes.count, "\(name) stride")
        self.padding = padding.expanded(to: axes.count, "\(name) padding")
        self.roundsUp = roundsUp
        require(
            zip(self.kernelSize, self.padding).allSatisfy { $0 > 0 && $1 >= 0 && 2 * $1 <= $0 } && self.stride.allSatisfy { $0 > 0 },
            "\(name): padding \(padding) must be at most half of the kernel \(kernelSize), and the stride positive.")
    }

    func check(_ input: Tensor) {
        require(
            input.rank == kernelSize.count + 2,
            "\(name): the input must be [batch, channels, \(kernelSize.count) more], found shape \(input.shape).")
    }
}

/// The mean of windows chosen so that the output has a given size.
public final class AdaptiveAveragePool<Axes: SpatialAxes>: Layer {
    public let outputSize: [Int]

    public init(outputSize: PerAxis) {
        self.outputSize = outputSize.expanded(to: Axes.count, "AdaptiveAvgPool\(Axes.count)d size")
    }

    public func visit(_ v: inout ParameterVisitor) {}

    /// - Parameter input: shape [batch, channels, positions…].
    public func callAsFunction(_ input: Tensor) -> Tensor { input.adaptiveAveragePooled(to: outputSize) }
}

/// The greatest value of windows chosen so that the output has a given size.
public final class AdaptiveMaxPool<Axes: SpatialAxes>: Layer {
    public let outputSize: [Int]

    public init(outputSize: PerAxis) {
        self.outputSize = outputSize.expanded(to: Axes.count, "AdaptiveMaxPool\(Axes.count)d size")
    }

    public func visit(_ v: inout ParameterVisitor) {}

    /// - Parameter input: shape [batch, channels, positions…].
    public func callAsFunction(_ input: Tensor) -> Tensor { input.adaptiveMaxPooled(to: outputSize) }
}

public typealias MaxPool1d = MaxPool<OneAxis>
public typealias MaxPool2d = MaxPool<TwoAxes>
public typealias MaxPool3d = MaxPool<ThreeAxes>
public typealias AvgPool1d = AveragePool<OneAxis>
public typealias AvgPool2d = AveragePool<TwoAxes>
public typealias AvgPool3d = AveragePool<ThreeAxes>
public typealias AdaptiveAvgPool1d = AdaptiveAveragePool<OneAxis>
public typealias AdaptiveAvgPool2d = AdaptiveAveragePool<TwoAxes>
public typealias AdaptiveAvgPool3d = AdaptiveAveragePool<ThreeAxes>
public typealias AdaptiveMaxPool1d = AdaptiveMaxPool<OneAxis>
public typealias AdaptiveMaxPool2d = AdaptiveMaxPool<TwoAxes>
public typealias AdaptiveMaxPool3d = AdaptiveMaxPool<ThreeAxes>
