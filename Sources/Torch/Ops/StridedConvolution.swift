extension Operator {
    static let stride2Convolution = Operator("condense::stride2_convolution")
    static let stride2PackedWeight = Operator("condense::stride2_packed_weight")
    static let stride2PackedConvolution = Operator("condense::stride2_packed_convolution")
}

/// Whether kernels of ours compute what libtorch has operators for, to the last bits.
package enum OwnKernels {
    @TaskLocal static var areUsed = true

    /// Runs `body` with libtorch's operators, for numbers that are to be those of another program to the last bit.
    package static func unused<Result>(_ body: () throws -> Result) rethrows -> Result { try $areUsed.withValue(false, operation: body) }

    /// One of our operators, or what it is composed of.
    package static func choice(_ kernel: Operator, _ composite: Operator) -> Operator { areUsed ? kernel : composite }
}

/// Convolutions of size 5 that halve height and width, and transposed ones that double them, as learned image codecs are made of. A kernel of
/// ours computes them with half of the multiplications (Winograd's minimal filtering, Lavin & Gray, arXiv:1509.09308).
package struct Stride2Convolution {
    /// Doubling.
    package let isTransposed: Bool
    private let outputChannels: Int
    private let weight: Tensor
    private let bias: Tensor?

    /// With fewer inputs there is nothing to be won.
    private static let fewestInputs = 16

    /// Whether the kernel is made for a convolution with these settings.
    static func serves(
        _ input: Tensor, _ weight: Tensor, stride: [Int], padding: [Int], dilation: [Int], transposed: Bool, outputPadding: [Int]?, groups: Int
    ) -> Bool {
        guard
            OwnKernels.areUsed, fits(weight, stride: stride, dilation: dilation, transposed: transposed, groups: groups), input.device == .cpu, input.dtype == .float32
        else { return false }
        return padding == [2, 2] && (transposed ? outputPadding == [1, 1] : input.size(2) % 2 == 0 && input.size(3) % 2 == 0)
    }

    private static func fits(_ weight: Tensor, stride: [Int], dilation: [Int], transposed: Bool, groups: Int) -> Bool {
        weight.rank == 4 && weight.size(2) == 5 && weight.size(3) == 5 && stride == [2, 2] && dilation == [1, 1] && groups == 1
            && weight.size(transposed ? 0 : 1) >= fewestInputs && weight.dtype == .float32 && weight.device == .cpu
    }

    /// The weight laid out for the kernel; nil if it is not made for such a convolution.
    /// - Parameter weight: shape [out, in, 5, 5], or [in, out, 5, 5] if `transposed`.
    package init?(weight: Tensor, bias: Tensor?, stride: [Int], dilation: [Int], transposed: Bool, groups: Int) {
        guard Self.fits(weight, stride: stride, dilation: dilation, transposed: transposed, groups: groups) else { return nil }
        isTransposed = transposed
        outputChannels = weight.size(transposed ? 1 : 0)
        self.weight = withoutGradients { Operator.stride2PackedWeight(weight, transposed) }
        self.bias = bias
    }

    /// Rows of what the convolution makes of a whole image with two rows of zeros above and below it, or one. It has no gradient.
    /// - Parameters:
    ///   - input: shape [batch, in, height, width], the width even unless it is doubled.
    ///   - rows: of the output, where 0 is the first of the whole image's; those of more zeros around it are there, too. Doubled ones begin with an
    ///     even one.
    package func callAsFunction(_ input: Tensor, rows: Range<Int>) -> Tensor {
        withoutGradients { Operator.stride2PackedConvolution(input, weight, bias, outputChannels, isTransposed, rows.lowerBound, rows.count) }
    }
}
