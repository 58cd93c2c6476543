import Torch

/// One block of a Llama-family decoder: x += attention(norm₁ x); x += feedForward(norm₂ x).
///
/// attention: grouped-query with rotary positions; feedForward: down(silu(gate x)·up x).
final class DecoderBlock {
    private let layer: Int
    private let configuration: LanguageModelConfiguration
    private let attentionNorm: RMSNorm
    private let feedForwardNorm: RMSNorm
    private let queryKeyValue: FrozenLinear
    private let output: FrozenLinear
    private let gateAndUp: FrozenLinear
    private let down: FrozenLinear

    init(_ layer: Int, _ configuration: LanguageModelConfiguration, from source: any WeightSource, placement: Placement) throws {
        self.layer = layer
        self.configuration = configuration
        let prefix = "model.layers.\(layer)."
        func norm(_ name: String) throws -> RMSNorm {
            RMSNorm(weight: placement.place(try source.weight("\(prefix)\(name).weight")), epsilon: configuration.normEpsilon)
        }
        func linear(_ names: [String], hasBias: Bool = false) throws -> FrozenLinear {
            try FrozenLinear(names.map { prefix + $0 }, from: source, hasBias: hasBias, placement: placement)
        }
        attentionNorm = try norm("input_layernorm")
        feedForwardNorm = try norm("post_attention_layernorm")
        queryKeyValue = try linear(
            ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"], hasBias: configuration.attentionBias != .none)
        output = try linear(["self_attn.o_proj"], hasBias: configuration.attentionBias == .all)
        gateAndUp = try linear(["mlp.gate_proj", "mlp.up_proj"])
        down = try linear(["mlp.down_proj"])
    }

    private func point(_ site: HookPoint.Site) -> HookPoint { .block(layer, site) }

    /// The residual stream after the block, [B, T, D].
    func callAsFunction(_ input: Tensor, _ pass: DecoderPass) throws -> Tensor {
        let hooks = pass.hooks
        let before = try hooks(point(.residualPre), input)
        let attended = try attention(
            attentionNorm(before, hooks, scale: point(.attentionNormScale), normalized: point(.attentionNormalized)), pass)
        let middle = try hooks(point(.residualMid), sum(before, hooks(point(.attentionOutput), attended), at: .attentionOutput, hooks))
        let fed = try feedForward(
            feedForwardNorm(middle, hooks, scale: point(.feedForwardNormScale), normalized: point(.feedForwardNormalized)), hooks)
        let after = try sum(middle, hooks(point(.feedForwardOutput), fed), at: .feedForwardOutput, hooks)
        return try hooks(point(.residualPost), after)
    }

    /// residual + branch; in the branch's memory where nobody else can hold it.
    private func sum(_ residual: Tensor, _ branch: Tensor, at site: HookPoint.Site, _ hooks: HookTable) -> Tensor {
        let isShared = hooks.has(point(site)) || hooks.has(point(.headResults)) || isRecordingGradients && branch.requiresGrad
        return isShared || isRecordingGradients && residual.requiresGrad ? branch + residual : branch.addInPlace(residual)
    }

    private func attention(_ input: Tensor, _ pass: DecoderPass) throws -> Tensor {
        let hooks = pass.hooks
        let (batch, length) = (input.size(0), input.size(1))
        let (heads, groups) = (configuration.headCount, configuration.keyValueHeadCount)
        let joined = try queryKeyValue(input).viewed(as: [batch, length, heads + 2 * groups, configuration.headSize])
        func part(_ start: Int, _ count: Int) -> Tensor { joined.narrowed(axis: 2, from: start, count: count) }

        let plainQueries = try hooks.replacement(of: part(0, heads), at: point(.queries))
        let plainKeys = try hooks.replacement(of: part(heads, groups), at: point(.keys))
        let rotated = pass.rotated(part(0, heads + groups))
        let queries = try hooks(
            point(.rotatedQueries), plainQueries.map(pass.rotated) ?? rotated.narrowed(axis: 2, from: 0, count: heads))
        let newKeys = try hooks(
            point(.rotatedKeys), plainKeys.map(pass.rotated) ?? rotated.narrowed(axis: 2, from: heads, count: groups))
        let newValues = try hooks(point(.values), part(heads + groups, groups))

        var keys = newKeys.transposed(1, 2), values = newValues.transposed(1, 2)
        if let cache = pass.cache { (keys, values) = cache.append(keys, values, layer: layer) }
        let mixed = try mixedValues(queries.transposed(1, 2), keys, values, pass)
        let hooked = try hooks(point(.mixedValues), mixed.transposed(1, 2))
        return try projected(hooked, hooks)
    }

    /// The weighted values, [B, H, T, d]. Scores and pattern are made only for hooks; as long as none changes them,
    /// the result is the fused kernel's.
    private func mixedValues(_ queries: Tensor, _ keys: Tensor, _ values: Tensor, _ pass: DecoderPass) throws -> Tensor {
        let hooks = pass.hooks
        guard hooks.has(point(.attentionScores)) || hooks.has(point(.pattern)) else { return pass.attention(queries, keys, values) }
        let scores = pass.scores(queries, keys)
        let changedScores = try hooks.replacement(of: scores, at: point(.attentionScores))
        let pattern = (changedScores ?? scores).softmax()
        let changedPattern = try hooks.replacement(of: pattern, at: point(.pattern))
        guard changedScores != nil || changedPattern != nil else { return pass.attention(queries, keys, values) }
        let groups = configuration.headCount / configuration.keyValueHeadCount
        return (changedPattern ?? pattern).matmul(groups == 1 ? values : values.repeated(groups, axis: 1))
    }

    /// z [B, T, H, d] through the output projection.
    private func projected(_ mixed: Tensor, _ hooks: HookTable) throws -> Tensor {
        let (batch, length) = (mixed.size(0), mixed.size(1))
        let plain = try output(mixed.reshaped([batch, length, configuration.headCount * configuration.headSize]))
        guard hooks.has(point(.headResults)) else { return plain }
        let perHead = try output.weight()
            .reshaped([configuration.hiddenSize, configuration.headCount, configuration.headSize]).permuted([1, 2, 0])
        let results = mixed.unsqueezed(3).matmul(perHead).squeezed(3)
        guard let changed = try hooks.replacement(of: results, at: point(.headResults)) else { return plain }
        return plain + (changed - results).sum(axis: 2)
    }

    private func feedForward(_ input: Tensor, _ hooks: HookTable) throws -> Tensor {
        let joined = try gateAndUp(input)
        let width = configuration.feedForwardSize
        let gate = try hooks(point(.gate), joined.narrowed(axis: 2, from: 0, count: width))
        let up = try hooks(point(.up), joined.narrowed(axis: 2, from: width, count: width))
        let activated = gate.silu()
        let isRecorded = isRecordingGradients && (activated.requiresGrad || up.requiresGrad)
        let product = isRecorded ? activated * up : activated.multiplyInPlace(by: up)
        return try down(try hooks(point(.gatedProduct), product))
    }
}

/// x/√(mean x² + ε)·weight, with hooks on scale and normalised value.
struct RMSNorm {
    let weight: Tensor
    let epsilon: Double

    func callAsFunction(_ x: Tensor, _ hooks: HookTable, scale scalePoint: HookPoint, normalized normalizedPoint: HookPoint) throws -> Tensor {
        let plain = x.rmsNorm(shape: [x.size(-1)], weight: weight, epsilon: epsilon)
        guard hooks.has(scalePoint) || hooks.has(normalizedPoint) else { return plain }
        let scale = (x.squared().mean(axis: -1, keepingDimensions: true) + epsilon).sqrt()
        let changedScale = try hooks.replacement(of: scale, at: scalePoint)
        let normalized = x / (changedScale ?? scale)
        let changed = try hooks.replacement(of: normalized, at: normalizedPoint)
        guard changedScale != nil || changed != nil else { return plain }
        return (changed ?? normalized) * weight
    }
}
