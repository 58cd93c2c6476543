public import Torch

extension LanguageModel {
    /// Cross-entropy of each token given those before it, in nats: [B, T] tokens give [B, T−1] losses.
    ///
    /// Logits are made and reduced a few rows at a time, so memory does not grow with the vocabulary times the positions.
    /// Entry (b, t) is −log p(token t+1 | tokens 0…t); with a padding mask the entries whose target or last input is padding
    /// are meaningless and must be masked by the caller.
    public func nextTokenLosses(tokens: Tensor, paddingMask: Tensor? = nil, hooks: [Hook] = []) throws -> Tensor {
        let residual = try run(tokens: tokens, paddingMask: paddingMask, hooks: hooks)
        return try nextTokenLosses(residual: residual, tokens: tokens, hooks: hooks)
    }

    /// The losses from a residual stream after the last block, e.g. one that `run(residual:startAtLayer:)` gave.
    public func nextTokenLosses(residual: Tensor, tokens: Tensor, hooks: [Hook] = []) throws -> Tensor {
        let (batch, length) = (tokens.size(0), tokens.size(1))
        require(length > 1, "nextTokenLosses: \(length) token a row leave nothing to predict")
        let targets = tokens.narrowed(axis: 1, from: 1, count: length - 1).to(device: device).reshaped([-1])
        var losses: [Tensor] = []
        try forEachLogits(residual: residual.narrowed(axis: 1, from: 0, count: length - 1), hooks: hooks) { rows, logits in
            let target = targets.narrowed(axis: 0, from: rows.lowerBound, count: rows.count)
            losses.append(logits.to(dtype: .float32).crossEntropy(target, reduction: .none))
        }
        return Tensor.concatenated(losses).reshaped([batch, length - 1])
    }

    /// Calls `body` with the logits of successive rows of `residual` [B, T, D], flattened to [B·T, D]: the rows' numbers and
    /// their logits, [rows, vocabulary], which take about 32 MB at a time.
    ///
    /// Hooks at the final norm and at the logits see [1, rows, …].
    public func forEachLogits(residual: Tensor, hooks: [Hook] = [], _ body: (Range<Int>, Tensor) throws -> Void) throws {
        let rows = residual.reshaped([1, -1, configuration.hiddenSize])
        let count = rows.size(1)
        let step = max(16, 8_000_000 / configuration.vocabularySize / 16 * 16)
        for start in stride(from: 0, to: count, by: step) {
            let size = min(step, count - start)
            try body(start..<start + size, logits(residual: rows.narrowed(axis: 1, from: start, count: size), hooks: hooks).squeezed(0))
        }
    }
}
