import Codecs
import Experiments
import Foundation
import Testing
import Torch
import TorchNN

/// Smooth images with edges, [3, height, width].
private func testImages() -> [Tensor] {
    [(100, 80), (64, 64), (40, 90)].enumerated().map { number, size in
        let generator = RandomGenerator(seed: UInt64(number))
        let coarse = Tensor.uniform([1, 3, 6, 6], generator: generator).resizedBilinear(height: size.0, width: size.1)
        let edges = (Tensor.uniform([1, 1, 4, 4], generator: generator).resizedNearest(height: size.0, width: size.1) .> 0.5).to(dtype: .float32)
        return (coarse * 0.7 + edges * 0.3)[0]
    }
}

private func testConfiguration(_ kind: ImageCodecKind, steps: Int = 12) -> ImageCodecTrainingConfiguration {
    var configuration = ImageCodecTrainingConfiguration()
    configuration.codec = ImageCodecConfiguration(kind, channels: 8, latentChannels: 12)
    (configuration.cropSize, configuration.batchSize, configuration.steps, configuration.learningRate) = (64, 4, steps, 1e-3)
    return configuration
}

@Suite struct CodecTrainingTests {
    @Test func cropsFollowFromTheirNumbers() {
        let source = InMemoryCrops(testImages(), seed: 3)
        let all = source.crops(first: 0, count: 8, size: 48)
        #expect(all.shape == [8, 3, 48, 48])
        #expect(source.crops(first: 3, count: 2, size: 48).isEqual(to: all[3..<5]))
        #expect(!InMemoryCrops(testImages(), seed: 4).crops(first: 0, count: 8, size: 48).isEqual(to: all))
        // Larger than every image: mirrored, nothing new and nothing lost.
        let large = InMemoryCrops([testImages()[1]], seed: 1).crops(first: 0, count: 1, size: 128)[0]
        #expect(large[.all, .all, ..<64].isEqual(to: large[.all, .all, 64...].flipped(axes: [2])))
        #expect(large[.all, ..<64].isEqual(to: large[.all, 64...].flipped(axes: [1])))
    }

    /// The loss falls, and files have about as many bits as it says.
    @Test func aTrainedCodecCompresses() throws {
        let images = testImages()
        var configuration = testConfiguration(.meanScaleHyperprior, steps: 150)
        configuration.lambda = 0.05
        let trainer = try ImageCodecTrainer(configuration, seed: 1)
        let source = InMemoryCrops(images, seed: 2)
        var losses: [Double] = []
        for step in 0..<configuration.steps { losses.append(try trainer.step(source.crops(first: 4 * step, count: 4, size: 64)).loss) }
        let (before, after) = (losses.prefix(10).reduce(0, +), losses.suffix(10).reduce(0, +))
        #expect(after < 0.5 * before)
        let codec = try trainer.trainedCodec()
        let crops = source.crops(first: 10_000, count: 6, size: 64)
        let output = withoutGradients { codec(crops) }, coded = try codec.compress(crops)
        // A stream ends with a state of 32 to 64 bits.
        let streams = coded.flatMap(\.streams), written = Double(streams.reduce(0) { $0 + 8 * $1.count })
        let surplus = written - output.bits.item(), ends = 32 * Double(streams.count)
        #expect(abs(surplus - ends) < ends + 0.02 * written, "\(written) bits, \(surplus) more than estimated")
        #expect(try codec.decompress(coded).isEqual(to: codec.decompress(coded)))
        #expect(ImageQuality.psnr(try codec.decompress(coded), crops).min().item() > 15)
    }

    /// Weights computed from crops rebuild them at once; those of residual blocks stay as they are.
    @Test(arguments: ImageCodecKind.allCases) func principalComponentsAreABetterBeginning(_ kind: ImageCodecKind) throws {
        var configuration = testConfiguration(kind)
        if kind == .chengAnchor || kind == .chengAttention { configuration.codec.latentChannels = 8 }
        let crops = InMemoryCrops(testImages(), seed: 2).crops(first: 0, count: 16, size: 64)
        let trainer = try ImageCodecTrainer(configuration, seed: 1), published = try ImageCodecTrainer(configuration, seed: 1)
        trainer.initialize(from: crops)
        let weights = published.codec.stateDictionary
        if kind == .chengAnchor || kind == .chengAttention {
            for (name, tensor) in trainer.codec.stateDictionary { #expect(weights[name]?.isEqual(to: tensor) == true, "\(name)") }
            return
        }
        let outputs = withoutGradients { [trainer, published].map { $0.codec(crops) } }
        let qualities = outputs.map { ImageQuality.psnr($0.reconstruction, crops).mean().item() }
        #expect(qualities[0] > 18 && qualities[0] > qualities[1] + 6, "\(qualities)")
        #expect(outputs[0].bitsPerPixel.item() < 4)
        // The same crops give the same weights.
        let again = try ImageCodecTrainer(configuration, seed: 1)
        again.initialize(from: crops)
        for (name, tensor) in trainer.codec.stateDictionary { #expect(again.codec.stateDictionary[name]?.isEqual(to: tensor) == true, "\(name)") }
    }

    @Test func multiscaleSimilarityTrains() throws {
        var configuration = testConfiguration(.factorized, steps: 2)
        (configuration.distortion, configuration.lambda, configuration.cropSize, configuration.batchSize) = (.msSSIM, 10, 176, 1)
        let trainer = try ImageCodecTrainer(configuration, seed: 1)
        let report = try trainer.step(InMemoryCrops(testImages(), seed: 2).crops(first: 0, count: 1, size: 176))
        #expect(report.distortion > 0 && report.distortion < 1 && report.gradientNorm > 0)
    }

    @Test(arguments: [ImageCodecKind.factorized, .jointAutoregressive]) func aResumedRunEqualsAnUninterruptedOne(_ kind: ImageCodecKind) throws {
        let configuration = testConfiguration(kind)
        let folder = FileManager.default.temporaryDirectory.appending(path: "codec-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let source = InMemoryCrops(testImages(), seed: 2)
        let expected = try trainImageCodec(configuration, on: source, seed: 5)
        do {
            let run = try Run.create(
                in: folder, method: "codec-train", title: "Test",
                configuration: ResolvedConfiguration(configuration: configuration, settings: RunSettings()))
            let stopping = StoppingCrops(source, after: 5)
            #expect(throws: RunInterrupted.self) {
                try trainImageCodec(configuration, on: stopping, seed: 5, run: run, cancellation: stopping.cancellation)
            }
        }
        var other = configuration
        other.codec.channels = 9
        let run = try Run.resume(folder)
        #expect(throws: CodecTrainingError.self) { try trainImageCodec(other, on: source, seed: 5, run: run) }
        let found = try trainImageCodec(configuration, on: source, seed: 5, run: run)
        for (name, tensor) in expected.stateDictionary { #expect(found.stateDictionary[name]?.isEqual(to: tensor) == true, "\(name)") }
    }

    @Test func trainingStartsFromAnotherCodec() throws {
        let source = InMemoryCrops(testImages(), seed: 2), start = try trainImageCodec(testConfiguration(.meanScaleHyperprior), on: source, seed: 5)
        let before = start.stateDictionary.mapValues { $0.cloned() }
        var configuration = testConfiguration(.meanScaleHyperprior, steps: 1)
        (configuration.lambda, configuration.learningRate) = (0.1, 1e-9)
        let next = try trainImageCodec(configuration, on: source, seed: 6, start: start)
        for (name, tensor) in before where name.hasPrefix("g_") {
            #expect(next.stateDictionary[name]?.isClose(to: tensor, absolute: 1e-6) == true, "\(name)")
            #expect(start.stateDictionary[name]?.isEqual(to: tensor) == true, "\(name)")
        }
        configuration.codec.channels = 9
        #expect(throws: CodecTrainingError.self) { try trainImageCodec(configuration, on: source, seed: 6, start: start) }
    }

    @Test(arguments: [
        ("cropSize", "100", "a multiple of 64"), ("lambda", "0", "positive"), ("distortion", "msSSIM", "at least 161"), ("steps", "-1", "positive"),
        ("codec.channels", "0", "positive"),
    ])
    func nonsenseIsRefused(_ key: String, _ value: String, _ reason: String) throws {
        var configuration = ImageCodecTrainingConfiguration()
        configuration.cropSize = 128
        let changed = try configuration.setting(key, to: value)
        let error = #expect(throws: ConfigurationError.self) { try changed.validate() }
        #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
    }
}

/// Asks for cancellation when a certain batch is read.
private final class StoppingCrops: CropSource {
    let cancellation = Cancellation()
    private let inner: any CropSource
    private var left: Int

    init(_ inner: any CropSource, after batches: Int) {
        self.inner = inner
        left = batches
    }

    func crops(first: Int, count: Int, size: Int) throws -> Tensor {
        left -= 1
        if left == 0 { cancellation.cancel() }
        return try inner.crops(first: first, count: count, size: size)
    }
}
