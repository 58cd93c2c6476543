public import Torch
internal import TorchNN
internal import Foundation

/// A BERT encoder (Devlin et al. 2018) and the sentence vectors made from it (Reimers & Gurevych 2019).
///
/// ```swift
/// let encoder = try BertEncoder.load("all-MiniLM-L6-v2")
/// let vectors = try encoder.sentenceVectors(["A man is eating.", "Stocks fell."])    // [2, 384], unit length
/// ```
/// Weights are constants; gradients flow to activations only.
public final class BertEncoder {
    public let configuration: BertConfiguration
    /// nil for encoders built from weights alone.
    public let tokenizer: Tokenizer?
    /// Longer texts are cut to so many tokens.
    public let maximumTokenCount: Int

    private let wordEmbedding: Tensor
    private let positionEmbedding: Tensor
    private let typeEmbedding: Tensor
    private let embeddingNorm: LayerNorm
    private let layers: [Layer]
    private let placement: Placement

    package init(
        _ configuration: BertConfiguration, weights source: any WeightSource, tokenizer: Tokenizer? = nil,
        maximumTokenCount: Int? = nil, device: Device = .cpu
    ) throws {
        try source.require(configuration.weightShapes)
        let placement = Placement(device: device, dtype: .float32)
        self.configuration = configuration
        self.tokenizer = tokenizer
        self.maximumTokenCount = min(maximumTokenCount ?? .max, configuration.contextLength)
        self.placement = placement
        func embedding(_ name: String) throws -> Tensor { placement.place(try source.weight("embeddings.\(name)_embeddings.weight")) }
        wordEmbedding = try embedding("word")
        positionEmbedding = try embedding("position")
        typeEmbedding = try embedding("token_type")
        embeddingNorm = try LayerNorm("embeddings.LayerNorm", source, placement, configuration.normEpsilon)
        layers = try (0..<configuration.layerCount).map { try Layer($0, configuration, source, placement) }
    }

    /// Loads the encoder, and its tokenizer, from a Hugging Face folder. `sentence_bert_config.json` gives the longest text.
    /// - Throws: one clear sentence: `ModelNotFoundError`, `UnsupportedModelError`, `MissingWeightsError`, `FileFormatError`,
    ///   `FileAccessError`, `ModelConfigurationError` or `TokenizerError`.
    public static func load(_ path: String, device: Device = .cpu) throws -> BertEncoder {
        guard case .folder(let folder) = try ModelLocation(path) else {
            throw ModelNotFoundError(path: path, reason: "an encoder is read from a folder with config.json, not from a GGUF file")
        }
        let configuration = try BertConfiguration(HuggingFaceConfiguration(path: "\(folder)/config.json"))
        let lengthFile = "\(folder)/sentence_bert_config.json"
        let length = try FileManager.default.fileExists(atPath: lengthFile)
            ? HuggingFaceConfiguration(path: lengthFile).integer("max_seq_length") : nil
        if let length, length < 1 { throw ModelConfigurationError("the longest text has \(length) tokens") }
        return try BertEncoder(
            configuration, weights: SafetensorsWeights(try SafetensorsCheckpoint(path: folder), path: folder, prefixes: ["bert."]),
            tokenizer: Tokenizer(folder: URL(fileURLWithPath: folder)), maximumTokenCount: length, device: device)
    }

    /// The last layer's output, [B, T, D].
    /// - Parameters:
    ///   - tokens: int64, [B, T].
    ///   - mask: bool, [B, T], true for tokens, false for padding; nil if there is none.
    public func hiddenStates(tokens: Tensor, mask: Tensor? = nil) throws -> Tensor {
        let length = tokens.size(1)
        require(
            tokens.rank == 2 && tokens.dtype == .int64 && length <= configuration.contextLength,
            "hiddenStates: tokens of shape \(tokens.shape) and dtype \(tokens.dtype), expected [B, T ≤ \(configuration.contextLength)] int64")
        require(mask.map { $0.shape == tokens.shape } ?? true, "hiddenStates: a mask of shape \(mask?.shape ?? []) for \(tokens.shape)")
        let positions = positionEmbedding.narrowed(axis: 0, from: 0, count: length)
        let embedded = wordEmbedding.embedding(tokens.to(device: placement.device)) + typeEmbedding[0] + positions
        let visible = mask?.to(dtype: .bool).to(device: placement.device).unsqueezed(1).unsqueezed(1)
        return try layers.reduce(embeddingNorm(embedded)) { try $1($0, visible: visible) }
    }

    /// Mean of the hidden states over the tokens that are not padding, scaled to unit length, [B, D].
    public func sentenceVectors(tokens: Tensor, mask: Tensor? = nil) throws -> Tensor {
        let hidden = try hiddenStates(tokens: tokens, mask: mask)
        let weights = (mask ?? Tensor.ones(tokens.shape, dtype: .bool)).to(dtype: .float32).to(device: placement.device).unsqueezed(2)
        let mean = (hidden * weights).sum(axis: 1) / weights.sum(axis: 1).clamped(minimum: 1e-9)
        return mean / mean.norm(axes: [1], keepingDimensions: true).clamped(minimum: 1e-12)
    }

    /// The vectors of `sentences`, in their order, [count, D] on the CPU.
    ///
    /// Sentences of similar length are computed together, `batchSize` at a time.
    public func sentenceVectors(_ sentences: [String], batchSize: Int = 32) throws -> Tensor {
        guard let tokenizer else { preconditionFailure("sentenceVectors: this encoder was built without a tokenizer") }
        require(batchSize > 0, "sentenceVectors: batches of \(batchSize)")
        let encoded = tokenizer.encode(batch: sentences, maximumCount: maximumTokenCount)
        let order = encoded.indices.sorted { (encoded[$0].count, $0) < (encoded[$1].count, $1) }
        let result = Tensor.zeros([sentences.count, configuration.hiddenSize])
        for start in stride(from: 0, to: order.count, by: batchSize) {
            let rows = Array(order[start..<min(start + batchSize, order.count)])
            let length = max(1, rows.map { encoded[$0].count }.max() ?? 1)
            let padded = rows.flatMap { encoded[$0] + Array(repeating: 0, count: length - encoded[$0].count) }
            let mask = rows.flatMap { row in (0..<length).map { $0 < encoded[row].count } }
            let vectors = try withoutGradients {
                try sentenceVectors(tokens: Tensor(padded, shape: [rows.count, length]), mask: Tensor(mask, shape: [rows.count, length]))
            }
            result.copySlicesInPlace(vectors.to(device: .cpu), at: Tensor(rows))
        }
        return result
    }

    /// Post-norm block: x = norm(x + attention(x)); x = norm(x + feedForward(x)), exact GELU.
    private struct Layer {
        let headCount: Int
        let queryKeyValue: FrozenLinear
        let output: FrozenLinear
        let outputNorm: LayerNorm
        let up: FrozenLinear
        let down: FrozenLinear
        let downNorm: LayerNorm

        init(_ index: Int, _ configuration: BertConfiguration, _ source: any WeightSource, _ placement: Placement) throws {
            let prefix = "encoder.layer.\(index)."
            func linear(_ names: [String]) throws -> FrozenLinear {
                try FrozenLinear(names.map { prefix + $0 }, from: source, hasBias: true, placement: placement)
            }
            headCount = configuration.headCount
            queryKeyValue = try linear(["query", "key", "value"].map { "attention.self.\($0)" })
            output = try linear(["attention.output.dense"])
            outputNorm = try LayerNorm("\(prefix)attention.output.LayerNorm", source, placement, configuration.normEpsilon)
            up = try linear(["intermediate.dense"])
            down = try linear(["output.dense"])
            downNorm = try LayerNorm("\(prefix)output.LayerNorm", source, placement, configuration.normEpsilon)
        }

        func callAsFunction(_ x: Tensor, visible: Tensor?) throws -> Tensor {
            let shape = x.shape
            let parts = try queryKeyValue(x).viewed(as: [shape[0], shape[1], 3 * headCount, shape[2] / headCount]).transposed(1, 2)
            func part(_ index: Int) -> Tensor { parts.narrowed(axis: 1, from: index * headCount, count: headCount) }
            let mixed = part(0).attention(keys: part(1), values: part(2), mask: visible)
            let attended = outputNorm(x + (try output(mixed.transposed(1, 2).reshaped(shape))))
            return downNorm(attended + (try down(try up(attended).gelu())))
        }
    }
}

extension LayerNorm {
    fileprivate convenience init(_ name: String, _ source: any WeightSource, _ placement: Placement, _ epsilon: Double) throws {
        self.init(
            weight: placement.place(try source.weight("\(name).weight")), bias: placement.place(try source.weight("\(name).bias")),
            epsilon: epsilon)
    }
}
