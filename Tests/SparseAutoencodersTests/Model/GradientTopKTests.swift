import CondenseTesting
import Experiments
import Foundation
import SparseAutoencoders
import Testing
import Torch

@Suite struct GradientTopKTests {
    private let settings = GradientTopKEncoder.Settings(k: 4, beta: 5, gradientScale: 0.5)
    private let input = normal([30, 7])
    private let gradient = normal([30, 7], seed: 12)

    /// Two models of equal weights.
    private func pair() -> (gradient: SparseAutoencoder, plain: SparseAutoencoder) {
        (makeModel(.gradientTopK(settings)), makeModel(.topK(k: 4)))
    }

    @Test func withoutGradientsItIsTopK() {
        let (model, plain) = pair()
        #expect(model.encode(input).dense().isEqual(to: plain.encode(input).dense()))
        let none = makeModel(.gradientTopK(.init(k: 4, beta: 0)))
        #expect(none.guided(by: gradient).encode(input).dense().isEqual(to: plain.encode(input).dense()), "β = 0")
        let zeros = Tensor.zeros(like: input)
        #expect(model.guided(by: zeros).encode(input).dense().isEqual(to: plain.encode(input).dense()), "g = 0")
    }

    @Test func keptActivationsAreThoseOfTheLargestScores() {
        let (model, plain) = pair()
        let encoder = model.encoder as! GradientTopKEncoder
        let pre = encoder.preActivations(model.encoderInput(input)).relu().detached()
        let atoms = model.atoms.detached() / model.atoms.detached().norm(axes: [1], keepingDimensions: true)
        let scores = pre * (gradient.linear(weight: atoms).abs() * 2.5 + 1)
        let indices = scores.topK(4).indices
        let expected = Tensor.zeros(like: pre).scatterAdding(pre.gatheredElements(at: indices), at: indices)
        let code = model.guided(by: gradient).encode(input).dense().detached()
        #expect(mismatch(code, expected, relative: 1e-12, absolute: 1e-14) == nil)
        #expect(!code.isEqual(to: plain.encode(input).dense()))
        // The control chooses the same features of a model that was trained without gradients.
        let control = plain.choosingByGradients(beta: 5, gradientScale: 0.5)
        #expect(control.guided(by: gradient).encode(input).dense().isEqual(to: code))
        #expect(control.encode(input).dense().isEqual(to: plain.encode(input).dense()))
    }

    @Test func theProductIsTheLimitOfLargeBeta() {
        let (_, plain) = pair()
        let product = plain.choosingByGradients(beta: 0, score: .product, gradientScale: 1)
        let large = plain.choosingByGradients(beta: 1e12, gradientScale: 1)
        #expect(product.guided(by: gradient).encode(input).dense().isEqual(to: large.guided(by: gradient).encode(input).dense()))
    }

    /// What the scores are about: leaving a part of a feature out changes a loss by z_i·(atom_i·g) times that part.
    @Test func effectsAreFirstOrderChangesOfTheLoss() {
        let (model, _) = pair()
        let directions = normal([9, 7], seed: 20)
        func losses(_ x: Tensor) -> Tensor { -x.linear(weight: directions).logSoftmax()[.all, 3] }
        let leaf = input.cloned().requiringGrad()
        let gradient = gradients(of: losses(leaf).sum(), withRespectTo: [leaf])[0]
        guard case .sparse(let code) = model.guided(by: gradient).encode(input) else { return #expect(Bool(false), "a sparse code") }
        for place in 0..<4 {
            let values = code.values.detached()[.all, place].unsqueezed(1)
            let change = values * model.atoms.detached().gathered(indices: code.indices[.all, place]) * 0.01
            let found = losses(input - change) - losses(input), expected = -(change * gradient).sum(axis: 1)
            #expect(mismatch(found, expected, relative: 0.05, absolute: 1e-4) == nil)
        }
    }

    @Test(arguments: [SparseAutoencoder.ScaleFolding.keepingAtoms, .keepingCodes]) func foldingKeepsTheChoice(_ folding: SparseAutoencoder.ScaleFolding) throws {
        let model = makeModel(.gradientTopK(settings), normalization: .scaled(by: 0.25))
        let folded = model.copy()
        try folded.foldInputScale(folding)
        let before = model.guided(by: gradient).reconstruct(input), after = folded.guided(by: gradient).reconstruct(input)
        #expect(mismatch(after.output, before.output, relative: 1e-10, absolute: 1e-12) == nil)
        #expect(folded.configuration.encoder == model.configuration.encoder)
    }

    @Test func trainingSetsTheScaleOfGradientsAndRaisesTheirSay() throws {
        let source = tinySource()
        var configuration = tinyConfiguration(SAEArchitecture(GradientTopKSettings(k: 3, beta: 2, influenceWarmupSteps: 10)))
        configuration.outlierNorm = nil
        let start = source.nextBatch(256)
        let trainer = try SAETrainer(configuration, start: start, seed: 1)
        let encoder = try #require(trainer.model.encoder as? GradientTopKEncoder)
        let norm = try #require(start.gradients).squared().sum(axis: 1).mean().item().squareRoot()
        #expect(abs(encoder.settings.gradientScale * norm - 1) < 1e-5)
        for step in 0..<20 {
            try trainer.step(source.nextBatch(64))
            #expect(encoder.influence == min(1, Double(step) / 10))
        }
        let model = try trainer.trainedModel()
        #expect(model.configuration.encoder == trainer.model.configuration.encoder)
        let batch = source.nextBatch(64)
        let metrics = try model.evaluate(batch)
        #expect(metrics.l0 == 3 && metrics.meanSquaredError >= model.evaluate(batch.activations).meanSquaredError)
    }

    @Test func missingGradientsAreOneClearError() throws {
        let configuration = tinyConfiguration(SAEArchitecture(GradientTopKSettings(k: 3)))
        let rows = tinySource().next(512)
        let error = #expect(throws: TrainingError.self) {
            try trainSparseAutoencoder(configuration, on: InMemoryActivations(rows, seed: 1), seed: 1)
        }
        #expect(error == .gradientsMissing(architecture: "gradientTopK") && "\(error!)".contains("--gradients"))
        let trainer = try SAETrainer(configuration, start: tinySource().nextBatch(256), seed: 1)
        #expect(throws: TrainingError.self) { try trainer.step(rows) }
        #expect(throws: TrainingError.self) { try trainer.trainedModel().evaluate(ActivationBatch(rows)) }
    }
}
