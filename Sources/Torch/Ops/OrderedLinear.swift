extension Operator {
    static let orderedLinear = Operator("condense::ordered_linear")
}

/// A matrix and a bias laid out for ``Tensor/linear(ordered:)``.
public struct OrderedWeight {
    public let inputSize: Int, outputSize: Int
    /// Shape [panels, inputSize, 32]: outputs in groups of 32, filled up with zeros.
    let panels: Tensor
    /// Shape [outputSize].
    let bias: Tensor

    private static let panelWidth = 32

    /// - Parameters:
    ///   - weight: float32, shape [outputs, inputs].
    ///   - bias: shape [outputs]; 0 if nil.
    public init(weight: Tensor, bias: Tensor? = nil) {
        require(
            weight.rank == 2 && weight.dtype == .float32 && weight.size(0) > 0 && (bias.map { $0.shape == [weight.size(0)] } ?? true),
            "OrderedWeight: the weight must be float32 [outputs, inputs] with a bias [outputs], found \(weight.shape) of \(weight.dtype), "
                + "\(bias?.shape ?? []).")
        (outputSize, inputSize) = (weight.size(0), weight.size(1))
        let count = (outputSize + Self.panelWidth - 1) / Self.panelWidth
        (panels, self.bias) = withoutGradients {
            let filled = weight.detached().padded([0, 0, 0, count * Self.panelWidth - weight.size(0)], mode: .constant(0))
            return (
                filled.reshaped([count, Self.panelWidth, -1]).transposed(1, 2).contiguous(),
                bias?.detached().contiguous() ?? Tensor.zeros([weight.size(0)], device: weight.device)
            )
        }
    }
}

extension Tensor {
    /// The product with a matrix, of which every sum begins with the bias and takes up fma(xₖ, wₖ, ·) with k rising: the same bits
    /// with any number of threads and rows, on any machine and device. It has no gradient.
    ///
    /// Shape [rows, weight.inputSize] or [weight.inputSize], float32; the result has weight.outputSize in the last place.
    public func linear(ordered weight: OrderedWeight) -> Tensor {
        require(
            (rank == 1 || rank == 2) && size(-1) == weight.inputSize && dtype == .float32,
            "linear(ordered:): the input must be float32 [rows, \(weight.inputSize)], found \(shape) of \(dtype).")
        return withoutGradients {
            rank == 2
                ? Operator.orderedLinear(self, weight.panels, weight.bias)
                : Operator.orderedLinear(unsqueezed(0), weight.panels, weight.bias).squeezed(0)
        }
    }
}
