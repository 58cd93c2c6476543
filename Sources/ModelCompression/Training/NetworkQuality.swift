public import Networks
internal import Torch
internal import TorchNN

/// How well a network predicts classes or next ids.
public struct NetworkQuality: Codable, Sendable, Equatable {
    /// Mean cross-entropy of a target, in nats.
    public let crossEntropy: Double
    /// The part of the targets that has the highest score.
    public let accuracy: Double

    public init(crossEntropy: Double, accuracy: Double) {
        self.crossEntropy = crossEntropy
        self.accuracy = accuracy
    }

    /// Mean cross-entropy of a target, in bits.
    public var bits: Double { crossEntropy / 0.693_147_180_559_945_3 }
}

extension GraphNetwork {
    /// In evaluation, without gradients; the mode stays what it was.
    /// - Parameter batchSize: examples at a time.
    public func quality(on examples: Examples, batchSize: Int = 256) -> NetworkQuality {
        let before = mode
        mode = .evaluation
        defer { mode = before }
        var loss = 0.0, hits = 0.0
        withoutGradients {
            for start in stride(from: 0, to: examples.count, by: batchSize) {
                let count = min(batchSize, examples.count - start)
                let part = (
                    inputs: examples.inputs.narrowed(axis: 0, from: start, count: count), targets: examples.targets.narrowed(axis: 0, from: start, count: count)
                )
                let scores = self(part.inputs)
                loss += scores.crossEntropy(ofTargets: part.targets, reduction: .sum).to(dtype: .float64).item()
                hits += scores.argmax(axis: -1).equals(part.targets).to(dtype: .float64).sum().item()
            }
        }
        let count = Double(max(1, examples.targets.elementCount))
        return NetworkQuality(crossEntropy: loss / count, accuracy: hits / count)
    }
}

extension Tensor {
    /// Of scores [n, classes] or [n, length, classes] and classes [n] or [n, length].
    func crossEntropy(ofTargets targets: Tensor, reduction: Reduction = .mean) -> Tensor {
        require(
            rank > 1 && Array(shape.dropLast()) == targets.shape, "A network that predicts classes gives scores of all classes for each of \(targets.shape), found \(shape).")
        return reshaped([targets.elementCount, size(-1)]).crossEntropy(targets.flattened(), reduction: reduction)
    }
}
