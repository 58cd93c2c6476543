import Torch
import TorchNN

/// Places of an image that are coded at once: from the first, each next one lies a row below and ``step`` columns to the left.
struct Wave {
    let row: Int, column: Int, count: Int
    /// Three columns: what a place sees of the row above ends two columns to its right.
    static let step = ContextConvolution.size / 2 + 1

    /// In reading order, one place each.
    static func single(height: Int, width: Int) -> [Wave] {
        (0..<height).flatMap { row in (0..<width).map { Wave(row: row, column: $0, count: 1) } }
    }

    /// As many places at once as do not see one another.
    static func diagonal(height: Int, width: Int) -> [Wave] {
        (0..<max(0, width + step * (height - 1))).compactMap { time in
            let row = max(0, (time - width + step) / step), column = time - step * row
            let count = min(height - row, column / step + 1)
            return column >= 0 ? Wave(row: row, column: column, count: count) : nil
        }
    }

    /// What an image has at each place, shape [count, channels]; a view.
    ///
    /// - Parameter image: contiguous, shape [height, width, channels].
    func rows(of image: Tensor) -> Tensor { neighbourhood(of: image, rows: 0..<1, columns: 0..<1).squeezed(1) }

    /// What lies below and to the right of each place, shape [count, rows.count, columns.count · channels]; a view.
    func neighbourhood(of image: Tensor, rows: Range<Int>, columns: Range<Int>) -> Tensor {
        let channels = image.size(2), line = image.size(1) * channels
        // Waves in images narrower than a step have one place, and no stride.
        return image.strided(
            shape: [count, rows.count, columns.count * channels], strides: [max(0, line - Self.step * channels), line, 1],
            offset: (row + rows.lowerBound) * line + (column + columns.lowerBound) * channels)
    }
}

/// Distributions of one image's latents, wave by wave: at each, the context convolution is computed for those places alone, and what the
/// second latent contributes to the first layer was computed for all places at once.
final class ContextPredictor {
    struct Prediction {
        /// Shape [places, M] each.
        let scales: Tensor, means: Tensor
    }

    private let height: Int, width: Int
    /// Latents so far with a border of zeros, [height + 2, width + 4, M]: the context reaches two rows up and two columns to both sides.
    private let padded: Tensor
    private let products: Products
    /// What the second latent gives the first layer, [height, width, outputs].
    private let fromHyper: Tensor
    private static let border = ContextConvolution.size / 2

    /// The matrices, made ready once for all images.
    struct Products {
        let channels: Int
        let arithmetic: CodingArithmetic
        /// The first layer in two parts: of what the second latent says, and of what the context says.
        let context: Product, firstOfHyper: Product, firstOfContext: Product
        let layers: [Product]

        init(context: ContextConvolution, parameters: Sequential, _ arithmetic: CodingArithmetic) {
            self.arithmetic = arithmetic
            channels = context.weight.size(1)
            self.context = Product(context.tapWeight, context.bias.detached(), arithmetic)
            let matrices = parameters.layers.compactMap { $0 as? Conv2d }.map { layer in
                (weight: layer.weight.detached().squeezed(3).squeezed(2), bias: layer.bias?.detached())
            }
            let split = matrices[0].weight.split(sizes: [2 * channels, 2 * channels], axis: 1)
            firstOfHyper = Product(split[0].contiguous(), matrices[0].bias, arithmetic)
            firstOfContext = Product(split[1].contiguous(), nil, arithmetic)
            layers = matrices.dropFirst().map { Product($0.weight, $0.bias, arithmetic) }
        }
    }

    /// A matrix and a bias.
    enum Product {
        case ordered(OrderedWeight)
        case native(weight: Tensor, bias: Tensor?)

        init(_ weight: Tensor, _ bias: Tensor?, _ arithmetic: CodingArithmetic) {
            switch arithmetic {
            case .reproducible: self = .ordered(OrderedWeight(weight: weight, bias: bias))
            case .native: self = .native(weight: weight, bias: bias)
            }
        }

        func callAsFunction(_ input: Tensor) -> Tensor {
            switch self {
            case .ordered(let weight): input.linear(ordered: weight)
            case .native(let weight, let bias): input.linear(weight: weight, bias: bias)
            }
        }
    }

    /// - Parameter hyperParameters: shape [2M, height, width].
    init(_ products: Products, _ hyperParameters: Tensor) {
        (height, width) = (hyperParameters.size(1), hyperParameters.size(2))
        let border = Self.border
        padded = Tensor.zeros([height + border, width + 2 * border, products.channels], device: hyperParameters.device)
        self.products = products
        let places = hyperParameters.detached().permuted([1, 2, 0]).reshaped([height * width, -1])
        fromHyper = products.firstOfHyper(places).reshaped([height, width, -1])
    }

    /// Calls `body` with each wave's distributions; what it returns are the latents there, [places, M].
    func forEachWave(_ body: (_ wave: Wave, _ prediction: Prediction) throws -> Tensor) rethrows {
        let size = ContextConvolution.size, border = Self.border
        let waves =
            switch products.arithmetic {
            case .reproducible: Wave.diagonal(height: height, width: width)
            case .native: Wave.single(height: height, width: width)
            }
        for wave in waves {
            let above = wave.neighbourhood(of: padded, rows: 0..<border, columns: 0..<size)
            let before = wave.neighbourhood(of: padded, rows: border..<border + 1, columns: 0..<border)
            let context = Tensor.concatenated([above.reshaped([wave.count, -1]), before.reshaped([wave.count, -1])], axis: 1)
            var hidden = wave.rows(of: fromHyper) + products.firstOfContext(products.context(context))
            for layer in products.layers { hidden = layer(hidden.leakyReLU()) }
            let parts = hidden.chunked(2, axis: 1)
            let latents = try body(wave, Prediction(scales: parts[0], means: parts[1]))
            wave.neighbourhood(of: padded, rows: border..<border + 1, columns: border..<border + 1).squeezed(1).copyInPlace(from: latents)
        }
    }

    /// What ``forEachWave(_:)`` was given, shape [1, M, height, width].
    var latents: Tensor {
        let border = Self.border
        return padded[border..<border + height, border..<border + width].permuted([2, 0, 1]).unsqueezed(0).contiguous()
    }
}
