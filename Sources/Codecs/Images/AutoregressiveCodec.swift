internal import EntropyCoding
public import Torch
public import TorchNN

/// A codec that predicts each latent from those decoded before it as well as from a second latent (Minnen et al., arXiv:1809.02736;
/// Cheng et al., arXiv:2001.01568). State-dictionary keys are those of CompressAI.
///
/// Latents are coded place by place in reading order, all channels of a place at once, so compressing and decompressing take far longer
/// than with the other kinds.
public final class AutoregressiveCodec: ImageCodec, DescribedLatents, ModeDependent {
    public let configuration: ImageCodecConfiguration
    public var mode = ModuleMode.training
    private let transforms: CodecTransforms
    let hyper: HyperTransform
    private let context: ContextConvolution
    private let parameters: Sequential
    let gaussian: GaussianConditional
    private let generator: RandomGenerator

    init(_ configuration: ImageCodecConfiguration, generator: RandomGenerator) {
        self.configuration = configuration
        self.generator = generator
        transforms = CodecTransforms(configuration, generator)
        hyper = HyperTransform(transforms, configuration, generator)
        let m = configuration.kind == .jointAutoregressive ? configuration.latentChannels : configuration.channels
        context = ContextConvolution(m, 2 * m, generator)
        parameters = Sequential(
            conv1x1(4 * m, m * 10 / 3, generator), leakyReLU(), conv1x1(m * 10 / 3, m * 8 / 3, generator), leakyReLU(),
            conv1x1(m * 8 / 3, 2 * m, generator))
        gaussian = GaussianConditional(generator: generator)
    }

    public func visit(_ v: inout ParameterVisitor) {
        v("g_a", transforms.analysis)
        v("g_s", transforms.synthesis)
        v("", hyper)
        v("context_prediction", context)
        v("entropy_parameters", parameters)
        v("gaussian_conditional", gaussian)
    }

    /// In evaluation latents are rounded as the coder rounds them, one after the other; the reference estimates the rate of others, which
    /// are rounded without their means.
    public func callAsFunction(_ images: Tensor) -> ImageCodecOutput {
        configuration.check(images)
        let latents = transforms.analysis(images)
        let described = hyper(latents)
        let values = mode == .training ? Latents.noisy(latents, generator: generator) : rounded(latents, described.parameters)
        let parts = parameters(Tensor.concatenated([described.parameters, context(values)], axis: 1)).chunked(2, axis: 1)
        let coded = gaussian(latents, scales: parts[0], means: parts[1])
        return ImageCodecOutput(
            reconstruction: transforms.synthesis(values),
            latents: [EntropyModelOutput(values: values, likelihoods: coded.likelihoods), described.output])
    }

    private func rounded(_ latents: Tensor, _ hyperParameters: Tensor) -> Tensor {
        let products = products(.native)
        let images = (0..<latents.size(0)).map { image in
            withoutGradients {
                let predictor = ContextPredictor(products, hyperParameters.selected(axis: 0, index: image))
                let places = latents.selected(axis: 0, index: image).permuted([1, 2, 0]).contiguous()
                predictor.forEachPlace { row, column, prediction in
                    (places[row, column] - prediction.means).rounded() + prediction.means
                }
                return predictor.latents
            }
        }
        return Tensor.concatenated(images)
    }

    private func products(_ arithmetic: CodingArithmetic) -> ContextPredictor.Products {
        ContextPredictor.Products(context: context, parameters: parameters, arithmetic)
    }

    public func compress(_ images: Tensor, arithmetic: CodingArithmetic) throws -> [CodedLatents] {
        configuration.check(images)
        let latents = transforms.analyze(images)
        let described = try hyper.compress(latents, arithmetic), tables = try gaussian.tables()
        let products = products(arithmetic)
        return try (0..<latents.size(0)).map { image in
            let predictor = ContextPredictor(products, described.parameters.selected(axis: 0, index: image))
            let places = latents.selected(axis: 0, index: image).permuted([1, 2, 0]).contiguous()
            let largest = places.abs().max().item()
            guard largest < 0x1p29 else { throw EntropyCodingError.latentOutOfRange(largest) }
            var symbols: [Int32] = [], rows: [Int32] = []
            withoutGradients {
                predictor.forEachPlace { row, column, prediction in
                    let rounded = (places[row, column] - prediction.means).rounded()
                    symbols += rounded.to(dtype: .int32).scalars()
                    rows += gaussian.rows(for: prediction.scales).scalars()
                    return rounded + prediction.means
                }
            }
            return CodedLatents(
                streams: [try tables.encode(symbols, rows: rows), described.streams[image]], latentHeight: described.size[0],
                latentWidth: described.size[1])
        }
    }

    public func decompress(_ coded: [CodedLatents], arithmetic: CodingArithmetic) throws -> Tensor {
        let (streams, size) = try coded.joined(streamCount: 2)
        let hyperParameters = try hyper.decompress(streams[1], size: size, arithmetic), tables = try gaussian.tables()
        let products = products(arithmetic)
        let latents = try streams[0].enumerated().map { image, stream in
            let predictor = ContextPredictor(products, hyperParameters.selected(axis: 0, index: image))
            var decoder = try SymbolDecoder(stream, tables: tables)
            try withoutGradients {
                try predictor.forEachPlace { _, _, prediction in
                    let symbols = try decoder.decode(rows: gaussian.rows(for: prediction.scales).scalars())
                    return Tensor(symbols).to(device: prediction.means.device).to(dtype: prediction.means.dtype) + prediction.means
                }
            }
            try decoder.finish()
            return predictor.latents
        }
        return transforms.synthesize(Tensor.concatenated(latents))
    }
}

/// Distributions of one image's latents, place by place: at each, the context convolution is computed for that place alone, and what the
/// second latent contributes to the first layer was computed for all places at once.
private final class ContextPredictor {
    struct Prediction {
        /// Shape [M] each.
        let scales: Tensor, means: Tensor
    }

    private let height: Int, width: Int, channels: Int
    /// Latents so far with a border of zeros, [height + 2, width + 4, M]: the context reaches two rows up and two columns to both sides.
    private let padded: Tensor
    private let products: Products
    /// What the second latent gives the first layer, [height, width, outputs].
    private let fromHyper: Tensor

    /// The matrices, made ready once for all images.
    struct Products {
        let channels: Int
        /// The first layer in two parts: of what the second latent says, and of what the context says.
        let context: Product, firstOfHyper: Product, firstOfContext: Product
        let layers: [Product]

        init(context: ContextConvolution, parameters: Sequential, _ arithmetic: CodingArithmetic) {
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
        channels = products.channels
        let border = ContextConvolution.size / 2
        padded = Tensor.zeros([height + border, width + 2 * border, channels], device: hyperParameters.device)
        self.products = products
        let places = hyperParameters.detached().permuted([1, 2, 0]).reshaped([height * width, -1])
        fromHyper = products.firstOfHyper(places).reshaped([height, width, -1])
    }

    /// Calls `body` with each place's distribution in reading order; what it returns are the latents there, [M].
    func forEachPlace(_ body: (_ row: Int, _ column: Int, _ prediction: Prediction) throws -> Tensor) rethrows {
        let size = ContextConvolution.size, border = size / 2
        for row in 0..<height {
            for column in 0..<width {
                let before = Tensor.concatenated(
                    [padded[row..<row + border, column..<column + size].reshaped([-1]), padded[row + border, column..<column + border].reshaped([-1])])
                var hidden = fromHyper[row, column] + products.firstOfContext(products.context(before))
                for layer in products.layers { hidden = layer(hidden.leakyReLU()) }
                let parts = hidden.chunked(2)
                let latents = try body(row, column, Prediction(scales: parts[0], means: parts[1]))
                padded[row + border, column + border].copyInPlace(from: latents)
            }
        }
    }

    /// What ``forEachPlace(_:)`` was given, shape [1, M, height, width].
    var latents: Tensor {
        let border = ContextConvolution.size / 2
        return padded[border..<border + height, border..<border + width].permuted([2, 0, 1]).unsqueezed(0).contiguous()
    }
}
