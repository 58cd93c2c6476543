import CondenseTesting
import Testing
import Torch

/// Convolutions that halve and double images, against libtorch's.
@Suite struct StridedConvolutionTests {
    private let kernel = Operator("condense::stride2_convolution"), reference = Operator(composite: "condense::stride2_convolution")

    private func normal(_ shape: [Int], _ seed: UInt64, _ dtype: DType = .float64) -> Tensor {
        Tensor.normal(shape, dtype: dtype, generator: RandomGenerator(seed: seed))
    }

    private func weight(_ input: Int, _ output: Int, _ transposed: Bool, _ dtype: DType = .float64) -> Tensor {
        normal((transposed ? [input, output] : [output, input]) + [5, 5], 2, dtype)
    }

    /// Channels that fill no panel, more than a block of them, few outputs, sizes of one tile and of many.
    @Test(arguments: [[1, 16, 16, 2, 2], [2, 20, 3, 8, 10], [1, 33, 6, 40, 36], [2, 3, 40, 6, 4], [3, 70, 33, 14, 6]], [false, true])
    func equalsLibtorch(_ sizes: [Int], _ transposed: Bool) {
        let image = normal([sizes[0], sizes[1], sizes[3], sizes[4]], 1), weight = weight(sizes[1], sizes[2], transposed), bias = normal([sizes[2]], 3)
        for bias in [bias, nil] {
            #expect(mismatch(kernel(image, weight, bias, transposed), reference(image, weight, bias, transposed), relative: 1e-11, absolute: 1e-11) == nil)
        }
        let inputs = [image, weight, bias].map { $0.requiringGrad() }
        let output = kernel(inputs[0], inputs[1], inputs[2], transposed), outer = normal(output.shape, 4)
        let found = gradients(of: (output * outer).sum(), withRespectTo: inputs)
        let expected = gradients(of: (reference(inputs[0], inputs[1], inputs[2], transposed) * outer).sum(), withRespectTo: inputs)
        for (found, expected) in zip(found, expected) { #expect(mismatch(found, expected, relative: 1e-10, absolute: 1e-10) == nil) }
    }

    @Test(arguments: [false, true]) func derivativesAreThoseOfDifferences(_ transposed: Bool) {
        let inputs = [normal([1, 16, 4, 2], 1), weight(16, 17, transposed), normal([17], 3)].map { $0.requiringGrad() }
        #expect(gradientMismatch(at: [inputs[0], inputs[2]]) { kernel(inputs[0], inputs[1], inputs[2], transposed) } == nil)
    }

    /// What layers call: ours where it is made for it, libtorch's elsewhere, and the same numbers with any number of threads.
    @Test(arguments: [[18, 12], [17, 12], [18, 11]], [false, true]) func layersUseIt(_ size: [Int], _ transposed: Bool) {
        let image = normal([2, 24] + size, 1, .float32), weight = weight(24, 32, transposed, .float32), bias = normal([32], 3, .float32)
        func convolved() -> Tensor {
            image.convolved(
                weight: weight, bias: bias, stride: [2, 2], padding: [2, 2], dilation: [1, 1], transposed: transposed, outputPadding: transposed ? [1, 1] : nil)
        }
        let found = convolved()
        #expect(mismatch(found, reference(image, weight, bias, transposed), relative: 1e-4, absolute: 1e-4) == nil)
        let isOurs = transposed || size.allSatisfy { $0 % 2 == 0 }
        #expect(found.isEqual(to: reference(image, weight, bias, transposed)) == !isOurs)
        let threads = Engine.threadCount
        defer { Engine.threadCount = threads }
        Engine.threadCount = 1
        #expect(!isOurs || convolved().isEqual(to: found))
    }

    /// Rows above and below the image's are those that more zeros around it give.
    @Test(arguments: [3, 20]) func rowsAreThoseOfMoreZeros(_ outputs: Int) throws {
        let image = normal([2, 16, 11, 10], 1, .float32)
        func convolved(_ weight: Tensor, _ transposed: Bool) -> Tensor {
            Operator("aten::convolution")(image, weight, nil as Tensor?, [2, 2], [0, 2], [1, 1], transposed, transposed ? [0, 1] : [0, 0], 1)
        }
        for transposed in [false, true] {
            let weight = weight(16, outputs, transposed, .float32)
            let packed = try #require(Stride2Convolution(weight: weight, bias: nil, stride: [2, 2], dilation: [1, 1], transposed: transposed, groups: 1))
            let expected = convolved(weight, transposed), first = transposed ? -2 : 1
            let found = packed(image, rows: first..<first + expected.size(2))
            #expect(mismatch(found, expected, relative: 1e-4, absolute: 1e-4) == nil)
        }
    }

    @Test func othersAreNotServed() {
        let weight = weight(16, 16, false, .float32)
        #expect(Stride2Convolution(weight: weight, bias: nil, stride: [1, 1], dilation: [1, 1], transposed: false, groups: 1) == nil)
        #expect(Stride2Convolution(weight: weight, bias: nil, stride: [2, 2], dilation: [1, 1], transposed: false, groups: 2) == nil)
        #expect(Stride2Convolution(weight: weight[.all, ..<3], bias: nil, stride: [2, 2], dilation: [1, 1], transposed: false, groups: 1) == nil)
    }
}
