public import Torch

/// A decoder of the Llama family with named activations (``HookPoint``).
///
/// ```swift
/// let model = try LanguageModel.load("SmolLM2-135M-Instruct.Q4_1.gguf")
/// let residual = try model.run(tokens: tokens, stopAtLayer: 15)          // [B, T, D], half the blocks
/// let losses = try model.nextTokenLosses(tokens: tokens, hooks: [.ablateToZero(.block(3, .feedForwardOutput))])
/// ```
///
/// Weights are constants: they are read when a pass first reaches their block, laid out for speed, and gradients flow to
/// activations only. Results do not depend on which hooks merely look. Not `Sendable`: use it from one task at a time.
public final class LanguageModel {
    public let configuration: LanguageModelConfiguration
    let source: any WeightSource
    let placement: Placement
    private let frequencies: [Double]
    private var blocks: [DecoderBlock?]
    private var scopedHooks: [Hook] = []
    private lazy var embedding = Result { try outsideInferenceMode { placement.place(try source.weight("model.embed_tokens.weight")) } }
    private lazy var finalNorm = Result {
        try outsideInferenceMode {
            RMSNorm(weight: placement.place(try source.weight("model.norm.weight")), epsilon: configuration.normEpsilon)
        }
    }
    private lazy var head = Result {
        try FrozenLinear([configuration.headName], from: source, hasBias: false, placement: placement)
    }

    /// Checks that `source` has every weight; reads none yet.
    /// - Parameter dtype: precision of weights and activations.
    /// - Throws: `MissingWeightsError`.
    package init(
        _ configuration: LanguageModelConfiguration, weights source: any WeightSource, device: Device = .cpu, dtype: DType = .float32
    ) throws {
        try configuration.validate()
        try source.require(configuration.weightShapes)
        self.configuration = configuration
        self.source = source
        placement = Placement(device: device, dtype: dtype)
        frequencies = configuration.rotary.inverseFrequencies(headSize: configuration.headSize)
        blocks = Array(repeating: nil, count: configuration.layerCount)
    }

    /// The blocks whose weights have been read.
    package var loadedLayers: [Int] { blocks.indices.filter { blocks[$0] != nil } }

    public var device: Device { placement.device }

    // MARK: - Hooks

    /// A hook point by TransformerLens's name, checked against this model.
    /// - Throws: `UnknownHookPointError` with the nearest existing name.
    public func hookPoint(_ name: String) throws -> HookPoint {
        try HookPoint(parsing: name, layerCount: configuration.layerCount)
    }

    /// Runs `body` with `hooks` in every pass made in it, before those given to the pass itself.
    public func withHooks<Result>(_ hooks: [Hook], _ body: () throws -> Result) rethrows -> Result {
        let outer = scopedHooks
        scopedHooks += hooks
        defer { scopedHooks = outer }
        return try body()
    }

    // MARK: - Passes

    /// The residual stream, [B, T, D]: before block `stopAtLayer`, or after the last block if nil.
    ///
    /// Neither later blocks nor the output head are computed, or read.
    /// - Parameters:
    ///   - tokens: int64, [B, T].
    ///   - paddingMask: bool, [B, T], true for tokens and false for padding, left or right; nil if there is none.
    @discardableResult
    public func run(tokens: Tensor, paddingMask: Tensor? = nil, hooks: [Hook] = [], stopAtLayer: Int? = nil) throws -> Tensor {
        try checkTokens(tokens)
        let pass = try newPass(batch: tokens.size(0), length: tokens.size(1), paddingMask: paddingMask, hooks: hooks)
        return try run(embedded(tokens, pass.hooks), pass, layers: 0..<(stopAtLayer ?? configuration.layerCount))
    }

    /// As ``run(tokens:paddingMask:hooks:stopAtLayer:)``, from the residual stream before block `startAtLayer`.
    @discardableResult
    public func run(
        residual: Tensor, startAtLayer: Int, paddingMask: Tensor? = nil, hooks: [Hook] = [], stopAtLayer: Int? = nil
    ) throws -> Tensor {
        require(
            residual.rank == 3 && residual.size(2) == configuration.hiddenSize,
            "run: a residual stream of shape \(residual.shape), expected [batch, positions, \(configuration.hiddenSize)]")
        let pass = try newPass(batch: residual.size(0), length: residual.size(1), paddingMask: paddingMask, hooks: hooks)
        return try run(residual, pass, layers: startAtLayer..<(stopAtLayer ?? configuration.layerCount))
    }

    /// The logits of every position, [B, T, vocabulary].
    public func logits(tokens: Tensor, paddingMask: Tensor? = nil, hooks: [Hook] = []) throws -> Tensor {
        let residual = try run(tokens: tokens, paddingMask: paddingMask, hooks: hooks)
        return try logits(residual: residual, hooks: hooks)
    }

    /// The logits of a residual stream after the last block: final norm and output head. [B, T, D] → [B, T, vocabulary].
    public func logits(residual: Tensor, hooks: [Hook] = []) throws -> Tensor {
        try logits(residual, hookTable(hooks, positions: 0..<residual.size(1)))
    }

    /// The scoped hooks and those of one pass over `positions`.
    func hookTable(_ hooks: [Hook], positions: Range<Int>) throws -> HookTable {
        try HookTable(scopedHooks + hooks, positions: positions, layerCount: configuration.layerCount)
    }

    func logits(_ residual: Tensor, _ hooks: HookTable) throws -> Tensor {
        try hooks(.logits, head.get()(normalized(residual, hooks)))
    }

    private func normalized(_ residual: Tensor, _ hooks: HookTable) throws -> Tensor {
        try finalNorm.get()(residual, hooks, scale: .finalNormScale, normalized: .finalNormalized)
    }

    /// The activations at `points`, from one pass that computes no more than they need.
    public func activations(
        at points: [HookPoint], tokens: Tensor, paddingMask: Tensor? = nil, hooks: [Hook] = []
    ) throws -> ActivationCache {
        let cache = ActivationCache()
        let count = points.map { $0.requiredLayerCount(of: configuration.layerCount) }.max() ?? 0
        let all = hooks + points.map { Hook.record($0, in: cache) }
        if points.contains(where: \.isAfterBlocks) {
            _ = try logits(tokens: tokens, paddingMask: paddingMask, hooks: all)
        } else {
            try run(tokens: tokens, paddingMask: paddingMask, hooks: all, stopAtLayer: count)
        }
        return cache
    }

    /// The vector that each token's logit is the product with: the output head, [vocabulary, D].
    public func unembedding() throws -> Tensor { placement.place(try source.weight("\(configuration.headName).weight")) }

    /// The weight of the final norm, which multiplies what the output head reads, [D].
    public func finalNormWeight() throws -> Tensor { placement.place(try source.weight("model.norm.weight")) }

    // MARK: - Parts of a pass

    private func checkTokens(_ tokens: Tensor) throws {
        require(
            tokens.rank == 2 && tokens.dtype == .int64, "run: tokens of shape \(tokens.shape) and dtype \(tokens.dtype), expected [B, T] int64")
    }

    func embedded(_ tokens: Tensor, _ hooks: HookTable) throws -> Tensor {
        try hooks(.embedding, embedding.get().embedding(tokens.to(device: placement.device)))
    }

    func run(_ input: Tensor, _ pass: DecoderPass, layers: Range<Int>) throws -> Tensor {
        require(
            0 <= layers.lowerBound && layers.upperBound <= configuration.layerCount, "run: blocks \(layers) of \(configuration.layerCount)")
        var residual = input
        for layer in layers { residual = try block(layer)(residual, pass) }
        // The point before the block that is not computed any more is still part of the pass.
        if layers.upperBound < configuration.layerCount {
            residual = try pass.hooks(.residualPre(layers.upperBound), residual)
        }
        return residual
    }

    private func block(_ layer: Int) throws -> DecoderBlock {
        if let block = blocks[layer] { return block }
        let block = try outsideInferenceMode { try DecoderBlock(layer, configuration, from: source, placement: placement) }
        blocks[layer] = block
        return block
    }

    private func newPass(batch: Int, length: Int, paddingMask: Tensor?, hooks: [Hook]) throws -> DecoderPass {
        let table = try hookTable(hooks, positions: 0..<length)
        guard let paddingMask else {
            let rotation = DecoderPass.Rotation(positions: Tensor.arange(0, length), frequencies: frequencies, placement: placement)
            return DecoderPass(hooks: table, rotation: rotation, visibility: .causal, cache: nil)
        }
        require(paddingMask.shape == [batch, length], "run: a padding mask of shape \(paddingMask.shape) for tokens [\(batch), \(length)]")
        let isToken = paddingMask.to(dtype: .bool).to(device: placement.device)
        let positions = (isToken.to(dtype: .int64).cumulativeSum(axis: 1) - 1).clamped(minimum: 0)
        let causal = Tensor.ones([length, length], dtype: .bool, device: placement.device).lowerTriangle()
        // A padding position that sees nothing would give NaN, so each sees itself.
        let itself = Tensor.identity(length, device: placement.device).to(dtype: .bool)
        let mask = isToken.reshaped([batch, 1, 1, length]).logicalAnd(causal).logicalOr(itself)
        return DecoderPass(
            hooks: table, rotation: .init(positions: positions, frequencies: frequencies, placement: placement),
            visibility: .mask(mask), cache: nil)
    }

    /// A pass over `length` new positions behind those in `cache`.
    func newPass(length: Int, cache: KeyValueCache, hooks: [Hook]) throws -> DecoderPass {
        let positions = cache.count..<cache.count + length
        let table = try hookTable(hooks, positions: positions)
        let rotation = DecoderPass.Rotation(
            positions: Tensor.arange(positions.lowerBound, positions.upperBound), frequencies: frequencies, placement: placement)
        let visibility: DecoderPass.Visibility
        if cache.count == 0 {
            visibility = .causal
        } else if length == 1 {
            visibility = .all
        } else {
            visibility = .mask(
                Tensor.ones([length, positions.upperBound], dtype: .bool, device: placement.device).lowerTriangle(diagonal: cache.count))
        }
        return DecoderPass(hooks: table, rotation: rotation, visibility: visibility, cache: cache)
    }
}

extension HookPoint {
    fileprivate var isAfterBlocks: Bool { layer == nil && self != .embedding }
}

extension LanguageModelConfiguration {
    /// The matrix that gives logits.
    var headName: String { tiesEmbeddings ? "model.embed_tokens" : "lm_head" }

    /// Every weight of the model in the Hugging Face layout.
    package var weightShapes: [(name: String, shape: [Int])] {
        let queries = headCount * headSize, keys = keyValueHeadCount * headSize
        var shapes: [(name: String, shape: [Int])] = [("model.embed_tokens.weight", [vocabularySize, hiddenSize])]
        for layer in 0..<layerCount {
            let prefix = "model.layers.\(layer)."
            let projections = [("q_proj", queries), ("k_proj", keys), ("v_proj", keys)]
            shapes.append(("\(prefix)input_layernorm.weight", [hiddenSize]))
            for (name, size) in projections {
                shapes.append(("\(prefix)self_attn.\(name).weight", [size, hiddenSize]))
                if attentionBias != .none { shapes.append(("\(prefix)self_attn.\(name).bias", [size])) }
            }
            shapes.append(("\(prefix)self_attn.o_proj.weight", [hiddenSize, queries]))
            if attentionBias == .all { shapes.append(("\(prefix)self_attn.o_proj.bias", [hiddenSize])) }
            shapes.append(("\(prefix)post_attention_layernorm.weight", [hiddenSize]))
            shapes.append(("\(prefix)mlp.gate_proj.weight", [feedForwardSize, hiddenSize]))
            shapes.append(("\(prefix)mlp.up_proj.weight", [feedForwardSize, hiddenSize]))
            shapes.append(("\(prefix)mlp.down_proj.weight", [hiddenSize, feedForwardSize]))
        }
        shapes.append(("model.norm.weight", [hiddenSize]))
        if !tiesEmbeddings { shapes.append(("lm_head.weight", [vocabularySize, hiddenSize])) }
        return shapes
    }
}
