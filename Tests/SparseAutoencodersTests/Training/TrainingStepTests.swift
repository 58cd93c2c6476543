import CondenseTesting
import Experiments
import SparseAutoencoders
import Testing
import Torch
import TorchNN

/// Settings for a problem of seconds.
func tinyConfiguration(_ architecture: SAEArchitecture, steps: Int = 30) -> SAETrainingConfiguration {
    var configuration = SAETrainingConfiguration(
        architecture: architecture, dictionarySize: 48, batchSize: 64, steps: steps, learningRate: 2e-3)
    configuration.logEvery = 5
    configuration.checkpointEvery = 10
    configuration.deadAfterTokens = 500
    return configuration
}

func tinySource(seed: UInt64 = 1) -> TinySource { TinySource(seed: seed) }

/// Synthetic activations with known features, as if a loss were quadratic in a part of their dimensions.
final class TinySource: ActivationSource {
    let activations: SyntheticActivations

    init(seed: UInt64) {
        activations = SyntheticActivations(inputSize: 16, featureCount: 32, activeCount: 3, noise: 0.01, meanNorm: 2, seed: seed)
    }

    let hasGradients = true
    var inputSize: Int { activations.inputSize }
    var position: ActivationPosition {
        get { activations.position }
        set { activations.position = newValue }
    }

    func next(_ count: Int) -> Tensor { activations.next(count) }

    func nextBatch(_ count: Int) -> ActivationBatch {
        let rows = next(count)
        return ActivationBatch(rows, gradients: rows * (Tensor.arange(0, inputSize) .< 4).to(dtype: .float32) * 1e-3)
    }
}

@Suite struct TrainingStepTests {
    @Test(arguments: [SAEArchitecture.topK(TopKSettings(k: 3)), .relu(ReLUSettings(l1Coefficient: 0.01))])
    func atomsHaveUnitNormAfterEachStep(_ architecture: SAEArchitecture) throws {
        let source = tinySource()
        let trainer = try SAETrainer(tinyConfiguration(architecture), start: source.next(256), seed: 3)
        for _ in 0..<10 {
            try trainer.step(source.next(64))
            let norms = trainer.model.atoms.detached().to(dtype: .float64).norm(axes: [1])
            #expect(mismatch(norms, Tensor.ones([48], dtype: .float64), relative: 1e-6, absolute: 0) == nil)
        }
    }

    /// The whole step again, with dense products and PyTorch's order: project, clip, Adam, renormalise.
    @Test func aStepEqualsTheDenseReference() throws {
        let source = tinySource()
        var configuration = tinyConfiguration(.topK(TopKSettings(k: 3)))
        configuration.normalization = .unitMeanSquare
        configuration.decoderBiasStart = .mean
        configuration.warmupSteps = 0
        let start = source.next(256).to(dtype: .float64), batch = source.next(64).to(dtype: .float64)
        let trainer = try SAETrainer(configuration, start: start, seed: 3)
        let model = trainer.model
        let encoder = model.encoder as! TopKEncoder
        let own = [encoder.weight, encoder.bias, model.atoms, model.decoderBias].map { $0.detached().cloned().requiringGrad() }
        let rows = batch * (1 / start.squared().sum(axis: 1).mean().item().squareRoot())
        #expect(mismatch(model.decoderBias, (start / start.squared().sum(axis: 1).mean().sqrt()).mean(axis: 0), relative: 1e-12) == nil)
        let pre = (rows - own[3]).linear(weight: own[0], bias: own[1]).relu()
        let kept = pre.topK(3)
        let code = Tensor.zeros(like: pre).scatterAdding(kept.values, at: kept.indices)
        let loss = (rows - code.matmul(own[2]) - own[3]).squared().sum(axis: 1).mean()
        loss.backward()
        let report = try trainer.step(batch)
        #expect(abs(report.loss - loss.item()) < 1e-12)
        withoutGradients {
            let gradient = own[2].grad!
            gradient.subtractInPlace((gradient * own[2]).sum(axis: 1, keepingDimensions: true) * own[2])
            let norm = own.map { $0.grad!.squared().sum().item() }.reduce(0, +).squareRoot()
            #expect(abs(report.gradientNorm - norm) < 1e-10)
            let factor = min(1, 1 / (norm + 1e-6))
            for parameter in own {
                let scaled = parameter.grad! * factor
                // Adam's first step: both averages are bias-corrected to the gradient itself.
                parameter.subtractInPlace(scaled / (scaled.abs() + 1e-8) * 2e-3)
            }
            own[2].divideInPlace(by: own[2].norm(axes: [1], keepingDimensions: true))
        }
        for (found, expected) in zip([encoder.weight, encoder.bias, model.atoms, model.decoderBias], own) {
            #expect(mismatch(found, expected, relative: 1e-7, absolute: 1e-9) == nil)
        }
    }

    @Test func theLearningRateRisesStaysAndFalls() throws {
        var configuration = SAETrainingConfiguration(architecture: .topK(TopKSettings(k: 3)), dictionarySize: 48, steps: 100)
        configuration.warmupSteps = 10
        let factors = (0..<100).map { configuration.learningRateFactor(at: $0) }
        #expect(abs(factors[0] - 0.1) < 1e-12 && factors[9] == 1 && factors[79] == 1 && factors[80] == 1)
        #expect(abs(factors[90] - 0.5) < 1e-12 && abs(factors[99] - 0.05) < 1e-12)
        #expect(TopKSettings().learningRate(dictionarySize: 65_536) == 1e-4)
    }

    @Test func geometricMedianIsNearTheBulk() {
        let rows = Tensor([[0.0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.5], [1e6, 1e6]])
        #expect(mismatch(rows.geometricMedian(), Tensor([0.5, 0.5]), absolute: 0.2) == nil)
        // The median of points on a line is the middle one.
        let line = Tensor([[0.0], [1], [10]]).geometricMedian(iterations: 10_000, tolerance: 1e-12)
        #expect(mismatch(line, Tensor([1.0]), absolute: 1e-3) == nil)
    }

    @Test func nonsenseIsRefusedInOneSentence() throws {
        let changes: [(String, (inout SAETrainingConfiguration) -> Void)] = [
            ("architecture.topK.k must be between 1 and the dictionary's 48 features, found 49", { $0.architecture = .topK(TopKSettings(k: 49)) }),
            ("architecture.relu.l1Coefficient must be a number of at least 0, found -0.1",
                { $0.architecture = .relu(ReLUSettings(l1Coefficient: -0.1)) }),
            ("steps must be positive, found 0", { $0.steps = 0 }),
            ("learningRate must be positive, found nan", { $0.learningRate = .nan }),
            ("decayStart must be between 0 and 1, found 1.5", { $0.decayStart = 1.5 }),
            ("beta2 must be at least 0 and less than 1, found 1.0", { $0.beta2 = 1 }),
        ]
        for (expected, change) in changes {
            var configuration = tinyConfiguration(.topK(TopKSettings(k: 3)))
            change(&configuration)
            let error = #expect(throws: ConfigurationError.self) { try configuration.validate() }
            #expect(error?.description == expected)
        }
    }

    @Test func configurationsSurviveYAML() throws {
        var configuration = tinyConfiguration(.relu(ReLUSettings(l1Coefficient: 0.02, penalty: .atomNorms, resampleEvery: 10)))
        configuration.weightAverageDecay = 0.99
        let resolved = try ConfigurationSource(overrides: [
            "architecture={topK: {k: 7}}", "dictionarySize=64", "gradientClipNorm=2",
        ]).resolve(configuration)
        #expect(resolved.configuration.architecture == .topK(TopKSettings(k: 7)))
        #expect(resolved.configuration.dictionarySize == 64 && resolved.configuration.weightAverageDecay == 0.99)
        #expect(throws: ConfigurationError.self) {
            try ConfigurationSource(overrides: ["architecture.relu.lambda=1"]).resolve(configuration)
        }
    }

    @Test func badActivationsAreReported() throws {
        let source = tinySource()
        let trainer = try SAETrainer(tinyConfiguration(.topK(TopKSettings(k: 3))), start: source.next(256), seed: 3)
        let batch = source.next(64)
        batch[3] = Tensor.full([16], .nan)
        #expect(throws: TrainingError.activationsNotFinite(step: 0)) { try trainer.step(batch) }
        withoutGradients { _ = trainer.model.atoms.fillInPlace(.infinity) }
        #expect(throws: TrainingError.diverged(step: 0)) { try trainer.step(source.next(64)) }
    }
}
