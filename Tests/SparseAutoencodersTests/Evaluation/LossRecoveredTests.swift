import CondenseTesting
import Foundation
import SparseAutoencoders
import Testing
import Torch

/// Two dimensions of activations from a token's embedding, which are the logits of three tokens after a linear map.
private final class TinyModel: InterventionModel {
    let embedding = Tensor([[1.0, 0], [0, 2], [1, 1]])
    let unembedding = Tensor([[2.0, 0], [0, 1], [-1, 1]])

    func logits(for tokens: Tensor, replacing: ((Tensor) -> Tensor)?) -> Tensor {
        let activations = embedding.embedding(tokens)
        return (replacing?(activations) ?? activations).matmul(unembedding.transposed())
    }
}

/// Halves its inputs.
private final class Half: ActivationDictionary {
    let inputSize = 2, dictionarySize = 2
    let decoderDirections = Tensor.identity(2, dtype: .float64)
    func encode(_ input: Tensor) -> FeatureCode { .dense(input) }
    func decode(_ code: FeatureCode, of input: Tensor?) -> Tensor { code.dense() / 2 }
}

@Suite struct LossRecoveredTests {
    private let tokens = Tensor([0, 1, 2, 1], shape: [2, 2])

    /// Log-probabilities of the model by hand, for activations of one token.
    private func logProbabilities(_ activation: [Double]) -> [Double] {
        let logits = [2 * activation[0], activation[1], activation[1] - activation[0]]
        let sum = log(logits.map { exp($0) }.reduce(0, +))
        return logits.map { $0 - sum }
    }

    private func kl(_ p: [Double], _ q: [Double]) -> Double { zip(p, q).map { exp($0) * ($0 - $1) }.reduce(0, +) }

    @Test func valuesEqualThoseByHand() throws {
        let evaluation = LossRecoveredEvaluation(of: Half(), in: TinyModel())
        try evaluation.add(tokens)
        let result = evaluation.result
        // The predicting tokens are 0 and 2, both followed by 1.
        let original = [logProbabilities([1, 0]), logProbabilities([1, 1])]
        let halved = [logProbabilities([0.5, 0]), logProbabilities([0.5, 0.5])]
        let zero = logProbabilities([0, 0])
        let ce = -(original[0][1] + original[1][1]) / 2, ceHalf = -(halved[0][1] + halved[1][1]) / 2, ceZero = log(3.0)
        let klHalf = (kl(original[0], halved[0]) + kl(original[1], halved[1])) / 2
        let klZero = (kl(original[0], zero) + kl(original[1], zero)) / 2
        for (value, expected) in [
            (result.originalCE, ce), (result.reconstructedCE, ceHalf), (result.ablatedCE, ceZero), (result.reconstructedKL, klHalf),
            (result.ablatedKL, klZero), (result.score, (ceZero - ceHalf) / (ceZero - ce)), (result.klScore, (klZero - klHalf) / klZero),
        ] { #expect(abs(value - expected) < 1e-12) }
        #expect(result.tokenCount == 2 && result.ablation == .zero)
    }

    @Test func sparedTokensKeepTheirActivations() throws {
        let evaluation = LossRecoveredEvaluation(of: Half(), in: TinyModel(), sparedTokens: [0, 7])
        try evaluation.add(tokens)
        let original = [logProbabilities([1, 0]), logProbabilities([1, 1])]
        let halved = [original[0], logProbabilities([0.5, 0.5])], zero = [original[0], logProbabilities([0, 0])]
        #expect(abs(evaluation.result.reconstructedCE + (halved[0][1] + halved[1][1]) / 2) < 1e-12)
        #expect(abs(evaluation.result.ablatedCE + (zero[0][1] + zero[1][1]) / 2) < 1e-12)
    }

    @Test func largeActivationsAreSpared() throws {
        // The embeddings' norms are 1, 2, and √2.
        let evaluation = LossRecoveredEvaluation(of: Half(), in: TinyModel(), sparedTokens: [7], sparedNorm: 1.2)
        try evaluation.add(tokens)
        #expect(abs(evaluation.result.reconstructedCE + (logProbabilities([0.5, 0])[1] + logProbabilities([1, 1])[1]) / 2) < 1e-12)
        #expect(abs(evaluation.result.ablatedCE + (logProbabilities([0, 0])[1] + logProbabilities([1, 1])[1]) / 2) < 1e-12)
    }

    @Test func meanAblationUsesTheMean() throws {
        let mean = Tensor([0.5, 1.5])
        let evaluation = LossRecoveredEvaluation(of: Half(), in: TinyModel(), meanActivation: mean)
        try evaluation.add(tokens)
        #expect(evaluation.result.ablation == .mean)
        #expect(abs(evaluation.result.ablatedCE + logProbabilities([0.5, 1.5])[1]) < 1e-12)
    }

    @Test func aPerfectDictionaryRecoversAll() throws {
        final class Same: ActivationDictionary {
            let inputSize = 2, dictionarySize = 2
            let decoderDirections = Tensor.identity(2, dtype: .float64)
            func encode(_ input: Tensor) -> FeatureCode { .dense(input) }
            func decode(_ code: FeatureCode, of input: Tensor?) -> Tensor { code.dense() }
        }
        let evaluation = LossRecoveredEvaluation(of: Same(), in: TinyModel())
        try evaluation.add(tokens)
        #expect(evaluation.result.score == 1 && evaluation.result.klScore == 1)
    }
}
