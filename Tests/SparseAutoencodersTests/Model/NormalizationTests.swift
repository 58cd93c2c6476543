import CondenseTesting
import SparseAutoencoders
import Testing
import Torch

@Suite struct NormalizationTests {
    private let input = normal([12, 7]) * 3 + 1

    @Test(arguments: [InputNormalization.none, .scaled(by: 0.3), .constantNorm, .layerNorm])
    func restoringUndoesNormalizing(_ normalization: InputNormalization) {
        let normalized = normalization.normalize(input)
        // The libraries with layerNorm leave out the 1e-5 when they undo it.
        let tolerance = normalization == .layerNorm ? 1e-4 : 1e-12
        #expect(mismatch(normalized.restored(normalized.rows), input, relative: tolerance) == nil)
    }

    @Test func rowsGetTheirNorm() {
        let constant = InputNormalization.constantNorm.normalize(input).rows
        #expect(mismatch(constant.norm(axes: [1]), Tensor.full([12], 7.0.squareRoot(), dtype: .float64), relative: 1e-12) == nil)
        let layer = InputNormalization.layerNorm.normalize(Tensor([[1.0, 2, 3, 6]])).rows
        let deviation = (14.0 / 3).squareRoot() + 1e-5
        #expect(mismatch(layer, Tensor([[-2.0, -1, 0, 3]]) / deviation, relative: 1e-12) == nil)
        let zero = InputNormalization.constantNorm.normalize(Tensor.zeros([1, 3])).rows
        #expect(zero.scalars(as: Float.self) == [0, 0, 0])
    }

    @Test func fixedScalesAreThoseOfTheLibraries() {
        let rows = Tensor([[3.0, 4], [0, 1]])
        #expect(abs(InputNormalization.FixedScale.unitMeanSquare.factor(for: rows) - 1 / 13.0.squareRoot()) < 1e-15)
        #expect(abs(InputNormalization.FixedScale.expectedAverageNorm.factor(for: rows) - 2.0.squareRoot() / 3) < 1e-15)
        #expect(InputNormalization.FixedScale.unitMeanSquare.factor(for: Tensor.zeros([2, 2])) == 1)
    }

    @Test(arguments: [EncoderKind.relu, .topK(k: 4)], [SparseAutoencoder.ScaleFolding.keepingAtoms, .keepingCodes])
    func foldingTheScaleKeepsReconstructions(_ kind: EncoderKind, _ folding: SparseAutoencoder.ScaleFolding) throws {
        for subtracts in [true, false] {
            let model = makeModel(kind, normalization: .scaled(by: 0.37), subtractsDecoderBias: subtracts, threshold: 0.5)
            let before = model.reconstruct(input)
            model.inference = .threshold
            let thresholded = model.reconstruct(input)
            let atoms = model.atoms.detached().cloned()
            try model.foldInputScale(folding)
            #expect(model.configuration.normalization == .none)
            if folding == .keepingAtoms {
                #expect(model.atoms.detached().isEqual(to: atoms))
                #expect(mismatch(model.reconstruct(input).code.dense(), thresholded.code.dense() / 0.37, relative: 1e-10) == nil)
            }
            #expect(mismatch(model.reconstruct(input).output, thresholded.output, relative: 1e-10) == nil)
            model.inference = .asTrained
            let after = model.reconstruct(input)
            #expect(mismatch(after.output, before.output, relative: 1e-10) == nil)
            if folding == .keepingCodes { #expect(mismatch(after.code.dense(), before.code.dense(), relative: 1e-10) == nil) }
        }
    }

    @Test func foldingDecoderNormsKeepsReconstructions() throws {
        let model = makeModel(.relu)
        let before = model.reconstruct(input).output
        try model.foldDecoderNorms()
        #expect(mismatch(model.reconstruct(input).output, before, relative: 1e-10) == nil)
        #expect(mismatch(model.atoms.norm(axes: [1]), Tensor.ones([24], dtype: .float64), relative: 1e-12) == nil)
    }

    @Test func foldingThatWouldChangeTheModelIsRefused() {
        #expect(throws: FoldingError.self) { try makeModel(.topK(k: 3)).foldDecoderNorms() }
        #expect(throws: FoldingError.self) { try makeModel(.relu, threshold: 0.1).foldDecoderNorms() }
        #expect(throws: FoldingError.self) { try makeModel(.relu, normalization: .layerNorm).foldInputScale() }
    }
}
