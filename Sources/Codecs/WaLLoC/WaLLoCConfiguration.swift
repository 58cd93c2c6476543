public import Experiments
internal import Torch

/// The layout of a WaLLoC codec (Jacobellis & Yadwadkar 2025, arXiv:2412.09405).
public struct WaLLoCConfiguration: Codable, Sendable, Equatable {
    /// What is coded.
    public enum Signal: String, Codable, Sendable, CaseIterable {
        /// Pictures [batch, channels, height, width].
        case image
        /// Sound [batch, channels, samples].
        case audio
    }

    public var signal = Signal.image
    /// 1 for grey pictures, 3 for RGB; 1 or 2 for sound.
    public var channels = 3
    /// J: how often every band is split.
    public var levels = 3
    /// d: numbers for each place of the latent.
    public var latentChannels = 12
    /// Bits of each of these numbers, 2 to 8.
    public var bits = 8
    /// Nd: channels of the decoder. For sound they are rounded down to a multiple of `latentChannels`.
    public var decoderWidth = 128
    /// Ne: channels of a deep encoder; nil for a single 1 × 1 convolution, which is what makes the codec cheap.
    public var encoderWidth: Int?
    /// Taps of a filter on decoded sound; nil for none. Released codecs have 129.
    public var postFilterTaps: Int?
    /// Places of a latent's side that are decoded together: pictures with larger latents are decoded in tiles that overlap by a quarter. The
    /// decoder sees all of them at once, so that this is part of the codec.
    public var tileSide = 96

    public init() {}

    /// RGB pictures, a sixteenth of the numbers; the decoder as published.
    public static var rgb16: WaLLoCConfiguration {
        var configuration = WaLLoCConfiguration()
        configuration.decoderWidth = 768
        return configuration
    }

    /// Stereo sound, about a fifth of the numbers; as published.
    public static var stereo5: WaLLoCConfiguration {
        var configuration = WaLLoCConfiguration()
        (configuration.signal, configuration.channels, configuration.levels, configuration.latentChannels) = (.audio, 2, 8, 108)
        (configuration.decoderWidth, configuration.postFilterTaps) = (768, 129)
        return configuration
    }

    /// Bands that a signal's channels are split into: C·4^J or C·2^J.
    public var bandCount: Int { channels << (signal == .image ? 2 * levels : levels) }
    /// Sides of what is encoded are multiples of this; others are mirrored at their edges.
    public var sizeMultiple: Int { 1 << levels }
    /// How many times fewer numbers the latent has. This is not the compression of files, which the lossless coder adds to.
    public var dimensionalityReduction: Double { Double(bandCount) / Double(latentChannels) }

    var axes: Tensor.WaveletAxes { signal == .image ? .two : .one }
    /// Channels of the sound decoder's stages: h = ⌊Nd/d⌋·d.
    var audioDecoderWidth: Int { decoderWidth / latentChannels * latentChannels }
    /// Channels of the deep sound encoder's stages.
    var audioEncoderWidth: Int? { encoderWidth.map { $0 / latentChannels * latentChannels } }

    /// Groups of the picture decoder's normalisation.
    static let groupCount = 32

    /// - Throws: `ConfigurationError` for layouts that cannot be built.
    public func validate(_ prefix: String = "codec.") throws(ConfigurationError) {
        func check<Value>(_ condition: Bool, _ key: String, _ requirement: String, _ value: Value) throws(ConfigurationError) {
            try ConfigurationError.require(condition, prefix + key, requirement, found: value)
        }
        try check(1...64 ~= channels, "channels", "must be between 1 and 64", channels)
        let most = signal == .image ? 5 : 12
        try check(1...most ~= levels, "levels", "must be between 1 and \(most) for \(signal.rawValue)", levels)
        try check(1...bandCount ~= latentChannels, "latentChannels", "must be between 1 and the \(bandCount) bands", latentChannels)
        try check(2...8 ~= bits, "bits", "must be between 2 and 8", bits)
        try check(1...8192 ~= decoderWidth, "decoderWidth", "must be between 1 and 8192", decoderWidth)
        try check(encoderWidth.map { 1...8192 ~= $0 } ?? true, "encoderWidth", "must be between 1 and 8192", encoderWidth ?? 0)
        try check(8...4096 ~= tileSide, "tileSide", "must be between 8 and 4096", tileSide)
        switch signal {
        case .image:
            let groups = Self.groupCount
            try check(decoderWidth % groups == 0, "decoderWidth", "must be a multiple of \(groups)", decoderWidth)
            try check((encoderWidth ?? groups) % groups == 0, "encoderWidth", "must be a multiple of \(groups)", encoderWidth ?? 0)
            try check(postFilterTaps == nil, "postFilterTaps", "is for sound only", postFilterTaps ?? 0)
        case .audio:
            try check(decoderWidth >= latentChannels, "decoderWidth", "must not be below latentChannels", decoderWidth)
            try check(encoderWidth ?? latentChannels >= latentChannels, "encoderWidth", "must not be below latentChannels", encoderWidth ?? 0)
            let taps = postFilterTaps ?? 1
            try check(1...65_537 ~= taps && taps % 2 == 1, "postFilterTaps", "must be odd and at most 65537", taps)
        }
    }

    /// The released codecs' file of settings: `channels`, `J`, `Ne`, `Nd`, `latent_dim`, `latent_bits`, `lightweight_encode`, and
    /// `post_filter` for sound.
    /// - Returns: nil unless all of them are there.
    init?(released fields: JSONValue) {
        guard let channels = fields.objectValue?["channels"]?.intValue, let levels = fields.objectValue?["J"]?.intValue,
            let width = fields.objectValue?["Nd"]?.intValue, let latent = fields.objectValue?["latent_dim"]?.intValue,
            let bits = fields.objectValue?["latent_bits"]?.intValue, let isLight = fields.objectValue?["lightweight_encode"]?.boolValue
        else { return nil }
        (self.channels, self.levels, decoderWidth, latentChannels, self.bits) = (channels, levels, width, latent, bits)
        if !isLight {
            guard let encoderWidth = fields.objectValue?["Ne"]?.intValue else { return nil }
            self.encoderWidth = encoderWidth
        }
        // Only codecs of sound have the field.
        if let hasFilter = fields.objectValue?["post_filter"]?.boolValue {
            signal = .audio
            postFilterTaps = hasFilter ? 129 : nil
        }
    }
}
