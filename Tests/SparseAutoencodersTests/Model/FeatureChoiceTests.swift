import CondenseTesting
import Experiments
import Foundation
import SparseAutoencoders
import Testing
import Torch
import TorchNN

@Suite struct FeatureChoiceTests {
    private func choosing(_ shares: [Double], k: Int = 3) -> (model: SparseAutoencoder, encoder: FeatureChoiceEncoder) {
        let model = makeModel(.featureChoice(k: k), dictionarySize: shares.count)
        let encoder = model.encoder as! FeatureChoiceEncoder
        encoder.chooser = .features
        encoder.shares.copyInPlace(from: Tensor(shares))
        return (model, encoder)
    }

    /// Pre-activations all above 0, so that every quota can be met.
    private func lifted(_ encoder: FeatureChoiceEncoder) { withoutGradients { _ = encoder.bias.fillInPlace(1_000) } }

    private static let shares = [1.2, 0.6, 0.51, 0.3, 0.2, 0.1, 0.05, 0.04]

    @Test func everyFeatureGetsItsQuotaAndTogetherTheySpendTheBudget() {
        let (model, encoder) = choosing(Self.shares.map { min(0.9, $0) } + [0.3])
        lifted(encoder)
        for batch in [7, 50, 333] {
            let code = TrainingPass(model, input: normal([batch, 7]), step: 0).code
            let budgets = encoder.budgets(batchSize: batch)
            #expect(budgets.sum().item() == Double(3 * batch))
            #expect(code.firingCounts().isEqual(to: budgets), "column sums")
            #expect(code.activeCounts().sum().item() == Double(3 * batch))
        }
    }

    @Test func matchesAreTheLargestPositiveOfEachFeature() {
        let (model, encoder) = choosing([Double](repeating: 3.0 / 24, count: 24))
        let pass = TrainingPass(model, input: normal([64, 7]), step: 0)
        let pre = encoder.preActivations(pass.encoderInput).detached()
        // Equal quotas: TopK of the transposed.
        let best = pre.topK(8, axis: 0)
        let expected = Tensor.zeros(like: pre).scatterAdding(best.values.relu(), at: best.indices, axis: 0)
        #expect(mismatch(pass.code.dense(), expected, relative: 1e-12) == nil)
        // A threshold between the last kept and the first dropped of each feature gives the same code.
        let lifted = pre.topK(9, axis: 0).values
        let threshold = (lifted[7] + lifted[8]).relu() / 2
        #expect(mismatch(encoder.encode(pass.encoderInput, threshold: threshold).dense(), expected, relative: 1e-12) == nil)
    }

    @Test func permutingInputsPermutesCodes() {
        let (model, _) = choosing(Self.shares)
        let input = normal([40, 7]), order = Tensor((0..<40).map { ($0 * 7) % 40 })
        let code = TrainingPass(model, input: input, step: 0).code.dense()
        let permuted = TrainingPass(model, input: input.gathered(indices: order), step: 0).code.dense()
        #expect(mismatch(permuted, code.gathered(indices: order), relative: 1e-12) == nil)
    }

    @Test func ofOneInputMutualChoiceIsTopK() {
        let mutual = makeModel(.featureChoice(k: 5)), rows = makeModel(.topK(k: 5))
        let input = normal([1, 7])
        #expect(mismatch(mutual.encode(input).dense(), rows.encode(input).dense(), relative: 1e-12) == nil)
    }

    @Test func budgetsGradientsAreExact() {
        let (model, encoder) = choosing([0.5, 0.5, 1, 0.25, 0.25, 0.25, 0.25], k: 3)
        let input = normal([8, 7])
        #expect(
            gradientMismatch(at: [encoder.weight, encoder.bias, model.atoms]) {
                TrainingPass(model, input: input, step: 0).error.squared().sum()
            } == nil)
    }

    // MARK: The law

    @Test func aLawIsFoundAgain() throws {
        let densities = (1...400).map { 0.9 * pow(Double($0) + 16, -1.3) }
        let law = try #require(ZipfLaw(fitting: densities.shuffled(), smallest: 1e-6))
        #expect(abs(law.exponent - 1.3) < 1e-9 && law.shift == 16)
        #expect(try #require(law.explainedVariation) > 1 - 1e-9)
        // Rare features that are below it do not count.
        let broken = densities.enumerated().map { $0 < 370 ? $1 : 1e-9 }
        #expect(abs(try #require(ZipfLaw(fitting: broken, smallest: 1e-7)).exponent - 1.3) < 1e-9)
        #expect(ZipfLaw(fitting: [0, 0, 0, 0.1, 0.2], smallest: 1e-3) == nil)
        #expect(ZipfLaw(fitting: [0.1, 0.1, 0.1, 0.1], smallest: 1e-3) == nil, "no fall")
    }

    @Test(arguments: [0.0, 5], [1, 4, 300]) func densitiesKeepSumAndBounds(_ shift: Double, _ k: Int) {
        let densities = ZipfLaw(exponent: 1.1, shift: shift).densities(count: 512, sum: Double(k), minimum: 1.0 / 1_024, maximum: 0.5)
        #expect(abs(densities.reduce(0, +) / Double(k) - 1) < 1e-9)
        #expect(zip(densities, densities.dropFirst()).allSatisfy { $0 >= $1 })
        let largest = max(0.5, Double(k) / 512)
        #expect(densities.allSatisfy { $0 >= min(1.0 / 1_024, Double(k) / 512) * (1 - 1e-12) && $0 <= largest * (1 + 1e-12) })
    }

    // MARK: aux_zipf

    @Test func deficitsOfOneAreAuxK() throws {
        let (model, encoder) = choosing([Double](repeating: 0.125, count: 24))
        let dead = [0, 3, 4, 17]
        encoder.densities.copyInPlace(from: Tensor((0..<24).map { dead.contains($0) ? 0 : 0.125 }))
        let term = AuxZipf(.init(), maximumK: 2)
        #expect(term.deficits(of: encoder).scalars(as: Double.self) == (0..<24).map { dead.contains($0) ? 1 : 0 })
        let pass = TrainingPass(model, input: normal([20, 7]), step: 0) { _ in Tensor(dead) }
        let zipf = try #require(term.loss(pass)), auxK = try #require(AuxK(coefficient: 1.0 / 32, maximumK: 2).loss(pass))
        #expect(abs(zipf.item() - auxK.item()) < 1e-12)
        let parameters = model.parameters()
        for (a, b) in zip(
            gradients(of: zipf, withRespectTo: parameters, retainGraph: true, allowUnused: true),
            gradients(of: auxK, withRespectTo: parameters, retainGraph: true, allowUnused: true))
        { #expect(mismatch(a, b, relative: 1e-10, absolute: 1e-14) == nil) }
    }

    @Test func deficitsGrowAsDensitiesFallBelowTheirRank() {
        let (model, encoder) = choosing([0.4, 0.4, 0.4, 0.4, 0])
        encoder.densities.copyInPlace(from: Tensor([0.5, 0.2, 0.1, 0, 0]))
        let term = AuxZipf(.init(), maximumK: 2)
        #expect(mismatch(term.deficits(of: encoder), Tensor([0, 0, 0.5, 1, 0]), absolute: 1e-12) == nil)
        encoder.shares.zeroInPlace()
        #expect(term.loss(TrainingPass(model, input: normal([5, 7]), step: 0)) == nil, "nothing is known of the law yet")
    }

    // MARK: Training

    @Test func trainingTurnsFromMutualToFeatureChoice() throws {
        var configuration = tinyConfiguration(SAEArchitecture(FeatureChoiceSettings(k: 3, mutualPart: 0.5)), steps: 220)
        configuration.normalization = .unitMeanSquare
        let source = tinySource()
        let trainer = try SAETrainer(configuration, start: source.next(256), seed: 3)
        let encoder = trainer.model.encoder as! FeatureChoiceEncoder
        for step in 0..<220 {
            try trainer.step(source.next(64))
            #expect(encoder.chooser == (step < 110 ? .mutual : .features))
            if step == 98 { #expect(encoder.shares.sum().item() == 0) }
            if step == 99 || step == 109 { #expect(abs(encoder.shares.sum().item() - 3) < 1e-9) }
        }
        let budgets = encoder.budgets(batchSize: 64)
        #expect(budgets.sum().item() == 192 && budgets.min().item() >= 1)
        // The average of the densities moves towards the quotas.
        #expect((encoder.densities - encoder.shares).abs().sum().item() < 1.5)
        let trained = try trainer.trainedModel()
        let thresholds = (trained.encoder as! JumpReLUEncoder).threshold
        #expect(thresholds.shape == [48] && Set(thresholds.scalars(as: Float.self)).count > 24, "one of each feature")
        let metrics = trained.evaluate(source.next(2_000))
        #expect(abs(metrics.l0 / 3 - 1) < 0.3, "L0 \(metrics.l0)")
    }

    @Test func uniformQuotasFromTheStart() throws {
        let settings = FeatureChoiceSettings(k: 3, quotas: .uniform, mutualPart: 0, auxiliary: .init(coefficient: 0))
        let source = tinySource()
        let trainer = try SAETrainer(tinyConfiguration(SAEArchitecture(settings)), start: source.next(256), seed: 3)
        let encoder = trainer.model.encoder as! FeatureChoiceEncoder
        let report = try trainer.step(source.next(64))
        #expect(encoder.budgets(batchSize: 64).scalars(as: Int.self).allSatisfy { $0 == 4 })
        #expect(report.terms.map(\.name) == ["mse"])
    }

    @Test func settingsThatMakeNoSenseAreRefused() {
        func problem(_ settings: FeatureChoiceSettings) -> String {
            do { try tinyConfiguration(SAEArchitecture(settings)).validate() } catch { return "\(error)" }
            return ""
        }
        #expect(problem(FeatureChoiceSettings(k: 1)).isEmpty)
        #expect(problem(FeatureChoiceSettings(k: 3, mutualPart: 1)).contains("mutualPart"))
        #expect(problem(FeatureChoiceSettings(k: 49)).contains("k must be between 1 and"))
        #expect(problem(FeatureChoiceSettings(k: 3, auxiliary: .init(coefficient: -1))).contains("auxiliary.coefficient"))
        var small = tinyConfiguration(SAEArchitecture(FeatureChoiceSettings(k: 3)))
        small.batchSize = 15
        #expect(throws: ConfigurationError.self) { try small.validate() }
        small.batchSize = 16
        #expect(throws: Never.self) { try small.validate() }
    }
}
