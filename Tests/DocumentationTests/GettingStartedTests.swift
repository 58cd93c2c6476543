import Condense
import CondenseTesting
import Foundation
import Testing

// The code of the article "Getting started", compiled and run.
@Suite struct GettingStartedTests {
    @Test func autoencoder() throws {
        let source = SyntheticActivations(inputSize: 64, featureCount: 128, activeCount: 4, seed: 1)
        let settings = SAETrainingConfiguration(
            architecture: .topK(TopKSettings(k: 4)), dictionarySize: 256, batchSize: 512, steps: 600, learningRate: 2e-3)
        let trainer = try SAETrainer(settings, start: source.next(512), seed: 0)
        for _ in 0..<settings.steps { try trainer.step(source.next(settings.batchSize)) }
        let autoencoder = try trainer.trainedModel()

        let evaluation = ReconstructionEvaluation(of: autoencoder)
        evaluation.add(source.next(4_096))
        print(evaluation.metrics.fractionOfVarianceUnexplained, evaluation.metrics.l0)
        #expect(evaluation.metrics.fractionOfVarianceUnexplained < 0.2)

        let code = autoencoder.encode(source.next(8))
        print(autoencoder.decode(code).shape)  // [8, 64]
        #expect(autoencoder.decode(code).shape == [8, 64])

        let folder = FileManager.default.temporaryDirectory.appending(path: "autoencoder-\(UUID())")
        try autoencoder.save(to: folder)
        let again = try SparseAutoencoder(loadingFrom: folder)
        let batch = source.next(8)
        #expect(again.reconstruct(batch).output.isEqual(to: autoencoder.reconstruct(batch).output))

        let exported = FileManager.default.temporaryDirectory.appending(path: "exported-\(UUID())")
        try autoencoder.save(to: exported, as: .saelens)  // cfg.json, sae_weights.safetensors
        let imported = try SparseAutoencoder.load(at: exported)
        #expect(mismatch(imported.reconstruct(batch).output, autoencoder.reconstruct(batch).output) == nil)
        for place in [folder, exported] { try FileManager.default.removeItem(at: place) }
    }

    @Test func insideALanguageModel() throws {
        let model = try TextModel.load("smollm2-135m-instruct")
        let tokens = Tensor(model.tokenizer.encode("The capital of France is")).unsqueezed(0)
        let residual = try model.model.run(tokens: tokens, stopAtLayer: 15)  // [1, tokens, 576]; later layers are not even loaded
        let point = try model.model.hookPoint("blocks.3.hook_mlp_out")
        let losses = try model.model.nextTokenLosses(tokens: tokens, hooks: [.ablateToZero(point)])
        print(residual.shape, losses.mean().item())
        #expect(residual.shape == [1, tokens.size(1), 576])
        #expect(losses.shape == [1, tokens.size(1) - 1])
    }
}
