import CondenseTesting
import Testing
import Torch

@Suite(.serialized) struct SparseLinearTests {
    static let layouts: [SparseLinearWeight.Layout] = [
        .rows, .bitmask, .blocks(rows: 1, columns: 1), .blocks(rows: 1, columns: 4), .blocks(rows: 4, columns: 1), .blocks(rows: 1, columns: 8),
        .blocks(rows: 2, columns: 16), .blocks(rows: 8, columns: 3), .blocks(rows: 5, columns: 32),
    ]

    private func weight(_ outputs: Int, _ inputs: Int, density: Double) -> Tensor {
        let generator = RandomGenerator(seed: UInt64(outputs * 1_000 + inputs))
        return Tensor.normal([outputs, inputs], generator: generator)
            * (Tensor.uniform([outputs, inputs], generator: generator) .> (1 - density)).to(dtype: .float32)
    }

    @Test(arguments: layouts) func productsAreThoseOfTheDenseMatrix(_ layout: SparseLinearWeight.Layout) {
        for (outputs, inputs, density) in [(1, 1, 1.0), (3, 7, 0.5), (37, 100, 0.1), (64, 257, 0.5), (50, 64, 0), (21, 130, 1), (5, 70_000, 0.01)] {
            let matrix = weight(outputs, inputs, density: density), sparse = SparseLinearWeight(matrix, layout: layout)
            let bias = Tensor.normal([outputs], generator: RandomGenerator(seed: 1))
            for batch in [1, 3, 4, 9, 16, 33, 71] where batch * inputs < 1_000_000 {
                let x = Tensor.normal([batch, inputs], generator: RandomGenerator(seed: 2))
                let expected = x.to(dtype: .float64).linear(weight: matrix.to(dtype: .float64), bias: bias.to(dtype: .float64))
                #expect(mismatch(x.linear(sparse: sparse, bias: bias), expected, relative: 1e-5, absolute: 1e-4) == nil)
                #expect(mismatch(x.linear(sparse: sparse), expected - bias, relative: 1e-5, absolute: 1e-4) == nil)
            }
        }
    }

    @Test(arguments: layouts) func pointwiseConvolutions(_ layout: SparseLinearWeight.Layout) {
        for (batch, size) in [(1, 1), (2, 5), (3, 7), (1, 8)] {
            let matrix = weight(19, 26, density: 0.3), bias = Tensor.normal([19], generator: RandomGenerator(seed: 1))
            let x = Tensor.normal([batch, 26, size, size + 1], generator: RandomGenerator(seed: 3))
            let expected = x.to(dtype: .float64).convolved(
                weight: matrix.to(dtype: .float64).reshaped([19, 26, 1, 1]), bias: bias.to(dtype: .float64), stride: [1, 1], padding: [0, 0], dilation: [1, 1])
            let sparse = SparseLinearWeight(matrix, layout: layout)
            #expect(mismatch(x.convolvedPointwise(sparse: sparse, bias: bias), expected, relative: 1e-5, absolute: 1e-5) == nil)
            let columns = x.transposed(2, 3)
            #expect(mismatch(columns.convolvedPointwise(sparse: sparse, bias: bias), expected.transposed(2, 3), relative: 1e-5, absolute: 1e-5) == nil)
        }
    }

    @Test(arguments: layouts) func bitsDoNotDependOnThreads(_ layout: SparseLinearWeight.Layout) {
        let sparse = SparseLinearWeight(weight(130, 300, density: 0.2), layout: layout), threads = Engine.threadCount
        defer { Engine.threadCount = threads }
        for batch in [1, 40] {
            let x = Tensor.normal([batch, 300], generator: RandomGenerator(seed: 5))
            Engine.threadCount = 1
            let alone = x.linear(sparse: sparse)
            Engine.threadCount = 3
            #expect(x.linear(sparse: sparse).isEqual(to: alone))
        }
    }

    @Test func shapesInFrontStay() {
        let sparse = SparseLinearWeight(weight(4, 6, density: 0.5), layout: .rows)
        #expect(Tensor.zeros([2, 0, 6]).linear(sparse: sparse).shape == [2, 0, 4])
        #expect(Tensor.zeros([2, 3, 6]).linear(sparse: sparse).shape == [2, 3, 4])
        #expect(Tensor.zeros([6]).linear(sparse: sparse).shape == [4])
        #expect(throws: TorchError.self) { try withTorchErrors { Tensor.zeros([2, 5]).linear(sparse: sparse) } }
        #expect(throws: TorchError.self) { try withTorchErrors { SparseLinearWeight(Tensor.zeros([2, 5], dtype: .float64), layout: .rows) } }
    }

    @Test func bitsInBytes() {
        for columns in [1, 7, 8, 9, 64, 71] {
            let bits = Tensor.uniform([5, columns], generator: RandomGenerator(seed: UInt64(columns))) .> 0.5
            #expect(bits.packedBits().shape == [5, (columns + 7) / 8])
            #expect(bits.packedBits().unpackedBits(columns: columns).isEqual(to: bits))
        }
        #expect(Tensor([true, false, false, true], shape: [1, 4]).packedBits().scalars(as: UInt8.self) == [9])
    }
}
