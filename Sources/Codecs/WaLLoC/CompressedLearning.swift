package import Experiments
package import Torch
internal import TorchNN

/// Learning from maps of numbers, be they latents or small pictures: the same network for both, so that only what it is given differs.
package struct MapClassification {
    /// The classifiers that are compared.
    package enum Network: String, CaseIterable {
        /// One linear map of all numbers.
        case linear
        /// Three 3 × 3 convolutions with pooling between them, the mean over places, a linear map.
        case convolutional
    }

    /// Maps [n, channels, height, width] and 0 or 1 for each.
    package struct Examples {
        package let maps: Tensor
        package let labels: [Int]

        package init(maps: Tensor, labels: [Int]) {
            require(maps.rank == 4 && maps.size(0) == labels.count, "Examples: maps \(maps.shape) and \(labels.count) labels")
            self.maps = maps
            self.labels = labels
        }

        package func chosen(_ indices: [Int]) -> Examples {
            Examples(maps: maps.gathered(indices: Tensor(indices)), labels: indices.map { labels[$0] })
        }
    }

    package struct Score {
        /// Area under the curve of true over false positives.
        package let areaUnderCurve: Double
        package let accuracy: Double
    }

    package let network: Network
    package var epochs: Int
    package var batchSize = 32
    package var learningRate = 2e-3
    package var weightDecay = 1e-2

    package init(_ network: Network, epochs: Int) {
        self.network = network
        self.epochs = epochs
    }

    /// Trains on some examples and keeps the epoch that is best on others, which the test set has no part in.
    /// - Returns: the score on the test set.
    package func score(training: Examples, validation: Examples, test: Examples, seed: UInt64, cancellation: Cancellation) throws -> Score {
        let mean = training.maps.mean(axes: [0, 2, 3], keepingDimensions: true)
        let deviation = training.maps.standardDeviation(axes: [0, 2, 3], keepingDimensions: true).clamped(minimum: 1e-6)
        func input(_ maps: Tensor) -> Tensor { (maps - mean) / deviation }
        let shape = Array(training.maps.shape.dropFirst()), generator = RandomGenerator(seed: seed)
        let model: any Layer = network == .linear ? LinearMapClassifier(shape, generator) : ConvolutionalMapClassifier(shape[0], generator)
        let optimizer = Adam(model.namedParameters(), .adamW(learningRate: learningRate, weightDecay: weightDecay))
        let batches = training.labels.count / batchSize, total = max(1, epochs * batches)
        var best: (score: Double, test: Score)?
        func logits(_ maps: Tensor) -> Tensor {
            withoutGradients { Tensor.concatenated(input(maps).split(size: 256).map { model($0) }) }
        }
        for epoch in 0..<epochs {
            var random = SplitMix64(seed: seed, stream: epoch)
            let order = random.permutation(training.labels.count)
            for batch in 0..<batches {
                try cancellation.check()
                let chosen = training.chosen(Array(order[batch * batchSize..<(batch + 1) * batchSize]))
                model.zeroGradients()
                let targets = Tensor(chosen.labels.map { Float($0) })
                model(input(chosen.maps)).binaryCrossEntropyWithLogits(targets).backward()
                optimizer.step(learningRateFactor: 1 - Double(epoch * batches + batch) / Double(total))
            }
            let found = Self.areaUnderCurve(logits(validation.maps).scalars(), validation.labels)
            if best.map({ found > $0.score }) ?? true {
                let scores: [Float] = logits(test.maps).scalars()
                let hits = zip(scores, test.labels).count { ($0 > 0) == ($1 == 1) }
                best = (found, Score(areaUnderCurve: Self.areaUnderCurve(scores, test.labels), accuracy: Double(hits) / Double(scores.count)))
            }
        }
        return best?.test ?? Score(areaUnderCurve: 0.5, accuracy: 0)
    }

    /// The part of pairs of a positive and a negative example whose scores are in the right order; equal ones count half (Mann & Whitney 1947).
    package static func areaUnderCurve(_ scores: [Float], _ labels: [Int]) -> Double {
        let order = scores.indices.sorted { scores[$0] < scores[$1] }
        var rankSum = 0.0, start = 0
        while start < order.count {
            var end = start
            while end < order.count && scores[order[end]] == scores[order[start]] { end += 1 }
            let rank = Double(start + 1 + end) / 2
            rankSum += rank * Double(order[start..<end].count { labels[$0] == 1 })
            start = end
        }
        let positives = Double(labels.count { $0 == 1 }), negatives = Double(labels.count) - positives
        return positives > 0 && negatives > 0 ? (rankSum - positives * (positives + 1) / 2) / (positives * negatives) : 0.5
    }
}

private final class LinearMapClassifier: Layer {
    let output: Linear

    init(_ shape: [Int], _ generator: RandomGenerator) {
        output = Linear(inputSize: shape.reduce(1, *), outputSize: 1, generator: generator)
    }

    func visit(_ v: inout ParameterVisitor) { v("output", output) }
    func callAsFunction(_ input: Tensor) -> Tensor { output(input.flattened(from: 1)).squeezed(1) }
}

private final class ConvolutionalMapClassifier: Layer {
    let convolutions: [Conv2d], output: Linear

    init(_ channels: Int, _ generator: RandomGenerator) {
        convolutions = [(channels, 32), (32, 64), (64, 64)].map { conv3x3($0, $1, generator) }
        output = Linear(inputSize: 64, outputSize: 1, generator: generator)
    }

    func visit(_ v: inout ParameterVisitor) {
        v("convolutions", convolutions)
        v("output", output)
    }

    func callAsFunction(_ input: Tensor) -> Tensor {
        var x = input
        for (index, convolution) in convolutions.enumerated() {
            x = convolution(x).relu()
            if index + 1 < convolutions.count { x = x.maxPooled(kernel: [2, 2]) }
        }
        return output(x.mean(axes: [2, 3])).squeezed(1)
    }
}
