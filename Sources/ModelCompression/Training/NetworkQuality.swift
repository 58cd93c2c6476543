public import Experiments
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

/// The quality on a set, and on the examples of each of its classes.
public struct NetworkScore: Codable, Sendable, Equatable {
    public struct ClassScore: Codable, Sendable, Equatable {
        public var examples: Int
        /// Of them those whose class has the highest score.
        public var right: Int
    }

    public var all: NetworkQuality
    /// By the number of the class; empty for sequences.
    public var classes: [Int: ClassScore]
}

/// What is summed over batches.
private struct ScoreSum {
    var loss = 0.0, hits = 0.0, targets = 0
    var classes: [Int: NetworkScore.ClassScore] = [:]

    mutating func add(_ scores: Tensor, _ examples: Examples, byClass: Bool) {
        loss += scores.crossEntropy(ofTargets: examples.targets, reduction: .sum).to(dtype: .float64).item()
        let isRight = scores.argmax(axis: -1).equals(examples.targets)
        hits += isRight.to(dtype: .float64).sum().item()
        targets += examples.targets.elementCount
        guard byClass, let labels = examples.labels else { return }
        let flags: [Bool] = isRight.scalars()
        for (label, flag) in zip(labels, flags) {
            classes[label, default: .init(examples: 0, right: 0)].examples += 1
            if flag { classes[label]!.right += 1 }
        }
    }

    var score: NetworkScore {
        let count = Double(max(1, targets))
        return NetworkScore(all: NetworkQuality(crossEntropy: loss / count, accuracy: hits / count), classes: classes)
    }
}

extension GraphNetwork {
    /// In evaluation, without gradients; the mode stays what it was.
    /// - Parameter batchSize: examples at a time.
    public func quality(on examples: Examples, batchSize: Int = 256) -> NetworkQuality {
        var sum = ScoreSum()
        evaluating {
            withoutGradients {
                for start in stride(from: 0, to: examples.count, by: batchSize) {
                    let count = min(batchSize, examples.count - start)
                    let part = Examples(
                        inputs: examples.inputs.narrowed(axis: 0, from: start, count: count), targets: examples.targets.narrowed(axis: 0, from: start, count: count))
                    sum.add(self(part.inputs), part, byClass: false)
                }
            }
        }
        return sum.score.all
    }

    /// The same of examples that may have to be read, with the classes apart.
    /// - Throws: errors of reading; `RunInterrupted` when cancelled.
    public func quality(
        on examples: any ExampleSet, batchSize: Int = 32, progress: any ProgressReporter, cancellation: Cancellation = Cancellation()
    ) throws -> NetworkScore {
        var sum = ScoreSum()
        progress.begin("Measuring", total: examples.count, unit: "examples")
        try evaluating {
            for start in stride(from: 0, to: examples.count, by: batchSize) {
                try cancellation.check()
                let part = try examples.chosen(Array(start..<min(examples.count, start + batchSize)))
                withoutGradients { sum.add(self(part.inputs), part, byClass: true) }
                progress.update(start + part.count)
            }
        }
        progress.end()
        return sum.score
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
