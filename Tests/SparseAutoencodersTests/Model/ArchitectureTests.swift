import CondenseTesting
import Foundation
import SparseAutoencoders
import Testing
import Torch
import TorchNN

private func trainingPass(_ model: SparseAutoencoder, _ input: Tensor, step: Int = 1_000_000) -> TrainingPass {
    TrainingPass(model, input: input, step: step)
}

private func loss(_ settings: some SAEVariant, _ pass: TrainingPass, steps: Int = 100) -> Tensor {
    let plan = TrainingPlan(inputSize: pass.input.size(1), steps: steps, sparsityWarmupSteps: 0)
    return settings.makeLossTerms(plan).compactMap { $0.loss(pass) }.reduce(Tensor(scalar: 0.0), +)
}

@Suite struct BatchTopKTests {
    @Test func ofOneInputItIsTopK() {
        let batch = makeModel(.batchTopK(k: 5)), rows = makeModel(.topK(k: 5))
        for row in 0..<6 {
            let input = normal([6, 7])[row..<row + 1]
            #expect(mismatch(batch.encode(input).dense(), rows.encode(input).dense(), relative: 1e-12) == nil)
        }
    }

    @Test func keepsTheBudgetAndSpendsItWhereItIsNeeded() {
        let model = makeModel(.batchTopK(k: 3))
        let input = normal([50, 7]) * Tensor.uniform([50, 1], dtype: .float64, generator: RandomGenerator(seed: 1)) * 3
        let counts = model.encode(input).activeCounts().to(dtype: .float64)
        #expect(counts.sum().item() == 150)
        #expect(counts.max().item() > 5 && counts.min().item() < 2)
    }

    @Test func aMatryoshkaOfOneGroupIsBatchTopK() {
        let pass = trainingPass(makeModel(.batchTopK(k: 3)), normal([20, 7]))
        let nested = loss(MatryoshkaSettings(k: 3, groups: [1]), pass), plain = loss(BatchTopKSettings(k: 3), pass)
        #expect(nested.item() == plain.item())
    }

    @Test func matryoshkaGroupsRebuildFromTheirBeginnings() {
        let pass = trainingPass(makeModel(.batchTopK(k: 3)), normal([20, 7]))
        let code = pass.code.dense()
        let errors = [6, 24].map { end in
            (pass.input - code[.all, ..<end].matmul(pass.model.atoms[..<end]) - pass.model.decoderBias).squared().sum(axis: 1).mean().item()
        }
        #expect(abs(loss(MatryoshkaSettings(k: 3, groups: [0.25, 0.75]), pass).item() - (errors[0] + errors[1]) / 2) < 1e-12)
    }
}

@Suite struct JumpReLUTests {
    private func model(threshold: Double, bandwidth: Double = 0.05) -> SparseAutoencoder {
        makeModel(EncoderKind(JumpReLUEncoder.Settings(bandwidth: bandwidth, initialThreshold: threshold)))
    }

    @Test func withoutThresholdItIsReLU() {
        let jump = model(threshold: 1e-200), relu = makeModel(.relu)
        let input = normal([9, 7])
        // makeModel moves every parameter, so the weights are taken over.
        withoutGradients {
            for (target, source) in zip(jump.namedParameters().filter { $0.name != "encoder.logThreshold" }, relu.namedParameters()) {
                target.tensor.copyInPlace(from: source.tensor)
            }
            (jump.encoder as! JumpReLUEncoder).logThreshold.fillInPlace(-700)
        }
        #expect(mismatch(jump.encode(input).dense(), relu.encode(input).dense(), relative: 1e-12, absolute: 1e-12) == nil)
        #expect(mismatch(trainingPass(jump, input).code.dense(), relu.encode(input).dense(), relative: 1e-12, absolute: 1e-12) == nil)
    }

    /// Against the closed form of the straight-through estimate, on the dense pre-activations.
    @Test func thresholdsGetTheStraightThroughGradient() throws {
        let bandwidth = 0.3
        let model = model(threshold: 0.4, bandwidth: bandwidth)
        let encoder = model.encoder as! JumpReLUEncoder
        let pass = trainingPass(model, normal([40, 7]))
        let weights = normal([24, 7], seed: 3)
        let l0 = 0.7
        let found = gradients(
            of: pass.code.decoded(atoms: weights).sum() + loss(JumpReLUSettings(l0Coefficient: l0), pass) - loss(JumpReLUSettings(l0Coefficient: 0), pass),
            withRespectTo: [encoder.logThreshold, encoder.weight])

        let pre = encoder.preActivations(pass.encoderInput).detached(), theta = encoder.threshold.detached()
        let kernel = ((pre - theta).abs() .< bandwidth / 2).to(dtype: .float64) / bandwidth
        let upstream = weights.sum(axis: 1)
        let ofTheta = (-(theta * kernel) * upstream - kernel * (l0 / 40)).sum(axis: 0)
        #expect(mismatch(found[0], ofTheta * theta, relative: 1e-10, absolute: 1e-12) == nil)
        let ofPre = (pre .> theta).to(dtype: .float64) * upstream
        #expect(mismatch(found[1], ofPre.transposed().matmul(pass.encoderInput.detached()), relative: 1e-10, absolute: 1e-12) == nil)
        #expect(kernel.notEquals(0).any().item() == 1)
    }

    @Test func codesOfTrainingAndUseAreEqual() {
        let model = model(threshold: 0.4)
        let input = normal([40, 7])
        #expect(model.encode(input).dense().isEqual(to: trainingPass(model, input).code.dense()))
    }
}

@Suite struct GatedTests {
    @Test func withEqualBiasesAndScaleOneItIsReLU() {
        let gated = makeModel(.gated), relu = makeModel(.relu)
        let encoder = gated.encoder as! GatedEncoder, other = relu.encoder as! ReLUEncoder
        withoutGradients {
            for (target, source) in [
                (encoder.weight, other.weight), (encoder.bias, other.bias), (encoder.magnitudeBias, other.bias), (gated.atoms, relu.atoms),
                (gated.decoderBias, relu.decoderBias),
            ] { target.copyInPlace(from: source) }
            encoder.logScale.zeroInPlace()
        }
        let input = normal([9, 7])
        #expect(mismatch(gated.encode(input).dense(), relu.encode(input).dense(), relative: 1e-12, absolute: 1e-12) == nil)
    }

    @Test func theLossIsTheDenseFormula() {
        let model = makeModel(.gated)
        let encoder = model.encoder as! GatedEncoder
        let pass = trainingPass(model, normal([12, 7]))
        let projection = pass.encoderInput.matmul(encoder.weight.transposed())
        let gates = (projection + encoder.bias).relu()
        let code = (gates .> 0).to(dtype: .float64) * (projection * encoder.logScale.exp() + encoder.magnitudeBias).relu()
        func error(_ code: Tensor, _ atoms: Tensor, _ bias: Tensor) -> Tensor {
            (pass.input - code.matmul(atoms) - bias).squared().sum(axis: 1).mean()
        }
        let expected = error(code, model.atoms, model.decoderBias) + error(gates, model.atoms.detached(), model.decoderBias.detached())
            + gates.sum(axis: 1).mean() * 0.3
        let found = loss(GatedSettings(l1Coefficient: 0.3), pass)
        #expect(abs(found.item() - expected.item()) < 1e-10)
        let parameters = model.parameters()
        for (a, b) in zip(gradients(of: found, withRespectTo: parameters), gradients(of: expected, withRespectTo: parameters)) {
            #expect(mismatch(a, b, relative: 1e-9, absolute: 1e-10) == nil)
        }
    }
}

@Suite struct PAnnealTests {
    @Test func thePowerFallsInEqualSteps() throws {
        let settings = PAnnealSettings(l1Coefficient: 0.1, annealStart: 0.5, annealSteps: 4, finalP: 0.2)
        let term = try #require(settings.makeLossTerms(TrainingPlan(inputSize: 7, steps: 80, sparsityWarmupSteps: 0)).last)
        let model = makeModel(.relu), input = normal([10, 7])
        var values: [Double] = []
        for step in 0..<80 { values.append(try #require(term.loss(trainingPass(model, input, step: step))).item()) }
        // On the same batch the coefficient makes up for every change of p.
        for value in values { #expect(abs(value / values[0] - 1) < 1e-9) }
        let powers = try #require(term.stateDictionary["anneal"]?.scalars(as: Double.self))
        #expect(abs(powers[1] - 0.2) < 1e-12)
        #expect(powers[0] != 0.1, "λ has changed")
    }

    @Test func itsStateIsKept() throws {
        let plan = TrainingPlan(inputSize: 7, steps: 40, sparsityWarmupSteps: 0)
        let settings = PAnnealSettings(l1Coefficient: 0.1)
        let model = makeModel(.relu)
        let whole = settings.makeLossTerms(plan)[1], first = settings.makeLossTerms(plan)[1], second = settings.makeLossTerms(plan)[1]
        func run(_ term: any LossTerm, _ steps: Range<Int>) -> [Double] {
            steps.map { term.loss(trainingPass(model, normal([10, 7], seed: UInt64($0)), step: $0))!.item() }
        }
        let expected = run(whole, 0..<40)
        let beginning = run(first, 0..<25)
        try second.load(first.stateDictionary)
        #expect(beginning + run(second, 25..<40) == expected)
    }
}

@Suite struct AbsTopKTests {
    @Test func signsAreKeptAndNegationNegates() {
        let model = makeModel(.absTopK(k: 4))
        withoutGradients {
            for name in ["encoder.bias", "decoder.bias"] {
                model.namedParameters().first { $0.name == name }!.tensor.zeroInPlace()
            }
        }
        let input = normal([30, 7])
        let code = model.encode(input).dense()
        #expect(model.encode(-input).dense().isEqual(to: -code))
        #expect((code .< 0).any().item() == 1 && (code .> 0).any().item() == 1)
        #expect(model.encode(input).activeCounts().scalars(as: Int.self).allSatisfy { $0 == 4 })
    }

    /// Hard thresholding is the nearest vector with k entries: compared with all choices.
    @Test func itIsTheProjectionOntoSparseVectors() {
        let model = makeModel(.absTopK(k: 3), dictionarySize: 8)
        let encoder = model.encoder as! AbsTopKEncoder
        let input = normal([10, 7])
        let pre = encoder.preActivations(model.encoderInput(input))
        let found = (pre - model.encode(input).dense()).squared().sum(axis: 1).scalars(as: Double.self)
        let squares = pre.squared()
        for row in 0..<10 {
            let values = squares[row].scalars(as: Double.self)
            var best = Double.infinity
            for choice in 0..<256 where choice.nonzeroBitCount == 3 {
                let error = values.indices.filter { choice & (1 << $0) == 0 }.reduce(0.0) { $0 + values[$1] }
                best = min(best, error)
            }
            #expect(abs(found[row] - best) < 1e-10)
        }
    }

    @Test func ofABatchTheBudgetIsShared() {
        let model = makeModel(.absTopK(k: 3, selection: .batch))
        #expect(model.encode(normal([50, 7])).activeCounts().sum().item() == 150)
    }
}

@Suite struct TopAFATests {
    /// The worked example of the method's published code: k = 2 for each row.
    @Test func theWorkedExample() {
        let atoms = Tensor([[1.0, 2], [3, 4], [5, 6]]), codes = Tensor([[5.0, 4, 3], [1, 1, 1], [1, 10, 2]])
        let weighted = codes * atoms.norm(axes: [1])
        let scores = SparseCode(
            values: weighted.reshaped([-1]), indices: Tensor([0, 1, 2, 0, 1, 2, 0, 1, 2]), offsets: Tensor([0, 3, 6, 9]), featureCount: 3)
        let kept = scores.matchingNorms(codes.matmul(atoms).norm(axes: [1]))
        #expect((codes.reshaped([-1]) * kept.to(dtype: .float64)).scalars(as: Double.self) == [0, 4, 3, 0, 1, 1, 0, 10, 2])
    }

    @Test func atLeastOneAndNeverAll() {
        let scores = SparseCode(
            values: Tensor([3.0, 2, 1, 3, 2, 1, 0]), indices: Tensor([0, 1, 2, 0, 1, 2, 1]), offsets: Tensor([0, 3, 6, 7]), featureCount: 3)
        let kept = scores.matchingNorms(Tensor([0.0, 100, 5])).to(dtype: .int64).scalars(as: Int.self)
        #expect(kept == [1, 0, 0, 1, 1, 0, 0], "all but one however large the norm; nothing where nothing is active")
    }

    @Test func scalingTheInputScalesTheCode() {
        let model = makeModel(.topAFA)
        withoutGradients { _ = model.decoderBias.zeroInPlace() }
        let input = normal([40, 7])
        let code = model.encode(input).dense()
        #expect(mismatch(model.encode(input * 4).dense(), code * 4, relative: 1e-12) == nil)
        let counts = model.encode(input).activeCounts().scalars(as: Int.self)
        #expect(Set(counts).count > 1 && counts.allSatisfy { (1..<24).contains($0) })
    }

    @Test func thePenaltyIsTheMismatchOfNorms() {
        let pass = trainingPass(makeModel(.topAFA), normal([12, 7]))
        let with = loss(TopAFASettings(afaCoefficient: 0.5), pass), without = loss(TopAFASettings(afaCoefficient: 0), pass)
        let mismatch = (pass.code.dense().norm(axes: [1]) - pass.input.norm(axes: [1])).squared().mean()
        #expect(abs((with - without).item() - (mismatch * (0.5 * 7)).item()) < 1e-10)
    }
}

/// What holds for every architecture.
@Suite struct EveryArchitectureTests {
    static let all: [SAEArchitecture] = SAEArchitecture.names.compactMap { name in
        var settings = SAEArchitecture(named: name)
        switch settings?.variant {
        case is TopKSettings: settings = SAEArchitecture(TopKSettings(k: 3))
        case is BatchTopKSettings: settings = SAEArchitecture(BatchTopKSettings(k: 3))
        case is MatryoshkaSettings: settings = SAEArchitecture(MatryoshkaSettings(k: 3, groups: [0.25, 0.75]))
        case is AbsTopKSettings: settings = SAEArchitecture(AbsTopKSettings(k: 3, selection: .batch))
        case is MutualChoiceSettings: settings = SAEArchitecture(MutualChoiceSettings(k: 3))
        case is FeatureChoiceSettings: settings = SAEArchitecture(FeatureChoiceSettings(k: 3))
        case is MatchingPursuitSettings: settings = SAEArchitecture(MatchingPursuitSettings(steps: 3))
        case is VariationalSettings: settings = SAEArchitecture(VariationalSettings(k: 3))
        case is GradientTopKSettings: settings = SAEArchitecture(GradientTopKSettings(k: 3, influenceWarmupSteps: 20))
        default: break
        }
        return settings
    }

    @Test(arguments: all) func learnsSavesAndFolds(_ architecture: SAEArchitecture) throws {
        var configuration = tinyConfiguration(architecture, steps: 200)
        configuration.normalization = .unitMeanSquare
        configuration.warmupSteps = 10
        configuration.learningRate = 3e-3
        let source = tinySource()
        let model = try trainSparseAutoencoder(configuration, on: source, seed: 4)
        let batch = source.next(512)
        let metrics = model.evaluate(batch)
        #expect(metrics.fractionOfVarianceUnexplained < 0.8, "\(architecture.name): FVU \(metrics.fractionOfVarianceUnexplained)")
        #expect(metrics.l0 > 0)
        let folder = FileManager.default.temporaryDirectory.appending(path: "architecture-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try model.save(to: folder)
        let loaded = try SparseAutoencoder(loadingFrom: folder)
        #expect(loaded.configuration == model.configuration)
        #expect(loaded.reconstruct(batch).output.isEqual(to: model.reconstruct(batch).output))
        #expect(loaded.configuration.normalization == .none, "the input's scale is in the weights")
    }

    /// Metrics of a batch and of its rows one by one are equal: nothing a trained model gives depends on the rest of the batch.
    @Test(arguments: all) func trainedModelsLookAtEachInputAlone(_ architecture: SAEArchitecture) throws {
        let source = tinySource()
        let model = try trainSparseAutoencoder(tinyConfiguration(architecture, steps: 60), on: source, seed: 4)
        let batch = source.next(16)
        let together = model.encode(batch).dense()
        for row in 0..<16 {
            #expect(mismatch(model.encode(batch[row..<row + 1]).dense(), together[row..<row + 1], relative: 1e-4, absolute: 1e-5) == nil)
        }
    }
}
