import Foundation
import SparseAutoencoders
import Torch

extension Benchmark {
    /// A TopK training step against the one dense product it cannot do without.
    static let sparseAutoencoder = Benchmark(
        name: "sae", summary: "TopK step at D 768, F 16,384, k 32, batch 2,048 against the bare encoder product"
    ) { _, progress in
        let width = 768, features = 16_384, k = 32, rows = 2_048
        let x = Tensor.normal([rows, width], generator: RandomGenerator(seed: 0))
        let trainer = try trainer(on: x, dictionarySize: features, k: k)
        guard let encoder = trainer.model.encoder as? TopKEncoder else { throw BenchmarkError(description: "a TopK model has no TopK encoder") }
        progress("product, parts and whole training step, in turn")
        let code = withoutGradients { x.topKLinear(weight: encoder.weight, bias: encoder.bias, k: k) }
        let timings = try Timing.interleaved([
            { _ = withoutGradients { x.linear(weight: encoder.weight) } },
            { _ = withoutGradients { x.topKLinear(weight: encoder.weight, bias: encoder.bias, k: k) } },
            { _ = withoutGradients { code.decoded(atoms: trainer.model.atoms) } },
            { try trainer.step(x) },
        ])
        let product = BenchmarkRow(
            "bare encoder product", timings[0],
            remark: "\(Int(2 * Double(rows * width * features) / timings[0].median / 1e9)) GFLOP/s")
        let names = ["product with selection of the top k", "sparse decode", "whole training step"]
        var compared = zip(names, timings[1...]).map { BenchmarkRow($0, $1).compared(with: product) }
        compared[2].remark = "\(Int(Double(rows) / timings[3].median)) activations/s, peak memory \(peakMegabytes()) MB"
        return [product] + compared
    }

    private static func trainer(on x: Tensor, dictionarySize: Int, k: Int) throws -> SAETrainer {
        var configuration = SAETrainingConfiguration()
        configuration.architecture = .topK(TopKSettings(k: k))
        configuration.dictionarySize = dictionarySize
        configuration.batchSize = x.size(0)
        return try SAETrainer(configuration, start: x, seed: 0)
    }

    /// The most memory this process has held so far.
    private static func peakMegabytes() -> Int {
        var usage = rusage()
        #if os(macOS)
            getrusage(RUSAGE_SELF, &usage)
            return Int(usage.ru_maxrss) / 1_000_000
        #else
            getrusage(numericCast(RUSAGE_SELF.rawValue), &usage)
            return Int(usage.ru_maxrss) * 1_024 / 1_000_000
        #endif
    }
}
