import CondenseTesting
import Foundation
import SparseAutoencoders
import Testing
import Torch

/// A dictionary whose codes and reconstructions are given.
private final class Given: ActivationDictionary {
    let inputSize = 2
    let dictionarySize = 4
    let decoderDirections: Tensor
    let outputs: Tensor
    let codes: Tensor
    private var row = 0

    init(outputs: [[Double]], codes: [[Double]], directions: [[Double]] = [[1, 0], [0, 1], [1, 1], [-1, 0]]) {
        self.outputs = Tensor(outputs)
        self.codes = Tensor(codes)
        decoderDirections = Tensor(directions)
    }

    func encode(_ input: Tensor) -> FeatureCode {
        defer { row += input.size(0) }
        return .dense(codes.narrowed(axis: 0, from: row, count: input.size(0)))
    }

    func decode(_ code: FeatureCode, of input: Tensor?) -> Tensor {
        outputs.narrowed(axis: 0, from: row - code.rowCount, count: code.rowCount)
    }
}

@Suite struct ReconstructionMetricsTests {
    // x̄ = (3, 2), Σ‖x − x̄‖² = 4 + 8 + 4 = 16.
    private let inputs = Tensor([[3.0, 4], [1, 0], [5, 2]])
    private func expect(_ value: Double, _ expected: Double, _ name: Comment, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(abs(value - expected) <= 1e-12 * max(1, abs(expected)), name, sourceLocation: sourceLocation)
    }

    @Test func everyMetricEqualsItsFormulaOnKnownNumbers() {
        // Inputs (3, 4), (1, 0), (5, 2); outputs (3, 3), (0, 0), (4, 2); errors (0, 1), (1, 0), (1, 0).
        let given = Given(outputs: [[3, 3], [0, 0], [4, 2]], codes: [[1, -2, 0, 0], [0, 0, 0, 0], [3, 0, 0.5, 0]])
        let metrics = given.evaluate(inputs, batchSize: 3)
        #expect(metrics.inputCount == 3)
        expect(metrics.l0, 4.0 / 3, "L0 counts what is not zero, of either sign")
        expect(metrics.l1, 6.5 / 3, "L1")
        expect(metrics.meanSquaredError, 1, "MSE")
        expect(metrics.cosineSimilarity, (21 / (5 * 18.0.squareRoot()) + 0 + 24 / (29.0.squareRoot() * 20.0.squareRoot())) / 3, "cosine")
        // x̄ = (3, 2): Σ‖x − x̄‖² = 4 + 8 + 4 = 16.
        expect(metrics.fractionOfVarianceUnexplained, 3.0 / 16, "FVU")
        expect(metrics.explainedVariance, 13.0 / 16, "EV")
        expect(metrics.normalizedMSE, (1.0 / 25 + 1 + 1.0 / 29) / 3, "nMSE")
        expect(metrics.relativeReconstructionBias, (18.0 + 0 + 20) / (21 + 0 + 24), "γ")
        expect(metrics.l2Ratio, (18.0.squareRoot() / 5 + 0 + (20.0 / 29).squareRoot()) / 3, "L2 ratio")
        // Errors (0,1), (1,0), (1,0): mean (2/3, 1/3), Σ‖e − ē‖² = 3 − 3·5/9 = 4/3.
        expect(metrics.otherExplainedVariances.dictionaryLearning, 1 - 4.0 / 3 / 16, "dictionary_learning's EV")
        let meanSquare = (25.0 + 1 + 29) / 3
        expect(metrics.otherExplainedVariances.saeLens, 1 - 1 / (meanSquare - meanSquare / 2 * meanSquare / 2), "SAELens' EV")
        expect(metrics.otherExplainedVariances.saeLensLegacy, (3 - 1.0 / 4 - 1.0 / 8 - 1.0 / 4) / 3, "SAELens' legacy EV")
        #expect(metrics.density.firingCounts == [2, 1, 1, 0])
    }

    @Test func aPerfectReconstructionIsPerfect() {
        let given = Given(outputs: [[3, 4], [1, 0], [5, 2]], codes: [[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]])
        let metrics = given.evaluate(inputs)
        #expect(metrics.fractionOfVarianceUnexplained == 0 && metrics.normalizedMSE == 0)
        expect(metrics.relativeReconstructionBias, 1, "γ")
        expect(metrics.l2Ratio, 1, "L2 ratio")
        expect(metrics.cosineSimilarity, 1, "cosine")
        #expect(metrics.otherExplainedVariances.dictionaryLearning == 1)
    }

    @Test func aConstantErrorIsForgivenByOneFormulaOnly() {
        let given = Given(outputs: [[4, 4], [2, 0], [6, 2]], codes: [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
        let metrics = given.evaluate(inputs)
        expect(metrics.fractionOfVarianceUnexplained, 3.0 / 16, "FVU")
        expect(metrics.otherExplainedVariances.dictionaryLearning, 1, "dictionary_learning's EV")
    }

    @Test func batchesDoNotChangeTheResult() {
        let model = makeModel(.topK(k: 3), dtype: .float32)
        let rows = normal([1_000, 7], dtype: .float32) * 2 + 300
        let whole = model.evaluate(rows, batchSize: 1_000), parts = model.evaluate(rows, batchSize: 77)
        #expect(whole.density == parts.density)
        for path in [\ReconstructionMetrics.fractionOfVarianceUnexplained, \.l0, \.l1, \.cosineSimilarity, \.normalizedMSE, \.l2Ratio,
            \.relativeReconstructionBias, \.meanSquaredError, \.otherExplainedVariances.dictionaryLearning]
        {
            #expect(abs(whole[keyPath: path] / parts[keyPath: path] - 1) < 1e-6)
        }
    }

    @Test func densitiesAreFractionsOfFeatures() {
        let density = FeatureDensity(firingCounts: [0, 1, 10, 11, 100, 101, 1_000], inputCount: 1_000)
        expect(density.aliveFraction, 6.0 / 7, "alive")
        expect(density.deadFraction, 1.0 / 7, "dead")
        expect(density.denseFraction, 4.0 / 7, "dense: more than 1 %")
        expect(density.veryDenseFraction, 2.0 / 7, "very dense: more than 10 %")
        let bins = density.histogram(bins: 3)
        #expect(bins.map(\.count) == [1, 2, 3])
        expect(bins[0].from, -3, "from 1/N")
        expect(bins[2].to, 0, "to 1")
    }

    @Test func cosinesOfAtomsLeaveOutTheirOwn() {
        let given = Given(outputs: [[0, 0]], codes: [[0, 0, 0, 0]])
        let root = 0.5.squareRoot()
        for chunk in [1, 3, 100] {
            #expect(mismatch(given.maximumCosines(chunk: chunk), Tensor([root, root, root, 0.0]), relative: 1e-12) == nil)
        }
        expect(given.meanMaximumCosine(), 3 * root / 4, "mean")
        #expect(mismatch(given.bestCosines(with: Tensor([[2.0, 0], [-1, -1]])), Tensor([1.0, root]), relative: 1e-12) == nil)
    }
}
