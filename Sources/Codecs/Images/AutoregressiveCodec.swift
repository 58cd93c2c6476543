internal import EntropyCoding
public import Torch
public import TorchNN

/// A codec that predicts each latent from those decoded before it as well as from a second latent (Minnen et al., arXiv:1809.02736;
/// Cheng et al., arXiv:2001.01568). State-dictionary keys are those of CompressAI.
///
/// A place sees two rows above it and two columns to both sides, so places that lie three columns back in each row further down do not
/// see one another: with reproducible arithmetic they are coded at once, a wave that runs over the image. CompressAI codes place after
/// place in reading order, and so do we with native arithmetic, which takes far longer.
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
        let latents = transforms.latents(of: images)
        let described = hyper(latents)
        let values = mode == .training ? Latents.noisy(latents, generator: generator) : rounded(latents, described.parameters)
        let parts = parameters(Tensor.concatenated([described.parameters, context(values)], axis: 1)).chunked(2, axis: 1)
        let coded = gaussian(latents, scales: parts[0], means: parts[1])
        return ImageCodecOutput(
            reconstruction: transforms.images(of: values),
            latents: [EntropyModelOutput(values: values, likelihoods: coded.likelihoods), described.output])
    }

    private func rounded(_ latents: Tensor, _ hyperParameters: Tensor) -> Tensor {
        let products = products(.reproducible)
        let images = (0..<latents.size(0)).map { image in
            withoutGradients {
                let predictor = ContextPredictor(products, hyperParameters.selected(axis: 0, index: image))
                let places = latents.selected(axis: 0, index: image).permuted([1, 2, 0]).contiguous()
                predictor.forEachWave { wave, prediction in
                    (wave.rows(of: places) - prediction.means).rounded() + prediction.means
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
        let latents = transforms.analyze(images, arithmetic)
        let described = try hyper.compress(latents, arithmetic), tables = try gaussian.tables()
        let products = products(arithmetic)
        return try (0..<latents.size(0)).map { image in
            let predictor = ContextPredictor(products, described.parameters.selected(axis: 0, index: image))
            let places = latents.selected(axis: 0, index: image).permuted([1, 2, 0]).contiguous()
            let largest = places.abs().max().item()
            guard largest < 0x1p29 else { throw EntropyCodingError.latentOutOfRange(largest) }
            var symbols: [Int32] = [], rows: [Int32] = []
            withoutGradients {
                predictor.forEachWave { wave, prediction in
                    let rounded = (wave.rows(of: places) - prediction.means).rounded()
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
                try predictor.forEachWave { _, prediction in
                    let symbols = try decoder.decode(rows: gaussian.rows(for: prediction.scales).scalars())
                    let rounded = Tensor(symbols).to(device: prediction.means.device).to(dtype: prediction.means.dtype)
                    return rounded.reshaped(prediction.means.shape) + prediction.means
                }
            }
            try decoder.finish()
            return predictor.latents
        }
        return transforms.synthesize(Tensor.concatenated(latents))
    }
}
