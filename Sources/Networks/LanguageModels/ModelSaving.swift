internal import Foundation
internal import Torch

extension LanguageModel {
    /// Writes `config.json` and `model.safetensors` (Float32) into `folder`, which is made if needed, in the Hugging Face layout.
    ///
    /// Weights pass through memory one at a time.
    /// - Throws: `FileAccessError` when the folder is not writable or the disk is full; `ModelConfigurationError` for rotary
    ///   frequencies or biases that the layout cannot express.
    public func save(to folder: String) throws {
        if case .perFrequency = configuration.rotary.scaling {
            throw ModelConfigurationError("rotary frequencies given one by one cannot be written to config.json")
        }
        guard configuration.attentionBias == .queryKeyValue ? configuration.architecture == .qwen2 : configuration.architecture == .llama else {
            throw ModelConfigurationError("biases of attention other than its architecture has cannot be written to config.json")
        }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let items = configuration.weightShapes.map { name, shape in
            SafetensorsWriter.Item(name: name, elementType: .float32, shape: shape) { [source] consume in
                try source.weight(name).withBytes(consume)
            }
        }
        try SafetensorsWriter.write(items, metadata: ["format": "pt"], to: "\(folder)/model.safetensors")
        let file = try AtomicFile(path: "\(folder)/config.json")
        try Array(configuration.huggingFaceJSON().utf8).withUnsafeBytes(file.write)
        try file.commit()
    }
}
