import Experiments
import Foundation
import SparseAutoencoders
import Testing
import Torch
import TorchNN

@Suite struct SweepTests {
    private static func configuration(_ axes: [SweepConfiguration.Axis]) -> SweepConfiguration {
        var configuration = SweepConfiguration()
        configuration.store = "store"
        configuration.axes = axes
        configuration.training = SAETrainingConfiguration(architecture: .topK(TopKSettings(k: 4)), dictionarySize: 64, batchSize: 32, steps: 6)
        return configuration
    }

    @Test func combinationsVaryOnlyWhatAnArchitectureHas() throws {
        let arms = try Self.configuration([
            .init("architecture", ["topK", "relu", "jumpReLU"]), .init("k", ["4", "8"]), .init("l1Coefficient", ["0.1"]), .init("targetL0", ["5"]),
        ]).arms()
        #expect(arms.map(\.name) == ["topK-k-4", "topK-k-8", "relu-l1Coefficient-0.1", "jumpReLU-targetL0-5"])
        #expect(arms[1].training.architecture == .topK(TopKSettings(k: 8)))
        #expect(arms[2].training.architecture == .relu(ReLUSettings(l1Coefficient: 0.1)))
        #expect((arms[3].training.architecture.variant as? JumpReLUSettings)?.targetL0 == 5)
        #expect(try Self.configuration([]).arms().map(\.name) == ["topK"])
        // The architecture's other settings stay where it is the one that is varied already.
        let dense = try Self.configuration([.init("dictionarySize", ["32", "128"]), .init("learningRate", ["0.01"])]).arms()
        #expect(dense.map(\.training.dictionarySize) == [32, 128] && dense.allSatisfy { $0.training.learningRate == 0.01 })
    }

    @Test(arguments: [
        ("nothing", ["1"], "axes.nothing is no setting"), ("k", ["many"], "must be a whole number"), ("k", ["0"], "must be between 1 and"),
        ("architecture", ["best"], "has no 'best'"), ("steps", ["5", "6"], "share the same batches"), ("k", [], "must have values"),
    ])
    func wrongAxesAreNamed(key: String, values: [String], part: String) throws {
        let error = try #require(throws: ConfigurationError.self) { try Self.configuration([.init(key, values)]).validate() }
        #expect("\(error)".contains(part), "\(error)")
    }

    /// Rows whose training has something to learn.
    private static func rows() -> Tensor {
        let generator = RandomGenerator(seed: 3)
        return Tensor.normal([500, 8], generator: generator).matmul(Tensor.normal([8, 16], generator: generator))
    }

    @Test func autoencodersThatShareAPassEqualThoseTrainedAlone() throws {
        let rows = Self.rows()
        let arms = try Self.configuration([.init("architecture", ["topK", "batchTopK", "relu"]), .init("dictionarySize", ["32", "64"])]).arms()
        let together = try trainSparseAutoencoders(
            arms.map { TrainingArm($0.training, seed: 5, name: $0.name) }, on: InMemoryActivations(rows, seed: 1))
        for (arm, model) in zip(arms, together) {
            let alone = try trainSparseAutoencoder(arm.training, on: InMemoryActivations(rows, seed: 1), seed: 5)
            for (mine, other) in zip(model.namedParameters(), alone.namedParameters()) {
                #expect(mine.tensor.equals(other.tensor).all().item() != 0, "\(arm.name): \(mine.name)")
            }
        }
    }

    @Test func aResumedSweepEqualsOneThatWasNotInterrupted() throws {
        let folder = try TemporaryFolder()
        let rows = Self.rows()
        var base = Self.configuration([.init("architecture", ["topK", "relu"])])
        base.training.checkpointEvery = 3
        let arms = try base.arms().map { TrainingArm($0.training, seed: 0, name: $0.name) }
        let whole = try trainSparseAutoencoders(arms, on: InMemoryActivations(rows, seed: 1))

        let directory = folder.file("run")
        try {
            let run = try Run.create(
                in: directory, method: "sweep", title: "Sweep",
                configuration: ResolvedConfiguration(configuration: base, settings: RunSettings()))
            let cancellation = Cancellation()
            let source = FailingSource(InMemoryActivations(rows, seed: 1), atRow: 4 * 32) { cancellation.cancel() }
            #expect(throws: RunInterrupted.self) { try trainSparseAutoencoders(arms, on: source, run: run, cancellation: cancellation) }
            try run.markInterrupted()
        }()
        let resumed = try trainSparseAutoencoders(arms, on: InMemoryActivations(rows, seed: 1), run: Run.resume(directory))
        for (mine, other) in zip(whole, resumed) {
            for (a, b) in zip(mine.namedParameters(), other.namedParameters()) { #expect(a.tensor.equals(b.tensor).all().item() != 0, "\(a.name)") }
        }
        #expect(FileManager.default.fileExists(atPath: directory.appending(path: "sae/relu/config.json").path(percentEncoded: false)))
    }

    @Test func theParetoFrontHoldsWhatNothingBeats() {
        #expect(paretoFront([(8, 0.3), (16, 0.2), (16, 0.25), (9, 0.3), (8, 0.3)]) == [0, 1, 4])
    }
}
