internal import Foundation
public import Torch

extension CheckpointWriter {
    /// Writes tensors, e.g. a model's or an optimiser's state, as `<name>.safetensors`.
    ///
    /// - Throws: `FileAccessError` when the disk is full.
    public func write(_ tensors: [String: Tensor], named name: String) throws {
        try SafetensorsWriter.write(tensors, to: url("\(name).safetensors").filePath)
    }
}

extension Checkpoint {
    /// Reads tensors written with ``CheckpointWriter/write(_:named:)``.
    ///
    /// - Throws: `FileAccessError` or `FileFormatError` if the checkpoint has no such tensors.
    public func tensors(named name: String) throws -> [String: Tensor] {
        try SafetensorsFile(path: url("\(name).safetensors").filePath).tensors()
    }
}
