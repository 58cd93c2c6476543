import Testing
import Torch

// The code of the article "Memory and threads", compiled and run.
@Suite struct MemoryAndThreadsTests {
    @Test func views() {
        let x = Tensor.zeros([1_000, 1_000])
        let row = x[0]  // a view: the same memory
        row.fillInPlace(1)
        print(x.sum().item())  // 1000.0
        #expect(x.sum().item() == 1000)
    }

    @Test func recording() {
        let weight = Tensor.ones([4]).requiringGrad()
        let measured = withoutGradients { (weight * 2).sum().item() }  // no graph, no memory kept
        print(measured)  // 8.0
        #expect(measured == 8)
    }

    @Test func scopesAreSynchronous() async {
        func loss(of weight: Tensor, on batch: Tensor) async -> Double {
            withoutGradients { (batch * weight).sum().item() }  // right: opens and closes on one thread
        }
        #expect(await loss(of: Tensor.ones([2]), on: Tensor.ones([2])) == 2)
    }

    actor Scorer {
        private let weight = Tensor.ones([3])

        func score(_ features: [Float]) -> Double {
            withoutGradients { (Tensor(features) * weight).sum().item() }
        }
    }

    @Test func actors() async {
        #expect(await Scorer().score([1, 2, 3]) == 6)
    }

    @Test func failure() {
        do {
            try withTorchErrors { Tensor.zeros([2, 3]).matmul(Tensor.zeros([4, 5])) }
        } catch {
            print(error)  // aten::matmul(float32[2, 3], float32[4, 5]): …
        }
    }
}
