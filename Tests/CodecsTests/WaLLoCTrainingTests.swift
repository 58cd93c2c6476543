import Codecs
import CondenseTesting
import Experiments
import Foundation
import Testing
import Torch
import TorchNN

private func configuration(steps: Int = 12) -> WaLLoCTrainingConfiguration {
    var configuration = WaLLoCTrainingConfiguration()
    configuration.codec.decoderWidth = 32
    (configuration.cropSize, configuration.batchSize, configuration.steps, configuration.startSignals) = (32, 4, steps, 32)
    return configuration
}

private func crops() -> WaLLoCCrops {
    WaLLoCCrops(InMemoryCrops((0..<3).map { smoothPicture($0, height: 96, width: 80) }, seed: 3), size: 32)
}

@Suite struct WaLLoCTrainingTests {
    @Test func principalComponentsStartNearTheEnd() throws {
        let source = crops(), signals = try source.signals(first: 1_000, count: 16)
        let trainer = try WaLLoCTrainer(configuration(), on: source, seed: 1)
        let linear = LinearBandCodec(trainer.configuration.codec, bands: trainer.codec.analysis(try source.signals(first: 0, count: 32)))
        #expect(linear.latents(signals).isEqual(to: trainer.codec.latents(signals)))
        #expect((linear.decoded(linear.latents(signals)) - signals).squared().mean().item() < 0.2 * signals.squared().mean().item())
    }

    @Test func theLossFalls() throws {
        var settings = configuration(steps: 150)
        settings.warmup = 0.05
        let trainer = try WaLLoCTrainer(settings, on: crops(), seed: 1), source = crops()
        var losses: [Double] = []
        for step in 0..<settings.steps { losses.append(try trainer.step(source.signals(first: 4 * step, count: 4)).loss) }
        let before = losses.prefix(10).reduce(0, +), after = losses.suffix(10).reduce(0, +)
        #expect(after < 0.5 * before)
    }

    @Test func soundTrains() throws {
        var settings = WaLLoCTrainingConfiguration.smallAudio
        settings.codec.decoderWidth = 8
        (settings.codec.levels, settings.codec.latentChannels) = (4, 8)
        (settings.cropSize, settings.batchSize, settings.steps, settings.startSignals) = (256, 2, 20, 4)
        let time = Tensor.arange(0, 4_000).to(dtype: .float32)
        let sound = Tensor.stacked([(time * 0.05).sin() * 0.3, (time * 0.03).cos() * 0.2])
        let source = SoundSegments([sound, sound[.all, ..<100]], length: 256, seed: 1)
        let batch = source.signals(first: 0, count: 8)
        #expect(batch.shape == [8, 2, 256] && abs(batch.abs().max().item() - 0.5) < 1e-5)
        #expect(source.signals(first: 2, count: 1).isEqual(to: batch[2..<3]))
        let trained = try trainWaLLoC(settings, on: source, seed: 1)
        #expect(trained.mode == .evaluation)
        #expect(trained.latents(batch).shape == [8, 8, 18])
    }

    @Test func schedules() {
        var settings = WaLLoCTrainingConfiguration()
        (settings.steps, settings.warmup) = (1_000, 0.1)
        func factors(_ steps: [Int]) -> [Double] { steps.map { settings.factor(at: $0) } }
        #expect(abs(factors([0])[0] - 1.0 / 300) < 1e-12 && abs(factors([50])[0] - pow(1.0 / 300, 0.5)) < 1e-12)
        #expect(factors([100])[0] == 1 && abs(factors([550])[0] - 0.5) < 1e-12 && factors([999])[0] < 1e-5)
        settings.schedule = .plateau
        #expect(factors([100, 999]) == [1, 1])
    }

    @Test(arguments: [WaLLoCTrainingConfiguration.Schedule.cosine, .plateau]) func aResumedRunEqualsAnUninterruptedOne(
        _ schedule: WaLLoCTrainingConfiguration.Schedule
    ) throws {
        var settings = configuration()
        settings.schedule = schedule
        let folder = FileManager.default.temporaryDirectory.appending(path: "walloc-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let expected = try trainWaLLoC(settings, on: crops(), seed: 5)
        do {
            let run = try Run.create(
                in: folder, method: "walloc-train", title: "Test", configuration: ResolvedConfiguration(configuration: settings, settings: RunSettings()))
            let stopping = StoppingSource(crops(), after: 14)
            #expect(throws: RunInterrupted.self) { try trainWaLLoC(settings, on: stopping, seed: 5, run: run, cancellation: stopping.cancellation) }
        }
        var other = settings
        other.codec.latentChannels = 9
        let run = try Run.resume(folder)
        #expect(throws: CodecTrainingError.self) { try trainWaLLoC(other, on: crops(), seed: 5, run: run) }
        let found = try trainWaLLoC(settings, on: crops(), seed: 5, run: run)
        for (name, tensor) in expected.stateDictionary { #expect(found.stateDictionary[name]?.isEqual(to: tensor) == true, "\(name)") }
    }

    @Test(arguments: [
        ("cropSize", "100", "a multiple of 8"), ("codec.latentChannels", "193", "192"), ("codec.bits", "9", "between 2 and 8"),
        ("codec.decoderWidth", "40", "multiple of 32"), ("steps", "0", "positive"), ("codec.levels", "0", "levels"), ("codec.postFilterTaps", "129", "sound"),
        ("warmup", "2", "between 0 and 1"),
    ])
    func nonsenseIsRefused(_ key: String, _ value: String, _ reason: String) throws {
        let changed = try WaLLoCTrainingConfiguration().setting(key, to: value)
        let error = #expect(throws: ConfigurationError.self) { try changed.validate() }
        #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
    }

    @Test func areasUnderTheCurve() {
        #expect(MapClassification.areaUnderCurve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]) == 0.75)
        #expect(MapClassification.areaUnderCurve([1, 1, 1, 1], [0, 1, 0, 1]) == 0.5)
        #expect(MapClassification.areaUnderCurve([3, 2, 1], [1, 0, 0]) == 1)
    }

    @Test(arguments: MapClassification.Network.allCases) func classifiersLearn(_ network: MapClassification.Network) throws {
        let generator = RandomGenerator(seed: 7)
        let labels = (0..<300).map { $0 % 2 }
        let pattern = Tensor.normal([1, 2, 8, 8], generator: generator)
        let maps = Tensor.normal([300, 2, 8, 8], generator: generator) + Tensor(labels.map { Float($0) }).reshaped([300, 1, 1, 1]) * pattern
        let all = MapClassification.Examples(maps: maps, labels: labels)
        let score = try MapClassification(network, epochs: 6).score(
            training: all.chosen(Array(0..<200)), validation: all.chosen(Array(200..<250)), test: all.chosen(Array(250..<300)), seed: 1,
            cancellation: Cancellation())
        #expect(score.areaUnderCurve > 0.8 && score.accuracy > 0, "\(score)")
    }
}

/// Asks for cancellation when a certain batch is read.
private final class StoppingSource: WaLLoCSource {
    let cancellation = Cancellation()
    private let inner: any WaLLoCSource
    private var left: Int

    init(_ inner: any WaLLoCSource, after batches: Int) {
        self.inner = inner
        left = batches
    }

    func signals(first: Int, count: Int) throws -> Tensor {
        left -= 1
        if left == 0 { cancellation.cancel() }
        return try inner.signals(first: first, count: count)
    }
}
