import EntropyCoding
import Torch

extension Benchmark {
    /// What the coder of symbols costs alone, beside CompressAI's.
    static let entropyCoder = Benchmark(name: "coder", summary: "entropy coder alone: 4 million symbols of 64 normal distributions") { python, progress in
        let count = 1 << 22, generator = RandomGenerator(seed: 1), model = GaussianConditional(generator: generator)
        try model.update()
        let tables = try model.tables()
        // Scales as in a hyperprior's latents: most are small.
        let scales = (Tensor.uniform([count], generator: generator).squared() * 6 - 2.2).exp()
        let rows: [Int32] = model.rows(for: scales).scalars()
        let symbols: [Int32] = (Tensor.normal([count], generator: generator) * scales).rounded().to(dtype: .int32).scalars()
        var stream: [UInt8] = [], decoded: [Int32] = []
        progress("\(count) symbols")
        let encoding = try Timing.measure { stream = try tables.encode(symbols, rows: rows) }
        let decoding = try Timing.measure { decoded = try tables.decode(stream, rows: rows) }
        guard decoded == symbols else { throw BenchmarkError(description: "the decoded symbols are not those that were encoded") }
        func rate(_ timing: Timing) -> String {
            "\(Int(Double(4 * count) / timing.median / 1e6)) MB/s of 32-bit symbols, \(stream.count * 8 * 1000 / count) millibits each"
        }
        let ours = [BenchmarkRow("encode", encoding, remark: rate(encoding)), BenchmarkRow("decode", decoding, remark: rate(decoding))]
        guard let python else { return ours }
        let reference = try PythonReference(python: python, script: "entropy_coder.py", arguments: ["\(count)"])
        let version = try reference.waitUntilReady()
        let words = ["encode", "decode"]
        return try zip(words, ours).flatMap { word, row in
            let timing = Timing(seconds: try (0..<5).map { _ in try reference.ask(word) })
            let theirs = BenchmarkRow("\(word), \(version)", timing, remark: rate(timing))
            return [theirs, row.compared(with: theirs)]
        }
    }
}
