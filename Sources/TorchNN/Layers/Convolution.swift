public import Torch

/// What lies around the input of a convolution.
public enum Padding: Codable, Sendable, Equatable {
    /// So many positions on both sides of each spatial dimension.
    case symmetric(PerAxis)
    /// As many as keep the size of the input; the stride must be 1. An odd one goes to the far side.
    case same
    public static let none = Padding.symmetric(0)
}

/// A convolution (cross-correlation) over one, two or three spatial dimensions.
public final class Convolution<Axes: SpatialAxes>: Layer {
    public let inputChannels: Int
    public let stride: [Int], dilation: [Int]
    public let padding: Padding, paddingMode: Tensor.PaddingMode
    public let groups: Int
    /// Shape [outputChannels, inputChannels / groups, kernel…].
    public let weight: Tensor
    /// Shape [outputChannels].
    public let bias: Tensor?

    public var outputChannels: Int { weight.size(0) }
    public var kernelSize: [Int] { Array(weight.shape.dropFirst(2)) }

    /// Weight and bias uniform on ±1/√fanIn, PyTorch's default, or the weight as `initializer` says.
    public init(
        inputChannels: Int, outputChannels: Int, kernelSize: PerAxis, stride: PerAxis = 1, padding: Padding = .none,
        paddingMode: Tensor.PaddingMode = .constant(0), dilation: PerAxis = 1, groups: Int = 1, bias: Bool = true,
        initializer: Initializer = .linearDefault, generator: RandomGenerator
    ) {
        let name = "Conv\(Axes.count)d"
        require(
            groups > 0 && inputChannels % groups == 0 && outputChannels % groups == 0,
            "\(name): \(inputChannels) → \(outputChannels) channels do not divide into \(groups) groups.")
        let kernel = kernelSize.expanded(to: Axes.count, "\(name) kernel")
        self.inputChannels = inputChannels
        self.stride = stride.expanded(to: Axes.count, "\(name) stride")
        self.dilation = dilation.expanded(to: Axes.count, "\(name) dilation")
        require(
            (kernel + self.stride + self.dilation).allSatisfy { $0 > 0 },
            "\(name): kernel \(kernelSize), stride \(stride) and dilation \(dilation) must be positive.")
        require(padding != .same || self.stride.allSatisfy { $0 == 1 }, "\(name): padding .same needs stride 1, found \(stride).")
        self.padding = padding
        self.paddingMode = paddingMode
        self.groups = groups
        let shape = [outputChannels, inputChannels / groups] + kernel
        weight = initializer.parameter(shape, generator: generator)
        self.bias = bias
            ? Initializer.biasDefault(fanIn: Initializer.fans(of: shape).fanIn).parameter([outputChannels], generator: generator) : nil
    }

    public func visit(_ v: inout ParameterVisitor) {
        v("weight", weight)
        v("bias", bias)
    }

    /// - Parameter input: shape [batch, inputChannels, positions…].
    /// - Returns: shape [batch, outputChannels, positions…], each `⌊(n + padding − dilation·(kernel − 1) − 1) / stride⌋ + 1`.
    public func callAsFunction(_ input: Tensor) -> Tensor {
        require(
            input.rank == Axes.count + 2 && input.size(1) == inputChannels,
            "Conv\(Axes.count)d: the input must be [batch, \(inputChannels), \(Axes.count) more], found shape \(input.shape).")
        let (before, after) = paddedPositions
        var padded = input, remaining = before
        if paddingMode != .constant(0) || before != after {
            padded = input.padded(zip(before, after).reversed().flatMap { [$0, $1] }, mode: paddingMode)
            remaining = before.map { _ in 0 }
        }
        return padded.convolved(
            weight: weight, bias: bias, stride: stride, padding: remaining, dilation: dilation, groups: groups)
    }

    private var paddedPositions: (before: [Int], after: [Int]) {
        switch padding {
        case .symmetric(let width):
            let widths = width.expanded(to: Axes.count, "Conv\(Axes.count)d padding")
            return (widths, widths)
        case .same:
            let totals = zip(kernelSize, dilation).map { ($0 - 1) * $1 }
            return (totals.map { $0 / 2 }, totals.map { $0 - $0 / 2 })
        }
    }
}

/// The transpose of a ``Convolution`` (its gradient with respect to the input), which enlarges by its stride.
public final class TransposedConvolution<Axes: SpatialAxes>: Layer {
    public let outputChannels: Int
    public let stride: [Int], padding: [Int], outputPadding: [Int], dilation: [Int]
    public let groups: Int
    /// Shape [inputChannels, outputChannels / groups, kernel…].
    public let weight: Tensor
    /// Shape [outputChannels].
    public let bias: Tensor?

    public var inputChannels: Int { weight.size(0) }

    /// - Parameters:
    ///   - padding: positions cut off from both sides of the output.
    ///   - outputPadding: positions added at the far side, to choose among the sizes a strided convolution maps to one.
    public init(
        inputChannels: Int, outputChannels: Int, kernelSize: PerAxis, stride: PerAxis = 1, padding: PerAxis = 0,
        outputPadding: PerAxis = 0, dilation: PerAxis = 1, groups: Int = 1, bias: Bool = true,
        initializer: Initializer = .linearDefault, generator: RandomGenerator
    ) {
        let name = "ConvTranspose\(Axes.count)d"
        require(
            groups > 0 && inputChannels % groups == 0 && outputChannels % groups == 0,
            "\(name): \(inputChannels) → \(outputChannels) channels do not divide into \(groups) groups.")
        self.outputChannels = outputChannels
        self.stride = stride.expanded(to: Axes.count, "\(name) stride")
        self.padding = padding.expanded(to: Axes.count, "\(name) padding")
        self.outputPadding = outputPadding.expanded(to: Axes.count, "\(name) output padding")
        self.dilation = dilation.expanded(to: Axes.count, "\(name) dilation")
        self.groups = groups
        let shape = [inputChannels, outputChannels / groups] + kernelSize.expanded(to: Axes.count, "\(name) kernel")
        weight = initializer.parameter(shape, generator: generator)
        self.bias = bias
            ? Initializer.biasDefault(fanIn: Initializer.fans(of: shape).fanIn).parameter([outputChannels], generator: generator) : nil
    }

    public func visit(_ v: inout ParameterVisitor) {
        v("weight", weight)
        v("bias", bias)
    }

    /// - Parameter input: shape [batch, inputChannels, positions…].
    /// - Returns: shape [batch, outputChannels, positions…], each
    ///   `(n − 1)·stride − 2·padding + dilation·(kernel − 1) + outputPadding + 1`.
    public func callAsFunction(_ input: Tensor) -> Tensor {
        require(
            input.rank == Axes.count + 2 && input.size(1) == inputChannels,
            "ConvTranspose\(Axes.count)d: the input must be [batch, \(inputChannels), \(Axes.count) more], found shape \(input.shape).")
        return input.convolved(
            weight: weight, bias: bias, stride: stride, padding: padding, dilation: dilation, transposed: true,
            outputPadding: outputPadding, groups: groups)
    }
}

public typealias Conv1d = Convolution<OneAxis>
public typealias Conv2d = Convolution<TwoAxes>
public typealias Conv3d = Convolution<ThreeAxes>
public typealias ConvTranspose1d = TransposedConvolution<OneAxis>
public typealias ConvTranspose2d = TransposedConvolution<TwoAxes>
public typealias ConvTranspose3d = TransposedConvolution<ThreeAxes>
