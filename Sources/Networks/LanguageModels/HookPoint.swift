internal import Suggestions

/// A named place in a decoder where activations can be read or replaced. Names are TransformerLens's.
///
/// Shapes: B batch, T positions of this pass, S all positions seen, D hidden size, H heads, K key/value heads, d head size,
/// M feed-forward size.
public enum HookPoint: Hashable, Sendable {
    /// Token embeddings, [B, T, D].
    case embedding
    /// A place within the block of that number.
    case block(Int, Site)
    /// √(mean x² + ε) of the last norm, [B, T, 1].
    case finalNormScale
    /// The last norm's output before its weight, [B, T, D].
    case finalNormalized
    /// [B, T, vocabulary]; fires only where logits are computed.
    case logits

    /// A place within a decoder block; the raw value is its name after `blocks.L.`.
    public enum Site: String, CaseIterable, Sendable {
        /// Residual stream before the block, [B, T, D].
        case residualPre = "hook_resid_pre"
        /// Residual stream between attention and feed-forward, [B, T, D].
        case residualMid = "hook_resid_mid"
        /// Residual stream after the block, [B, T, D].
        case residualPost = "hook_resid_post"
        /// √(mean x² + ε) of the norm before attention, [B, T, 1].
        case attentionNormScale = "ln1.hook_scale"
        /// That norm's output before its weight, [B, T, D].
        case attentionNormalized = "ln1.hook_normalized"
        /// Queries before the rotation, [B, T, H, d].
        case queries = "attn.hook_q"
        /// Keys before the rotation, [B, T, K, d].
        case keys = "attn.hook_k"
        /// Values, [B, T, K, d].
        case values = "attn.hook_v"
        /// Queries after the rotation, [B, T, H, d].
        case rotatedQueries = "attn.hook_rot_q"
        /// Keys after the rotation, [B, T, K, d].
        case rotatedKeys = "attn.hook_rot_k"
        /// Masked scores before the softmax, [B, H, T, S]; hidden positions hold the lowest finite number.
        case attentionScores = "attn.hook_attn_scores"
        /// Attention weights, [B, H, T, S].
        case pattern = "attn.hook_pattern"
        /// Mixed values before the output projection, [B, T, H, d].
        case mixedValues = "attn.hook_z"
        /// Each head's contribution to the residual stream (without the output bias), [B, T, H, D]. Costly.
        case headResults = "attn.hook_result"
        /// What attention adds to the residual stream, [B, T, D].
        case attentionOutput = "hook_attn_out"
        /// √(mean x² + ε) of the norm before the feed-forward part, [B, T, 1].
        case feedForwardNormScale = "ln2.hook_scale"
        /// That norm's output before its weight, [B, T, D].
        case feedForwardNormalized = "ln2.hook_normalized"
        /// Gate before its activation, [B, T, M].
        case gate = "mlp.hook_pre"
        /// The linear branch that the gate multiplies, [B, T, M].
        case up = "mlp.hook_pre_linear"
        /// Their product, the input of the down projection, [B, T, M].
        case gatedProduct = "mlp.hook_post"
        /// What the feed-forward part adds to the residual stream, [B, T, D].
        case feedForwardOutput = "hook_mlp_out"
    }

    /// Residual stream before block `layer`.
    public static func residualPre(_ layer: Int) -> HookPoint { .block(layer, .residualPre) }
    /// Residual stream between attention and feed-forward of block `layer`.
    public static func residualMid(_ layer: Int) -> HookPoint { .block(layer, .residualMid) }
    /// Residual stream after block `layer`.
    public static func residualPost(_ layer: Int) -> HookPoint { .block(layer, .residualPost) }

    /// The block the point lies in, if it lies in one.
    public var layer: Int? { if case .block(let layer, _) = self { layer } else { nil } }

    /// How many blocks a pass must compute for this point to fire, in a model of `layerCount` blocks: what to give
    /// `stopAtLayer`. A point before or within block L needs L, or L + 1, of them.
    public func requiredLayerCount(of layerCount: Int) -> Int {
        switch self {
        case .embedding: 0
        case .block(let layer, .residualPre): layer
        case .block(let layer, _): layer + 1
        case .finalNormScale, .finalNormalized, .logits: layerCount
        }
    }

    /// Every point of a model with `layerCount` blocks.
    public static func all(layerCount: Int) -> [HookPoint] {
        let blocks = (0..<layerCount).flatMap { layer in Site.allCases.map { HookPoint.block(layer, $0) } }
        return [.embedding] + blocks + [.finalNormScale, .finalNormalized, .logits]
    }
}

extension HookPoint: CustomStringConvertible {
    /// TransformerLens's name, e.g. `blocks.5.hook_resid_post`.
    public var name: String {
        switch self {
        case .embedding: "hook_embed"
        case .block(let layer, let site): "blocks.\(layer).\(site.rawValue)"
        case .finalNormScale: "ln_final.hook_scale"
        case .finalNormalized: "ln_final.hook_normalized"
        case .logits: "logits"
        }
    }

    public var description: String { name }
}

/// A hook point's name that a model does not have.
public struct UnknownHookPointError: Error, CustomStringConvertible, Equatable, Sendable {
    public let name: String
    /// The existing name that was most likely meant, if there is one near.
    public let nearest: String?
    public let layerCount: Int

    public var description: String {
        "there is no hook point '\(name)' in a model of \(layerCount) blocks; "
            + (nearest.map { "did you mean '\($0)'?" } ?? "names are TransformerLens's, e.g. 'blocks.\(layerCount / 2).hook_resid_post'")
    }
}

extension HookPoint {
    /// Reads TransformerLens's name of a point in a model with `layerCount` blocks.
    /// - Throws: `UnknownHookPointError`, which suggests the nearest name.
    public init(parsing name: String, layerCount: Int) throws(UnknownHookPointError) {
        let points = Self.all(layerCount: layerCount)
        guard let point = points.first(where: { $0.name == name }) else {
            throw UnknownHookPointError(name: name, nearest: nearestName(to: name, among: points.map(\.name)), layerCount: layerCount)
        }
        self = point
    }
}
