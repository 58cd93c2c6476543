package import Torch
internal import TorchNN

/// The part of a network behind a hook, with contexts in which activations are replaced: what replacing them costs is measured
/// without computing again what lies before the hook.
package final class DownstreamNetwork {
    /// What is at the hook, with the gradients of the network's loss, [N, T, D].
    package let contexts: ActivationBatch
    /// int64, [N, T].
    package let tokens: Tensor
    /// Where activations are left as they are, bool, [N, T, 1].
    package let isSpared: Tensor
    /// Activations at the hook, [n, T, D], to logits, [n, T, V].
    private let logits: (Tensor) throws -> Tensor
    /// The loss of the unchanged network, and with zeros at the hook: means over the tokens, in nats.
    package private(set) var originalCE = 0.0
    package private(set) var ablatedCE = 0.0

    /// Contexts whose logits exist at a time.
    private static let batchSize = 4

    package init(
        contexts: ActivationBatch, tokens: Tensor, isSpared: Tensor, logits: @escaping (Tensor) throws -> Tensor
    ) throws {
        self.contexts = contexts
        self.tokens = tokens
        self.isSpared = isSpared
        self.logits = logits
        originalCE = try crossEntropy(contexts.activations)
        ablatedCE = try crossEntropy(replacing { Tensor.zeros(like: $0.activations) })
    }

    /// The mean loss with a model's reconstructions in the place of activations.
    /// - Parameter guided: whether the model may choose features by gradients.
    package func crossEntropy(of model: SparseAutoencoder, guided: Bool) throws -> Double {
        try crossEntropy(
            withoutGradients {
                replacing { rows in
                    guard guided, let gradients = rows.gradients else { return model.reconstruct(rows.activations).output }
                    return model.guided(by: gradients).reconstruct(rows.activations).output
                }
            })
    }

    /// All contexts with changed rows, but for those that are spared.
    /// - Parameter change: gives [N·T, D] for rows of that shape.
    private func replacing(_ change: (ActivationBatch) -> Tensor) -> Tensor {
        let shape = contexts.activations.shape
        let changed = change(contexts.mapped { $0.reshaped([-1, shape[2]]) }).reshaped(shape)
        return Tensor.select(where: isSpared, contexts.activations, else: changed)
    }

    private func crossEntropy(_ activations: Tensor) throws -> Double {
        let (count, length) = (tokens.size(0), tokens.size(1))
        var sum = 0.0
        try withoutGradients {
            for start in stride(from: 0, to: count, by: Self.batchSize) {
                let size = min(Self.batchSize, count - start)
                let logits = try logits(activations.narrowed(axis: 0, from: start, count: size))
                    .narrowed(axis: 1, from: 0, count: length - 1)
                let targets = tokens.narrowed(axis: 0, from: start, count: size).narrowed(axis: 1, from: 1, count: length - 1)
                sum += logits.reshaped([size * (length - 1), -1]).crossEntropy(targets.reshaped([-1]), reduction: .none)
                    .to(dtype: .float64).sum().item()
            }
        }
        return sum / Double(count * (length - 1))
    }

    // MARK: Steering

    /// One direction that is added at one position.
    package struct Push {
        package var context: Int
        package var position: Int
        /// What is added, [D].
        package var change: Tensor

        package init(context: Int, position: Int, change: Tensor) {
            self.context = context
            self.position = position
            self.change = change
        }
    }

    /// KL(unchanged ‖ changed) of the predictions, averaged over the positions from each push on, one number a push.
    /// - Parameter length: positions of each context that are computed.
    package func divergences(of pushes: [Push], length: Int) throws -> [Double] {
        try withoutGradients {
            let beginnings = contexts.activations.narrowed(axis: 1, from: 0, count: min(length, tokens.size(1)))
            let reference = try logits(beginnings).logSoftmax(axis: -1)
            var result: [Double] = []
            for start in stride(from: 0, to: pushes.count, by: 4 * Self.batchSize) {
                let batch = pushes[start..<min(pushes.count, start + 4 * Self.batchSize)]
                let places = Tensor(batch.map(\.context))
                let changed = beginnings.gathered(indices: places)
                for (row, push) in batch.enumerated() { changed[row, push.position].addInPlace(push.change) }
                let divergence = try logits(changed).logSoftmax(axis: -1)
                    .klDivergence(reference.gathered(indices: places), reduction: .none, logTarget: true).sum(axis: 2)
                for (row, push) in batch.enumerated() { result.append(divergence[row, push.position...].mean().item()) }
            }
            return result
        }
    }
}
