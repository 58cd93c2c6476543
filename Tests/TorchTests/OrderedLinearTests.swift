import Testing
import Torch

@Suite struct OrderedLinearTests {
    /// Every sum is made from the bias on, one product after the other, each with one rounding.
    private func expected(_ x: [Float], _ weight: [Float], _ bias: [Float], rows: Int) -> [Float] {
        let depth = weight.count / bias.count
        return (0..<rows).flatMap { row in
            bias.indices.map { output in
                (0..<depth).reduce(bias[output]) { $0.addingProduct(x[row * depth + $1], weight[output * depth + $1]) }
            }
        }
    }

    @Test(arguments: [(1, 1, 1), (1, 40, 7), (4, 31, 32), (5, 33, 64), (131, 70, 65)])
    func sumsAreMadeInOrder(rows: Int, depth: Int, outputs: Int) {
        let generator = RandomGenerator(seed: 5)
        func normal(_ shape: [Int]) -> Tensor { Tensor.normal(shape, generator: generator) }
        let x = normal([rows, depth]), weight = normal([outputs, depth]), bias = normal([outputs])
        let product = x.linear(ordered: OrderedWeight(weight: weight, bias: bias))
        #expect(product.shape == [rows, outputs])
        #expect(product.scalars(as: Float.self) == expected(x.scalars(), weight.scalars(), bias.scalars(), rows: rows))
        let first = x[0].linear(ordered: OrderedWeight(weight: weight))
        #expect(first.scalars(as: Float.self) == expected(x[0].scalars(), weight.scalars(), [Float](repeating: 0, count: outputs), rows: 1))
        #expect(product.isClose(to: x.linear(weight: weight, bias: bias), relative: 1e-4, absolute: 1e-4))
        #expect(Operator(composite: "condense::ordered_linear")(x.transposed(0, 1), Tensor.zeros([1, rows, 32]), Tensor.ones([3])).isEqual(to: Tensor.ones([depth, 3])))
    }

    @Test func noRowsGiveNone() {
        #expect(Tensor.zeros([0, 3]).linear(ordered: OrderedWeight(weight: Tensor.ones([2, 3]))).shape == [0, 2])
    }
}
