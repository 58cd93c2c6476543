import Datasets
import Foundation
import Networks
import Torch

extension Benchmark {
    /// SmolLM2 in float32, 4 sequences of 256 tokens: all logits, and the residual stream of the middle layer,
    /// beside `transformers` on the same weights and threads.
    static let languageModel = Benchmark(
        name: "lm", summary: "SmolLM2-135M forward pass, full and to the middle layer, against transformers"
    ) { python, progress in
        let batch = 4, length = 256
        let path = try DataStore().fetch("smollm2-135m-instruct").mainFile.path
        let model = try LanguageModel.load(path)
        let middle = model.configuration.layerCount / 2
        let tokens = Tensor.integers(in: 0..<model.configuration.vocabularySize, [batch, length], generator: RandomGenerator(seed: 0))
        let reference = try python.map {
            try PythonReference(
                python: $0, script: "language_model.py", arguments: [path, "\(Engine.threadCount)", "\(batch)", "\(length)"])
        }
        let versions = try reference.map { try $0.waitUntilReady() }
        progress("\(batch) × \(length) tokens, in turn")
        let ours = [("full forward pass", model.configuration.layerCount), ("forward pass to layer \(middle)", middle)]
        var timings = [Timing](repeating: Timing(seconds: []), count: ours.count)
        var theirs = Timing(seconds: [])
        for repetition in 0..<8 {
            let seconds = try reference?.measure()
            for (index, (_, layers)) in ours.enumerated() {
                let duration = try Timing.duration {
                    try inferenceMode {
                        let residual = try model.run(tokens: tokens, stopAtLayer: layers)
                        if layers == model.configuration.layerCount { _ = try model.logits(residual: residual) }
                    }
                }
                // The first turn reads the weights and warms the caches.
                if repetition > 0 { timings[index].seconds.append(duration) }
            }
            if repetition > 0, let seconds { theirs.seconds.append(seconds) }
        }
        let rate = { (timing: Timing) in "\(Int(Double(batch * length) / timing.median)) tokens/s" }
        let rows = zip(ours, timings).map { BenchmarkRow($0.0, $1, remark: rate($1)) }
        guard let versions else { return rows }
        let baseline = BenchmarkRow("full forward pass in transformers", theirs, remark: "\(rate(theirs)), \(versions)")
        return [baseline] + rows.map { $0.compared(with: baseline) }
    }
}
