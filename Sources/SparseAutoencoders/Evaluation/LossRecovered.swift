public import Torch
internal import TorchNN

/// A language model in which the activations at one hook can be replaced.
public protocol InterventionModel: AnyObject {
    /// Next-token logits.
    /// - Parameters:
    ///   - tokens: int64, shape [B, T].
    ///   - replacing: given the activations at the hook, shape [B, T, D], gives those to go on with; nil to leave them.
    /// - Returns: shape [B, T, V].
    func logits(for tokens: Tensor, replacing: ((Tensor) -> Tensor)?) throws -> Tensor
}

/// What is put in place of the activations at the hook.
public enum Ablation: String, Codable, Sendable {
    /// 0, as in the field's loss recovered.
    case zero
    /// The mean activation; gives other, usually lower, scores.
    case mean
}

/// What splicing a dictionary into a model costs the model.
///
/// CE is the mean cross-entropy of the next token in nats, KL the mean divergence KL(original ‖ changed) of its
/// distributions; the same tokens count for all.
public struct LossRecovered: Codable, Sendable, Equatable {
    /// Tokens that were predicted.
    public var tokenCount: Int
    public var ablation: Ablation
    public var originalCE: Double
    public var reconstructedCE: Double
    public var ablatedCE: Double
    public var reconstructedKL: Double
    public var ablatedKL: Double

    public init(
        tokenCount: Int, ablation: Ablation, originalCE: Double, reconstructedCE: Double, ablatedCE: Double, reconstructedKL: Double,
        ablatedKL: Double
    ) {
        self.tokenCount = tokenCount
        self.ablation = ablation
        self.originalCE = originalCE
        self.reconstructedCE = reconstructedCE
        self.ablatedCE = ablatedCE
        self.reconstructedKL = reconstructedKL
        self.ablatedKL = ablatedKL
    }

    /// (CE_ablated − CE_SAE) / (CE_ablated − CE_original): 1 is perfect, 0 no better than the ablation.
    public var score: Double { (ablatedCE - reconstructedCE) / (ablatedCE - originalCE) }
    /// (KL_ablated − KL_SAE) / KL_ablated.
    public var klScore: Double { (ablatedKL - reconstructedKL) / ablatedKL }
}

/// Measures ``LossRecovered`` over batches of tokens.
public final class LossRecoveredEvaluation {
    private let model: any InterventionModel
    private let dictionary: any ActivationDictionary
    private let ablation: Ablation
    private let meanActivation: Tensor?
    private let sparedTokens: Set<Int>
    private let sparedNorm: Double?
    private var count = 0
    private var original = 0.0
    private var reconstructed = Divergence()
    private var ablated = Divergence()

    private struct Divergence { var crossEntropy = 0.0, kl = 0.0 }

    /// - Parameters:
    ///   - meanActivation: shape [D], replaces activations for the ablation; nil for zero ablation.
    ///   - sparedTokens: at these tokens (BOS and the like) activations are left as they are, in reconstruction and ablation.
    ///   - sparedNorm: activations of a greater norm (attention sinks) are left as they are too.
    public init(
        of dictionary: any ActivationDictionary, in model: any InterventionModel, meanActivation: Tensor? = nil,
        sparedTokens: Set<Int> = [], sparedNorm: Double? = nil
    ) {
        self.model = model
        self.dictionary = dictionary
        self.meanActivation = meanActivation
        self.sparedTokens = sparedTokens
        self.sparedNorm = sparedNorm
        ablation = meanActivation == nil ? .zero : .mean
    }

    /// - Parameters:
    ///   - tokens: int64, shape [B, T] with T > 1; the last token of each row has no next one and is only context.
    ///   - other: takes the dictionary's place for these tokens, e.g. itself with their gradients.
    public func add(_ tokens: Tensor, by other: (any ActivationDictionary)? = nil) throws {
        require(tokens.rank == 2 && tokens.size(1) > 1, "LossRecovered: tokens [B, T] with T > 1 are needed, found \(tokens.shape)")
        try withoutGradients {
            func sparing(_ change: @escaping (Tensor) -> Tensor) -> (Tensor) -> Tensor {
                { [self] activations in
                    let changed = change(activations)
                    return spared(tokens, activations).map { Tensor.select(where: $0, activations, else: changed) } ?? changed
                }
            }
            let targets = tokens.narrowed(axis: 1, from: 1, count: tokens.size(1) - 1).reshaped([-1])
            let reference = logProbabilities(try model.logits(for: tokens, replacing: nil))
            let spliced = try model.logits(for: tokens, replacing: sparing { [dictionary] activations in
                let rows = activations.reshaped([-1, activations.size(-1)])
                return (other ?? dictionary).reconstruct(rows).output.reshaped(activations.shape)
            })
            add(logProbabilities(spliced), reference, targets, to: &reconstructed)
            let without = try model.logits(for: tokens, replacing: sparing { [meanActivation] activations in
                meanActivation.map { $0.expanded(to: activations.shape) } ?? Tensor.zeros(like: activations)
            })
            add(logProbabilities(without), reference, targets, to: &ablated)
            original += crossEntropy(reference, targets)
            count += targets.elementCount
        }
    }

    /// What was measured so far; at least one batch must have been added.
    public var result: LossRecovered {
        require(count > 0, "LossRecoveredEvaluation: no tokens were added")
        let tokens = Double(count)
        return LossRecovered(
            tokenCount: count, ablation: ablation, originalCE: original / tokens, reconstructedCE: reconstructed.crossEntropy / tokens,
            ablatedCE: ablated.crossEntropy / tokens, reconstructedKL: reconstructed.kl / tokens, ablatedKL: ablated.kl / tokens)
    }

    /// Where activations stay, shape [B, T, 1]; nil for nowhere.
    private func spared(_ tokens: Tensor, _ activations: Tensor) -> Tensor? {
        var masks = sparedTokens.sorted().map { tokens.equals(Double($0)).unsqueezed(-1) }
        if let sparedNorm { masks.append(activations.norm(axes: [-1], keepingDimensions: true) .> sparedNorm) }
        return masks.dropFirst().reduce(masks.first) { $0?.logicalOr($1) }
    }

    /// Of each token that has a next one, shape [B·(T−1), V].
    private func logProbabilities(_ logits: Tensor) -> Tensor {
        logits.narrowed(axis: 1, from: 0, count: logits.size(1) - 1).reshaped([-1, logits.size(2)]).logSoftmax(axis: -1)
    }

    private func crossEntropy(_ logProbabilities: Tensor, _ targets: Tensor) -> Double {
        -logProbabilities.gatheredElements(at: targets.unsqueezed(1)).to(dtype: .float64).sum().item()
    }

    private func add(_ changed: Tensor, _ reference: Tensor, _ targets: Tensor, to divergence: inout Divergence) {
        divergence.crossEntropy += crossEntropy(changed, targets)
        divergence.kl += changed.klDivergence(reference, reduction: .none, logTarget: true).sum(axis: 1).to(dtype: .float64).sum().item()
    }
}
