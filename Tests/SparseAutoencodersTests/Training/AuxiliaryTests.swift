import CondenseTesting
import SparseAutoencoders
import Testing
import Torch
import TorchNN

@Suite struct AuxiliaryTests {
    /// AuxK by its definition, over all features with the living ones masked out.
    private func referenceAuxK(_ pass: TrainingPass, dead: [Int], k: Int, coefficient: Double) -> Tensor {
        let encoder = pass.model.encoder as! TopKEncoder
        let mask = Tensor((0..<encoder.featureCount).map { dead.contains($0) })
        let pre = encoder.preActivations(pass.encoderInput).relu()
        let candidates = Tensor.select(where: mask, pre, else: Tensor.full([], -1, dtype: .float64))
        let kept = candidates.topK(min(k, dead.count))
        let code = Tensor.zeros(like: pre).scatterAdding(kept.values, at: kept.indices)
        let error = pass.error.detached()
        let residual = (error - code.matmul(pass.model.atoms)).squared().sum(axis: 1).mean()
        return residual / (error - error.mean(axis: 0)).squared().sum(axis: 1).mean() * coefficient
    }

    @Test(arguments: [[0, 5, 6, 9, 17], [3], Array(0..<24)], [1, 2])
    func auxKEqualsItsDefinition(_ dead: [Int], _ k: Int) throws {
        let model = makeModel(.topK(k: 4))
        let input = normal([20, 7])
        let term = AuxK(coefficient: 1.0 / 32, maximumK: k)
        let pass = TrainingPass(model, input: input, step: 0) { _ in Tensor(dead) }
        let loss = try #require(term.loss(pass))
        let expected = referenceAuxK(pass, dead: dead, k: k, coefficient: 1.0 / 32)
        #expect(abs(loss.item() - expected.item()) < 1e-12)
        let found = gradients(of: loss, withRespectTo: model.parameters(), retainGraph: true, allowUnused: true)
        let wanted = gradients(of: expected, withRespectTo: model.parameters(), retainGraph: true, allowUnused: true)
        for (gradient, reference) in zip(found, wanted) {
            #expect(mismatch(gradient, reference, relative: 1e-10, absolute: 1e-14) == nil)
        }
    }

    @Test func auxKHasExactGradients() {
        let model = makeModel(.topK(k: 2), inputSize: 4, dictionarySize: 9)
        let input = normal([5, 4])
        let error = TrainingPass(model, input: input, step: 0).error.detached()
        let encoder = model.encoder as! TopKEncoder
        // The error is a constant of the auxiliary loss, so it is held fixed here.
        let mismatch = gradientMismatch(at: [encoder.weight, encoder.bias]) {
            let code = (input - model.decoderBias).topKLinear(weight: encoder.weight, bias: encoder.bias, k: 2)
            return (error - code.decoded(atoms: model.atoms)).squared().sum()
        }
        #expect(mismatch == nil)
    }

    @Test func withoutDeadFeaturesOrErrorThereIsNoAuxiliaryLoss() {
        let model = makeModel(.topK(k: 4))
        let term = AuxK(coefficient: 1, maximumK: 3)
        #expect(term.loss(TrainingPass(model, input: normal([5, 7]), step: 0)) == nil)
        // One row has no variance: 0/0 counts as 0.
        #expect(term.loss(TrainingPass(model, input: normal([1, 7]), step: 0) { _ in Tensor([1, 2]) }) == nil)
    }

    @Test func deadFeaturesAreCountedInTokens() throws {
        let source = tinySource()
        var configuration = tinyConfiguration(.topK(TopKSettings(k: 3)))
        configuration.deadAfterTokens = 129
        let trainer = try SAETrainer(configuration, start: source.next(256), seed: 3)
        let encoder = trainer.model.encoder as! TopKEncoder
        // Features that can never be active.
        withoutGradients { _ = encoder.bias.narrowed(axis: 0, from: 0, count: 48).fillInPlace(-1e3) }
        #expect(try trainer.step(source.next(64)).deadFeatures == 0)
        #expect(try trainer.step(source.next(64)).deadFeatures == 0)
        #expect(try trainer.step(source.next(64)).deadFeatures == 48)
    }

    @Test func silentFeaturesRestartAtInputs() throws {
        let source = tinySource()
        var configuration = tinyConfiguration(.relu(ReLUSettings(l1Coefficient: 0.001, resampleEvery: 4)))
        configuration.sparsityWarmupSteps = 0
        let trainer = try SAETrainer(configuration, start: source.next(256), seed: 3)
        let encoder = trainer.model.encoder as! ReLUEncoder
        withoutGradients { _ = encoder.bias.narrowed(axis: 0, from: 0, count: 5).fillInPlace(-1e3) }
        for _ in 0..<3 { try trainer.step(source.next(64)) }
        let before = trainer.model.atoms.detached().cloned()
        let batch = source.next(64)
        try trainer.step(batch)
        let atoms = trainer.model.atoms.detached(), weight = encoder.weight.detached()
        let inputs = trainer.model.configuration.normalization.normalize(batch).rows - trainer.model.decoderBias.detached()
        let directions = inputs / inputs.norm(axes: [1], keepingDimensions: true)
        for feature in 0..<5 {
            let cosine = directions.matmul(atoms[feature].unsqueezed(1)).max().item()
            #expect(cosine > 0.999, "the atom is the direction of an input")
            #expect(encoder.bias[feature].item() == 0)
            let moments = try #require(trainer.optimizer.moments(of: "encoder.weight"))
            #expect(moments.first[feature].abs().max().item() == 0 && moments.second[feature].abs().max().item() == 0)
            #expect(mismatch(weight[feature] / weight[feature].norm(), atoms[feature], absolute: 1e-5) == nil)
        }
        let others = weight.narrowed(axis: 0, from: 5, count: 43).norm(axes: [1]).mean().item()
        #expect(abs(weight[0].norm().item() / (0.2 * others) - 1) < 0.01)
        #expect((atoms[10] - before[10]).abs().max().item() < 0.1, "living features stay")
    }

    @Test func fewerFeaturesAreKeptOverTime() throws {
        let source = tinySource()
        let trainer = try SAETrainer(
            tinyConfiguration(.topK(TopKSettings(k: 3, annealingSteps: 10))), start: source.next(256), seed: 3)
        let encoder = trainer.model.encoder as! TopKEncoder
        var kept: [Int] = []
        for _ in 0..<12 {
            try trainer.step(source.next(64))
            kept.append(encoder.k)
        }
        #expect(kept == [16, 15, 13, 12, 11, 10, 8, 7, 6, 4, 3, 3])
    }
}
