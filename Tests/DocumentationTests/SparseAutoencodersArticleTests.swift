import Condense
import Testing

// The code of the article "Sparse autoencoders, from your own text to steering", compiled and run.
@Suite struct SparseAutoencodersArticleTests {
    @Test func armsOfOnePass() throws {
        let source = SyntheticActivations(inputSize: 32, featureCount: 64, activeCount: 3, seed: 1)
        let rows = source.next(8_192), heldOut = source.next(1_024)
        let arms = [2, 4, 8].map { k in
            TrainingArm(
                SAETrainingConfiguration(architecture: .topK(TopKSettings(k: k)), dictionarySize: 128, batchSize: 256, steps: 200, learningRate: 2e-3),
                seed: 0, name: "k-\(k)")
        }
        let models = try trainSparseAutoencoders(arms, on: InMemoryActivations(rows, seed: 0))
        for (arm, model) in zip(arms, models) {
            let metrics = model.evaluate(heldOut)
            print(arm.name, metrics.l0, metrics.fractionOfVarianceUnexplained)
        }
        let errors = models.map { $0.evaluate(heldOut).fractionOfVarianceUnexplained }
        #expect(errors[2] < errors[1] && errors[1] < errors[0] && errors[0] < 1)

        let agreement = NormAgreement(of: models[1], on: heldOut)
        print(agreement.summary.medianRatio, agreement.summary.epsilonQuantiles)
        #expect((0.5...1.5).contains(agreement.summary.medianRatio))
    }
}
