import CondenseTesting
import Testing
import Torch

/// Our operators composed of libtorch's, for devices without a kernel of ours, against the kernels. Equal activations do not occur, so
/// that both choose the same entries, in whatever order.
@Suite struct CompositeTests {
    private let x = Self.normal([37, 24], 1), weight = Self.normal([150, 24], 2), bias = Self.normal([150], 3)

    private static func normal(_ shape: [Int], _ seed: UInt64) -> Tensor {
        Tensor.normal(shape, dtype: .float64, generator: RandomGenerator(seed: seed))
    }

    /// One of our operators in both forms.
    private struct Forms {
        let kernel: Operator, composite: Operator

        init(_ name: String) {
            kernel = Operator("condense::\(name)")
            composite = Operator(composite: "condense::\(name)")
        }
    }

    private func expectEqual(_ found: [Tensor], _ expected: [Tensor], sourceLocation: SourceLocation = #_sourceLocation) {
        for (found, expected) in zip(found, expected) {
            #expect(mismatch(found, expected, relative: 1e-10, absolute: 1e-10) == nil, sourceLocation: sourceLocation)
        }
    }

    private func dense(_ code: (Tensor, Tensor)) -> Tensor {
        SparseCode(values: code.0, indices: code.1, featureCount: 150).dense()
    }

    private func dense(_ code: (Tensor, Tensor, Tensor)) -> Tensor {
        SparseCode(values: code.0, indices: code.1, offsets: code.2, featureCount: 150).dense()
    }

    @Test(arguments: [false, true]) func selections(_ signed: Bool) {
        for bias in [bias, nil] {
            let top = Forms("topk_linear")
            expectEqual([dense(top.composite.pair(x, weight, bias, 9, signed))], [dense(top.kernel.pair(x, weight, bias, 9, signed))])
            let threshold = Forms("threshold_linear"), limits = Self.normal([150], 4).abs()
            for limits in [limits, nil] {
                expectEqual(
                    [dense(threshold.composite.triple(x, weight, bias, limits, signed))],
                    [dense(threshold.kernel.triple(x, weight, bias, limits, signed))])
            }
            let batch = Forms("batch_topk_linear")
            expectEqual([dense(batch.composite.triple(x, weight, bias, 333, signed))], [dense(batch.kernel.triple(x, weight, bias, 333, signed))])
            let column = Forms("column_topk_linear"), budgets = Tensor.arange(0, 150).remainder(dividingBy: 5)
            expectEqual(
                [dense(column.composite.triple(x, weight, bias, budgets, signed))], [dense(column.kernel.triple(x, weight, bias, budgets, signed))])
        }
    }

    @Test(arguments: [0.0, 1]) func selectionByEffect(_ base: Double) {
        let forms = Forms("gradient_topk_linear")
        let gradient = Self.normal([37, 24], 5), atoms = Self.normal([150, 24], 6), scales = Self.normal([150], 7).abs()
        expectEqual(
            [dense(forms.composite.pair(x, weight, bias, gradient, atoms, scales, 9, base))],
            [dense(forms.kernel.pair(x, weight, bias, gradient, atoms, scales, 9, base))])
    }

    @Test func productsWithSparseCodes() {
        let (values, indices, offsets) = Operator("condense::threshold_linear").triple(x, weight, bias, nil, true)
        let square = Operator("condense::topk_linear").pair(x, weight, bias, 9, true)
        let decode = Forms("sparse_decode"), dot = Forms("sparse_dot"), scatter = Forms("sparse_scatter")
        for (values, indices, offsets) in [(values, indices, Optional(offsets)), (square.0, square.1, nil)] {
            expectEqual([decode.composite(values, indices, offsets, weight)], [decode.kernel(values, indices, offsets, weight)])
            expectEqual([dot.composite(x, indices, offsets, weight)], [dot.kernel(x, indices, offsets, weight)])
            expectEqual([scatter.composite(values, indices, offsets, x, 150)], [scatter.kernel(values, indices, offsets, x, 150)])
        }
        let norms = Forms("norm_matching_entries"), lengths = x.norm(axes: [1])
        #expect(norms.composite(values, offsets, lengths, 150).isEqual(to: norms.kernel(values, offsets, lengths, 150)))
    }

    @Test(arguments: [false, true]) func matchingPursuit(_ nonNegative: Bool) {
        let forms = Forms("matching_pursuit")
        let expected = forms.kernel.triple(x, weight, 8, nonNegative, 0.1, 0.2, nil)
        let found = forms.composite.triple(x, weight, 8, nonNegative, 0.1, 0.2, nil)
        expectEqual([dense((found.0, found.1))], [dense((expected.0, expected.1))])
        let backward = Forms("matching_pursuit_backward"), gradient = Self.normal([37, 8], 8)
        let gradients = backward.composite.pair(gradient, x, weight, expected.0, expected.1)
        let expectedGradients = backward.kernel.pair(gradient, x, weight, expected.0, expected.1)
        expectEqual([gradients.0, gradients.1], [expectedGradients.0, expectedGradients.1])
    }

    @Test func adamOnUnitRows() {
        let norms = Forms("tangent_norms"), step = Forms("unit_row_adam_")
        let start = weight / weight.norm(axes: [1], keepingDimensions: true), gradient = Self.normal([150, 24], 9)
        expectEqual([norms.composite(start, gradient)], [norms.kernel(start, gradient)])
        func after(_ op: Operator) -> [Tensor] {
            let state = [start.cloned(), Self.normal([150, 24], 10), Self.normal([150, 24], 11).squared()]
            op.run(state[0], gradient, state[1], state[2], Tensor([3.0], shape: []), Tensor([1.7], shape: []), 0.01, 0.9, 0.99, 1e-8)
            return state
        }
        expectEqual(after(step.composite), after(step.kernel))
    }
}
