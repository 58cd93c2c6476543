public import Foundation
internal import Torch
internal import TorchNN

/// A model is a folder of `config.json` (``SparseAutoencoderConfiguration``) and `sae.safetensors` with `decoder.atoms` [F, D],
/// `decoder.bias` [D], and what the encoder has: nearly always `encoder.weight` [F, D] and `encoder.bias` [F].
extension SparseAutoencoder {
    static let configurationName = "config.json"
    static let weightsName = "sae.safetensors"

    /// Writes the model into a folder, which is made if need be. The weights are written first and each file appears
    /// complete or not at all, so that an interrupted save leaves no folder that can be loaded by mistake.
    /// - Throws: `FileAccessError` when the disk is full or the folder is not writable.
    public func save(to folder: URL) throws {
        let path = folder.path(percentEncoded: false)
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw FileAccessError(path: path, action: "made", reason: (error as NSError).localizedDescription)
        }
        let configurationPath = folder.appending(path: Self.configurationName).path(percentEncoded: false)
        try? FileManager.default.removeItem(atPath: configurationPath)
        try SafetensorsWriter.write(
            stateDictionary, metadata: ["format": "condense sparse autoencoder"],
            to: folder.appending(path: Self.weightsName).path(percentEncoded: false))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let file = try AtomicFile(path: configurationPath)
        try (encoder.encode(configuration) + Data("\n".utf8)).withUnsafeBytes { try file.write($0) }
        try file.commit()
    }

    /// Reads a model that ``save(to:)`` has written.
    /// - Throws: `FileAccessError` if a file is missing; `FileFormatError` if the configuration makes no sense, or the
    ///   weights do not belong to it or are not finite.
    public convenience init(loadingFrom folder: URL) throws {
        let configuration = try Self.readConfiguration(folder.appending(path: Self.configurationName))
        let path = folder.appending(path: Self.weightsName).path(percentEncoded: false)
        let file = try SafetensorsFile(path: path)
        func invalid(_ problem: String) -> FileFormatError {
            FileFormatError(path: path, format: "weights of a sparse autoencoder", problem: problem)
        }
        // Shapes are compared before memory of the configuration's size is asked for.
        let atomShape = [configuration.dictionarySize, configuration.inputSize]
        guard let atoms = file.entry(named: "decoder.atoms"), atoms.shape == atomShape else {
            throw invalid(
                "decoder.atoms must have the shape \(atomShape) of the configuration, found "
                    + "\(file.entry(named: "decoder.atoms").map { "\($0.shape)" } ?? "none")")
        }
        self.init(configuration: configuration, generator: RandomGenerator(seed: 0))
        let tensors = try file.tensors()
        for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
            guard tensor.dtype.isFloatingPoint else { throw invalid("'\(name)' must hold floating-point numbers, found \(tensor.dtype)") }
            guard tensor.isFinite().all().item() != 0 else { throw invalid("'\(name)' holds numbers that are not finite") }
        }
        if let dtype = tensors["decoder.atoms"]?.dtype { move(dtype: dtype) }
        do {
            try load(tensors)
        } catch let error as StateMismatch {
            throw invalid("\(error)")
        }
    }

    private static func readConfiguration(_ url: URL) throws -> SparseAutoencoderConfiguration {
        let path = url.path(percentEncoded: false)
        func invalid(_ problem: String) -> FileFormatError {
            FileFormatError(path: path, format: "the configuration of a sparse autoencoder", problem: problem)
        }
        guard let handle = try? FileHandle(forReadingFrom: url) else {
            throw FileAccessError(
                path: path, action: "opened", reason: "a sparse autoencoder is a folder with \(configurationName) and \(weightsName)")
        }
        defer { try? handle.close() }
        let limit = 1 << 20
        guard let data = try? handle.read(upToCount: limit + 1), data.count <= limit else {
            throw invalid("it has more than 1 MiB")
        }
        let configuration: SparseAutoencoderConfiguration
        do {
            configuration = try JSONDecoder().decode(SparseAutoencoderConfiguration.self, from: data)
        } catch let error as DecodingError {
            throw invalid(sentence(for: error))
        }
        if let problem = configuration.problem() { throw invalid(problem) }
        return configuration
    }

    private static func sentence(for error: DecodingError) -> String {
        func name(_ path: [any CodingKey]) -> String { "'" + path.map(\.stringValue).joined(separator: ".") + "'" }
        switch error {
        case .keyNotFound(let key, let context): return "the key \(name(context.codingPath + [key])) is missing"
        case .typeMismatch(let type, let context): return "\(name(context.codingPath)) must be of type \(type)"
        case .valueNotFound(_, let context): return "\(name(context.codingPath)) has no value"
        case .dataCorrupted(let context):
            return context.codingPath.isEmpty ? "it is not valid JSON" : "\(name(context.codingPath)): \(context.debugDescription)"
        @unknown default: return "\(error)"
        }
    }
}
