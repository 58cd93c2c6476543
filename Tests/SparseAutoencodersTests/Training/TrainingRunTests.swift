import CondenseTesting
import Experiments
import Foundation
import SparseAutoencoders
import Testing
import Torch
import TorchNN

/// A source that ends its process without warning, or asks for cancellation, before a certain batch.
final class FailingSource: ActivationSource {
    let inner: any ActivationSource
    let rows: Int
    let action: () -> Void

    init(_ inner: any ActivationSource, atRow rows: Int, _ action: @escaping () -> Void) {
        self.inner = inner
        self.rows = rows
        self.action = action
    }

    var inputSize: Int { inner.inputSize }
    var position: ActivationPosition {
        get { inner.position }
        set { inner.position = newValue }
    }

    var hasGradients: Bool { inner.hasGradients }

    func next(_ count: Int) throws -> Tensor { try nextBatch(count).activations }

    func nextBatch(_ count: Int) throws -> ActivationBatch {
        if position.rowsServed == rows { action() }
        return try inner.nextBatch(count)
    }
}

@Suite struct TrainingRunTests {
    private static func configuration(_ architecture: SAEArchitecture) -> SAETrainingConfiguration {
        var configuration = tinyConfiguration(architecture)
        configuration.weightAverageDecay = 0.9
        return configuration
    }

    private static let architectures: [SAEArchitecture] = [
        .topK(TopKSettings(k: 3, annealingSteps: 20)), .relu(ReLUSettings(l1Coefficient: 0.01, resampleEvery: 7)),
    ] + EveryArchitectureTests.all.dropFirst(2)

    private func withFolder(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "train-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder)
    }

    private static func create(_ folder: URL, _ configuration: SAETrainingConfiguration) throws -> Run {
        try Run.create(
            in: folder, method: "sae-train", title: "Test",
            configuration: ResolvedConfiguration(configuration: configuration, settings: RunSettings()))
    }

    @Test(arguments: architectures) func aResumedRunEqualsAnUninterruptedOne(_ architecture: SAEArchitecture) throws {
        let configuration = Self.configuration(architecture)
        try withFolder { folder in
            let whole = folder.appending(path: "whole"), parts = folder.appending(path: "parts")
            let expected = try trainSparseAutoencoder(configuration, on: tinySource(), seed: 4, run: Self.create(whole, configuration))
            // Interrupted at step 13 …
            let cancellation = Cancellation()
            #expect(throws: RunInterrupted.self) {
                try trainSparseAutoencoder(
                    configuration, on: FailingSource(tinySource(), atRow: 12 * 64) { cancellation.cancel() }, seed: 4,
                    run: Self.create(parts, configuration), cancellation: cancellation)
            }
            // … and continued, with a source that stands elsewhere.
            let source = tinySource()
            _ = source.next(100)
            source.position.rowsServed = 0
            let run = try Run.resume(parts)
            #expect(run.resumedFrom?.step == 13)
            let found = try trainSparseAutoencoder(configuration, on: source, seed: 4, run: run)
            try expectEqual(found, expected)
            try expectEqualFiles(whole, parts)
        }
    }

    @Test func aKilledRunResumesToTheSameBits() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "killed-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.path
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let configuration = Self.configuration(Self.architectures[0])
            try trainSparseAutoencoder(
                configuration, on: FailingSource(tinySource(), atRow: 17 * 64) { kill(getpid(), SIGKILL) }, seed: 4,
                run: Self.create(URL(filePath: path).appending(path: "parts"), configuration))
        }
        let configuration = Self.configuration(Self.architectures[0])
        let whole = folder.appending(path: "whole"), parts = folder.appending(path: "parts")
        let expected = try trainSparseAutoencoder(configuration, on: tinySource(), seed: 4, run: Self.create(whole, configuration))
        let run = try Run.resume(parts)
        #expect(run.resumedFrom?.step == 10)
        let found = try trainSparseAutoencoder(configuration, on: tinySource(), seed: 4, run: run)
        try expectEqual(found, expected)
        try expectEqualFiles(whole, parts)
    }

    private func expectEqual(_ found: SparseAutoencoder, _ expected: SparseAutoencoder) throws {
        #expect(found.configuration == expected.configuration)
        for (name, tensor) in expected.stateDictionary {
            #expect(found.stateDictionary[name]?.isEqual(to: tensor) == true, "\(name)")
        }
    }

    private func expectEqualFiles(_ first: URL, _ second: URL) throws {
        for name in ["metrics.jsonl", "sae/sae.safetensors", "sae/config.json"] {
            let contents = try [first, second].map { try Data(contentsOf: $0.appending(path: name)) }
            #expect(contents[0] == contents[1], "\(name)")
            #expect(!contents[0].isEmpty)
        }
    }

    @Test func aCheckpointOfAnotherModelIsRefused() throws {
        try withFolder { folder in
            let configuration = Self.configuration(Self.architectures[0])
            let cancellation = Cancellation()
            cancellation.cancel()
            #expect(throws: RunInterrupted.self) {
                try trainSparseAutoencoder(
                    configuration, on: tinySource(), seed: 4, run: Self.create(folder, configuration), cancellation: cancellation)
            }
            var other = configuration
            other.dictionarySize = 64
            let error = #expect(throws: TrainingError.self) {
                try trainSparseAutoencoder(other, on: tinySource(), seed: 4, run: Run.resume(folder))
            }
            #expect(error?.description.contains("it holds 48 features of width 16, expected 64 of width 16") == true)
        }
    }

    @Test func aCheckpointOfAnotherArchitectureIsRefused() throws {
        try withFolder { folder in
            let cancellation = Cancellation()
            cancellation.cancel()
            let configuration = Self.configuration(.topK(TopKSettings(k: 3)))
            #expect(throws: RunInterrupted.self) {
                try trainSparseAutoencoder(
                    configuration, on: tinySource(), seed: 4, run: Self.create(folder, configuration), cancellation: cancellation)
            }
            let other = Self.configuration(SAEArchitecture(AbsTopKSettings(k: 3)))
            let error = #expect(throws: TrainingError.self) {
                try trainSparseAutoencoder(other, on: tinySource(), seed: 4, run: Run.resume(folder))
            }
            #expect(error?.description.contains("expected abs") == true, "\(error?.description ?? "")")
        }
    }

    @Test(arguments: architectures) func equalSeedsGiveEqualBits(_ architecture: SAEArchitecture) throws {
        let configuration = Self.configuration(architecture)
        let models = try (0..<2).map { _ in try trainSparseAutoencoder(configuration, on: tinySource(), seed: 4) }
        try expectEqual(models[0], models[1])
        let other = try trainSparseAutoencoder(configuration, on: tinySource(), seed: 5)
        #expect(!other.atoms.isEqual(to: models[0].atoms))
    }

    @Test func theTrueDictionaryIsFound() throws {
        var configuration = tinyConfiguration(.topK(TopKSettings(k: 3)), steps: 1_500)
        configuration.learningRate = 5e-3
        let source = tinySource()
        let model = try trainSparseAutoencoder(configuration, on: source, seed: 4)
        let cosines = source.activations.features.matmul(model.decoderDirections.transposed()).max(axes: [1])
        #expect(cosines.median().item() > 0.95)
        let batch = source.next(2_048)
        let error = (batch - model.reconstruct(batch).output).squared().sum().item()
        #expect(error / (batch - batch.mean(axis: 0)).squared().sum().item() < 0.1)
        #expect(model.parameters().allSatisfy { !$0.requiresGrad })
    }

    @Test func sourcesRepeatFromAnyPosition() {
        let rows = Tensor.arange(0, 20, dtype: .float32).reshaped([10, 2])
        for source in [InMemoryActivations(rows, seed: 3), tinySource()] as [any ActivationSource] {
            let all = try! Tensor.concatenated((0..<5).map { _ in try source.next(700) })
            source.position.rowsServed = 650
            #expect(try! source.next(1_900).isEqual(to: all.narrowed(axis: 0, from: 650, count: 1_900)))
        }
        let epoch = InMemoryActivations(rows, seed: 3)
        let firsts = epoch.next(10).selected(axis: 1, index: 0), seconds = epoch.next(10).selected(axis: 1, index: 0)
        #expect(firsts.sorted().values.isEqual(to: rows.selected(axis: 1, index: 0)))
        #expect(seconds.sorted().values.isEqual(to: rows.selected(axis: 1, index: 0)))
        #expect(!firsts.isEqual(to: seconds))
    }

    @Test func thresholdsAreEstimated() throws {
        var configuration = tinyConfiguration(.topK(TopKSettings(k: 3, estimatesThreshold: true)), steps: 1_300)
        configuration.normalization = .unitMeanSquare
        let source = tinySource()
        let model = try trainSparseAutoencoder(configuration, on: source, seed: 4)
        let batch = source.next(1_024)
        let asTrained = model.encode(batch).activeCounts().to(dtype: .float32).mean().item()
        model.inference = .threshold
        let thresholded = model.encode(batch).activeCounts().to(dtype: .float32).mean().item()
        #expect(abs(thresholded - asTrained) < 1.5, "\(asTrained) features as trained, \(thresholded) by threshold")
    }
}
