import CondenseTesting
import Experiments
import SparseAutoencoders
import Testing
import Torch

@Suite struct AbsTopKExperimentTests {
    /// The whole experiment at the size of seconds, on activations with known directions instead of a language model's.
    @Test func theExperimentRunsOnKnownDirections() throws {
        var setting = AbsTopKSetting(.small)
        (setting.dictionarySize, setting.k, setting.batchSize, setting.steps, setting.deadAfterTokens) = (64, 3, 128, 150, 2_000)
        (setting.truth.trainingRows, setting.truth.testRows, setting.truth.steps) = (8_000, 1_000, 400)
        let data = BidirectionalTruth(setting.truth, seed: 9).split
        let reproduction = try withReproductionContext(of: AbsTopK.self) {
            try AbsTopKExperiment(setting, data, context: $0).run()
        }
        #expect(reproduction.rows.count == 8)
        #expect(reproduction.setting.contains("known directions"))
        #expect(reproduction.rows.allSatisfy { !$0.measured.contains("nan") || $0.claim.contains("language model") }, "\(reproduction.rows)")
    }

    @Test func signsAreCounted() {
        let balance = SignBalance(of: Identity(), on: Tensor([[1.0, -1, 0], [1, 1, 0], [2, 1, 0], [1, 0, 0]]))
        #expect(balance.positive == [4, 2, 0] && balance.negative == [0, 1, 0])
        #expect(balance.minorityShares == [0, 1.0 / 3])
        #expect(balance.bidirectionalShare() == 0.5)
    }

    private final class Identity: ActivationDictionary {
        let inputSize = 3
        let dictionarySize = 3
        var decoderDirections: Tensor { Tensor.identity(3, dtype: .float64) }
        func encode(_ input: Tensor) -> FeatureCode { .dense(input) }
        func decode(_ code: FeatureCode, of input: Tensor?) -> Tensor { code.dense() }
    }
}
