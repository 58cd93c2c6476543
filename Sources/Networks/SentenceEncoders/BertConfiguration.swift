internal import Torch

/// The dimensions of a BERT encoder.
public struct BertConfiguration: Codable, Sendable, Equatable {
    public var vocabularySize: Int
    public var hiddenSize: Int
    public var layerCount: Int
    public var headCount: Int
    public var feedForwardSize: Int
    /// The most positions a text may have.
    public var contextLength: Int
    public var tokenTypeCount: Int
    /// ε of the layer norms.
    public var normEpsilon: Double

    /// Reads an encoder's `config.json`.
    /// - Throws: `FileFormatError` for a missing or mistyped key or an option that is not supported,
    ///   `UnsupportedModelError` for another architecture, `ModelConfigurationError` for impossible values.
    package init(_ file: HuggingFaceConfiguration) throws {
        let name = try file.required("model_type", file.string)
        guard name == "bert" else { throw UnsupportedModelError(path: file.path, architecture: name, supported: ["bert"]) }
        let activation = try file.string("hidden_act") ?? "gelu"
        guard activation == "gelu" else { throw file.invalid("the activation '\(activation)' is not supported") }
        let positions = try file.string("position_embedding_type") ?? "absolute"
        guard positions == "absolute" else { throw file.invalid("the position embedding '\(positions)' is not supported") }
        vocabularySize = try file.required("vocab_size", file.integer)
        hiddenSize = try file.required("hidden_size", file.integer)
        layerCount = try file.required("num_hidden_layers", file.integer)
        headCount = try file.required("num_attention_heads", file.integer)
        feedForwardSize = try file.required("intermediate_size", file.integer)
        contextLength = try file.integer("max_position_embeddings") ?? 512
        tokenTypeCount = try file.integer("type_vocab_size") ?? 2
        normEpsilon = try file.number("layer_norm_eps") ?? 1e-12
        try validate()
    }

    func validate() throws {
        let sizes: [(String, Int)] = [
            ("vocabulary size", vocabularySize), ("hidden size", hiddenSize), ("head count", headCount),
            ("feed-forward size", feedForwardSize), ("context length", contextLength), ("token type count", tokenTypeCount),
        ]
        for (name, size) in sizes where !(1...(1 << 20)).contains(size) {
            throw ModelConfigurationError("the \(name) is \(size), not between 1 and \(1 << 20)")
        }
        guard (1...1024).contains(layerCount) else { throw ModelConfigurationError("the layer count is \(layerCount), not between 1 and 1024") }
        guard hiddenSize % headCount == 0 else {
            throw ModelConfigurationError("the hidden size \(hiddenSize) is not a multiple of \(headCount) heads")
        }
        guard normEpsilon > 0, normEpsilon < 1 else { throw ModelConfigurationError("the norm's epsilon is \(normEpsilon)") }
    }

    /// Every weight of the encoder (without a pooler) in the Hugging Face layout.
    var weightShapes: [(name: String, shape: [Int])] {
        func linear(_ name: String, _ output: Int, _ input: Int) -> [(name: String, shape: [Int])] {
            [("\(name).weight", [output, input]), ("\(name).bias", [output])]
        }
        func norm(_ name: String) -> [(name: String, shape: [Int])] {
            [("\(name).weight", [hiddenSize]), ("\(name).bias", [hiddenSize])]
        }
        let embeddings = [("word", vocabularySize), ("position", contextLength), ("token_type", tokenTypeCount)]
        var shapes = embeddings.map { (name: "embeddings.\($0)_embeddings.weight", shape: [$1, hiddenSize]) }
        shapes += norm("embeddings.LayerNorm")
        for layer in 0..<layerCount {
            let prefix = "encoder.layer.\(layer)."
            for name in ["query", "key", "value"] { shapes += linear("\(prefix)attention.self.\(name)", hiddenSize, hiddenSize) }
            shapes += linear("\(prefix)attention.output.dense", hiddenSize, hiddenSize)
            shapes += norm("\(prefix)attention.output.LayerNorm")
            shapes += linear("\(prefix)intermediate.dense", feedForwardSize, hiddenSize)
            shapes += linear("\(prefix)output.dense", hiddenSize, feedForwardSize)
            shapes += norm("\(prefix)output.LayerNorm")
        }
        return shapes
    }
}
