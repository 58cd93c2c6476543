import Testing
import Torch

@Suite struct SparseCodeTests {
    let generator = RandomGenerator(seed: 3)

    struct Case: Sendable, CustomStringConvertible {
        var rows, features, width, k: Int
        var description: String { "B \(rows), F \(features), D \(width), k \(k)" }
    }

    static let cases = [
        Case(rows: 1, features: 1, width: 1, k: 1), Case(rows: 3, features: 70, width: 5, k: 70),
        Case(rows: 300, features: 515, width: 33, k: 7), Case(rows: 17, features: 200, width: 64, k: 32),
    ]

    private func normal(_ shape: [Int], _ dtype: DType = .float64) -> Tensor { Tensor.normal(shape, dtype: dtype, generator: generator) }

    /// The slow composition that the fused operator must equal.
    private func denseCode(_ x: Tensor, _ weight: Tensor, _ bias: Tensor, k: Int) -> Tensor {
        let pre = x.linear(weight: weight, bias: bias)
        let (values, indices) = pre.topK(k)
        return Tensor.zeros(like: pre).scatterAdding(values.relu(), at: indices)
    }

    @Test(arguments: cases) func topKLinearEqualsDenseComposition(_ size: Case) {
        let x = normal([size.rows, size.width]), weight = normal([size.features, size.width]), bias = normal([size.features])
        let code = x.topKLinear(weight: weight, bias: bias, k: size.k)
        #expect(code.values.shape == [size.rows, size.k] && code.indices.dtype == .int64)
        #expect(code.dense().isClose(to: denseCode(x, weight, bias, k: size.k), relative: 1e-12, absolute: 1e-12))
        let order = code.values.sorted(descending: true).values
        #expect(order.isEqual(to: code.values), "activations come in falling order")
    }

    @Test(arguments: cases) func signedTopKKeepsTheLargestMagnitudes(_ size: Case) {
        let x = normal([size.rows, size.width]), weight = normal([size.features, size.width]), bias = normal([size.features])
        let pre = x.linear(weight: weight, bias: bias)
        let indices = pre.abs().topK(size.k).indices
        let expected = Tensor.zeros(like: pre).scatterAdding(pre.gatheredElements(at: indices), at: indices)
        let code = x.topKLinear(weight: weight, bias: bias, k: size.k, signed: true)
        #expect(code.dense().isClose(to: expected, relative: 1e-12, absolute: 1e-12))
        let negated = (-x).topKLinear(weight: weight, bias: -bias, k: size.k, signed: true)
        #expect(negated.dense().isEqual(to: -code.dense()), "an odd function")
    }

    @Test(arguments: cases) func thresholdLinearEqualsDenseComposition(_ size: Case) {
        let x = normal([size.rows, size.width]), weight = normal([size.features, size.width]), bias = normal([size.features])
        let pre = x.linear(weight: weight, bias: bias)
        let relu = x.thresholdLinear(weight: weight, bias: bias)
        #expect(relu.dense().isClose(to: pre.relu(), relative: 1e-12, absolute: 1e-12))
        #expect(relu.offsets?.shape == [size.rows + 1] && relu.values.rank == 1 && relu.rowCount == size.rows)
        let threshold = normal([size.features]).abs() * 3
        let jump = x.thresholdLinear(weight: weight, bias: bias, threshold: threshold)
        #expect(jump.dense().isClose(to: pre * (pre .> threshold).to(dtype: .float64), relative: 1e-12, absolute: 1e-12))
    }

    @Test(arguments: cases, [1, 40, 1_000_000]) func batchTopKKeepsTheLargestOfAllRows(_ size: Case, _ count: Int) {
        let x = normal([size.rows, size.width]), weight = normal([size.features, size.width]), bias = normal([size.features])
        let pre = x.linear(weight: weight, bias: bias)
        let all = pre.reshaped([-1])
        let (values, indices) = all.topK(Swift.min(count, all.elementCount))
        let expected = Tensor.zeros(like: all).scatterAdding(values.relu(), at: indices).reshaped(pre.shape)
        let code = x.batchTopKLinear(weight: weight, bias: bias, count: count)
        #expect(code.dense().isClose(to: expected, relative: 1e-12, absolute: 1e-12))
    }

    /// Budgets from none to more than there are rows, most of them met by positive entries alone.
    private func budgets(_ size: Case) -> Tensor {
        Tensor.integers(in: 0..<size.rows + 2, [size.features], generator: generator)
    }

    @Test(arguments: cases, [false, true]) func columnTopKGivesEachFeatureItsBudget(_ size: Case, _ signed: Bool) {
        let x = normal([size.rows, size.width]), weight = normal([size.features, size.width]), bias = normal([size.features])
        let pre = x.linear(weight: weight, bias: bias), budgets = budgets(size)
        let order = (signed ? pre.abs() : pre).argsort(axis: 0, descending: true).argsort(axis: 0)
        let isKept = (order .< budgets).logicalAnd((signed ? pre.abs() : pre) .> 0)
        let code = x.columnTopKLinear(weight: weight, bias: bias, budgets: budgets, signed: signed)
        #expect(code.dense().isClose(to: pre * isKept.to(dtype: .float64), relative: 1e-12, absolute: 1e-12))
        #expect(code.indices.binCount(minimumLength: size.features).isEqual(to: isKept.nonzeroCount(axes: [0])))
        for row in 0..<size.rows {
            let start = Int(code.offsets![row].item()), end = Int(code.offsets![row + 1].item())
            let features = code.indices[start..<end].scalars(as: Int.self)
            #expect(features == features.sorted(), "features rise in each row")
        }
    }

    /// Equal budgets: what TopK does on the transposed pre-activations.
    @Test func columnTopKIsTopKOfTheTransposed() {
        let x = normal([50, 12]), weight = normal([30, 12])
        let columns = x.columnTopKLinear(weight: weight, budgets: Tensor.full([30], 4, dtype: .int64)).dense()
        #expect(columns.isClose(to: weight.topKLinear(weight: x, k: 4).dense().transposed(), relative: 1e-12, absolute: 1e-12))
    }

    /// Enough features for several blocks of the product, so that what is kept is thinned out on the way.
    @Test func selectionsAcrossBlocksOfFeatures() {
        let x = normal([40, 8], .float32), weight = normal([5_000, 8], .float32)
        let pre = x.linear(weight: weight)
        let limit = pre.reshaped([-1]).topK(700).values[699].item()
        #expect(x.batchTopKLinear(weight: weight, count: 700).values.elementCount == 700)
        let kept = x.batchTopKLinear(weight: weight, count: 700).dense()
        #expect(kept.isClose(to: pre * (pre .>= limit).to(dtype: .float32), relative: 1e-5, absolute: 1e-5))
        #expect(x.topKLinear(weight: weight, k: 30).values.isClose(to: pre.topK(30).values, relative: 1e-5, absolute: 1e-5))
        let columns = x.columnTopKLinear(weight: weight, budgets: Tensor.full([5_000], 3, dtype: .int64)).dense()
        let best = pre.topK(3, axis: 0)
        let expected = Tensor.zeros(like: pre).scatterAdding(best.values, at: best.indices, axis: 0)
        #expect(columns.isClose(to: expected, relative: 1e-5, absolute: 1e-5))
    }

    @Test func equalActivationsKeepTheFirst() {
        let code = Tensor([[1.0]]).topKLinear(weight: Tensor.ones([200, 1], dtype: .float64), k: 3)
        #expect(code.indices.scalars(as: Int.self) == [0, 1, 2])
        let batch = Tensor([[1.0], [1.0]]).batchTopKLinear(weight: Tensor.ones([200, 1], dtype: .float64), count: 203)
        #expect(batch.offsets?.scalars(as: Int.self) == [0, 200, 203])
        #expect(batch.indices[200...].scalars(as: Int.self) == [0, 1, 2])
        let columns = Tensor.ones([200, 1], dtype: .float64).columnTopKLinear(weight: Tensor([[1.0], [2.0]]), budgets: Tensor([2, 1]))
        #expect(columns.indices.scalars(as: Int.self) == [0, 1, 0] && columns.offsets![2].item() == 3)
    }

    /// Features that are chosen by u·(base + scale·|g·a|), against the dense composition.
    @Test(arguments: cases, [1.0, 0]) func gradientTopKEqualsDenseComposition(_ size: Case, _ base: Double) {
        let x = normal([size.rows, size.width]), weight = normal([size.features, size.width]), bias = normal([size.features])
        let gradient = normal([size.rows, size.width + 2]), atoms = normal([size.features, size.width + 2])
        let scales = normal([size.features]).abs()
        let pre = x.linear(weight: weight, bias: bias).relu()
        let scores = pre * (gradient.linear(weight: atoms).abs() * scales + base)
        let indices = scores.topK(size.k).indices
        let expected = Tensor.zeros(like: pre).scatterAdding(pre.gatheredElements(at: indices), at: indices)
        let code = x.gradientTopKLinear(
            weight: weight, bias: bias, gradient: gradient, atoms: atoms, scales: scales, k: size.k, base: base)
        #expect(code.dense().isClose(to: expected, relative: 1e-12, absolute: 1e-12))
        let found = scores.gatheredElements(at: code.indices) * code.values.notEquals(0).to(dtype: .float64)
        #expect(found.sorted(descending: true).values.isClose(to: found, relative: 1e-12), "scores come in falling order")
    }

    @Test func withoutEffectGradientTopKIsTopKBitForBit() {
        let x = normal([33, 24], .float32), weight = normal([5_000, 24], .float32), bias = normal([5_000], .float32)
        let gradient = normal([33, 24], .float32), none = Tensor.zeros(like: x), ones = Tensor.ones([5_000])
        let plain = x.topKLinear(weight: weight, bias: bias, k: 12)
        func scored(_ gradient: Tensor, _ scales: Tensor, base: Double = 1) -> SparseCode {
            x.gradientTopKLinear(weight: weight, bias: bias, gradient: gradient, atoms: weight, scales: scales, k: 12, base: base)
        }
        for code in [scored(gradient, ones * 0), scored(none, ones), scored(none, ones, base: 0)] {
            #expect(code.values.isEqual(to: plain.values) && code.indices.isEqual(to: plain.indices))
        }
        let code = scored(gradient, ones)
        #expect(!code.indices.isEqual(to: plain.indices))
        for same in [scored(-gradient, ones), scored(gradient * 8, ones / 8)] {
            #expect(same.values.isEqual(to: code.values) && same.indices.isEqual(to: code.indices))
        }
        let all = x.linear(weight: weight, bias: bias)
        #expect(code.values.isClose(to: all.gatheredElements(at: code.indices), relative: 1e-5, absolute: 1e-5), "values are u itself")
        let threads = Engine.threadCount
        defer { Engine.threadCount = threads }
        Engine.threadCount = 1
        #expect(scored(gradient, ones).values.isEqual(to: code.values))
    }

    @Test func negativeActivationsAreNoFeatures() {
        let x = Tensor([[1.0], [-1.0]]), weight = Tensor([[1.0], [-1.0], [2.0]])
        #expect(x.topKLinear(weight: weight, k: 3).values.scalars(as: Double.self) == [2, 1, 0, 1, 0, 0])
        #expect(x.batchTopKLinear(weight: weight, count: 5).values.scalars(as: Double.self) == [1, 2, 1])
        let columns = x.columnTopKLinear(weight: weight, budgets: Tensor([2, 0, 5]))
        #expect(columns.values.scalars(as: Double.self) == [1, 2] && columns.offsets?.scalars(as: Int.self) == [0, 2, 2])
        let silent = Tensor([[0.0]]).thresholdLinear(weight: weight)
        #expect(silent.values.shape == [0] && silent.decoded(atoms: weight).scalars(as: Double.self) == [0])
    }

    enum Selection: CaseIterable {
        case topK, signedTopK, gradientTopK, threshold, batchTopK, columnTopK

        func callAsFunction(_ x: Tensor, _ weight: Tensor, _ bias: Tensor, k: Int) -> SparseCode {
            switch self {
            case .topK: x.topKLinear(weight: weight, bias: bias, k: k)
            case .signedTopK: x.topKLinear(weight: weight, bias: bias, k: k, signed: true)
            case .gradientTopK:
                x.gradientTopKLinear(
                    weight: weight, bias: bias, gradient: x.detached().flipped(axes: [1]), atoms: weight.detached(), scales: bias.detached().abs(), k: k)
            case .threshold: x.thresholdLinear(weight: weight, bias: bias, threshold: Tensor.full([weight.size(0)], 2, dtype: .float64))
            case .batchTopK: x.batchTopKLinear(weight: weight, bias: bias, count: k * x.size(0))
            case .columnTopK: x.columnTopKLinear(weight: weight, bias: bias, budgets: Tensor.arange(0, weight.size(0)).remainder(dividingBy: 2 * k))
            }
        }
    }

    @Test(arguments: cases, Selection.allCases) func decodeDotScatterEqualDenseProducts(_ size: Case, _ select: Selection) {
        let x = normal([size.rows, size.width]), atoms = normal([size.features, size.width])
        let code = select(x, atoms, Tensor.zeros([size.features], dtype: .float64), k: size.k)
        let dense = code.dense()
        #expect(code.decoded(atoms: atoms).isClose(to: dense.matmul(atoms), relative: 1e-10, absolute: 1e-10))
        #expect(code.scattered(x).isClose(to: dense.transposed().matmul(x), relative: 1e-10, absolute: 1e-10))
        let places = (code.entryRows * size.features + code.indices).reshaped([-1])
        let products = x.linear(weight: atoms).reshaped([-1]).gathered(indices: places).reshaped(code.values.shape)
        #expect(code.dotProducts(of: x, atoms: atoms).isClose(to: products, relative: 1e-10, absolute: 1e-10))
    }

    /// Gradients of the whole path x → code → x̂ against those of the dense composition with the same selection, and of
    /// second order.
    @Test(arguments: cases, Selection.allCases) func gradientsEqualDenseComposition(_ size: Case, _ select: Selection) {
        let x = normal([size.rows, size.width]).requiringGrad(), weight = normal([size.features, size.width]).requiringGrad()
        let bias = normal([size.features]).requiringGrad(), atoms = normal([size.features, size.width]).requiringGrad()
        let inputs = [x, weight, bias, atoms]
        let code = select(x, weight, bias, k: size.k)
        let mask = withoutGradients { code.with(values: code.values.detached().notEquals(0).to(dtype: .float64)).dense() }
        let fused = gradients(of: code.decoded(atoms: atoms).power(3).sum(), withRespectTo: inputs, createGraph: true)
        let composed = (x.linear(weight: weight, bias: bias) * mask).matmul(atoms)
        let dense = gradients(of: composed.power(3).sum(), withRespectTo: inputs, createGraph: true)
        for (a, b) in zip(fused, dense) { #expect(a.isClose(to: b, relative: 1e-9, absolute: 1e-8 * Swift.max(1, b.abs().max().item()))) }
        func second(_ first: [Tensor]) -> [Tensor] {
            gradients(of: first.map { $0.squared().sum() }.reduce(Tensor(scalar: 0.0), +), withRespectTo: inputs)
        }
        for (a, b) in zip(second(fused), second(dense)) {
            #expect(a.isClose(to: b, relative: 1e-8, absolute: 1e-8 * Swift.max(1, b.abs().max().item())))
        }
    }

    /// A tied dictionary without bias: one tensor is encoder and decoder.
    @Test func gradientsWithoutBias() {
        let x = normal([20, 6]), atoms = normal([30, 6]).requiringGrad()
        let fused = gradients(of: x.topKLinear(weight: atoms, k: 3).decoded(atoms: atoms).squared().sum(), withRespectTo: [atoms])
        let dense = gradients(
            of: denseCode(x, atoms, Tensor.zeros([30], dtype: .float64), k: 3).matmul(atoms).squared().sum(), withRespectTo: [atoms])
        #expect(fused[0].isClose(to: dense[0], relative: 1e-10, absolute: 1e-10))
    }

    @Test func sameBitsOnAnyNumberOfThreads() {
        let x = normal([100, 48], .float32), atoms = normal([300, 48], .float32)
        let code = x.topKLinear(weight: atoms, k: 9)
        let threads = Engine.threadCount
        defer { Engine.threadCount = threads }
        func columns() -> SparseCode { x.columnTopKLinear(weight: atoms, budgets: Tensor.full([300], 3, dtype: .int64)) }
        let many = (code.decoded(atoms: atoms), code.scattered(x), columns())
        Engine.threadCount = 1
        #expect(code.decoded(atoms: atoms).isEqual(to: many.0) && code.scattered(x).isEqual(to: many.1))
        #expect(columns().values.isEqual(to: many.2.values) && columns().indices.isEqual(to: many.2.indices))
    }

    @Test func misuseIsExplained() throws {
        let x = Tensor.ones([2, 3]), atoms = Tensor.ones([4, 3])
        let message = { (body: () -> Void) in #expect(throws: TorchError.self) { try withTorchErrors(body) }?.message ?? "" }
        #expect(message { _ = x.topKLinear(weight: atoms, k: 5) }.contains("k is 5 but there are 4 features"))
        #expect(message { _ = x.topKLinear(weight: Tensor.ones([4, 2]), k: 1) }.contains("differ in width"))
        let wide = { _ = x.gradientTopKLinear(weight: atoms, gradient: Tensor.ones([2, 2]), atoms: atoms, scales: Tensor.ones([4]), k: 1) }
        #expect(message(wide).contains("do not fit the gradient"))
        let outside = SparseCode(values: Tensor.ones([1, 1]), indices: Tensor([4], shape: [1, 1]), featureCount: 4)
        #expect(message { _ = outside.decoded(atoms: atoms) }.contains("index out of range"))
        let falling = SparseCode(values: Tensor.ones([2]), indices: Tensor([0, 1]), offsets: Tensor([0, 3, 2]), featureCount: 4)
        #expect(message { _ = falling.decoded(atoms: atoms) }.contains("offsets of a code must rise"))
        #expect(message { _ = x.batchTopKLinear(weight: atoms, count: 0) }.contains("must be positive"))
        #expect(message { _ = x.columnTopKLinear(weight: atoms, budgets: Tensor([1, 1])) }.contains("one entry a row of the weight"))
    }
}
