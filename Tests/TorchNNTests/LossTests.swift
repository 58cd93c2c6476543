import CondenseTesting
import Testing
import Torch
import TorchNN

@Suite("Losses against PyTorch")
struct LossTests {
    /// Value and gradient for each reduction.
    private func check(_ name: String, _ loss: (Tensor, Tensor, Reduction) -> Tensor) throws {
        let golden = try goldens("losses")
        let modes: [(String, Reduction)] = [("none", .none), ("mean", .mean), ("sum", .sum)]
        for (mode, reduction) in modes {
            let input = try golden("\(name)/input").requiringGrad()
            let value = loss(input, try golden("\(name)/target"), reduction)
            expectClose(value, try golden("\(name)/\(mode)/output"), "\(name)/\(mode)")
            value.backward(gradient: try golden("\(name)/\(mode)/cotangent"))
            expectClose(try #require(input.grad), try golden("\(name)/\(mode)/gradient"), "\(name)/\(mode) gradient")
        }
    }

    @Test func regression() throws {
        try check("mse") { $0.meanSquaredError($1, reduction: $2) }
        try check("l1") { $0.meanAbsoluteError($1, reduction: $2) }
        try check("smooth_l1") { $0.smoothL1Loss($1, beta: 0.7, reduction: $2) }
        try check("huber") { $0.huberLoss($1, delta: 0.7, reduction: $2) }
    }

    @Test func classification() throws {
        let weights = try goldens("losses")("class_weights"), positive = try goldens("losses")("positive_weights")
        try check("cross_entropy") { $0.crossEntropy($1, reduction: $2) }
        try check("cross_entropy_smoothed") { $0.crossEntropy($1, weight: weights, reduction: $2, labelSmoothing: 0.1) }
        try check("cross_entropy_ignoring") { $0.crossEntropy($1, reduction: $2, ignoreIndex: 2) }
        try check("cross_entropy_probabilities") { $0.crossEntropy($1, reduction: $2) }
        try check("cross_entropy_map") { $0.crossEntropy($1, reduction: $2) }
        try check("nll") { $0.negativeLogLikelihood($1, weight: weights, reduction: $2) }
        try check("bce") { $0.binaryCrossEntropyWithLogits($1, positiveWeight: positive, reduction: $2) }
    }

    @Test func divergenceAndSimilarity() throws {
        let golden = try goldens("losses")
        let similar = try golden("similar")
        let reductions: [Reduction: DivergenceReduction] = [.none: .none, .mean: .elementMean, .sum: .sum]
        try check("kl") { $0.klDivergence($1, reduction: reductions[$2]!) }
        try check("kl_log_target") { $0.klDivergence($1, reduction: reductions[$2]!, logTarget: true) }
        try check("cosine") { $0.cosineEmbeddingLoss($1, similarity: similar, margin: 0.1, reduction: $2) }
        let input = try golden("kl_batch_mean/input").requiringGrad()
        let value = input.logSoftmax(axis: 1).klDivergence(try golden("kl_batch_mean/target"))
        expectClose(value, try golden("kl_batch_mean/output"))
        value.backward()
        expectClose(try #require(input.grad), try golden("kl_batch_mean/gradient"))
    }
}
