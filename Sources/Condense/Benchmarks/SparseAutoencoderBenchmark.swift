import Torch

extension Benchmark {
    /// The parts of a TopK training step against the one dense product it cannot do without.
    static let sparseAutoencoder = Benchmark(
        name: "sae", summary: "TopK step at D 768, F 16,384, k 32, batch 2,048 against the bare encoder product"
    ) { python, progress in
        let width = 768, features = 16_384, k = 32, rows = 2_048
        let generator = RandomGenerator(seed: 0)
        let x = Tensor.normal([rows, width], generator: generator)
        let encoder = (Tensor.normal([features, width], generator: generator) / 28).requiringGrad()
        let bias = Tensor.zeros([features]).requiringGrad()
        let decoder = (Tensor.normal([features, width], generator: generator) / 28).requiringGrad()
        let code = withoutGradients { x.topKLinear(weight: encoder, bias: bias, k: k) }
        progress("product, encoder, decoder and gradients, in turn")
        let timings = try Timing.interleaved([
            { _ = withoutGradients { x.linear(weight: encoder) } },
            { _ = withoutGradients { x.topKLinear(weight: encoder, bias: bias, k: k) } },
            { _ = withoutGradients { code.decoded(atoms: decoder) } },
            {
                let error = x.topKLinear(weight: encoder, bias: bias, k: k).decoded(atoms: decoder) - x
                _ = gradients(of: error.squared().sum(), withRespectTo: [encoder, bias, decoder])
            },
        ])
        let product = BenchmarkRow(
            "bare encoder product", timings[0],
            remark: "\(Int(2 * Double(rows * width * features) / timings[0].median / 1e9)) GFLOP/s")
        return [product] + zip(["product with selection of the top k", "sparse decode", "forward and backward"], timings[1...]).map {
            BenchmarkRow($0, $1).compared(with: product)
        }
    }
}
