import Codecs
import Foundation
import Torch
import TorchNN

extension Benchmark {
    /// Compressing, decompressing and training, beside CompressAI with the same weights.
    static let imageCodec = Benchmark(
        name: "codec", summary: "image codecs of published sizes: 384 × 576 and 2 megapixels each way, and a training step"
    ) { python, progress in
        try [
            CodecCase(kind: .meanScaleHyperprior, height: 384, width: 576, trains: true),
            CodecCase(kind: .meanScaleHyperprior, height: 1_152, width: 1_728, trains: false),
            CodecCase(kind: .jointAutoregressive, height: 384, width: 576, trains: false),
        ].flatMap { try $0.rows(python: python, progress) }
    }
}

/// One codec and one size of image.
private struct CodecCase {
    let kind: ImageCodecKind
    let height: Int, width: Int
    let trains: Bool
    /// Large images take long, and vary less.
    private var repetitions: Int { height * width > 1 << 20 ? 5 : 11 }

    /// Ours and the reference's in turn, each after one repetition that does not count.
    func rows(python: String?, _ progress: (String) -> Void) throws -> [BenchmarkRow] {
        let name = "\(kind.rawValue), \(height) × \(width)"
        progress(name)
        let configuration = ImageCodecConfiguration(kind, quality: 1)
        var training = ImageCodecTrainingConfiguration()
        (training.codec, training.cropSize, training.batchSize) = (configuration, 128, 8)
        let trainer = try ImageCodecTrainer(training, seed: 0), codec = trainer.codec
        let weights = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).safetensors")
        defer { try? FileManager.default.removeItem(at: weights) }
        let reference = try python.map {
            try PythonReference(
                python: $0, script: "image_codec.py",
                arguments: [
                    kind.rawValue, "\(configuration.channels)", "\(configuration.latentChannels)", "\(height)", "\(width)", "\(Engine.threadCount)",
                    weights.path,
                ])
        }
        let version = try reference?.waitUntilReady()
        if reference != nil { try codec.load(SafetensorsFile(path: weights.path).tensors()) } else { try codec.update() }

        let generator = RandomGenerator(seed: 2)
        let image = Tensor.uniform([1, 3, height, width], generator: generator), crops = Tensor.uniform([8, 3, 128, 128], generator: generator)
        var coded: [CodedLatents] = []
        var works: [(word: String, title: String, body: () throws -> Void)] = [
            ("encode", "\(name): compress", { coded = try codec.evaluating { try codec.compress(image) } }),
            ("decode", "\(name): decompress", { _ = try codec.evaluating { try codec.decompress(coded) } }),
        ]
        if trains { works.append(("step", "\(kind.rawValue): training step, 8 × 128²", { try trainer.step(crops) })) }
        return try works.flatMap { work in
            var own = Timing(seconds: []), theirs = Timing(seconds: [])
            for repetition in 0...repetitions {
                let their = try reference?.ask(work.word), our = try Timing.duration(work.body)
                guard repetition > 0 else { continue }
                own.seconds.append(our)
                if let their { theirs.seconds.append(their) }
            }
            guard let version else { return [BenchmarkRow(work.title, own)] }
            let baseline = BenchmarkRow("\(work.title), \(version)", theirs)
            return [baseline, BenchmarkRow(work.title, own).compared(with: baseline)]
        }
    }
}
