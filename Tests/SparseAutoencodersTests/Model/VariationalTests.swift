import CondenseTesting
import Foundation
import SparseAutoencoders
import Testing
import Torch
import TorchNN

@Suite struct VariationalTests {
    private func model(
        _ variance: VariationalEncoder.Variance = .learned, rectifiesMean: Bool = true, normalization: InputNormalization = .none
    ) -> SparseAutoencoder {
        makeModel(
            .variational(.init(k: 4, variance: variance, initialLogVariance: -2, rectifiesMean: rectifiesMean)),
            normalization: normalization)
    }

    private func encoder(_ model: SparseAutoencoder) -> VariationalEncoder { model.encoder as! VariationalEncoder }

    private func pass(_ model: SparseAutoencoder, _ input: Tensor, seed: UInt64? = 2, step: Int = 1_000) -> TrainingPass {
        TrainingPass(model, input: input, step: step, generator: seed.map { RandomGenerator(seed: $0) })
    }

    private func terms(_ settings: VariationalSettings, _ pass: TrainingPass, warmupSteps: Int = 0) -> [Double] {
        let plan = TrainingPlan(inputSize: 7, steps: 100, sparsityWarmupSteps: warmupSteps)
        return settings.makeLossTerms(plan).compactMap { $0.loss(pass)?.item() }
    }

    private func total(_ settings: VariationalSettings, _ pass: TrainingPass) -> Tensor {
        let plan = TrainingPlan(inputSize: 7, steps: 100, sparsityWarmupSteps: 0)
        return settings.makeLossTerms(plan).compactMap { $0.loss(pass) }.reduce(Tensor(scalar: 0.0), +)
    }

    /// Everything again with dense products: the sample, its selection, the error and the divergence.
    @Test(arguments: [true, false], [KLDivergence.Scope.all, .selected])
    func theLossIsTheDenseFormula(_ rectifiesMean: Bool, _ scope: KLDivergence.Scope) throws {
        let model = model(rectifiesMean: rectifiesMean), encoder = encoder(model)
        let input = normal([12, 7])
        let settings = VariationalSettings(k: 4, rectifiesMean: rectifiesMean, klCoefficient: 0.3, klScope: scope)
        let found = total(settings, pass(model, input))

        let rows = input - model.decoderBias
        let linear = rows.matmul(encoder.weight.transposed()) + encoder.bias
        let mean = rectifiesMean ? linear.relu() : linear
        let raw = rows.matmul(try #require(encoder.varianceWeight).transposed()) + (try #require(encoder.varianceBias))
        let logVariance = raw.clamped(minimum: -6, maximum: 2)
        let noise = Tensor.normal([12, 24], dtype: .float64, generator: RandomGenerator(seed: 2))
        let latents = mean + (logVariance / 2).exp() * noise
        let limits = latents.detached().abs().topK(4).values.min(axes: [1], keepingDimensions: true)
        let mask = (latents.detached().abs() .>= limits).to(dtype: .float64)
        let error = (input - (latents * mask).matmul(model.atoms) - model.decoderBias).squared().sum(axis: 1).mean()
        let divergences = (mean.squared() + logVariance.exp() - 1 - logVariance) / 2
        let kept = scope == .all ? divergences : divergences * mask
        let expected = error + kept.sum(axis: 1).mean() * 0.3
        #expect(abs(found.item() - expected.item()) < 1e-10)
        let parameters = model.parameters()
        #expect(parameters.count == 6)
        for (a, b) in zip(gradients(of: found, withRespectTo: parameters), gradients(of: expected, withRespectTo: parameters)) {
            #expect(mismatch(a, b, relative: 1e-9, absolute: 1e-10) == nil)
        }
    }

    /// With a fixed variance there is no noise, and the loss is TopK's with half the squares of all pre-activations.
    @Test func aFixedVarianceIsTopKWithAPenalty() throws {
        let variational = model(.fixed), topK = makeModel(.topK(k: 4))
        let input = normal([20, 7])
        let found = pass(variational, input), plain = pass(topK, input)
        let pre = (topK.encoder as! TopKEncoder).preActivations(plain.encoderInput).relu()
        let expected = try #require(SquaredError().loss(plain)) + pre.squared().sum(axis: 1).mean() * (0.7 / 2)
        let loss = total(VariationalSettings(k: 4, variance: .fixed, klCoefficient: 0.7), found)
        #expect(abs(loss.item() - expected.item()) < 1e-12)
        let (a, b) = (gradients(of: loss, withRespectTo: variational.parameters()), gradients(of: expected, withRespectTo: topK.parameters()))
        for (a, b) in zip(a, b) { #expect(mismatch(a, b, relative: 1e-9, absolute: 1e-12) == nil) }
        #expect(encoder(variational).varianceWeight == nil && encoder(variational).noiseScale == nil)
    }

    @Test(arguments: [true, false]) func withoutNoiseItIsTopK(_ rectifiesMean: Bool) {
        let model = model(rectifiesMean: rectifiesMean)
        let other = makeModel(rectifiesMean ? .topK(k: 4) : .absTopK(k: 4))
        withoutGradients {
            for parameter in other.namedParameters() {
                parameter.tensor.copyInPlace(from: model.namedParameters().first { $0.name == parameter.name }!.tensor)
            }
            _ = encoder(model).noiseScale?.zeroInPlace()
        }
        let input = normal([30, 7])
        let expected = other.encode(input).dense()
        #expect(mismatch(pass(model, input).code.dense(), expected, relative: 1e-12, absolute: 1e-12) == nil)
        #expect(mismatch(model.encode(input).dense(), expected, relative: 1e-12, absolute: 1e-12) == nil)
    }

    @Test func noiseIsOfTrainingAloneAndOfItsGenerator() {
        let model = model(), input = normal([30, 7])
        #expect(model.encode(input).dense().isEqual(to: model.encode(input).dense()))
        #expect(mismatch(pass(model, input, seed: nil).code.dense(), model.encode(input).dense(), relative: 1e-12, absolute: 1e-12) == nil)
        #expect(pass(model, input, seed: 2).code.dense().isEqual(to: pass(model, input, seed: 2).code.dense()))
        #expect(!pass(model, input, seed: 2).code.dense().isEqual(to: pass(model, input, seed: 3).code.dense()))
        let counts = pass(model, input).code.activeCounts().scalars(as: Int.self)
        #expect(counts.allSatisfy { $0 == 4 }, "a noisy z is never 0, and keeps its sign")
        #expect((pass(model, input).code.values .< 0).any().item() == 1)
        #expect(model.encode(input).activeCounts().scalars(as: Int.self).allSatisfy { $0 <= 4 })
    }

    @Test func theDivergenceIsThatOfGaussians() throws {
        let model = model(rectifiesMean: false), encoder = encoder(model)
        let posterior = encoder.posterior(normal([3, 7]))
        let divergences = posterior.divergences()
        #expect((divergences .>= 0).all().item() == 1)
        let deviation = try #require(posterior.standardDeviation), generator = RandomGenerator(seed: 8)
        var sum = Tensor.zeros(like: divergences), squares = Tensor.zeros(like: divergences)
        let count = 20_000
        withoutGradients {
            for _ in 0..<count {
                let z = posterior.sample(generator)
                let ratio = (z.squared() - ((z - posterior.mean) / deviation).squared()) / 2 - deviation.log()
                (sum, squares) = (sum + ratio, squares + ratio.squared())
            }
        }
        let mean = sum / count
        let error = ((squares / count - mean.squared()) / count).sqrt()
        let distances = ((mean - divergences) / error).abs()
        // Of 72 estimates a few lie beyond three standard errors by chance, none beyond five.
        #expect((distances .> 3).sum().item() <= 2 && distances.max().item() < 5)

        withoutGradients { for parameter in encoder.visitedTensors { parameter.zeroInPlace() } }
        #expect(encoder.posterior(normal([3, 7])).divergences().isEqual(to: Tensor.zeros([3, 24], dtype: .float64)), "μ = 0 and σ = 1")
    }

    @Test func theCoefficientRisesLinearlyFromZero() {
        let model = model(), input = normal([10, 7])
        let settings = VariationalSettings(k: 4, klCoefficient: 0.5)
        let values = (0..<60).map { terms(settings, pass(model, input, step: $0), warmupSteps: 40)[1] }
        #expect(values[0] == 0 && values[40] == values[59])
        for step in 0...40 { #expect(abs(values[step] - values[40] * Double(step) / 40) < 1e-12) }
        #expect(terms(VariationalSettings(k: 4, klCoefficient: 0), pass(model, input)).count == 1)
    }

    @Test(arguments: [SparseAutoencoder.ScaleFolding.keepingAtoms, .keepingCodes])
    func foldingTheScaleKeepsReconstructionsAndScalesTheNoise(_ folding: SparseAutoencoder.ScaleFolding) throws {
        let model = model(normalization: .scaled(by: 0.2)), input = normal([15, 7]) * 5
        withoutGradients { _ = encoder(model).varianceBias?.fillInPlace(-5.9) }
        func deviation() throws -> Tensor {
            let rows = model.encoderInput(model.configuration.normalization.normalize(input).rows)
            return try #require(encoder(model).posterior(rows).standardDeviation)
        }
        let before = model.reconstruct(input).output, noise = try deviation()
        try model.foldInputScale(folding)
        #expect(mismatch(model.reconstruct(input).output, before, relative: 1e-10) == nil)
        #expect(mismatch(try deviation(), noise * (folding == .keepingAtoms ? 5 : 1), relative: 1e-10) == nil)
        // A copy and a saved model have the same noise.
        let folder = FileManager.default.temporaryDirectory.appending(path: "variational-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try model.save(to: folder)
        for other in [model.copy(), try SparseAutoencoder(loadingFrom: folder)] {
            #expect(pass(other, input).code.dense().isEqual(to: pass(model, input).code.dense()))
        }
    }

    @Test func permutingFeaturesPermutesCodes() {
        let model = model(), input = normal([15, 7])
        let before = model.encode(input).dense(), rebuilt = model.reconstruct(input).output
        let order = Tensor.permutation(24, generator: RandomGenerator(seed: 1))
        withoutGradients {
            for tensor in encoder(model).visitedTensors + [model.atoms] where tensor.size(0) == 24 {
                tensor.copyInPlace(from: tensor.gathered(indices: order))
            }
        }
        #expect(mismatch(model.encode(input).dense(), before.gathered(indices: order, axis: 1), relative: 1e-12) == nil)
        #expect(mismatch(model.reconstruct(input).output, rebuilt, relative: 1e-10) == nil)
    }

    @Test func namesAndNonsense() {
        let model = model()
        #expect(forgottenMembers(of: model) == [])
        #expect(
            model.stateDictionary.keys.sorted() == [
                "decoder.atoms", "decoder.bias", "encoder.bias", "encoder.noiseScale", "encoder.varianceBias", "encoder.varianceWeight",
                "encoder.weight",
            ])
        #expect(VariationalSettings(k: 0).encoder.settings.problem(dictionarySize: 24)?.key == "k")
        #expect(VariationalSettings(k: 3, klCoefficient: -1).problem(inputSize: nil, dictionarySize: 24)?.key == "klCoefficient")
        #expect(
            VariationalSettings(k: 3, initialLogVariance: .nan).encoder.settings.problem(dictionarySize: 24)?.key == "initialLogVariance")
    }
}

extension VariationalEncoder {
    /// Parameters without the scale of the noise.
    fileprivate var visitedTensors: [Tensor] { namedParameters().map(\.tensor) }
}
