import Experiments
import Foundation
import SparseAutoencoders
import Torch

/// The size at which training steps are compared.
private struct StepSize {
    var width = 768
    var features = 16_384
    var k = 32
    var rows = 2_048

    var input: Tensor { Tensor.normal([rows, width], generator: RandomGenerator(seed: 0)) }

    func trainer(_ architecture: SAEArchitecture, on input: Tensor) throws -> SAETrainer {
        try SAETrainer(
            SAETrainingConfiguration(architecture: architecture, dictionarySize: features, batchSize: rows), start: input, seed: 0)
    }
}

extension Benchmark {
    /// A TopK training step against the one dense product it cannot do without, its relatives, and the same step in the Python
    /// libraries people use.
    static let sparseAutoencoder = Benchmark(
        name: "sae", summary: "TopK step at D 768, F 16,384, k 32, batch 2,048 against the bare encoder product, relatives, matching pursuit, Python libraries"
    ) { python, progress in
        let size = StepSize()
        let x = size.input
        let trainer = try size.trainer(.topK(TopKSettings(k: size.k)), on: x)
        guard let encoder = trainer.model.encoder as? TopKEncoder else { throw BenchmarkError(description: "a TopK model has no TopK encoder") }
        progress("product, parts and whole training step, in turn")
        let code = withoutGradients { x.topKLinear(weight: encoder.weight, bias: encoder.bias, k: size.k) }
        let timings = try Timing.interleaved([
            { _ = withoutGradients { x.linear(weight: encoder.weight) } },
            { _ = withoutGradients { x.topKLinear(weight: encoder.weight, bias: encoder.bias, k: size.k) } },
            { _ = withoutGradients { code.decoded(atoms: trainer.model.atoms) } },
            { try trainer.step(x) },
        ])
        let product = BenchmarkRow(
            "bare encoder product", timings[0],
            remark: "\(Int(2 * Double(size.rows * size.width * size.features) / timings[0].median / 1e9)) GFLOP/s")
        let names = ["product with selection of the top k", "sparse decode", "TopK training step"]
        var rows = zip(names, timings[1...]).map { BenchmarkRow($0, $1).compared(with: product) }
        let step = rows[2]
        rows[2].remark = "\(Int(Double(size.rows) / timings[3].median)) activations/s, peak memory \(peakMegabytes()) MB"
        rows += try relatives(of: (trainer, step), size, x, progress)
        rows += try pursuit(python, against: product, size, x, progress)
        if let python {
            rows += try ["sparsify", "saelens", "dictionary_learning"].map {
                try library($0, python, against: (trainer, step.name), size, x, progress)
            }
        }
        return [product] + rows
    }

    /// Steps of architectures on the same kernels, in turn with TopK's.
    private static func relatives(
        of topK: (trainer: SAETrainer, row: BenchmarkRow), _ size: StepSize, _ x: Tensor, _ progress: (String) -> Void
    ) throws -> [BenchmarkRow] {
        let architectures = [
            ("BatchTopK", SAEArchitecture(BatchTopKSettings(k: size.k))), ("AbsTopK", SAEArchitecture(AbsTopKSettings(k: size.k))),
            ("Feature Choice", SAEArchitecture(FeatureChoiceSettings(k: size.k, mutualPart: 0))),
        ]
        progress("steps of \(architectures.map(\.0).joined(separator: ", ")), in turn with TopK's")
        let trainers = try architectures.map { try size.trainer($0.1, on: x) }
        let timings = try Timing.interleaved([{ try topK.trainer.step(x) }] + trainers.map { trainer in { try trainer.step(x) } })
        let baseline = BenchmarkRow(topK.row.name, timings[0])
        return zip(architectures, timings[1...]).map { BenchmarkRow("\($0.0) training step", $1).compared(with: baseline) }
    }

    /// A pursuit of k steps, which by multiplying again would be k bare products, and its training step.
    private static func pursuit(
        _ python: String?, against product: BenchmarkRow, _ size: StepSize, _ x: Tensor, _ progress: (String) -> Void
    ) throws -> [BenchmarkRow] {
        progress("matching pursuit of \(size.k) steps, and its training step")
        let trainer = try size.trainer(SAEArchitecture(MatchingPursuitSettings(steps: size.k)), on: x)
        let timings = try Timing.interleaved(repetitions: 3, [{ _ = withoutGradients { trainer.model.encode(x) } }, { try trainer.step(x) }])
        var rows = zip(["matching pursuit of \(size.k) steps", "MP training step"], timings).map { BenchmarkRow($0, $1).compared(with: product) }
        rows[1].remark = "\(Int(Double(size.rows) / timings[1].median)) activations/s, peak memory \(peakMegabytes()) MB"
        if let python { rows.append(try library("saelens-mp", python, against: (trainer, rows[1].name), size, x, progress)) }
        return rows
    }

    /// The same step elsewhere, in turn with ours.
    private static func library(
        _ library: String, _ python: String, against ours: (trainer: SAETrainer, name: String), _ size: StepSize, _ x: Tensor,
        _ progress: (String) -> Void
    ) throws -> BenchmarkRow {
        progress("\(ours.name) in \(library), in turn with ours")
        let reference = try PythonReference(
            python: python, script: "sparse_autoencoder.py",
            arguments: [library, "\(Engine.threadCount)", "\(size.rows)", "\(size.width)", "\(size.features)", "\(size.k)"])
        let version = try reference.waitUntilReady()
        var own = Timing(seconds: []), theirs = Timing(seconds: [])
        for _ in 0..<4 {
            theirs.seconds.append(try reference.measure())
            own.seconds.append(try Timing.duration { try ours.trainer.step(x) })
        }
        return BenchmarkRow("\(ours.name) in \(library)", theirs, remark: "\(version), peak memory \(Int(try reference.ask("peak"))) MB")
            .compared(with: BenchmarkRow(ours.name, own))
    }

    /// How the step grows with k, dictionary and batch.
    static let sparseAutoencoderScaling = Benchmark(
        name: "sae-scaling", summary: "how a TopK step grows with k, the number of features and the batch, with fitted exponents"
    ) { _, progress in
        let axes: [(name: String, values: [Int], key: WritableKeyPath<StepSize, Int>)] = [
            ("k", [8, 16, 32, 64, 128], \.k), ("features", [4_096, 8_192, 16_384, 32_768], \.features), ("batch", [512, 1_024, 2_048, 4_096], \.rows),
        ]
        return try axes.flatMap { axis in
            var rows: [BenchmarkRow] = []
            for value in axis.values {
                progress("\(axis.name) \(value)")
                var size = StepSize()
                size[keyPath: axis.key] = value
                let x = size.input
                let trainer = try size.trainer(.topK(TopKSettings(k: size.k)), on: x)
                var row = BenchmarkRow("\(axis.name) \(value)", try Timing.measure(repetitions: 3) { try trainer.step(x) })
                row.point = BenchmarkRow.Point(axis: axis.name, value: Double(value))
                rows.append(row)
            }
            let exponent = LineFit(x: axis.values.map { log(Double($0)) }, y: rows.map { log($0.median) }).slope
            rows = [rows[0]] + rows[1...].map { $0.compared(with: rows[0]) }
            rows[rows.count - 1].remark = String(format: "time ~ %@^%.2f", axis.name, exponent)
            return rows
        }
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
