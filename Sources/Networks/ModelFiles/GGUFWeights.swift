internal import Torch

/// Decoder weights of a GGUF file under their Hugging Face names.
struct GGUFWeights: WeightSource {
    private let file: GGUFFile
    private let configuration: LanguageModelConfiguration

    var path: String { file.path }

    init(_ file: GGUFFile, configuration: LanguageModelConfiguration) {
        self.file = file
        self.configuration = configuration
    }

    func shape(of name: String) -> [Int]? { info(name)?.shape }

    func weight(_ name: String) throws -> Tensor {
        guard let info = info(name) else { throw MissingWeightsError(path: path, problems: ["'\(name)' is missing"]) }
        let tensor = Tensor.uninitialized(info.shape)
        tensor.withMutableBytes { file.dequantize(info, into: $0.bindMemory(to: Float.self)) }
        guard configuration.architecture == .llama else { return tensor }
        if name.contains("q_proj") { return halvesTogether(tensor, heads: configuration.headCount) }
        if name.contains("k_proj") { return halvesTogether(tensor, heads: configuration.keyValueHeadCount) }
        return tensor
    }

    /// llama.cpp rotates neighbouring rows where Hugging Face rotates the two halves of a head, and stores the rows of
    /// q and k of the llama architecture reordered for that: (pair, half) within a head. This gives back (half, pair).
    private func halvesTogether(_ rows: Tensor, heads: Int) -> Tensor {
        let shape = rows.shape
        return rows.reshaped([heads, shape[0] / heads / 2, 2] + shape.dropFirst()).transposed(1, 2).reshaped(shape)
    }

    private func info(_ name: String) -> GGUFFile.TensorInfo? { Self.fileName(name).flatMap(file.tensor(named:)) }

    private static func fileName(_ name: String) -> String? {
        switch name {
        case "model.embed_tokens.weight": return "token_embd.weight"
        case "model.norm.weight": return "output_norm.weight"
        case "lm_head.weight": return "output.weight"
        default: break
        }
        let parts = name.split(separator: ".", maxSplits: 3).map(String.init)
        guard parts.count == 4, parts[0] == "model", parts[1] == "layers",
            let site = parts[3].split(separator: ".").dropLast().last, let kind = parts[3].split(separator: ".").last,
            let fileSite = sites[String(site)]
        else { return nil }
        return "blk.\(parts[2]).\(fileSite).\(kind)"
    }

    private static let sites = [
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "q_proj": "attn_q", "k_proj": "attn_k",
        "v_proj": "attn_v", "o_proj": "attn_output", "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down",
    ]
}

extension LanguageModelConfiguration {
    /// Reads the metadata of a GGUF file.
    /// - Throws: `FileFormatError` for a missing or mistyped key, `UnsupportedModelError` for another architecture,
    ///   `ModelConfigurationError` for impossible values.
    public init(_ file: GGUFFile) throws {
        let metadata = file.metadata
        let name = try metadata.required("general.architecture", metadata.string)
        guard let architecture = Architecture(rawValue: name) else {
            throw UnsupportedModelError(path: file.path, architecture: name, supported: Architecture.allCases.map(\.rawValue))
        }
        func integer(_ key: String) throws -> Int? { try metadata.integer("\(name).\(key)") }
        func required(_ key: String) throws -> Int { try metadata.required("\(name).\(key)", metadata.integer) }

        let headCount = try required("attention.head_count")
        let endToken = try metadata.integer("tokenizer.ggml.eos_token_id")
        try self.init(
            architecture: architecture,
            vocabularySize: file.tensor(named: "token_embd.weight")?.shape.first ?? required("vocab_size"),
            hiddenSize: required("embedding_length"), layerCount: required("block_count"), headCount: headCount,
            keyValueHeadCount: integer("attention.head_count_kv"), headSize: integer("attention.key_length"),
            feedForwardSize: required("feed_forward_length"), contextLength: required("context_length"),
            normEpsilon: metadata.required("\(name).attention.layer_norm_rms_epsilon", metadata.float),
            rotary: Self.rotary(file, name), tiesEmbeddings: file.tensor(named: "output.weight") == nil,
            attentionBias: file.tensor(named: "blk.0.attn_q.bias") == nil ? .none : .queryKeyValue,
            bosToken: metadata.integer("tokenizer.ggml.bos_token_id"), endTokens: endToken.map { [$0] } ?? [])
    }

    private static func rotary(_ file: GGUFFile, _ architecture: String) throws -> RotaryConfiguration {
        let metadata = file.metadata
        var rotary = RotaryConfiguration(base: try metadata.float("\(architecture).rope.freq_base") ?? 10_000)
        if let factors = file.tensor(named: "rope_freqs.weight") {
            guard factors.elementCount <= 4096 else {
                throw FileFormatError(path: file.path, format: "GGUF", problem: "'rope_freqs.weight' has \(factors.elementCount) elements")
            }
            rotary.scaling = .perFrequency(file.dequantized(factors).map(Double.init))
        } else if let kind = try metadata.string("\(architecture).rope.scaling.type"), kind != "none" {
            guard kind == "linear" else {
                throw FileFormatError(path: file.path, format: "GGUF", problem: "the rotary scaling '\(kind)' is not supported")
            }
            rotary.scaling = .linear(factor: try metadata.required("\(architecture).rope.scaling.factor", metadata.float))
        }
        return rotary
    }
}

/// A model of an architecture that is not implemented.
public struct UnsupportedModelError: Error, CustomStringConvertible, Equatable, Sendable {
    public let path: String
    public let architecture: String
    public let supported: [String]

    public var description: String {
        "'\(path)' holds a model of the architecture '\(architecture)', which is not supported; use one of \(supported.joined(separator: ", "))"
    }
}
