import Experiments
import Foundation
import ModelCompression
import Torch

extension Benchmark {
    /// A linear layer with zeros in all sparse forms and really cut, beside the dense one.
    static let sparseLayer = Benchmark(
        name: "model", summary: "a linear layer 4,096 → 1,024 with 50 to 98 % zeros, and cut to half, against dense libtorch; bytes of its formats; whole networks"
    ) { _, progress in
        let layer = PrunedLayers(outputs: 1_024, inputs: 4_096)
        let layers = try [1, 8, 64].flatMap { batch in
            progress("batch of \(batch)")
            return try layer.rows(batch: batch)
        }
        progress("formats and whole networks")
        return try layers + layer.storageRows() + PrunedNetworks.rows() + PrunedNetworks.largeNetworkRows()
    }
}

/// One layer, pruned in several ways.
private struct PrunedLayers {
    let dense: Tensor
    private let sparsities = [0.5, 0.8, 0.9, 0.95, 0.98]
    private var outputs: Int { dense.size(0) }

    init(outputs: Int, inputs: Int) { dense = Tensor.normal([outputs, inputs], generator: RandomGenerator(seed: 1)) }

    private func pruned(_ sparsity: Double, _ pattern: SparsityPattern) -> Tensor { dense * pattern.mask(of: dense, sparsity: sparsity) }

    /// All forms in turn, since other programs on the machine disturb them alike then.
    func rows(batch: Int) throws -> [BenchmarkRow] {
        let x = Tensor.normal([batch, dense.size(1)], generator: RandomGenerator(seed: 2)), half = dense[..<(outputs / 2)].contiguous()
        var works: [(name: String, bytes: Int, body: () throws -> Void)] = [
            ("dense", dense.byteCount, { _ = x.linear(weight: dense) }),
            ("reading all weights once (their sum)", dense.byteCount, { _ = dense.sum() }),
            ("50 % of the outputs cut", half.byteCount, { _ = x.linear(weight: half) }),
        ]
        func add(_ name: String, _ weight: Tensor, _ layout: SparseLinearWeight.Layout) {
            let sparse = SparseLinearWeight(weight, layout: layout)
            works.append((name, sparse.byteCount, { _ = x.linear(sparse: sparse) }))
        }
        for sparsity in sparsities {
            let percent = "\(Int((sparsity * 100).rounded())) % zeros", free = pruned(sparsity, .unstructured)
            add("\(percent): rows", free, .rows)
            add("\(percent): bitmask", free, .bitmask)
            add("\(percent): blocks 1×16", pruned(sparsity, .blocks(rows: 1, columns: 16)), .blocks(rows: 1, columns: 16))
            add("\(percent): blocks 4×1", pruned(sparsity, .blocks(rows: 4, columns: 1)), .blocks(rows: 4, columns: 1))
        }
        add("2 of 4: bitmask", pruned(0, .kept(2, of: 4)), .bitmask)
        let timings = try withoutGradients { try Timing.interleaved(repetitions: batch == 64 ? 11 : 41, works.map(\.body)) }
        let rows = zip(works, timings).map { work, timing in
            BenchmarkRow(
                "batch \(batch), \(work.name)", timing,
                remark: "\(formatNumber(Double(work.bytes) / 1e6, digits: 3)) MB, \(formatNumber(Double(work.bytes) / timing.median / 1e9, digits: 3)) GB/s")
        }
        return [rows[0]] + rows.dropFirst().map { $0.compared(with: rows[0]) }
    }

    /// Time to pack, and the bytes against the formula, of the format alone and of a file.
    func storageRows() throws -> [BenchmarkRow] {
        let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).safetensors").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        typealias Case = (name: String, weight: Tensor, format: SparseMatrix.Format)
        var cases = sparsities.flatMap { sparsity -> [Case] in
            let percent = "\(Int((sparsity * 100).rounded())) % zeros", free = pruned(sparsity, .unstructured)
            let blocks = pruned(sparsity, .blocks(rows: 1, columns: 16))
            return [("\(percent), bitmask", free, .bitmask), ("\(percent), rows", free, .rows), ("\(percent), blocks 1×16", blocks, .blocks(rows: 1, columns: 16))]
        }
        cases.append(("2 of 4", pruned(0, .kept(2, of: 4)), .kept(2, of: 4)))
        return try cases.map { name, weight, format in
            let packed = try SparseMatrix(weight, format: format), seconds = try Timing.duration { _ = try SparseMatrix(weight, format: format) }
            guard packed.dense().isEqual(to: weight) else { throw BenchmarkError(description: "\(name): the weight that came back is another one") }
            try SafetensorsWriter.write(packed.items(parameter: "layer.weight"), to: path)
            let size = (try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
            let formula = SparseMatrix.byteCount(shape: weight.shape, elementBytes: 4, kept: packed.storedCount, format: format)
            let more = 100 * (Double(size) / Double(formula) - 1), part = 100 * Double(size) / Double(weight.byteCount)
            return BenchmarkRow(
                "pack, \(name)", Timing(seconds: [seconds]),
                remark: "\(formatCount(packed.byteCount)) bytes, by formula \(formatCount(formula)); file \(formatCount(size)), \(formatNumber(more, digits: 2)) % more, "
                    + "\(formatNumber(part, digits: 3)) % of dense")
        }
    }
}
