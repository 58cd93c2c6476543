import CondenseTesting
import Foundation
import SparseAutoencoders
import Testing
import Torch
import TorchNN

@Suite struct MatchingPursuitModelTests {
    private func train(_ settings: MatchingPursuitSettings, steps: Int = 300) throws -> (model: SparseAutoencoder, batch: Tensor) {
        var configuration = tinyConfiguration(SAEArchitecture(settings), steps: steps)
        configuration.learningRate = 5e-3
        let source = tinySource()
        return (try trainSparseAutoencoder(configuration, on: source, seed: 4), source.next(400))
    }

    @Test func itHasNoWeightsButTheDecoders() {
        #expect(makeModel(.matchingPursuit(steps: 3)).stateDictionary.keys.sorted() == ["decoder.atoms", "decoder.bias"])
    }

    @Test func theReconstructionIsWhatThePursuitTook() {
        let model = makeModel(.matchingPursuit(steps: 5))
        let input = normal([30, 7])
        let picks = model.pursuit(of: input)
        let rebuilt = model.reconstruct(input)
        #expect(mismatch(rebuilt.output, picks.sequence.decoded(atoms: model.atoms) + model.decoderBias, relative: 1e-10, absolute: 1e-12) == nil)
        #expect(mismatch(rebuilt.code.dense(), picks.sequence.dense(), relative: 1e-12, absolute: 1e-12) == nil)
        #expect(rebuilt.code.activeCounts().scalars(as: Int.self).allSatisfy { $0 <= 5 })
    }

    @Test func stepsTellTheOrderAndWhatIsLeft() {
        let model = makeModel(.matchingPursuit(steps: 5))
        let input = normal([30, 7])
        let picks = model.pursuit(of: input).sequence
        let error = (input - model.reconstruct(input).output).norm(axes: [1]) / (input - model.decoderBias).norm(axes: [1])
        for (row, steps) in model.pursuitSteps(of: input).enumerated() {
            #expect(steps.map(\.atom) == Array(picks.indices[row].scalars(as: Int.self).prefix(steps.count)))
            #expect(steps.map(\.value) == Array(picks.values[row].scalars(as: Double.self).prefix(steps.count)))
            #expect(zip(steps, steps.dropFirst()).allSatisfy { $0.residual >= $1.residual } && steps[0].residual <= 1)
            #expect(abs((steps.last?.residual ?? 1) - error[row].item()) < 1e-9)
        }
    }

    @Test func stepsEndWhereTheRulesSay() {
        let model = makeModel(.matchingPursuit(steps: 20)).pursuing { $0.relativeResidual = 0.5 }
        for steps in model.pursuitSteps(of: normal([30, 7])) {
            #expect(steps.last.map { $0.residual <= 0.5 } ?? false)
            #expect(steps.dropLast().allSatisfy { $0.residual > 0.5 })
        }
    }

    @Test func reconstructionHasExactGradients() {
        let model = makeModel(.matchingPursuit(steps: 4), inputSize: 4, dictionarySize: 9)
        let input = normal([5, 4])
        #expect(gradientMismatch(at: [input] + model.parameters()) { model.reconstruct(input).output } == nil)
    }

    /// More steps for a trained model never rebuild an input worse.
    @Test func theErrorFallsWithTheStepsOfUse() throws {
        let (model, batch) = try train(MatchingPursuitSettings(steps: 3))
        var before = Tensor.full([400], .infinity)
        for steps in 1...12 {
            let other = model.pursuing { $0.steps = steps }
            #expect(other.configuration.encoder == .matchingPursuit(steps: steps))
            let errors = (batch - other.reconstruct(batch).output).norm(axes: [1])
            #expect((errors .<= before + 1e-5).all().item() == 1)
            before = errors
        }
        #expect(model.configuration.encoder == .matchingPursuit(steps: 3), "the model itself stays")
    }

    /// Scale and norms are in codes and atoms at will: the residual at which rows stop goes with the scale.
    @Test func foldingKeepsReconstructions() throws {
        let input = normal([30, 7]) * 20
        for folding in [SparseAutoencoder.ScaleFolding.keepingAtoms, .keepingCodes] {
            let settings = MatchingPursuitEncoder.Settings(steps: 6, absoluteResidual: 0.4)
            let model = makeModel(.matchingPursuit(settings), normalization: .scaled(by: 0.05))
            let before = model.reconstruct(input)
            let counts = before.code.activeCounts().scalars(as: Int.self)
            #expect(Set(counts).count > 1, "some rows stop early")
            try model.foldInputScale(folding)
            #expect(mismatch(model.reconstruct(input).output, before.output, relative: 1e-9, absolute: 1e-9) == nil)
            let factor = folding == .keepingCodes ? 1.0 : 20
            #expect(mismatch(model.encode(input).dense(), before.code.dense() * factor, relative: 1e-9, absolute: 1e-9) == nil)
            try model.foldDecoderNorms()
            #expect(mismatch(model.reconstruct(input).output, before.output, relative: 1e-9, absolute: 1e-9) == nil)
            #expect(mismatch(model.atoms.norm(axes: [1]), Tensor.ones([24], dtype: .float64), relative: 1e-12) == nil)
            // The file holds the limit that belongs to the weights.
            let folder = FileManager.default.temporaryDirectory.appending(path: "pursuit-\(UUID().uuidString)")
            defer { try? FileManager.default.removeItem(at: folder) }
            try model.save(to: folder)
            #expect(try SparseAutoencoder(loadingFrom: folder).encode(input).dense().isEqual(to: model.encode(input).dense()))
        }
    }

    @Test func trainingStopsAtTheResidualInItsOwnScale() throws {
        let (model, batch) = try train(MatchingPursuitSettings(steps: 16, relativeResidual: 0.3), steps: 600)
        let counts = model.encode(batch).activeCounts().scalars(as: Int.self)
        #expect(Set(counts).count > 1)
        let parts = (batch - model.reconstruct(batch).output).norm(axes: [1]) / (batch - model.decoderBias).norm(axes: [1])
        let endedEarly = model.pursuit(of: batch).sequence.values[.all, 15].equals(0)
        #expect((parts .<= 0.3 + 1e-5).logicalOr(endedEarly.logicalNot()).all().item() == 1)
    }

    @Test func theTrueDictionaryIsFound() throws {
        let source = SyntheticActivations(inputSize: 24, featureCount: 24, activeCount: 3, noise: 0.005, seed: 2)
        var configuration = tinyConfiguration(SAEArchitecture(MatchingPursuitSettings(steps: 3)), steps: 1_500)
        (configuration.learningRate, configuration.batchSize, configuration.decoderBiasStart) = (5e-3, 256, .zeros)
        let model = try trainSparseAutoencoder(configuration, on: source, seed: 1)
        let found = model.bestCosines(with: source.features)
        #expect((found .> 0.9).to(dtype: .float64).mean().item() > 0.8, "\(found.scalars(as: Double.self))")
    }

    @Test func silentAtomsAreDrawnToTheResidual() throws {
        let model = makeModel(.matchingPursuit(steps: 1), dictionarySize: 40)
        let pass = TrainingPass(model, input: normal([4, 7]), step: 0)
        let term = ResidualPull(coefficient: 0.5)
        let loss = try #require(term.loss(pass))
        let used = Set(pass.code.dense().abs().max(axes: [0]).scalars(as: Double.self).enumerated().filter { $0.element > 0.01 }.map(\.offset))
        let silent = (0..<40).filter { !used.contains($0) }
        let products = pass.error.matmul(model.atoms.gathered(indices: Tensor(silent)).transposed())
        #expect(abs(loss.item() + 0.5 * products.mean().item()) < 1e-12)
        let gradient = gradients(of: loss, withRespectTo: [model.atoms])[0]
        #expect(gradient.abs().sum(axis: 1).notEquals(0).sum().item() == Double(silent.count), "atoms in use are left alone")
        let few = makeModel(.matchingPursuit(steps: 1), dictionarySize: 9)
        #expect(term.loss(TrainingPass(few, input: normal([4, 7]), step: 0)) == nil)
    }

    @Test func settingsThatMakeNoSenseAreRefused() {
        let cases: [(MatchingPursuitSettings, String)] = [
            (MatchingPursuitSettings(steps: 0), "architecture.matchingPursuit.steps must be between 1 and 65536, found 0"),
            (MatchingPursuitSettings(steps: 3, relativeResidual: -1), "architecture.matchingPursuit.relativeResidual must be a number of at least 0, found -1.0"),
            (MatchingPursuitSettings(steps: 3, revivalCoefficient: .nan), "architecture.matchingPursuit.revivalCoefficient must be a number of at least 0, found nan"),
        ]
        for (settings, expected) in cases {
            let error = #expect(throws: (any Error).self) { try tinyConfiguration(SAEArchitecture(settings)).validate() }
            #expect(error.map { "\($0)" } == expected)
        }
    }
}
