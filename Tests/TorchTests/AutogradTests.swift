import Testing
import Torch

@Suite struct AutogradTests {
    @Test func backwardAccumulates() {
        let w = Tensor([2, 3] as [Float]).requiringGrad()
        (w * w).sum().backward()
        (w * w).sum().backward()
        #expect(w.grad?.scalars(as: Float.self) == [8, 12])
        w.grad = nil
        #expect(w.grad == nil)
    }

    @Test func gradientsLeaveGradAlone() {
        let x = Tensor([3.0]).requiringGrad(), unused = Tensor([1.0]).requiringGrad()
        let cubic = (x * x * x).sum()
        let first = gradients(of: cubic, withRespectTo: [x], createGraph: true)[0]
        let second = gradients(of: first.sum(), withRespectTo: [x])[0]
        #expect(first.item() == 27 && second.item() == 18 && x.grad == nil)
        #expect(gradients(of: (x * 2).sum(), withRespectTo: [x, unused], allowUnused: true).map { $0.item() } == [2, 0])
    }

    @Test func modesAreScoped() {
        let w = Tensor([1.0]).requiringGrad()
        #expect(!withoutGradients { (w * 2).requiresGrad } && (w * 2).requiresGrad)
        #expect(withoutGradients { withGradients { (w * 2).requiresGrad } })
        #expect(!inferenceMode { (w * 2).requiresGrad })
        #expect(isRecordingGradients)
        #expect(!w.detached().requiresGrad)
    }

    @Test func hooksReplaceGradients() {
        let x = Tensor([1.0, 2.0]).requiringGrad()
        let y = x * 3
        y.registerGradientHook { $0 * 10 }
        y.sum().backward()
        #expect(x.grad?.scalars(as: Double.self) == [30, 30])
    }

    /// Rounding whose gradient passes straight through.
    @Test func customGradient() throws {
        let x = Tensor([0.4, 1.6]).requiringGrad()
        let y = Torch.customGradient(of: [x], forward: { [$0[0].rounded()] }, backward: { [$0[0]] })[0]
        (y * Tensor([1.0, 5.0])).sum().backward()
        #expect(y.scalars(as: Double.self) == [0, 2])
        #expect(x.grad?.scalars(as: Double.self) == [1, 5])
    }

    @Test func customGradientFailureIsThrown() {
        struct Failure: Error {}
        let x = Tensor([1.0]).requiringGrad()
        let y = Torch.customGradient(of: [x], forward: { [$0[0] * 2] }, backward: { _ in throw Failure() })[0]
        let error = #expect(throws: TorchError.self) { try withTorchErrors { y.sum().backward() } }
        #expect(error?.message.contains("Failure") == true)
    }
}
