import CondenseTesting
import Testing
import Torch
import TorchNN

@Suite("Divisive normalisation and bounds against CompressAI")
struct DivisiveNormalizationTests {
    @Test func normalization() throws {
        let golden = try goldens("divisive_normalization")
        try expectGolden(golden, "gdn", GDN(6))
        try expectGolden(golden, "gdn_inverse", GDN(6, direction: .multiplying))
        try expectGolden(golden, "gdn1", GDN(6, norm: .absolute))
        try expectGolden(golden, "gdn1_inverse", GDN(6, norm: .absolute, direction: .multiplying))
    }

    @Test func bounds() throws {
        let golden = try goldens("divisive_normalization")
        try expectGolden(golden, "lower_bound", LowerBound(0.11))
        let parametrization = NonNegativeParametrization(minimum: 0.05)
        try expectGolden(golden, "non_negative", parametrization)
        expectClose(
            parametrization.stored(for: try golden("non_negative_initial/input")), try golden("non_negative_initial/output"), relative: 1e-6)
    }

    /// With β = 1 and γ = 0 every norm is 1.
    @Test(arguments: [GDN.Norm.quadratic, .absolute], [GDN.Direction.dividing, .multiplying])
    func identity(norm: GDN.Norm, direction: GDN.Direction) {
        let layer = GDN(3, norm: norm, direction: direction, initialGamma: 0)
        let input = Tensor.normal([2, 3, 4], generator: anyGenerator()) * 5
        expectClose(layer(input), input, relative: 1e-6)
    }

    /// Above the bound everything passes; below it only what pushes upwards.
    @Test func gradientOfTheLowerBound() {
        let x = Tensor([2, 1, 0.5, 0.5] as [Float]).requiringGrad()
        let bounded = x.lowerBounded(by: Tensor([1] as [Float]))
        #expect(bounded.scalars(as: Float.self) == [2, 1, 1, 1])
        bounded.backward(gradient: Tensor([3, 4, 5, -6] as [Float]))
        #expect(x.grad?.scalars(as: Float.self) == [3, 4, 0, -6])
    }

    /// The kernel against the composition of libtorch's operators: channels that fill no panel, more positions than a worker takes.
    @Test(arguments: [[2, 3, 5, 4], [1, 40, 9, 9], [2, 70, 8, 7]], [false, true]) func kernelAndComposition(_ shape: [Int], _ multiplying: Bool) {
        let channels = shape[1], random = anyGenerator()
        let inputs = [
            Tensor.normal(shape, dtype: .float64, generator: random), Tensor.uniform([channels, channels], dtype: .float64, generator: random),
            Tensor.uniform([channels], dtype: .float64, generator: random) + 0.5,
        ].map { $0.requiringGrad() }
        let outputs = [Operator("condense::divisive_normalization"), Operator(composite: "condense::divisive_normalization")].map {
            $0(inputs[0], inputs[1], inputs[2], multiplying)
        }
        expectClose(outputs[0], outputs[1], relative: 1e-12)
        let outer = Tensor.normal(shape, dtype: .float64, generator: random), found = outputs.map { gradients(of: ($0 * outer).sum(), withRespectTo: inputs) }
        for (found, expected) in zip(found[0], found[1]) { expectClose(found, expected, relative: 1e-10) }
        expectClose(withoutGradients { Operator("condense::divisive_normalization")(inputs[0], inputs[1], inputs[2], multiplying) }, outputs[0].detached(), relative: 1e-14)
    }

    @Test func derivativesAreThoseOfDifferences() {
        let layer = GDN(3)
        layer.move(dtype: .float64)
        // Away from the bound, where differences see both sides.
        withoutGradients { _ = layer.gamma.uniformInPlace(from: 0.1, to: 0.6, generator: anyGenerator()) }
        let input = Tensor.normal([1, 3, 2, 2], dtype: .float64, generator: anyGenerator()).requiringGrad()
        #expect(gradientMismatch(at: [input, layer.beta, layer.gamma]) { layer(input) } == nil)
    }
}
