internal import Foundation
public import Torch
public import TorchNN

/// A probability distribution of its own for each channel of a latent, learned with the network (Ballé et al.,
/// arXiv:1802.01436, appendix 6.1), and the coder for it.
///
/// A channel's cumulative distribution is σ(u(x)) with a small network u that only rises. A latent is rounded to an integer
/// distance from its channel's median, the middle one of `quantiles`; while training, uniform noise stands for the rounding.
/// State-dictionary keys are those of CompressAI 1.2.8; older spellings and tables of any size are read.
///
/// The quantiles have a loss of their own, ``auxiliaryLoss()``, and belong into an optimiser of their own. Before anything is
/// compressed, ``update(searchingQuantiles:)`` makes the tables.
public final class EntropyBottleneck: ModeDependent, StateAdapting {
    public let channels: Int
    public let configuration: EntropyBottleneckConfiguration
    public var mode = ModuleMode.training
    /// Of layer i: [channels, filters[i + 1], filters[i]], [channels, filters[i + 1], 1] and the same; the last layer has no factor.
    public let matrices: [Tensor], biases: [Tensor], factors: [Tensor]
    /// Places where a channel's distribution has tailMass / 2, a half, and 1 − tailMass / 2 below: [channels, 1, 3].
    public let quantiles: Tensor
    /// The logits of these masses, [3].
    public let target: Tensor
    let tableBuffers = TableBuffers()
    private let likelihoodBound: LowerBound
    private let generator: RandomGenerator

    /// - Parameter generator: initial biases and the noise of training come from it; its state belongs into checkpoints.
    public init(_ channels: Int, configuration: EntropyBottleneckConfiguration = .init(), generator: RandomGenerator) {
        require(channels > 0, "EntropyBottleneck: the number of channels must be positive, found \(channels).")
        configuration.check()
        self.channels = channels
        self.configuration = configuration
        self.generator = generator
        let widths = [1] + configuration.filters + [1], device = generator.device
        let scale = pow(configuration.initialScale, 1 / Double(widths.count - 1))
        var matrices: [Tensor] = [], biases: [Tensor] = [], factors: [Tensor] = []
        for (input, output) in zip(widths, widths.dropFirst()) {
            let initial = log(expm1(1 / scale / Double(output)))
            matrices.append(Tensor.full([channels, output, input], initial, device: device).requiringGrad())
            biases.append(Initializer.uniform(from: -0.5, to: 0.5).parameter([channels, output, 1], generator: generator))
            factors.append(Tensor.zeros([channels, output, 1], device: device).requiringGrad())
        }
        self.matrices = matrices
        self.biases = biases
        self.factors = factors.dropLast()
        let reach = Float(configuration.initialScale), logit = Float(log(2 / configuration.tailMass - 1))
        quantiles = Tensor([-reach, 0, reach]).to(device: device).tiled([channels, 1, 1]).requiringGrad()
        target = Tensor([-logit, 0, logit]).to(device: device)
        likelihoodBound = LowerBound(configuration.likelihoodBound, device: device)
    }

    public func visit(_ v: inout ParameterVisitor) {
        v("quantiles", quantiles)
        v("", tableBuffers)
        v.buffer("target", target)
        v("likelihood_lower_bound", likelihoodBound)
        v("matrices", matrices)
        v("biases", biases)
        v("factors", factors)
    }

    /// Before release 1.2.7 CompressAI wrote `_matrix0`, in between `_matrices.0`.
    public func adapt(_ state: inout [String: Tensor], prefix: String) {
        for (name, older) in [("matrices", "matrix"), ("biases", "bias"), ("factors", "factor")] {
            for layer in matrices.indices {
                let current = "\(prefix)\(name).\(layer)"
                for spelling in ["\(prefix)_\(older)\(layer)", "\(prefix)_\(name).\(layer)"] where state[current] == nil {
                    if let value = state.removeValue(forKey: spelling) { state[current] = value }
                }
            }
        }
    }

    // MARK: Likelihoods

    /// - Parameter input: latents [batch, channels, positions…].
    /// - Returns: gradients flow through the values while training, and through the likelihoods always.
    public func callAsFunction(_ input: Tensor) -> EntropyModelOutput {
        require(
            input.rank >= 2 && input.size(1) == channels, "EntropyBottleneck: the input must be [batch, \(channels), …], found shape \(input.shape).")
        // Channels first, so that each has its values in a row.
        let turned = input.transposed(0, 1), shape = turned.shape
        let latents = turned.contiguous().reshaped([channels, 1, -1])
        let values = mode == .training
            ? Latents.noisy(latents, generator: generator) : Latents.rounded(latents, means: quantiles[.all, .all, 1..<2])
        let (lower, upper) = logits(around: values, layers(trained: true))
        // σ(b) − σ(a) = σ(−a) − σ(−b), and the sigmoid is precise where it is small.
        let signs = withoutGradients { Tensor.select(where: lower + upper .> 0, Tensor.full(like: lower, -1), else: Tensor.ones(like: lower)) }
        let likelihoods = likelihoodBound(signs * ((signs * upper).sigmoid() - (signs * lower).sigmoid()))
        func turnedBack(_ tensor: Tensor) -> Tensor { tensor.reshaped(shape).transposed(0, 1).contiguous() }
        return EntropyModelOutput(values: turnedBack(values), likelihoods: turnedBack(likelihoods))
    }

    /// Σ |u(quantiles) − target|: makes the quantiles those of the distribution. Only they have a gradient of it.
    public func auxiliaryLoss() -> Tensor { (logits(quantiles, layers(trained: false)) - target).abs().sum() }

    private struct Layer {
        /// Positive, so that the network rises.
        let matrix: Tensor
        let bias: Tensor
        /// Above −1, for the same reason.
        let factor: Tensor?
    }

    private func layers(trained: Bool) -> [Layer] {
        func used(_ parameter: Tensor) -> Tensor { trained ? parameter : parameter.detached() }
        return matrices.indices.map { index in
            Layer(
                matrix: used(matrices[index]).softplus(), bias: used(biases[index]),
                factor: index < factors.count ? used(factors[index]).tanh() : nil)
        }
    }

    /// u for values [channels, 1, count].
    private func logits(_ values: Tensor, _ layers: [Layer]) -> Tensor {
        layers.reduce(values) { values, layer in
            let sum = layer.matrix.matmul(values) + layer.bias
            return layer.factor.map { sum + $0 * sum.tanh() } ?? sum
        }
    }

    private func logits(around values: Tensor, _ layers: [Layer]) -> (lower: Tensor, upper: Tensor) {
        (logits(values - 0.5, layers), logits(values + 0.5, layers))
    }

    // MARK: Tables

    /// Makes the tables from the parameters: for each channel the integers between its outer quantiles, and the escape.
    /// - Parameter searchingQuantiles: find the quantiles by bisection first, instead of trusting what training made of them.
    /// - Throws: ``EntropyCodingError/invalidProbabilities(_:)`` where parameters are NaN or infinite, or a channel spreads
    ///   over more integers than 16 bits can tell apart. The tables are then as they were.
    public func update(searchingQuantiles: Bool = false) throws {
        if searchingQuantiles { withoutGradients { searchQuantiles() } }
        let rows = try probabilities()
        tableBuffers.store(try CDFTables(probabilities: rows.probabilities, offsets: rows.offsets))
    }

    package func probabilities() throws -> RowProbabilities {
        try withoutGradients {
            let places: [Float] = quantiles.scalars()
            let medians = (0..<channels).map { places[3 * $0 + 1] }
            let below = try (0..<channels).map { try reach(medians[$0] - places[3 * $0], channel: $0) }
            let above = try (0..<channels).map { try reach(places[3 * $0 + 2] - medians[$0], channel: $0) }
            let lengths = zip(below, above).map { $0 + $1 + 1 }, longest = lengths.max() ?? 0
            let starts = Tensor(zip(medians, below).map { $0 - Float($1) }, shape: [channels, 1, 1]).to(device: quantiles.device)
            let samples = Tensor.arange(0, longest, device: quantiles.device) + starts
            let (lower, upper) = logits(around: samples, layers(trained: false))
            // As in the reference, the upper tail begins where the longest channel ends, for all of them.
            let outside = lower[.all, 0, 0].sigmoid() + (-upper[.all, 0, longest - 1]).sigmoid()
            return RowProbabilities(
                inside: (upper.sigmoid() - lower.sigmoid()).scalars(), rowLengths: lengths, outside: outside.scalars(),
                offsets: below.map { -Int32($0) })
        }
    }

    private func reach(_ distance: Float, channel: Int) throws -> Int {
        guard distance < Float(CDFQuantization.total / 2) else {
            throw EntropyCodingError.invalidProbabilities("channel \(channel) has a quantile \(distance) from its median")
        }
        return max(0, Int(distance.rounded(.up)))
    }

    private static let searchRadius = 1e5

    /// Bisection of u(x) = target for all channels at once, to the reference's precision of 1e-3.
    private func searchQuantiles() {
        let layers = layers(trained: false)
        for (index, target) in target.scalars(as: Double.self).enumerated() {
            var low = Tensor.full([channels, 1, 1], -Self.searchRadius, device: quantiles.device)
            var high = Tensor.full([channels, 1, 1], Self.searchRadius, device: quantiles.device)
            // 2e5 / 1e-3 is less than 2^28; NaN among the parameters would search for ever.
            for _ in 0..<32 where !low.isClose(to: high, relative: 1e-4, absolute: 1e-3) {
                let middle = (low + high) / 2, reached = logits(middle, layers)
                low = Tensor.select(where: reached .<= target, middle, else: low)
                high = Tensor.select(where: reached .>= target, middle, else: high)
            }
            quantiles.selected(axis: 2, index: index).copyInPlace(from: ((low + high) / 2).squeezed(2))
        }
    }

    /// The tables, one row a channel.
    /// - Throws: ``EntropyCodingError/missingTables(model:)`` before ``update(searchingQuantiles:)``;
    ///   ``EntropyCodingError/invalidTables(_:)`` if a checkpoint's are damaged.
    public func tables() throws -> CDFTables { try tableBuffers.read(model: "The entropy bottleneck", rowCount: channels) }

    // MARK: Coding

    /// - Parameter input: latents [batch, channels, positions…].
    /// - Returns: a stream for each of the batch.
    /// - Throws: ``EntropyCodingError`` without tables, and for NaN or huge latents.
    public func compress(_ input: Tensor) throws -> [[UInt8]] {
        let tables = try tables()
        let symbols = try Latents.symbols(input, means: medians(rank: input.rank))
        let rows = channelRows
        return try Latents.streams(of: symbols, tables: tables, rows: { _ in rows }, run: input.shape.dropFirst(2).reduce(1, *))
    }

    /// - Parameter size: of the positions, in latents.
    /// - Returns: the rounded latents, [streams.count, channels, size…].
    /// - Throws: ``EntropyCodingError`` without tables, and for streams that do not hold latents of this size.
    public func decompress(_ streams: [[UInt8]], size: [Int]) throws -> Tensor {
        let tables = try tables(), rows = channelRows
        let symbols = try Latents.decoded(
            streams, tables: tables, rows: { _ in rows }, run: Latents.positionCount(of: size), shape: [channels] + size, device: quantiles.device)
        return withoutGradients { symbols.to(dtype: quantiles.dtype) + medians(rank: size.count + 2) }
    }

    private var channelRows: [Int32] { (0..<Int32(channels)).map { $0 } }

    /// [channels, 1…] to go with [batch, channels, positions…].
    private func medians(rank: Int) -> Tensor {
        quantiles.detached()[.all, 0, 1].reshaped([channels] + Array(repeating: 1, count: max(0, rank - 2)))
    }
}
