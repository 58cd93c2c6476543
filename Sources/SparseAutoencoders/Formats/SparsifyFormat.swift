import Foundation
import Torch

/// sparsify: `cfg.json`, and `sae.safetensors` with encoder.weight [F, D], encoder.bias [F], W_dec [F, D], b_dec [D].
enum SparsifyFormat {
    private static func refuse(_ cfg: ForeignConfiguration, _ key: String, _ reason: String) throws {
        if try cfg.bool(key) == true { throw cfg.error("it has '\(key)': \(reason)") }
    }

    static func read(_ folder: URL) throws -> SparseAutoencoder {
        let cfg = try ForeignConfiguration(folder.appending(path: AutoencoderLocation.foreignConfigurationName), .sparsify)
        let file = try SafetensorsFile(path: folder.appending(path: SparseAutoencoder.weightsName).path(percentEncoded: false))
        let tensors = ForeignTensors(file, .sparsify)
        // Versions before the field knew only TopK.
        let activation = try cfg.string("activation") ?? "topk"
        guard activation == "topk" else { throw cfg.error("the activation '\(activation)' is not known; known is topk") }
        try refuse(cfg, "transcode", "a transcoder maps one place of a network to another")
        try refuse(cfg, "skip_connection", "x̂ has a part that no feature makes")
        try refuse(cfg, "signed", "codes selected with their signs are not read")
        let inputSize = try cfg.required("d_in", cfg.integer)
        let shape = try tensors.matrixShape("encoder.weight")
        let latents = try cfg.integer("num_latents") ?? 0
        guard latents == 0 || latents == shape.rows else {
            throw tensors.error("'encoder.weight' must have the shape [\(latents), \(inputSize)] of the configuration, found [\(shape.rows), \(shape.columns)]")
        }
        return try tensors.autoencoder(
            AutoencoderParts(
                form: .topK(try cfg.required("k", cfg.integer), threshold: nil), weight: tensors.tensor("encoder.weight", [shape.rows, inputSize]),
                bias: tensors.tensor("encoder.bias", [shape.rows]), atoms: tensors.tensor("W_dec", [shape.rows, inputSize]),
                decoderBias: tensors.tensor("b_dec", [inputSize])))
    }

    private struct Configuration: Encodable {
        var activation = "topk"
        var expansionFactor: Int
        var normalizeDecoder: Bool
        var numLatents: Int
        var k: Int
        var multiTopk = false
        var skipConnection = false
        var transcode = false
        var dIn: Int
    }

    static func write(_ export: inout AutoencoderExport, to folder: URL) throws {
        guard case .topK(let k, _) = export.parts.form else {
            throw export.refusal("sparsify has only topk, and this is a \(export.parts.form.name) autoencoder")
        }
        try export.requireNoNormalization()
        export.parts.setSubtractsDecoderBias(true)
        export.noteMissingOrigin()
        let parts = export.parts
        try SafetensorsWriter.write(
            ["encoder.weight": parts.weight, "encoder.bias": parts.bias, "W_dec": parts.atoms, "b_dec": parts.decoderBias],
            to: folder.appending(path: SparseAutoencoder.weightsName).path(percentEncoded: false))
        try ForeignConfiguration.write(
            Configuration(
                expansionFactor: max(1, parts.dictionarySize / parts.inputSize), normalizeDecoder: export.hasUnitAtoms,
                numLatents: parts.dictionarySize, k: k, dIn: parts.inputSize),
            to: folder.appending(path: AutoencoderLocation.foreignConfigurationName))
    }
}
