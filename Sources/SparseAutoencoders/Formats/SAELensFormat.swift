import Foundation
import Torch

/// SAELens: `cfg.json` of version 6 or, flat, of earlier versions, and `sae_weights.safetensors` with W_enc [D, F], b_enc [F],
/// W_dec [F, D], b_dec [D], and `threshold` [F] (jumprelu) or b_gate, b_mag, r_mag [F] instead of b_enc (gated). Matching pursuit
/// has W_dec and b_dec alone.
///
/// Read are inference models and, where their input needs no scale, checkpoints of training.
enum SAELensFormat {
    private enum Architecture: String, CaseIterable {
        case standard, topk, abstopk, batchtopk, jumprelu, gated
        case matryoshka = "matryoshka_batchtopk"
        case matchingPursuit = "matching_pursuit"

        /// Whether features are selected by u·‖atom‖, if the configuration says so.
        var mayCompareByAtomNorms: Bool { [.topk, .abstopk, .batchtopk, .matryoshka].contains(self) }
    }

    // MARK: Reading

    static func read(_ folder: URL) throws -> SparseAutoencoder {
        let cfg = try ForeignConfiguration(folder.appending(path: AutoencoderLocation.foreignConfigurationName), .saelens)
        let file = try SafetensorsFile(path: folder.appending(path: AutoencoderLocation.saelensWeightsName).path(percentEncoded: false))
        let tensors = ForeignTensors(file, .saelens)
        let architecture = try architecture(cfg)
        let size = (input: try cfg.required("d_in", cfg.integer), dictionary: try cfg.required("d_sae", cfg.integer))
        let features = [size.dictionary]
        for name in ["scaling_factor", "finetuning_scaling_factor"] where tensors.contains(name) {
            guard try tensors.tensor(name, features).equals(1).all().item() != 0 else {
                throw tensors.error("it scales features after fine-tuning ('\(name)'); fold the factors into W_dec first")
            }
        }
        let form = try form(architecture, cfg, tensors, features)
        let atoms = try tensors.tensor("W_dec", [size.dictionary, size.input])
        var parts = AutoencoderParts(
            form: form, weight: atoms, bias: Tensor.zeros(features, dtype: atoms.dtype), atoms: atoms, decoderBias: try tensors.tensor("b_dec", [size.input]),
            subtractsDecoderBias: try cfg.bool("apply_b_dec_to_input") ?? true, normalization: try normalization(cfg), origin: try origin(cfg))
        if architecture == .matchingPursuit {
            // Without b_dec at the input there is none at the output either.
            if !parts.subtractsDecoderBias { parts.decoderBias = Tensor.zeros(like: parts.decoderBias) }
            parts.subtractsDecoderBias = true
        } else {
            parts.weight = try tensors.tensor("W_enc", [size.input, size.dictionary]).transposed()
            parts.bias = try tensors.tensor(architecture == .gated ? "b_gate" : "b_enc", features)
        }
        if architecture.mayCompareByAtomNorms, try cfg.bool("rescale_acts_by_decoder_norm") ?? false {
            // Codes of u·‖atom‖ are decoded with atoms of norm 1.
            let norms = atoms.norm(axes: [1])
            (parts.weight, parts.bias) = (parts.weight * norms.unsqueezed(1), parts.bias * norms)
            parts.atoms = atoms / norms.filled(where: norms.equals(0), with: 1).unsqueezed(1)
        }
        return try tensors.autoencoder(parts)
    }

    /// The activation decides, not the architecture: before version 6, TopK models were called standard.
    private static func architecture(_ cfg: ForeignConfiguration) throws -> Architecture {
        let name = try cfg.string("architecture") ?? "standard"
        guard let architecture = Architecture(rawValue: name) else {
            throw cfg.error("the architecture '\(name)' is not known; known are \(Architecture.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        switch try cfg.string("activation_fn") ?? cfg.string("activation_fn_str") {
        case nil, "relu": return architecture
        case "topk" where architecture == .standard || architecture == .topk: return .topk
        case let activation?: throw cfg.error("the activation '\(activation)' of a \(name) autoencoder is not known")
        }
    }

    private static func form(
        _ architecture: Architecture, _ cfg: ForeignConfiguration, _ tensors: ForeignTensors, _ features: [Int]
    ) throws -> ActivationForm {
        func k() throws -> Int {
            if let k = try cfg.integer("k") { return k }
            guard let arguments = try cfg.nested("activation_fn_kwargs") else { throw cfg.error("the key 'k' is missing") }
            return try arguments.required("k", arguments.integer)
        }
        switch architecture {
        case .standard: return .relu
        case .topk: return .topK(try k(), threshold: nil)
        case .abstopk: return .absTopK(try k())
        case .batchtopk, .matryoshka: return .batchTopK(try k(), threshold: try tensors.tensor("topk_threshold", []).item())
        case .jumprelu: return .thresholds(try tensors.tensor("threshold", features))
        case .gated: return .gated(magnitudeBias: try tensors.tensor("b_mag", features), logScale: try tensors.tensor("r_mag", features))
        case .matchingPursuit:
            guard try cfg.bool("stop_on_duplicate_support") == false else {
                throw cfg.error("its pursuit stops when an atom is taken again, which ours does not; set 'stop_on_duplicate_support' to false")
            }
            let steps = try cfg.integer("max_iterations") ?? cfg.required("d_in", cfg.integer)
            return .matchingPursuit(PursuitRules(steps: steps, absoluteResidual: try cfg.number("residual_threshold") ?? 1e-2))
        }
    }

    private static func normalization(_ cfg: ForeignConfiguration) throws -> InputNormalization {
        let isScaled = cfg.isBool("normalize_activations") ? try cfg.bool("normalize_activations") ?? false : false
        switch isScaled ? "expected_average_only_in" : cfg.isBool("normalize_activations") ? nil : try cfg.string("normalize_activations") {
        case nil, "none": return .none
        case "constant_norm_rescale": return .constantNorm
        case "layer_norm": return .layerNorm
        case "expected_average_only_in":
            throw cfg.error(
                "its inputs are to be scaled by √D/E‖x‖ of the training data, which the files do not say; fold the scale in SAELens "
                    + "(fold_activation_norm_scaling_factor) and save again")
        case let name?: throw cfg.error("the normalisation '\(name)' is not known; fold it into the weights in SAELens and save again")
        }
    }

    private static func origin(_ cfg: ForeignConfiguration) throws -> ActivationOrigin? {
        let metadata = try cfg.nested("metadata") ?? cfg
        guard let model = try metadata.string("model_name"), let hook = try metadata.string("hook_name") ?? metadata.string("hook_point") else { return nil }
        return ActivationOrigin(
            model: model, hook: hook, contextSize: try metadata.integer("context_size"), prependsBOS: try metadata.bool("prepend_bos"),
            dataset: try metadata.string("dataset_path"))
    }

    // MARK: Writing

    private struct Configuration: Encodable {
        var architecture = Architecture.standard.rawValue
        var dIn: Int
        var dSae: Int
        var dtype: String
        var device = "cpu"
        var applyBDecToInput: Bool
        var normalizeActivations: String
        var reshapeActivations: String
        var k: Int?
        var rescaleActsByDecoderNorm: Bool?
        var maxIterations: Int?
        var residualThreshold: Double?
        var stopOnDuplicateSupport: Bool?
        var metadata: Metadata

        init(_ parts: AutoencoderParts) {
            (dIn, dSae, dtype) = (parts.inputSize, parts.dictionarySize, "\(parts.atoms.dtype)")
            (applyBDecToInput, normalizeActivations) = (parts.subtractsDecoderBias, parts.normalization.name)
            let origin = parts.origin
            // There this hook has an axis for heads.
            reshapeActivations = origin?.hook.hasSuffix("attn.hook_z") == true ? "hook_z" : "none"
            metadata = Metadata(
                modelName: origin?.model, hookName: origin?.hook, contextSize: origin?.contextSize, prependBos: origin?.prependsBOS,
                datasetPath: origin?.dataset)
        }
    }

    private struct Metadata: Encodable {
        /// Files without a version count as older than 6.
        var saeLensVersion = "6.54.12"
        var modelName: String?
        var hookName: String?
        var contextSize: Int?
        var prependBos: Bool?
        var datasetPath: String?
    }

    static func write(_ export: inout AutoencoderExport, to folder: URL) throws {
        if case .matchingPursuit(let rules) = export.parts.form { try preparePursuit(rules, &export) }
        let parts = export.parts
        var configuration = Configuration(parts)
        var tensors = ["W_enc": parts.weight.transposed(), "b_enc": parts.bias, "W_dec": parts.atoms, "b_dec": parts.decoderBias]
        func describe(_ architecture: Architecture, k: Int? = nil) {
            configuration.architecture = architecture.rawValue
            configuration.k = k
            configuration.rescaleActsByDecoderNorm = architecture.mayCompareByAtomNorms ? false : nil
        }
        switch parts.form {
        case .relu: describe(.standard)
        case .topK(let k, _): describe(.topk, k: k)
        case .absTopK(let k):
            describe(.abstopk, k: k)
            export.notes.append("only recent versions of SAELens (6.54) know the architecture 'abstopk'")
        case .batchTopK(let k, let threshold):
            describe(.jumprelu)
            tensors["threshold"] = Tensor.full(like: parts.bias, threshold ?? 0)
            export.notes.append("k = \(k) is not kept: SAELens has such models as jumprelu with one threshold for all features")
        case .thresholds(let thresholds):
            describe(.jumprelu)
            tensors["threshold"] = thresholds
        case .gated(let magnitudeBias, let logScale):
            describe(.gated)
            tensors["b_enc"] = nil
            (tensors["b_gate"], tensors["b_mag"], tensors["r_mag"]) = (parts.bias, magnitudeBias, logScale)
        case .matchingPursuit(let rules):
            describe(.matchingPursuit)
            (configuration.maxIterations, configuration.residualThreshold) = (rules.steps, rules.absoluteResidual)
            configuration.stopOnDuplicateSupport = false
            (tensors["W_enc"], tensors["b_enc"]) = (nil, nil)
        }
        let weights = folder.appending(path: AutoencoderLocation.saelensWeightsName).path(percentEncoded: false)
        try SafetensorsWriter.write(tensors, metadata: ["format": "pt"], to: weights)
        try ForeignConfiguration.write(configuration, to: folder.appending(path: AutoencoderLocation.foreignConfigurationName))
    }

    /// SAELens pursues with atoms as if they had the norm 1, adds only, and adds b_dec only where it was subtracted.
    private static func preparePursuit(_ rules: PursuitRules, _ export: inout AutoencoderExport) throws {
        guard rules.nonNegative else { throw export.refusal("SAELens' pursuits only add atoms, and this one has codes of either sign") }
        guard rules.relativeResidual == 0 else { throw export.refusal("SAELens' pursuits know no relativeResidual; set it to 0") }
        guard export.parts.subtractsDecoderBias || export.parts.decoderBias.equals(0).all().item() != 0 else {
            throw export.refusal("SAELens' pursuits add b_dec only where they subtract it from the input")
        }
        guard !export.hasUnitAtoms else { return }
        let norms = export.parts.atoms.norm(axes: [1])
        export.parts.atoms = export.parts.atoms / norms.filled(where: norms.equals(0), with: 1).unsqueezed(1)
        export.notes.append("atoms are divided by their norms and codes are as many times as large")
    }
}
