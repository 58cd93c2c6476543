package import Torch

/// A `config.json`, read with typed access and clear errors.
package struct HuggingFaceConfiguration {
    let path: String
    private let object: JSONValue.Object

    package init(path: String) throws {
        try self.init(bytes: MappedBytes(path: path))
    }

    package init(bytes: MappedBytes) throws {
        path = bytes.path
        let root: JSONValue
        do {
            root = try JSONValue(parsing: bytes.buffer)
        } catch let error as JSONValue.ParseError {
            throw FileFormatError(path: bytes.path, format: "a model configuration", problem: "it is not valid JSON (\(error))")
        }
        guard let object = root.objectValue else {
            throw FileFormatError(path: bytes.path, format: "a model configuration", problem: "it is not a JSON object")
        }
        self.object = object
    }

    private init(path: String, object: JSONValue.Object) {
        self.path = path
        self.object = object
    }

    func invalid(_ problem: String) -> FileFormatError {
        FileFormatError(path: path, format: "a model configuration", problem: problem)
    }

    /// The value of `key`; absent and null are nil.
    private func value<Value>(_ key: String, _ expected: String, _ convert: (JSONValue) -> Value?) throws -> Value? {
        guard let value = object[key], value != .null else { return nil }
        guard let converted = convert(value) else { throw invalid("'\(key)' is not \(expected)") }
        return converted
    }

    func integer(_ key: String) throws -> Int? { try value(key, "an integer", \.intValue) }
    func number(_ key: String) throws -> Double? { try value(key, "a number", \.doubleValue) }
    func bool(_ key: String) throws -> Bool? { try value(key, "true or false", \.boolValue) }
    func string(_ key: String) throws -> String? { try value(key, "a string", \.stringValue) }

    func section(_ key: String) throws -> HuggingFaceConfiguration? {
        try value(key, "an object", \.objectValue).map { HuggingFaceConfiguration(path: path, object: $0) }
    }

    /// One integer or a list of them.
    func integers(_ key: String) throws -> [Int] {
        try value(key, "an integer or a list of integers") { value in
            if let single = value.intValue { return [single] }
            guard let list = value.arrayValue?.map(\.intValue), !list.contains(nil) else { return nil }
            return list.compactMap { $0 }
        } ?? []
    }

    func required<Value>(_ key: String, _ access: (String) throws -> Value?) throws -> Value {
        guard let value = try access(key) else { throw invalid("the key '\(key)' is missing") }
        return value
    }
}

extension LanguageModelConfiguration {
    /// Reads a decoder's `config.json`.
    /// - Throws: `FileFormatError` for a missing or mistyped key or an option that is not supported,
    ///   `UnsupportedModelError` for another architecture, `ModelConfigurationError` for impossible values.
    package init(_ file: HuggingFaceConfiguration) throws {
        let name = try file.required("model_type", file.string)
        guard let architecture = Architecture(rawValue: name) else {
            throw UnsupportedModelError(path: file.path, architecture: name, supported: Architecture.allCases.map(\.rawValue))
        }
        let activation = try file.string("hidden_act") ?? "silu"
        guard activation == "silu" else { throw file.invalid("the activation '\(activation)' is not supported") }
        guard try file.bool("mlp_bias") != true else { throw file.invalid("a bias in the feed-forward part is not supported") }
        guard try file.bool("use_sliding_window") != true else { throw file.invalid("a sliding window is not supported") }
        let hasBias = try file.bool("attention_bias") ?? false
        try self.init(
            architecture: architecture, vocabularySize: file.required("vocab_size", file.integer),
            hiddenSize: file.required("hidden_size", file.integer), layerCount: file.required("num_hidden_layers", file.integer),
            headCount: file.required("num_attention_heads", file.integer),
            keyValueHeadCount: file.integer("num_key_value_heads"), headSize: file.integer("head_dim"),
            feedForwardSize: file.required("intermediate_size", file.integer),
            contextLength: file.integer("max_position_embeddings") ?? 2048, normEpsilon: file.number("rms_norm_eps") ?? 1e-6,
            rotary: Self.rotary(file), tiesEmbeddings: file.bool("tie_word_embeddings") ?? false,
            attentionBias: architecture == .qwen2 ? .queryKeyValue : hasBias ? .all : .none,
            bosToken: file.integers("bos_token_id").first, endTokens: file.integers("eos_token_id"))
    }

    /// `rope_theta` and `rope_scaling`, or the newer `rope_parameters` that holds both.
    private static func rotary(_ file: HuggingFaceConfiguration) throws -> RotaryConfiguration {
        let section = try file.section("rope_parameters") ?? file.section("rope_scaling")
        let base = try section?.number("rope_theta") ?? file.number("rope_theta") ?? 10_000
        guard let section, let kind = try section.string("rope_type") ?? section.string("type") else {
            return RotaryConfiguration(base: base)
        }
        switch kind {
        case "default": return RotaryConfiguration(base: base)
        case "linear":
            return RotaryConfiguration(base: base, scaling: .linear(factor: try section.required("factor", section.number)))
        case "llama3":
            return try RotaryConfiguration(
                base: base,
                scaling: .llama3(
                    factor: section.required("factor", section.number),
                    lowFrequencyFactor: section.required("low_freq_factor", section.number),
                    highFrequencyFactor: section.required("high_freq_factor", section.number),
                    originalContextLength: section.required("original_max_position_embeddings", section.integer)))
        default: throw file.invalid("the rotary scaling '\(kind)' is not supported")
        }
    }

    /// The `config.json` that Hugging Face libraries read.
    func huggingFaceJSON() -> String {
        var fields: [String: String] = [
            "model_type": "\"\(architecture.rawValue)\"",
            "architectures": architecture == .qwen2 ? "[\"Qwen2ForCausalLM\"]" : "[\"LlamaForCausalLM\"]",
            "vocab_size": "\(vocabularySize)", "hidden_size": "\(hiddenSize)", "num_hidden_layers": "\(layerCount)",
            "num_attention_heads": "\(headCount)", "num_key_value_heads": "\(keyValueHeadCount)", "head_dim": "\(headSize)",
            "intermediate_size": "\(feedForwardSize)", "max_position_embeddings": "\(contextLength)",
            "rms_norm_eps": "\(normEpsilon)", "hidden_act": "\"silu\"", "tie_word_embeddings": "\(tiesEmbeddings)",
            "attention_bias": "\(attentionBias == .all)", "rope_parameters": rotary.huggingFaceJSON(), "torch_dtype": "\"float32\"",
        ]
        fields["bos_token_id"] = bosToken.map { "\($0)" }
        if !endTokens.isEmpty { fields["eos_token_id"] = endTokens.count == 1 ? "\(endTokens[0])" : "\(endTokens)" }
        return "{\n" + fields.sorted { $0.key < $1.key }.map { "  \"\($0.key)\": \($0.value)" }.joined(separator: ",\n") + "\n}\n"
    }
}

extension RotaryConfiguration {
    fileprivate func huggingFaceJSON() -> String {
        switch scaling {
        case .none, .perFrequency: #"{"rope_type": "default", "rope_theta": \#(base)}"#
        case .linear(let factor): #"{"rope_type": "linear", "rope_theta": \#(base), "factor": \#(factor)}"#
        case .llama3(let factor, let low, let high, let original):
            #"{"rope_type": "llama3", "rope_theta": \#(base), "factor": \#(factor), "low_freq_factor": \#(low), "#
                + #""high_freq_factor": \#(high), "original_max_position_embeddings": \#(original)}"#
        }
    }
}
