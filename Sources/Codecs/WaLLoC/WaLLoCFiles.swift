public import EntropyCoding
internal import Foundation
internal import Media
public import Torch
internal import TorchNN

/// A trained codec with what it takes to make files of signals and signals of files.
public struct WaLLoCCoder {
    public let codec: WaLLoC
    /// By which files know the codec.
    public let fingerprint: ModelFingerprint

    /// - Parameter codec: put into evaluation mode.
    public init(_ codec: WaLLoC) {
        codec.setMode(.evaluation)
        self.codec = codec
        fingerprint = ModelFingerprint(of: codec)
    }

    private var configuration: WaLLoCConfiguration { codec.configuration }

    private func header(size: [Int]) -> LatentFile.Header {
        LatentFile.Header(
            signal: configuration.signal, size: size, channels: configuration.channels, levels: configuration.levels,
            latentChannels: configuration.latentChannels, bits: configuration.bits, codec: fingerprint.description, checksum: 0)
    }

    // MARK: Pictures

    /// - Parameter pixels: [channels, height, width], 0…1.
    public func encode(_ pixels: Tensor) -> LatentFile {
        LatentFile.make(header(size: [pixels.size(1), pixels.size(2)]), latents: codec.encoded(pixels - 0.5))
    }

    /// - Parameter path: named in errors.
    /// - Returns: [channels, height, width], 0…1.
    /// - Throws: ``LatentFileError`` for the latent of another codec.
    public func decodePicture(_ file: LatentFile, path: String = "the latent") throws(LatentFileError) -> Tensor {
        try check(file, .image, path)
        return codec.decoded(file.latents, size: file.header.size) + 0.5
    }

    // MARK: Sound

    /// - Parameter samples: [channels, samples], −1…1.
    public func encode(_ samples: Tensor, sampleRate: Int) -> LatentFile {
        let level = SoundLevel(of: samples)
        var header = header(size: [samples.size(1)])
        (header.sampleRate, header.mean, header.peak) = (sampleRate, level.mean, level.peak)
        return LatentFile.make(header, latents: codec.encoded(level.normalized(samples)))
    }

    /// - Parameter path: named in errors.
    /// - Returns: [channels, samples].
    /// - Throws: ``LatentFileError`` for the latent of another codec.
    public func decodeSound(_ file: LatentFile, path: String = "the latent") throws(LatentFileError) -> Tensor {
        try check(file, .audio, path)
        let level = SoundLevel(mean: file.header.mean ?? 0, peak: file.header.peak ?? 1)
        return level.restored(codec.decoded(file.latents, size: file.header.size))
    }

    private func check(_ file: LatentFile, _ signal: WaLLoCConfiguration.Signal, _ path: String) throws(LatentFileError) {
        let header = file.header
        guard header.signal == configuration.signal, signal == configuration.signal else {
            throw .otherSignal(path: path, expected: configuration.signal.name, found: header.signal.name)
        }
        guard header.codec == fingerprint.description else { throw .otherCodec(path: path, expected: fingerprint.description, found: header.codec) }
        guard (header.channels, header.levels, header.latentChannels, header.bits)
            == (configuration.channels, configuration.levels, configuration.latentChannels, configuration.bits)
        else { throw .otherLayout(path: path, problem: "its channels, levels or bits are not the codec's; get the file anew") }
    }
}

extension WaLLoCConfiguration.Signal {
    /// For sentences.
    public var name: String { self == .image ? "pictures" : "sound" }
}

/// What a sound is brought to −½…½ by: (x − mean)/(2·peak).
public struct SoundLevel: Sendable, Equatable {
    public let mean: Double
    public let peak: Double

    public init(mean: Double, peak: Double) {
        self.mean = mean
        self.peak = peak
    }

    /// - Parameter samples: any shape. Silence keeps its scale.
    public init(of samples: Tensor) {
        mean = samples.mean().item()
        let greatest = (samples - mean).abs().max().item()
        peak = greatest > 0 ? greatest : 1
    }

    public func normalized(_ samples: Tensor) -> Tensor { (samples - mean) / (2 * peak) }
    public func restored(_ signal: Tensor) -> Tensor { signal * (2 * peak) + mean }
}

// MARK: Codecs in folders

extension WaLLoC {
    private static let settingsFile = "walloc.json"
    private static let weightsFile = "walloc.safetensors"
    private static let format = "the settings of a WaLLoC codec"

    /// Writes `walloc.json` and `walloc.safetensors`, each complete or not at all.
    /// - Throws: `FileAccessError`.
    public func save(to folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try SafetensorsWriter.write(stateDictionary, to: "\(folder)/\(Self.weightsFile)")
        try AtomicFile.write(json: configuration, to: "\(folder)/\(Self.settingsFile)")
    }

    /// Reads a codec, in evaluation mode.
    /// - Parameter path: a folder that ``save(to:)`` wrote, a run of `condense walloc train`, or the settings of a released codec (`RGB_16x.json`) with its
    ///   weights beside it under the same name (`.pth` or `.safetensors`).
    /// - Throws: `FileAccessError`, `FileFormatError`, `StateMismatch`.
    public static func load(at path: String) throws -> WaLLoC {
        if path.hasSuffix(".json") { return try released(path) }
        let inRun = "\(path)/codec"
        let folder = FileManager.default.fileExists(atPath: "\(inRun)/\(settingsFile)") ? inRun : path
        let settings = "\(folder)/\(settingsFile)"
        let bytes = try MappedBytes(path: settings)
        guard let configuration = try? JSONDecoder().decode(WaLLoCConfiguration.self, from: Data(bytes.buffer)) else {
            throw FileFormatError(path: settings, format: format, problem: "it does not name signal, channels, levels, latentChannels, bits and decoderWidth")
        }
        return try make(configuration, settings, SafetensorsFile(path: "\(folder)/\(weightsFile)").tensors())
    }

    private static func released(_ settings: String) throws -> WaLLoC {
        let bytes = try MappedBytes(path: settings)
        guard let fields = try? JSONValue(parsing: bytes.buffer), let configuration = WaLLoCConfiguration(released: fields) else {
            throw FileFormatError(
                path: settings, format: format, problem: "it does not name channels, J, Nd, latent_dim, latent_bits and lightweight_encode")
        }
        let base = String(settings.dropLast(".json".count))
        if FileManager.default.fileExists(atPath: base + ".safetensors") {
            return try make(configuration, settings, SafetensorsFile(path: base + ".safetensors").tensors())
        }
        let file = try PyTorchFile(path: base + ".pth")
        return try make(configuration, settings, weights(file))
    }

    /// The state dictionary of a checkpoint: the file's own, or the one it calls `model_state_dict`.
    private static func weights(_ file: PyTorchFile) throws -> [String: Tensor] {
        let root = try file.dictionary()
        let names = root["model_state_dict"]?.dictionaryValue ?? root
        var result: [String: Tensor] = [:]
        for name in names.names { if let entry = names[name]?.tensorEntry { result[name] = entry.tensor() } }
        return result
    }

    private static func make(_ configuration: WaLLoCConfiguration, _ path: String, _ tensors: [String: Tensor]) throws -> WaLLoC {
        do throws { try configuration.validate("") } catch { throw FileFormatError(path: path, format: format, problem: "\(error)") }
        // Before anything is made as large as a file says.
        let weights = tensors.values.reduce(0) { $0 + $1.elementCount }
        guard configuration.leastWeightCount <= weights else {
            throw FileFormatError(path: path, format: format, problem: "it says a decoder of \(configuration.decoderWidth) channels, for which there are not enough weights")
        }
        let codec = WaLLoC(configuration, generator: RandomGenerator(seed: 0))
        try codec.load(tensors)
        codec.setMode(.evaluation)
        return codec
    }
}

extension WaLLoCConfiguration {
    /// No codec of this layout has fewer weights: those of one convolution of each network.
    fileprivate var leastWeightCount: Int {
        switch signal {
        case .image: 9 * decoderWidth * decoderWidth + 9 * (encoderWidth ?? 0) * (encoderWidth ?? 0)
        case .audio: 7 * audioDecoderWidth * audioDecoderWidth + 7 * latentChannels * bandCount + 2 * (audioEncoderWidth ?? 0) * (audioEncoderWidth ?? 0)
        }
    }
}
