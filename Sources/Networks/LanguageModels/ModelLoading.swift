internal import Foundation
public import Torch

/// A path where no model is.
public struct ModelNotFoundError: Error, CustomStringConvertible, Equatable, Sendable {
    public let path: String
    public let reason: String

    public var description: String { "there is no model at '\(path)': \(reason)" }
}

/// Where a model's files are: a GGUF file, or a folder in the Hugging Face layout.
public enum ModelLocation: Equatable, Sendable {
    case gguf(String)
    /// A folder with `config.json` and safetensors.
    case folder(String)

    public var path: String {
        switch self {
        case .gguf(let path), .folder(let path): path
        }
    }

    /// Finds the model at `path`: a `.gguf` file, a folder with `config.json`, a folder with one `.gguf` file, or a
    /// repository's folder of the Hugging Face cache (`models--owner--name`), of which the main snapshot is taken.
    /// - Throws: `ModelNotFoundError` saying what is missing.
    public init(_ path: String) throws {
        let manager = FileManager.default
        var isFolder: ObjCBool = false
        guard manager.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw ModelNotFoundError(path: path, reason: "there is no such file or folder")
        }
        guard isFolder.boolValue else {
            guard path.hasSuffix(".gguf") else {
                throw ModelNotFoundError(path: path, reason: "a file must be a .gguf file; otherwise give the folder with config.json")
            }
            self = .gguf(path)
            return
        }
        if manager.fileExists(atPath: "\(path)/config.json") {
            self = .folder(path)
            return
        }
        if let snapshot = Self.snapshot(in: path) {
            self = .folder(snapshot)
            return
        }
        let files = (try? manager.contentsOfDirectory(atPath: path))?.filter { $0.hasSuffix(".gguf") }.sorted() ?? []
        switch files.count {
        case 1: self = .gguf("\(path)/\(files[0])")
        case 0: throw ModelNotFoundError(path: path, reason: "the folder holds neither config.json nor a .gguf file")
        default: throw ModelNotFoundError(path: path, reason: "the folder holds \(files.count) .gguf files; name one of them, e.g. \(files[0])")
        }
    }

    /// The snapshot that `refs/main` names, or the only one.
    private static func snapshot(in path: String) -> String? {
        let manager = FileManager.default
        var names = ((try? manager.contentsOfDirectory(atPath: "\(path)/snapshots")) ?? []).sorted()
        if let main = try? String(contentsOfFile: "\(path)/refs/main", encoding: .utf8) {
            let name = main.trimmingCharacters(in: .whitespacesAndNewlines)
            if names.contains(name) { names = [name] }
        }
        guard names.count == 1, manager.fileExists(atPath: "\(path)/snapshots/\(names[0])/config.json") else { return nil }
        return "\(path)/snapshots/\(names[0])"
    }
}

extension LanguageModel {
    /// Loads the model at `path`, as ``ModelLocation`` finds it. Weights are read when a pass needs them.
    /// - Parameter dtype: precision of weights and activations.
    /// - Throws: one clear sentence: `ModelNotFoundError`, `UnsupportedModelError`, `MissingWeightsError`, `FileFormatError`,
    ///   `FileAccessError` or `ModelConfigurationError`.
    public static func load(_ path: String, device: Device = .cpu, dtype: DType = .float32) throws -> LanguageModel {
        switch try ModelLocation(path) {
        case .gguf(let path):
            let file = try GGUFFile(path: path)
            let configuration = try LanguageModelConfiguration(file)
            return try LanguageModel(
                configuration, weights: GGUFWeights(file, configuration: configuration), device: device, dtype: dtype)
        case .folder(let folder):
            var configuration = try LanguageModelConfiguration(HuggingFaceConfiguration(path: "\(folder)/config.json"))
            let weights = SafetensorsWeights(try SafetensorsCheckpoint(path: folder), path: folder, prefixes: ["model."])
            // Some folders leave the flag out and simply have no head of their own.
            if weights.shape(of: "lm_head.weight") == nil { configuration.tiesEmbeddings = true }
            return try LanguageModel(configuration, weights: weights, device: device, dtype: dtype)
        }
    }
}

extension Tokenizer {
    /// The tokenizer of the model at `path`, as ``ModelLocation`` finds it.
    /// - Throws: `ModelNotFoundError`, `FileFormatError`, `FileAccessError` or `TokenizerError`.
    public static func load(_ path: String) throws -> Tokenizer {
        switch try ModelLocation(path) {
        case .gguf(let file): try Tokenizer(gguf: GGUFFile(path: file))
        case .folder(let folder): try Tokenizer(folder: URL(fileURLWithPath: folder))
        }
    }
}
