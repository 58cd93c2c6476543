import Testing
import Torch

@Suite struct TensorTests {
    let x = Tensor([[1, 2, 3], [4, 5, 6]] as [[Float]])

    @Test func shapesAndData() {
        #expect(x.shape == [2, 3] && x.strides == [3, 1] && x.rank == 2 && x.elementCount == 6)
        #expect(x.dtype == .float32 && x.device == .cpu && x.byteCount == 24)
        #expect(x.transposed().scalars(as: Float.self) == [1, 4, 2, 5, 3, 6])
        #expect(!x.transposed().isContiguous && x.transposed().contiguous().isContiguous)
        #expect(Tensor([1, 2] as [Int]).scalars(as: Double.self) == [1, 2])
        #expect(Tensor(scalar: 2.5).shape == [] && Tensor(scalar: 2.5).item() == 2.5)
        #expect(Tensor([true, false]).to(dtype: .int64).scalars(as: Int.self) == [1, 0])
    }

    @Test(arguments: DType.allCases.filter { $0 != .complex64 && $0 != .complex128 })
    func everyDTypeKeepsSmallIntegers(dtype: DType) {
        let expected: [Double] = dtype == .bool ? [0, 1, 1] : [0, 1, 3]
        let tensor = Tensor([0, 1, 3] as [Double]).to(dtype: dtype)
        #expect(tensor.dtype == dtype && tensor.byteCount == 3 * dtype.byteCount)
        #expect(tensor.scalars(as: Double.self) == expected)
    }

    @Test func borrowedMemoryIsReleasedWithTheTensor() {
        final class Owner { let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 16); deinit { memory.deallocate() } }
        weak var released: Owner?
        do {
            let owner = Owner()
            released = owner
            for i in 0..<4 { owner.memory.storeBytes(of: Float(i), toByteOffset: 4 * i, as: Float.self) }
            let tensor = Tensor(borrowing: UnsafeRawBufferPointer(owner.memory), shape: [2, 2], dtype: .float32, owner: owner)
            let view = tensor[1]
            #expect(view.scalars(as: Float.self) == [2, 3])
        }
        #expect(released == nil)
    }

    @Test func indexing() {
        #expect(x[1].scalars(as: Float.self) == [4, 5, 6])
        #expect(x[-1, 2].item() == 6)
        #expect(x[.all, 1...].scalars(as: Float.self) == [2, 3, 5, 6])
        #expect(x[0..<1, ..<2].shape == [1, 2])
        #expect(x[.ellipsis, 0].scalars(as: Float.self) == [1, 4])
        #expect(x[.newAxis, 0].shape == [1, 3])
        #expect(x[.all, .every(2)].scalars(as: Float.self) == [1, 3, 4, 6])
        #expect(x[Tensor([1, 0, 1])].shape == [3, 3])
        #expect(x[.all, Tensor([2, 0])].scalars(as: Float.self) == [3, 1, 6, 4])
        #expect(x[x .> 3].scalars(as: Float.self) == [4, 5, 6])
    }

    @Test func assignment() {
        let y = x.cloned()
        y[0] = Tensor([9, 9, 9] as [Float])
        y[1, 2] = Tensor(scalar: Float(0))
        y[Tensor([1]), Tensor([0])] = Tensor(scalar: Float(7))
        #expect(y.scalars(as: Float.self) == [9, 9, 9, 7, 5, 0])
        #expect(x[0, 0].item() == 1, "the original is untouched")
    }

    @Test func broadcastingArithmetic() {
        let row = Tensor([10, 20, 30] as [Float])
        #expect((x + row).scalars(as: Float.self) == [11, 22, 33, 14, 25, 36])
        #expect((2 - x).scalars(as: Float.self) == [1, 0, -1, -2, -3, -4])
        #expect((12 / x)[1].scalars(as: Float.self) == [3, 2.4, 2])
        #expect((x * 2 - x / 2)[0].scalars(as: Float.self) == [1.5, 3, 4.5])
        #expect((-x).sum().item() == -21)
        #expect(Tensor([7, -7]).floorDivided(by: 2).scalars(as: Int.self) == [3, -4])
        #expect(Tensor([7, -7]).remainder(dividingBy: 4).scalars(as: Int.self) == [3, 1])
    }

    @Test func reductions() {
        #expect(x.mean(axis: 0).scalars(as: Float.self) == [2.5, 3.5, 4.5])
        #expect(x.variance(correction: 0).item() - 35.0 / 12 < 1e-6)
        #expect(x.norm(order: 1, axes: [1]).scalars(as: Float.self) == [6, 15])
        #expect(x.topK(2).indices.scalars(as: Int.self) == [2, 1, 2, 1])
        #expect(x.max(axes: [0]).scalars(as: Float.self) == [4, 5, 6])
        #expect(x.cumulativeSum(axis: 1)[1].scalars(as: Float.self) == [4, 9, 15])
        #expect(Tensor([0, 1, 1, 3]).binCount().scalars(as: Int.self) == [1, 2, 0, 1])
    }

    @Test func countsOfWhatIsNotZero() {
        let sparse = Tensor.normal([3, 700, 4_000], generator: RandomGenerator(seed: 1)).thresholded(1, value: 0)
        let isKept = (sparse .> 0).to(dtype: .int64)
        #expect(sparse.nonzeroCount(axes: [0, 1, -1]).item() == isKept.sum().item())
        // Many elements are counted in parts.
        for axes in [[2], [1, 2], [0], [0, 2]] { #expect(sparse.nonzeroCount(axes: axes).isEqual(to: isKept.sum(axes: axes))) }
    }

    @Test func selectionByMask() {
        #expect(x.selected(where: x .> 2).scalars(as: Float.self) == [3, 4, 5, 6])
        #expect(x.selected(where: Tensor([true, false, true])).scalars(as: Float.self) == [1, 3, 4, 6])
        #expect(x.selected(where: x .> 9).shape == [0])
        let leaf = x.cloned().requiringGrad()
        #expect(gradients(of: leaf.selected(where: leaf .> 4).sum(), withRespectTo: [leaf])[0].scalars(as: Float.self) == [0, 0, 0, 0, 1, 1])
    }

    /// More elements than one worker takes, with many equal ones.
    @Test(arguments: [DType.float32, .float64]) func largestMagnitudesAreMarked(_ dtype: DType) {
        let random = RandomGenerator(seed: 2), rounded = (Tensor.normal([3, 700_001], generator: random) * 50).rounded().to(dtype: dtype)
        for values in [rounded, Tensor.normal([17], dtype: dtype, generator: random), Tensor.zeros([5], dtype: dtype)] {
            for count in Set([0, 1, values.elementCount / 3, values.elementCount]) {
                let mask = values.maskOfLargest(count), composed = Operator(composite: "condense::largest_mask")(values, count)
                #expect(mask.dtype == dtype && mask.isEqual(to: composed))
                #expect(mask.sum().item() == Double(count))
                let kept = values.cloned(), others = values.cloned()
                kept.keepLargestInPlace(count)
                Operator(composite: "condense::keep_largest_").run(others, count)
                #expect(kept.isEqual(to: values * mask) && others.isEqual(to: kept))
            }
        }
        #expect(Tensor([1, -3, 3, .nan, -3] as [Float]).maskOfLargest(3).scalars(as: Float.self) == [0, 1, 1, 1, 0])
        #expect(Tensor([-0.0, 0, 0] as [Float]).maskOfLargest(2).scalars(as: Float.self) == [1, 1, 0])
    }

    @Test func channelsSideBySide() {
        let images = Tensor.normal([2, 3, 4, 5], generator: RandomGenerator(seed: 3)), moved = images.channelsLast()
        #expect(moved.isEqual(to: images) && moved.strides == [60, 1, 15, 3])
        #expect(moved.contiguous().strides == images.strides)
    }

    @Test func closureScopedComparisons() {
        #expect(x.isEqual(to: x.cloned()) && !x.isEqual(to: x + 1) && !x.isEqual(to: x[0]))
        #expect(x.isClose(to: x + 1e-7) && !x.isClose(to: x + 1e-2))
        #expect(Tensor.select(where: x .> 2, x, else: Tensor(scalar: Float(0))).sum().item() == 18)
    }
}

@Suite struct RandomTests {
    @Test func sameSeedSameNumbersAndStateResumes() {
        let a = RandomGenerator(seed: 5), b = RandomGenerator(seed: 5)
        #expect(Tensor.normal([100], generator: a).isEqual(to: Tensor.normal([100], generator: b)))
        let state = a.state.cloned()
        let next = Tensor.uniform([50], generator: a)
        a.state = state
        #expect(Tensor.uniform([50], generator: a).isEqual(to: next))
        #expect(!Tensor.uniform([50], generator: a).isEqual(to: next))
    }

    @Test func swiftShufflesFollowTheGenerator() {
        var a = RandomGenerator(seed: 1), b = RandomGenerator(seed: 1)
        let first = (0..<100).shuffled(using: &a)
        #expect(first == (0..<100).shuffled(using: &b))
        #expect(first.sorted() == Array(0..<100) && first != Array(0..<100))
    }

    /// The same bits whether or not the weight has gradients, with any number of axes in front.
    @Test func linearIsOneProduct() {
        let random = RandomGenerator(seed: 6)
        let x = Tensor.normal([2, 3, 7, 12], generator: random), weight = Tensor.normal([20, 12], generator: random)
        let learned = weight.cloned().requiringGrad()
        for input in [x, x[0], x.transposed(1, 2)] {
            let product = input.linear(weight: weight), rows = input.reshaped([-1, 12]).linear(weight: weight)
            #expect(product.isEqual(to: rows.reshaped(input.shape.dropLast() + [20])))
            #expect(product.isEqual(to: withoutGradients { input.linear(weight: learned) }))
        }
        #expect(Tensor.zeros([2, 0, 12]).linear(weight: weight).shape == [2, 0, 20])
        #expect(Tensor.zeros([2, 3, 12]).linear(weight: weight, bias: Tensor.ones([20])).mean().item() == 1)
    }
}
