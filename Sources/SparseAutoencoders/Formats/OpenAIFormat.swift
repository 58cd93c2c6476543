import Foundation
import Torch

/// OpenAI's sparse_autoencoder: a `.pt` file of pre_bias [D], encoder.weight [F, D], latent_bias [F], decoder.weight [D, F], the
/// name of the activation and its state. TopK models normalise each row by its mean and standard deviation.
enum OpenAIFormat {
    private static let fileName = "autoencoder.pt"

    static func read(_ url: URL) throws -> SparseAutoencoder {
        let path = url.path(percentEncoded: false)
        let dictionary = try PyTorchFile(path: path).dictionary()
        let tensors = ForeignTensors(dictionary, path: path, .openAI)
        let shape = try tensors.matrixShape("encoder.weight")
        let form: ActivationForm, normalization: InputNormalization
        // Without the field it is a ReLU model, in OpenAI's code too.
        switch dictionary["activation"].map({ $0.stringValue ?? $0.kind }) ?? "ReLU" {
        case "ReLU": (form, normalization) = (.relu, .none)
        case "TopK":
            let state = dictionary["activation_state_dict"]?.dictionaryValue
            guard let k = state?["k"]?.intValue else { throw tensors.error("'activation_state_dict' must hold the whole number 'k'") }
            let after = state?["postact_fn"]?.stringValue ?? "ReLU"
            guard after == "ReLU" else { throw tensors.error("its TopK is followed by '\(after)'; known is ReLU") }
            (form, normalization) = (.topK(k, threshold: nil), .layerNorm)
        case let name: throw tensors.error("the activation '\(name)' is not known; known are ReLU and TopK")
        }
        return try tensors.autoencoder(
            AutoencoderParts(
                form: form, weight: tensors.tensor("encoder.weight", [shape.rows, shape.columns]), bias: tensors.tensor("latent_bias", [shape.rows]),
                atoms: tensors.tensor("decoder.weight", [shape.columns, shape.rows]).transposed(),
                decoderBias: tensors.tensor("pre_bias", [shape.columns]), normalization: normalization))
    }

    static func write(_ export: inout AutoencoderExport, to folder: URL) throws {
        let activation: PyTorchWriter.Item, state: [(key: String, value: PyTorchWriter.Item)]
        switch (export.parts.form, export.parts.normalization) {
        case (.relu, .none): (activation, state) = (.string("ReLU"), [])
        case (.topK(let k, _), .layerNorm): (activation, state) = (.string("TopK"), [("k", .integer(k)), ("postact_fn", .string("ReLU"))])
        case (.relu, let normalization), (.topK, let normalization):
            throw export.refusal(
                "OpenAI's relu models take inputs as they are and its topk models normalise each row (layer_norm); this is a "
                    + "\(export.parts.form.name) autoencoder with the normalisation '\(normalization.name)'; choose another layout")
        case (let form, _): throw export.refusal("OpenAI has only relu and topk, and this is a \(form.name) autoencoder")
        }
        export.parts.setSubtractsDecoderBias(true)
        export.noteMissingOrigin()
        let parts = export.parts, features = [parts.dictionarySize]
        // The three after the weights are statistics of training, which OpenAI's reader wants to find.
        try PyTorchWriter.write(
            [
                ("pre_bias", .tensor(parts.decoderBias)), ("latent_bias", .tensor(parts.bias)), ("encoder.weight", .tensor(parts.weight)),
                ("decoder.weight", .tensor(parts.atoms.transposed())), ("stats_last_nonzero", .tensor(Tensor.zeros(features, dtype: .int64))),
                ("latents_activation_frequency", .tensor(Tensor.ones(features))), ("latents_mean_square", .tensor(Tensor.zeros(features))),
                ("activation", activation), ("activation_state_dict", .dictionary(state)),
            ], to: folder.appending(path: fileName).path(percentEncoded: false))
    }
}
