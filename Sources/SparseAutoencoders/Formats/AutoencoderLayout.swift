public import Foundation
internal import Torch

/// How a library lays out an autoencoder in files.
public enum AutoencoderLayout: String, Codable, Sendable, CaseIterable {
    /// `config.json` and `sae.safetensors`, as ``SparseAutoencoder/save(to:)`` writes them.
    case condense
    /// `cfg.json` and `sae_weights.safetensors`.
    case saelens
    /// `config.json` and `ae.pt`.
    case dictionaryLearning = "dictionary-learning"
    /// `cfg.json` and `sae.safetensors`.
    case sparsify
    /// One `.pt` file.
    case openAI = "openai"

    /// The library's own name.
    public var libraryName: String {
        switch self {
        case .condense: "Condense"
        case .saelens: "SAELens"
        case .dictionaryLearning: "dictionary_learning"
        case .sparsify: "sparsify"
        case .openAI: "OpenAI"
        }
    }

    var article: String { self == .openAI ? "an OpenAI" : "a \(libraryName)" }

    /// Name of the file without which the others are not taken for an autoencoder.
    fileprivate var configurationName: String? {
        switch self {
        case .condense, .dictionaryLearning: SparseAutoencoder.configurationName
        case .saelens, .sparsify: AutoencoderLocation.foreignConfigurationName
        case .openAI: nil
        }
    }
}

/// An autoencoder that was found in files.
public struct AutoencoderLocation: Sendable, Equatable {
    public var layout: AutoencoderLayout
    /// The folder; for OpenAI's layout the file.
    public var url: URL

    init(_ layout: AutoencoderLayout, _ url: URL) {
        self.layout = layout
        self.url = url
    }

    /// Finds out by the names of files whose autoencoder lies at a place: its folder or `.pt` file, or the run that trained it.
    /// - Throws: `FileAccessError` if there is none.
    public init(at url: URL) throws {
        let path = url.path(percentEncoded: false)
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw FileAccessError(path: path, action: "opened", reason: "there is no such file or folder")
        }
        if !isFolder.boolValue {
            let folder = url.deletingLastPathComponent()
            // The configuration of an ae.pt says what it is; without it the class could only be guessed.
            self = Self.inFolder(folder).flatMap { $0.layout == .dictionaryLearning && url.lastPathComponent == Self.dictionaryName ? $0 : nil }
                ?? AutoencoderLocation(.openAI, url)
        } else if let found = Self.inFolder(url.appending(path: "sae", directoryHint: .isDirectory)) ?? Self.inFolder(url) {
            self = found
        } else {
            throw FileAccessError(path: path, action: "opened", reason: Self.advice(for: url))
        }
    }

    static let dictionaryName = "ae.pt"
    static let foreignConfigurationName = "cfg.json"
    static let saelensWeightsName = "sae_weights.safetensors"

    private static func inFolder(_ folder: URL) -> AutoencoderLocation? {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder.path(percentEncoded: false)) else { return nil }
        let files = Set(names)
        let hasConfiguration = files.contains(SparseAutoencoder.configurationName)
        if files.contains(saelensWeightsName) { return AutoencoderLocation(.saelens, folder) }
        if hasConfiguration, files.contains(dictionaryName) { return AutoencoderLocation(.dictionaryLearning, folder) }
        if files.contains(SparseAutoencoder.weightsName) {
            if !hasConfiguration, files.contains(foreignConfigurationName) { return AutoencoderLocation(.sparsify, folder) }
            return AutoencoderLocation(.condense, folder)
        }
        let pickles = names.filter { $0.hasSuffix(".pt") && $0 != dictionaryName }
        return pickles.count == 1 ? AutoencoderLocation(.openAI, folder.appending(path: pickles[0])) : nil
    }

    private static func advice(for folder: URL) -> String {
        let below = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil))?.filter { inFolder($0) != nil } ?? []
        if !below.isEmpty {
            let names = below.map(\.lastPathComponent).sorted()
            return "it holds several autoencoders (\(names.prefix(6).joined(separator: ", "))\(names.count > 6 ? ", …" : "")); name one of its folders"
        }
        return "a sparse autoencoder is a folder with config.json and sae.safetensors, or one of SAELens (cfg.json, sae_weights.safetensors), "
            + "dictionary_learning (config.json, ae.pt) or sparsify (cfg.json, sae.safetensors), or a .pt file of OpenAI"
    }
}

extension SparseAutoencoder {
    /// Loads an autoencoder of any layout from its folder or `.pt` file, or from the run that trained it.
    ///
    /// Weights in half precision are widened to 32 bits.
    /// - Throws: `FileAccessError`, `FileFormatError`, or ``AutoencoderLayoutError`` if it does what ours cannot.
    public static func load(at url: URL) throws -> SparseAutoencoder { try load(AutoencoderLocation(at: url)) }

    static func load(_ location: AutoencoderLocation) throws -> SparseAutoencoder {
        switch location.layout {
        case .condense: try SparseAutoencoder(loadingFrom: location.url)
        case .saelens: try SAELensFormat.read(location.url)
        case .dictionaryLearning: try DictionaryLearningFormat.read(location.url)
        case .sparsify: try SparsifyFormat.read(location.url)
        case .openAI: try OpenAIFormat.read(location.url)
        }
    }

    /// Writes the model in a library's layout into a folder, which is made if need be (for OpenAI's with `autoencoder.pt`). What the layout expresses otherwise is
    /// rewritten exactly: fixed input scales are folded, and b_dec is moved into other biases, as the layout wants it.
    /// - Returns: what is different in the files, or not kept, as sentences.
    /// - Throws: ``AutoencoderLayoutError`` if the layout cannot express the model; `FileAccessError`.
    @discardableResult
    public func save(to folder: URL, as layout: AutoencoderLayout) throws -> [String] {
        guard layout != .condense else {
            try save(to: folder)
            return []
        }
        var export = try AutoencoderExport(self, layout: layout)
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw FileAccessError(path: folder.path(percentEncoded: false), action: "made", reason: (error as NSError).localizedDescription)
        }
        // It is written last, so that an interrupted save leaves no folder that can be loaded by mistake.
        if let name = layout.configurationName { try? FileManager.default.removeItem(at: folder.appending(path: name)) }
        switch layout {
        case .condense: break
        case .saelens: try SAELensFormat.write(&export, to: folder)
        case .dictionaryLearning: try DictionaryLearningFormat.write(&export, to: folder)
        case .sparsify: try SparsifyFormat.write(&export, to: folder)
        case .openAI: try OpenAIFormat.write(&export, to: folder)
        }
        return export.notes
    }
}
