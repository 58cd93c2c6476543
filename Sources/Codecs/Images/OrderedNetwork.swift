package import Torch
package import TorchNN

/// How what both sides of a codec must compute alike, the distributions of latents, is computed.
public enum CodingArithmetic: Sendable {
    /// Sums are made in one order: the same bits on every machine and device, with any number of threads.
    case reproducible
    /// libtorch's, whose last bits depend on all of these: for streams that CompressAI reads or has written, which then must run on the
    /// same kind of machine.
    case native
}

extension Sequential {
    /// The network's output without gradients, as libtorch's operators alone compute it.
    func native(_ input: Tensor) -> Tensor { OwnKernels.unused { withoutGradients { self(input.contiguous()) } } }
}

/// A network of convolutions with ``Torch/Tensor/linear(ordered:)`` in their place. Unlike libtorch's it gives the same bits everywhere.
///
/// It has the layers that describe latents: convolutions with stride 1, transposed ones with stride 2, subpixel doubling, and
/// activations that need no transcendental function, whose bits also differ from machine to machine.
package struct OrderedNetwork {
    /// Of one image, channels last: [height, width, channels].
    private let steps: [(Tensor) -> Tensor]

    package init(_ network: Sequential) { steps = Self.steps(of: network) }

    private static func steps(of layer: any Layer) -> [(Tensor) -> Tensor] {
        switch layer {
        case let sequence as Sequential: return sequence.layers.flatMap(steps)
        case let convolution as Conv2d: return [OrderedConvolution(convolution).callAsFunction]
        case let convolution as ConvTranspose2d: return [OrderedDoubling(convolution).callAsFunction]
        case let shuffle as PixelShuffle: return [{ shuffle($0.permuted([2, 0, 1]).contiguous()).permuted([1, 2, 0]).contiguous() }]
        case let layer as ActivationLayer where layer.activation == .relu || layer.activation == .leakyReLU(): return [layer.callAsFunction]
        default: preconditionFailure("\(layer) has no form with ordered sums")
        }
    }

    /// - Parameter input: shape [batch, channels, height, width].
    package func callAsFunction(_ input: Tensor) -> Tensor {
        withoutGradients {
            let outputs = (0..<input.size(0)).map { image in
                steps.reduce(input.selected(axis: 0, index: image).permuted([1, 2, 0]).contiguous()) { $1($0) }.permuted([2, 0, 1])
            }
            return Tensor.stacked(outputs)
        }
    }
}

/// A convolution with stride 1 that keeps height and width.
private struct OrderedConvolution {
    private let weight: OrderedWeight
    private let size: Int

    init(_ convolution: Conv2d) {
        size = convolution.kernelSize[0]
        require(
            convolution.kernelSize == [size, size] && convolution.stride == [1, 1] && convolution.dilation == [1, 1] && convolution.groups == 1
                && convolution.padding == .symmetric(PerAxis(size / 2)) && convolution.paddingMode == .constant(0),
            "OrderedNetwork: a convolution must have stride 1 and keep the size.")
        let rows = convolution.weight.detached().permuted([0, 2, 3, 1])
        weight = OrderedWeight(weight: rows.reshaped([rows.size(0), -1]), bias: convolution.bias)
    }

    func callAsFunction(_ input: Tensor) -> Tensor {
        Neighbourhoods(input, border: size / 2).product(rows: 0..<size, columns: 0..<size, with: weight)
    }
}

/// A transposed convolution with stride 2 that doubles height and width: for each of the four places of a pair of rows and columns a
/// convolution with those of its weights that fall on it.
private struct OrderedDoubling {
    /// With the rows and columns of the neighbourhood that they see.
    private let phases: [(rows: Range<Int>, columns: Range<Int>, weight: OrderedWeight)]
    private let border: Int

    init(_ convolution: ConvTranspose2d) {
        let size = convolution.weight.size(2)
        require(
            convolution.weight.size(3) == size && size % 2 == 1 && convolution.stride == [2, 2] && convolution.dilation == [1, 1]
                && convolution.groups == 1 && convolution.padding == [size / 2, size / 2] && convolution.outputPadding == [1, 1],
            "OrderedNetwork: a transposed convolution must double the size.")
        // Output 2q + p takes of input q + d the weight k = p + size/2 − 2d.
        let reach = size / 2, border = (reach + 1) / 2
        self.border = border
        func taps(_ phase: Int) -> (offsets: Range<Int>, weights: [Int]) {
            let offsets = (-border...border).filter { (0..<size).contains(phase + reach - 2 * $0) }
            return (offsets[0] + border..<offsets[offsets.count - 1] + border + 1, offsets.map { phase + reach - 2 * $0 })
        }
        let kernel = convolution.weight.detached().permuted([1, 2, 3, 0])
        phases = [0, 1].flatMap { below in
            [0, 1].map { beside in
                let (rows, columns) = (taps(below), taps(beside))
                let weight = kernel.gathered(indices: Tensor(rows.weights), axis: 1).gathered(indices: Tensor(columns.weights), axis: 2)
                return (
                    rows.offsets, columns.offsets,
                    OrderedWeight(weight: weight.contiguous().reshaped([weight.size(0), -1]), bias: convolution.bias)
                )
            }
        }
    }

    func callAsFunction(_ input: Tensor) -> Tensor {
        let neighbourhoods = Neighbourhoods(input, border: border), (height, width) = (input.size(0), input.size(1))
        let places = phases.map { neighbourhoods.product(rows: $0.rows, columns: $0.columns, with: $0.weight) }
        return Tensor.stacked(places).reshaped([2, 2, height, width, -1]).permuted([2, 0, 3, 1, 4]).contiguous()
            .reshaped([2 * height, 2 * width, -1])
    }
}

/// What is around each place of an image, with zeros around the image.
private struct Neighbourhoods {
    private let padded: Tensor
    private let height: Int, width: Int, channels: Int
    /// Bounds the copies of neighbourhoods that exist at a time.
    private static let mostElements = 1 << 22

    /// - Parameter input: shape [height, width, channels].
    init(_ input: Tensor, border: Int) {
        (height, width, channels) = (input.size(0), input.size(1), input.size(2))
        padded = input.padded([0, 0, border, border, border, border], mode: .constant(0)).contiguous()
    }

    /// - Parameters:
    ///   - rows: of the neighbourhood, from `border` above the place on.
    ///   - columns: likewise.
    ///   - weight: of inputs in the order of rows, columns, channels.
    /// - Returns: shape [height, width, weight.outputSize].
    func product(rows: Range<Int>, columns: Range<Int>, with weight: OrderedWeight) -> Tensor {
        let line = padded.size(1) * channels, run = columns.count * channels
        let band = max(1, Self.mostElements / max(1, width * rows.count * run))
        let bands = stride(from: 0, to: height, by: band).map { start in
            let count = min(band, height - start)
            let seen = padded.strided(
                shape: [count, width, rows.count, run], strides: [line, channels, line, 1],
                offset: (start + rows.lowerBound) * line + columns.lowerBound * channels)
            return seen.contiguous().reshaped([count * width, rows.count * run]).linear(ordered: weight)
        }
        return Tensor.concatenated(bands).reshaped([height, width, weight.outputSize])
    }
}
