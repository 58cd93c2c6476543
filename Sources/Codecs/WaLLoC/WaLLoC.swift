public import Torch
public import TorchNN

/// A codec whose encoder is nearly free: a wavelet packet, one 1 × 1 convolution, rounding. Its latents have few dimensions and 8 bits, lie in
/// ordinary lossless pictures, and can be learned on instead of the signal.
///
/// ```
/// x ─ wavelet packet ─ 1×1 convolution ─ compress ─ round ─┬─ latent (integers)
/// x̂ ─ inverse packet ─ decoder ─────────── expand ──────────┘
/// ```
///
/// Signals are in −½…½: pictures as [batch, channels, height, width], sound as [batch, channels, samples], with sides that are multiples of
/// ``WaLLoCConfiguration/sizeMultiple``. ``encoded(_:)`` and ``decoded(_:size:)`` take any size. State-dict names are those of the authors'
/// package, of which released checkpoints are made.
///
/// Source: Jacobellis & Yadwadkar, "Learned Compression for Compressed Learning", arXiv:2412.09405.
public final class WaLLoC: ModeDependent {
    public let configuration: WaLLoCConfiguration
    public var mode = ModuleMode.training
    public let compander: Compander
    let encoder: any Layer, decoder: any Layer, postFilter: Conv1d?
    /// Of the noise that stands for rounding.
    private let generator: RandomGenerator

    /// A codec with random weights.
    /// - Parameter generator: of the weights, then of the noise while training.
    public init(_ configuration: WaLLoCConfiguration, generator: RandomGenerator) {
        do throws { try configuration.validate() } catch { require(false, "WaLLoC: \(error)") }
        self.configuration = configuration
        self.generator = generator
        compander = Compander(bits: configuration.bits)
        let (bands, latent, width) = (configuration.bandCount, configuration.latentChannels, configuration.decoderWidth)
        switch configuration.signal {
        case .image:
            encoder = configuration.encoderWidth.map { ImageLatentEncoder(bands: bands, width: $0, latentChannels: latent, generator) }
                ?? conv1x1(bands, latent, generator)
            decoder = ImageLatentDecoder(latentChannels: latent, width: width, bands: bands, generator)
            postFilter = nil
        case .audio:
            // Two places more than there are, which only know the bias: the decoder takes them off.
            encoder = configuration.audioEncoderWidth.map { AudioLatentNetwork.encoder(bands: bands, width: $0, latentChannels: latent, generator) }
                ?? Conv1d(inputChannels: bands, outputChannels: latent, kernelSize: 1, padding: .symmetric(1), generator: generator)
            decoder = AudioLatentNetwork.decoder(latentChannels: latent, width: configuration.audioDecoderWidth, bands: bands, generator)
            postFilter = configuration.postFilterTaps.map {
                Conv1d(
                    inputChannels: configuration.channels, outputChannels: configuration.channels, kernelSize: PerAxis($0),
                    padding: .symmetric(PerAxis($0 / 2)), generator: generator)
            }
        }
    }

    public func visit(_ v: inout ParameterVisitor) {
        v("encoder.0", encoder)
        v("decoder.1", decoder)
        v("post", postFilter)
    }

    /// What training looks at.
    public struct Output {
        /// In the shape of the signal, not limited to −½…½.
        public let reconstruction: Tensor
        /// Of the signal.
        public let bands: Tensor
        /// What the decoder makes of the latent.
        public let reconstructedBands: Tensor
        /// With noise while training, whole numbers in evaluation.
        public let latents: Tensor
    }

    /// - Parameter signal: shape [batch, channels, …], sides multiples of ``WaLLoCConfiguration/sizeMultiple``.
    public func callAsFunction(_ signal: Tensor) -> Output {
        let bands = analysis(signal)
        let latents = rounded(compander.compressed(encoder(bands)))
        let found = bandsDecoded(latents)
        return Output(reconstruction: synthesis(found), bands: bands, reconstructedBands: found, latents: latents)
    }

    /// The bands of a signal.
    /// - Returns: shape [batch, bands, …], sides divided by ``WaLLoCConfiguration/sizeMultiple``.
    public func analysis(_ signal: Tensor) -> Tensor {
        require(
            signal.rank == configuration.axes.rawValue + 2 && signal.size(1) == configuration.channels,
            "WaLLoC: the \(configuration.signal.rawValue) must be [batch, \(configuration.channels), …], found shape \(signal.shape).")
        return signal.waveletPacket(levels: configuration.levels, axes: configuration.axes)
    }

    /// The signal of bands, with the filter after it where there is one; not limited to −½…½.
    public func synthesis(_ bands: Tensor) -> Tensor {
        let signal = bands.inverseWaveletPacket(levels: configuration.levels, axes: configuration.axes)
        return postFilter.map { $0(signal) } ?? signal
    }

    /// The latent before rounding, from −L to L.
    /// - Parameter signal: as for ``callAsFunction(_:)``.
    public func unroundedLatents(_ signal: Tensor) -> Tensor { compander.compressed(encoder(analysis(signal))) }

    /// The latent as whole numbers from −2^(b−1) + 1 to 2^(b−1) − 1, whatever the mode.
    /// - Parameter signal: as for ``callAsFunction(_:)``.
    /// - Returns: shape [batch, d, …]; of sound two places longer than its bands.
    public func latents(_ signal: Tensor) -> Tensor { withoutGradients { unroundedLatents(signal).rounded() } }

    /// What the decoder makes of a latent.
    func bandsDecoded(_ latents: Tensor) -> Tensor { decoder(compander.expanded(latents)) }

    /// Noise while training, halves to even in evaluation.
    private func rounded(_ levels: Tensor) -> Tensor {
        guard mode == .training else { return levels.rounded() }
        return levels + (Tensor.uniform(levels.shape, dtype: levels.dtype, generator: generator) - 0.5)
    }

    /// State of the noise, for checkpoints.
    var noiseState: Tensor {
        get { generator.state }
        set { generator.state = newValue }
    }
}

extension WaLLoC: StateAdapting {
    /// Released checkpoints also hold the wavelet's filters, which are constants here.
    public func adapt(_ state: inout [String: Tensor], prefix: String) {
        for name in state.keys where name.hasPrefix(prefix + "wt.") || name.hasPrefix(prefix + "iwt.") { state[name] = nil }
    }
}
