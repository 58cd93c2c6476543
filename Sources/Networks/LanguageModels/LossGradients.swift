public import Torch

/// Activations at a hook with the derivative of the language model's loss with respect to them.
public struct LossGradients {
    /// What the hook saw, [B, T, …].
    public let activations: Tensor
    /// ∂L/∂activations in the same shape; 0 at the last position of each row, after which no token is known.
    public let gradients: Tensor
    /// Cross-entropy of each token given those before it, in nats, [B, T − 1].
    public let losses: Tensor
}

extension LanguageModel {
    /// The activations at a hook and the gradient of L with respect to them, where L is the *sum* of the cross-entropies of all
    /// next tokens: a position's gradient holds its effect on all later predictions, and does not depend on the length of the
    /// context by a factor as that of a mean would.
    ///
    /// The blocks behind the hook are differentiated with respect to their input alone. Logits are made and differentiated a few
    /// rows at a time, so that memory does not grow with vocabulary times positions.
    /// - Parameters:
    ///   - point: at the embedding or in a block.
    ///   - tokens: int64, [B, T] with T > 1.
    /// - Throws: what reading weights fails with.
    public func lossGradients(at point: HookPoint, tokens: Tensor) throws -> LossGradients {
        require(tokens.rank == 2 && tokens.size(1) > 1, "lossGradients: tokens \(tokens.shape), expected [B, T] with T > 1")
        return try withGradients {
            var recorded: Tensor?
            let hook = Hook(point) { activation, _ in
                let leaf = activation.detached().requiringGrad()
                recorded = leaf
                return leaf
            }
            let residual = try run(tokens: tokens, hooks: [hook])
            guard let leaf = recorded, residual.requiresGrad else {
                preconditionFailure("lossGradients: \(point.name) is not in the embedding or in a block")
            }
            let top = try topGradients(residual: residual.detached(), tokens: tokens)
            let gradient = gradients(of: residual, withRespectTo: [leaf], gradient: top.gradients)[0]
            return LossGradients(activations: leaf.detached(), gradients: gradient, losses: top.losses)
        }
    }

    /// The gradient of L with respect to the residual stream after the last block, [B, T, D], and the losses, [B, T − 1].
    private func topGradients(residual: Tensor, tokens: Tensor) throws -> (gradients: Tensor, losses: Tensor) {
        let (batch, length, width) = (residual.size(0), residual.size(1), residual.size(2))
        let targets = tokens.narrowed(axis: 1, from: 1, count: length - 1).to(device: device).reshaped([-1])
        // A leaf whose parts share no nodes: each chunk's graph is gone before the next one is made.
        let rows = residual.narrowed(axis: 1, from: 0, count: length - 1).reshaped([1, -1, width]).cloned().requiringGrad()
        var losses: [Tensor] = []
        try forEachLogits(residual: rows) { range, logits in
            let target = targets.narrowed(axis: 0, from: range.lowerBound, count: range.count)
            let loss = logits.to(dtype: .float32).crossEntropy(target, reduction: .none)
            loss.sum().backward()
            losses.append(loss.detached())
        }
        let result = Tensor.zeros(like: residual)
        if let gradient = rows.grad {
            result.narrowed(axis: 1, from: 0, count: length - 1).copyInPlace(from: gradient.reshaped([batch, length - 1, width]))
        }
        return (result, Tensor.concatenated(losses).reshaped([batch, length - 1]))
    }
}
