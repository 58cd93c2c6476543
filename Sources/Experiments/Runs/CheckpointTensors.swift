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
    /// Reads tensors written with ``CheckpointWriter/write(_:named:)-([String:Tensor],_)``.
    ///
    /// - Throws: `FileAccessError` or `FileFormatError` if the checkpoint has no such tensors.
    public func tensors(named name: String) throws -> [String: Tensor] {
        try SafetensorsFile(path: url("\(name).safetensors").filePath).tensors()
    }
}

/// Tensors of several owners in one file, e.g. `model.encoder.weight` and `optimizer.encoder.weight.exp_avg`.
extension [String: Tensor] {
    /// Adds an owner's tensors under a prefix and a dot.
    package mutating func add(_ tensors: [String: Tensor], under prefix: String) {
        for (name, tensor) in tensors { self["\(prefix).\(name)"] = tensor }
    }

    /// The tensors under a prefix, without it.
    package func part(_ prefix: String) -> [String: Tensor] {
        let members = filter { $0.key.hasPrefix(prefix + ".") }
        return [String: Tensor](uniqueKeysWithValues: members.map { (String($0.key.dropFirst(prefix.count + 1)), $0.value) })
    }
}
