import Foundation
import Torch

/// dictionary_learning: `config.json`, whose `trainer.dict_class` says what `ae.pt` holds.
///
/// Linear layers are stored as PyTorch's, encoder.weight [F, D] and decoder.weight [D, F]; JumpReLU and Matryoshka models have
/// W_enc [D, F] and W_dec [F, D].
enum DictionaryLearningFormat {
    /// The classes of the library that are read.
    private enum DictClass: String, CaseIterable {
        case standard = "AutoEncoder"
        case standardNew = "AutoEncoderNew"
        case gated = "GatedAutoEncoder"
        case topK = "AutoEncoderTopK"
        case batchTopK = "BatchTopKSAE"
        case matryoshka = "MatryoshkaBatchTopKSAE"
        case jumpReLU = "JumpReluAutoEncoder"

        var hasLinearLayers: Bool { self != .matryoshka && self != .jumpReLU }
        /// JumpReLU and the newer ReLU models encode x, not x − b_dec.
        var subtractsDecoderBias: Bool { self != .standardNew && self != .jumpReLU }

        var decoderBiasName: String {
            switch self {
            case .standard: "bias"
            case .standardNew: "decoder.bias"
            case .gated: "decoder_bias"
            case .topK, .batchTopK, .matryoshka, .jumpReLU: "b_dec"
            }
        }

        var encoderBiasName: String {
            switch self {
            case .gated: "gate_bias"
            case .matryoshka, .jumpReLU: "b_enc"
            case .standard, .standardNew, .topK, .batchTopK: "encoder.bias"
            }
        }

        var trainerClass: String {
            switch self {
            case .standard: "StandardTrainer"
            case .standardNew: "StandardTrainerAprilUpdate"
            case .gated: "GatedSAETrainer"
            case .topK: "TopKTrainer"
            case .batchTopK: "BatchTopKTrainer"
            case .matryoshka: "MatryoshkaBatchTopKTrainer"
            case .jumpReLU: "JumpReluTrainer"
            }
        }
    }

    // MARK: Reading

    static func read(_ folder: URL) throws -> SparseAutoencoder {
        let file = try ForeignConfiguration(folder.appending(path: SparseAutoencoder.configurationName), .dictionaryLearning)
        let trainer = try file.required("trainer", file.nested)
        let name = try trainer.required("dict_class", trainer.string)
        guard let dictClass = DictClass(rawValue: name) else {
            throw file.error("the class '\(name)' is not known; known are \(DictClass.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        let path = folder.appending(path: AutoencoderLocation.dictionaryName).path(percentEncoded: false)
        let dictionary = try PyTorchFile(path: path).dictionary()
        let tensors = ForeignTensors(dictionary, path: path, .dictionaryLearning)
        let stored = try tensors.matrixShape(dictClass.hasLinearLayers ? "encoder.weight" : "W_dec")
        let size = (dictionary: stored.rows, input: stored.columns)
        for (key, found) in [("activation_dim", size.input), ("dict_size", size.dictionary)] {
            if let expected = try trainer.integer(key), expected != found { throw tensors.error("\(key) must be \(expected) as in config.json, found \(found)") }
        }
        let (wide, tall) = ([size.input, size.dictionary], [size.dictionary, size.input])
        return try tensors.autoencoder(
            AutoencoderParts(
                form: form(dictClass, trainer, dictionary, tensors, [size.dictionary]),
                weight: dictClass.hasLinearLayers ? tensors.tensor("encoder.weight", tall) : tensors.tensor("W_enc", wide).transposed(),
                bias: tensors.tensor(dictClass.encoderBiasName, [size.dictionary]),
                atoms: dictClass.hasLinearLayers ? tensors.tensor("decoder.weight", wide).transposed() : tensors.tensor("W_dec", tall),
                decoderBias: tensors.tensor(dictClass.decoderBiasName, [size.input]), subtractsDecoderBias: dictClass.subtractsDecoderBias,
                origin: origin(trainer, buffer: file.nested("buffer"))))
    }

    private static func form(
        _ dictClass: DictClass, _ trainer: ForeignConfiguration, _ dictionary: PyTorchFile.Dictionary, _ tensors: ForeignTensors, _ features: [Int]
    ) throws -> ActivationForm {
        func k() throws -> Int {
            let configured = try trainer.integer("k")
            guard let k = dictionary["k"]?.intValue ?? configured else { throw tensors.error("'k' is missing") }
            guard configured == nil || configured == k else { throw tensors.error("k must be \(configured ?? k) as in config.json, found \(k)") }
            return k
        }
        // A negative number stands for no threshold.
        let threshold = dictionary["threshold"]?.doubleValue.flatMap { $0 >= 0 ? $0 : nil }
        switch dictClass {
        case .standard, .standardNew: return .relu
        case .gated: return .gated(magnitudeBias: try tensors.tensor("mag_bias", features), logScale: try tensors.tensor("r_mag", features))
        case .jumpReLU: return .thresholds(try tensors.tensor("threshold", features))
        case .topK: return .topK(try k(), threshold: threshold)
        case .batchTopK, .matryoshka: return .batchTopK(try k(), threshold: threshold)
        }
    }

    /// The place by our names of hooks, where the files say it: a layer without a submodule is the residual stream behind it.
    private static func origin(_ trainer: ForeignConfiguration, buffer: ForeignConfiguration?) throws -> ActivationOrigin? {
        guard let model = try trainer.string("lm_name") else { return nil }
        let hook: String
        switch (try trainer.string("submodule_name"), try trainer.integer("layer")) {
        case (let name?, _) where name.hasPrefix("blocks."): hook = name
        case (nil, let layer?), ("resid_post_layer_\(try trainer.integer("layer") ?? -1)", let layer?): hook = "blocks.\(layer).hook_resid_post"
        default: return nil
        }
        return ActivationOrigin(model: model, hook: hook, contextSize: try buffer?.integer("ctx_len"))
    }

    // MARK: Writing

    private struct Configuration: Encodable {
        struct Trainer: Encodable {
            var dictClass: String
            var trainerClass: String
            var activationDim: Int
            var dictSize: Int
            var k: Int?
            var lmName: String?
            var layer: Int?
            var submoduleName: String?
        }

        struct Buffer: Encodable {
            var dSubmodule: Int
            var ctxLen: Int?
        }

        var trainer: Trainer
        var buffer: Buffer
    }

    static func write(_ export: inout AutoencoderExport, to folder: URL) throws {
        try export.requireNoNormalization()
        // The library divides an AutoEncoder's atoms by their norms when it loads them.
        let isStandard = export.parts.subtractsDecoderBias && export.hasUnitAtoms
        let dictClass: DictClass
        var selected: (k: Int, threshold: Double?)?
        switch export.parts.form {
        case .relu: dictClass = isStandard ? .standard : .standardNew
        case .topK(let k, let threshold): (dictClass, selected) = (.topK, (k, threshold))
        case .batchTopK(let k, let threshold): (dictClass, selected) = (.batchTopK, (k, threshold))
        case .thresholds: dictClass = .jumpReLU
        case .gated: dictClass = .gated
        case .absTopK, .matchingPursuit:
            throw export.refusal("dictionary_learning has no \(export.parts.form.name) autoencoders; choose saelens")
        }
        export.parts.setSubtractsDecoderBias(dictClass.subtractsDecoderBias)
        let parts = export.parts
        var extra: [(key: String, value: PyTorchWriter.Item)] = []
        switch parts.form {
        case .thresholds(let thresholds): extra = [("threshold", .tensor(thresholds))]
        case .gated(let magnitudeBias, let logScale): extra = [("mag_bias", .tensor(magnitudeBias)), ("r_mag", .tensor(logScale))]
        default: break
        }
        if let selected {
            extra = [
                ("k", .tensor(Tensor(scalar: Int32(clamping: selected.k)))), ("threshold", .tensor(Tensor(scalar: Float(selected.threshold ?? -1)))),
            ]
        }
        let matrices: [(key: String, value: PyTorchWriter.Item)] = dictClass.hasLinearLayers
            ? [("encoder.weight", .tensor(parts.weight)), ("decoder.weight", .tensor(parts.atoms.transposed()))]
            : [("W_enc", .tensor(parts.weight.transposed())), ("W_dec", .tensor(parts.atoms))]
        try PyTorchWriter.write(
            matrices + [(dictClass.encoderBiasName, .tensor(parts.bias)), (dictClass.decoderBiasName, .tensor(parts.decoderBias))] + extra,
            to: folder.appending(path: AutoencoderLocation.dictionaryName).path(percentEncoded: false))
        let trainer = Configuration.Trainer(
            dictClass: dictClass.rawValue, trainerClass: dictClass.trainerClass, activationDim: parts.inputSize, dictSize: parts.dictionarySize,
            k: selected?.k, lmName: parts.origin?.model, layer: parts.origin.flatMap { layer(of: $0.hook) }, submoduleName: parts.origin?.hook)
        try ForeignConfiguration.write(
            Configuration(trainer: trainer, buffer: .init(dSubmodule: parts.inputSize, ctxLen: parts.origin?.contextSize)),
            to: folder.appending(path: SparseAutoencoder.configurationName))
    }

    /// 3 of `blocks.3.hook_resid_post`.
    private static func layer(of hook: String) -> Int? {
        let parts = hook.split(separator: ".")
        return parts.count > 1 && parts[0] == "blocks" ? Int(parts[1]) : nil
    }
}
