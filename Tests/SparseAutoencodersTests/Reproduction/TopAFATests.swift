import CondenseTesting
import Experiments
import SparseAutoencoders
import Testing
import Torch

@Suite struct TopAFAExperimentTests {
    /// The whole experiment at the size of seconds, on activations with known directions instead of a language model's.
    @Test func theExperimentRunsOnKnownDirections() throws {
        var setting = TopAFASetting(.small)
        (setting.dictionarySize, setting.batchSize, setting.steps, setting.deadAfterTokens) = (64, 128, 60, 2_000)
        (setting.ks, setting.batchKs, setting.coefficients) = ([2, 6, 16], [4], [0, 0.25])
        var truth = AbsTopKSetting(.small).truth
        (truth.trainingRows, truth.testRows) = (4_000, 500)
        let reproduction = try withReproductionContext(of: TopAFA.self) {
            try TopAFAExperiment(setting, BidirectionalTruth(truth, seed: 9).split, context: $0).run()
        }
        #expect(reproduction.rows.count == 6)
        #expect(reproduction.rows.allSatisfy { !$0.measured.contains("nan") }, "\(reproduction.rows.map { $0.measured })")
    }

    private static func model(_ atoms: Tensor, bias: Tensor, k: Int) -> SparseAutoencoder {
        let encoder = EncoderKind.topK(k: k)
        return SparseAutoencoder(
            configuration: SparseAutoencoderConfiguration(encoder: encoder, inputSize: atoms.size(1), dictionarySize: atoms.size(0)),
            encoder: encoder.settings.makeEncoder(weight: atoms, bias: Tensor.zeros([atoms.size(0)], dtype: atoms.dtype)), atoms: atoms,
            decoderBias: bias)
    }

    /// Orthonormal atoms and rows in their positive cone: nothing is lost, so norms agree and no ε is needed.
    @Test func orthonormalCodesAgreeExactly() {
        let rows = Tensor.uniform([50, 6], dtype: .float64, generator: RandomGenerator(seed: 2)) + 0.1
        let agreement = NormAgreement(of: Self.model(Tensor.identity(6, dtype: .float64), bias: Tensor.zeros([6], dtype: .float64), k: 6), on: rows)
        #expect(agreement.tokens.allSatisfy { abs($0.codeNorm - $0.inputNorm) < 1e-9 && $0.loss < 1e-12 && $0.activeFeatures == 6 })
        #expect(agreement.epsilonLowerBounds.allSatisfy { $0 < 1e-9 })
        #expect(abs(agreement.summary.medianRatio - 1) < 1e-9 && agreement.summary.meanMismatch < 1e-9)
    }

    /// Atoms of other norms and a bias: activations count with their atoms' norms, the bias as a feature.
    @Test func atomsAndBiasCountWithTheirNorms() {
        let atoms = Tensor([[2.0, 0], [0, 0.5]])
        let agreement = NormAgreement(of: Self.model(atoms, bias: Tensor([0.0, 3]), k: 1), on: Tensor([[5.0, 3], [0, 7]]))
        // Row 1: u = (10, 0), f₁ = 10 of norm 2, and ‖b‖ = 3. Row 2: u = (0, 2), f₂ = 2 of norm 0.5.
        #expect(agreement.tokens.map(\.codeNorm) == [(400.0 + 9).squareRoot(), (1.0 + 9).squareRoot()])
        #expect(agreement.tokens.map(\.activeFeatures) == [1, 1])
        #expect(agreement.featureCount == 3)
        let second = agreement.tokens[1]
        #expect(abs(second.epsilonLowerBound(featureCount: 3) - abs(49 - 10) / 20) < 1e-12)
        #expect(agreement.csv.split(separator: "\n").count == 3)
        #expect(agreement.csv.hasPrefix("ztz,ftf,"))
    }

    @Test func errorsLieOnStraightLinesInLogarithms() {
        // error = 1/L0 to 4, then 0.5/√L0; beyond the points as before them.
        let curve = ErrorCurve([(16, 0.125), (1, 1), (4, 0.25)])
        for (l0, expected) in [(0.5, 2), (1, 1), (2, 0.5), (4, 0.25), (9, 1.0 / 6), (64, 0.0625)] {
            #expect(abs(curve.error(atL0: l0) / expected - 1) < 1e-12, "at \(l0)")
        }
        #expect(ErrorCurve([(16, 0.125)]).error(atL0: 16).isNaN)
    }
}
