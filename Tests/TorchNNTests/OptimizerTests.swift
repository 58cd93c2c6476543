import CondenseTesting
import Testing
import Torch
import TorchNN

@Suite("Optimisers against PyTorch")
struct OptimizerTests {
    static let stepCount = 20

    /// Two parameters in two groups with given gradients; the second group has its own learning rate.
    private struct Problem {
        let golden: Goldens
        let a: NamedTensor, b: NamedTensor

        init() throws {
            golden = try goldens("optimizers")
            a = NamedTensor("a", try golden("start/a").requiringGrad())
            b = NamedTensor("b", try golden("start/b").requiringGrad())
        }

        func setGradients(_ step: Int) throws {
            for named in [a, b] { named.tensor.grad = try golden("gradients/\(named.name)")[step].cloned() }
        }

        /// Steps `range` and compares with PyTorch after each of them.
        func run(_ optimizer: any Optimizer, _ name: String, _ range: Range<Int> = 0..<stepCount) throws {
            for step in range {
                try setGradients(step)
                optimizer.step()
                for named in [a, b] {
                    let expected = try golden("\(name)/\(named.name)")[step]
                    expectClose(named.tensor, expected, "\(name)/\(named.name) after step \(step)")
                }
            }
        }
    }

    static let adams: [(String, Adam.Settings)] = [
        ("adam", .init(learningRate: 0.02)),
        ("adam_amsgrad", .init(learningRate: 0.02, beta1: 0.8, beta2: 0.95, epsilon: 1e-6, weightDecay: .l2(0.1), amsgrad: true)),
        ("adamw", .adamW(learningRate: 0.02, weightDecay: 0.1)),
        ("adamw_amsgrad", .init(learningRate: 0.02, beta1: 0.5, beta2: 0.9, weightDecay: .decoupled(0.3), amsgrad: true)),
    ]
    static let sgds: [(String, SGD.Settings)] = [
        ("sgd", .init(learningRate: 0.1)),
        ("sgd_momentum", .init(learningRate: 0.1, momentum: .heavyBall(0.9, dampening: 0.2), weightDecay: 0.05)),
        ("sgd_nesterov", .init(learningRate: 0.1, momentum: .nesterov(0.8))),
    ]

    private func adam(_ problem: Problem, _ settings: Adam.Settings) -> Adam {
        var other = settings
        other.learningRate = 0.05
        return Adam(groups: [ParameterGroup([problem.a], settings), ParameterGroup([problem.b], other)])
    }

    private func sgd(_ problem: Problem, _ settings: SGD.Settings) -> SGD {
        var other = settings
        other.learningRate = 0.05
        return SGD(groups: [ParameterGroup([problem.a], settings), ParameterGroup([problem.b], other)])
    }

    @Test(arguments: adams.indices) func adam(_ index: Int) throws {
        let (name, settings) = Self.adams[index]
        let problem = try Problem()
        try problem.run(adam(problem, settings), name)
    }

    @Test(arguments: sgds.indices) func sgd(_ index: Int) throws {
        let (name, settings) = Self.sgds[index]
        let problem = try Problem()
        try problem.run(sgd(problem, settings), name)
    }

    /// Saved after 7 steps and loaded into a new optimiser, the rest gives the same bits.
    @Test func resumesExactly() throws {
        func run(_ make: (Problem) -> any Optimizer) throws {
            let whole = try Problem(), resumed = try Problem()
            let uninterrupted = make(whole), first = make(resumed)
            for step in 0..<Self.stepCount {
                try whole.setGradients(step)
                uninterrupted.step(learningRateFactor: 1 / Double(step + 1))
            }
            for step in 0..<7 {
                try resumed.setGradients(step)
                first.step(learningRateFactor: 1 / Double(step + 1))
            }
            let saved = first.stateDictionary
            try resumed.setGradients(8)
            let before = [resumed.a, resumed.b].map { $0.tensor.detached().cloned() }
            first.step()  // must not reach the saved state
            for (named, value) in zip([resumed.a, resumed.b], before) { withoutGradients { _ = named.tensor.copyInPlace(from: value) } }
            let second = make(resumed)
            try second.load(saved)
            for step in 7..<Self.stepCount {
                try resumed.setGradients(step)
                second.step(learningRateFactor: 1 / Double(step + 1))
            }
            #expect(resumed.a.tensor.isEqual(to: whole.a.tensor) && resumed.b.tensor.isEqual(to: whole.b.tensor))
        }
        try run { adam($0, Self.adams[1].1) }
        try run { sgd($0, Self.sgds[1].1) }
    }

    @Test func namesWhatIsWrongWithSavedState() throws {
        let problem = try Problem()
        let optimizer = adam(problem, Self.adams[0].1)
        try problem.setGradients(0)
        optimizer.step()
        var state = optimizer.stateDictionary
        #expect(Set(state.keys) == ["a.step", "a.exp_avg", "a.exp_avg_sq", "b.step", "b.exp_avg", "b.exp_avg_sq"])
        state["a.exp_avg"] = nil
        state["b.exp_avg_sq"] = Tensor.zeros([2])
        state["c.step"] = Tensor.zeros([])
        let error = #expect(throws: StateMismatch.self) { try optimizer.load(state) }
        #expect(error?.missing == ["a.exp_avg"])
        #expect(error?.unexpected == ["c.step"])
        #expect(error?.shapes == [.init(name: "b.exp_avg_sq", expected: [5], found: [2])])
    }

    /// Parameters without a gradient stay, and start with their first gradient as if they were new.
    @Test func skipsParametersWithoutGradient() throws {
        let problem = try Problem(), reference = try Problem()
        let optimizer = sgd(problem, Self.sgds[1].1), other = sgd(reference, Self.sgds[1].1)
        try problem.setGradients(0)
        problem.b.tensor.grad = nil
        optimizer.step()
        #expect(problem.b.tensor.isEqual(to: try problem.golden("start/b")))
        try problem.setGradients(1)
        optimizer.step()
        try reference.setGradients(1)
        other.step()
        #expect(problem.b.tensor.isEqual(to: reference.b.tensor))
    }

    /// The fused kernels read memory in order: a gradient or parameter laid out differently must not matter.
    @Test func toleratesOtherMemoryLayouts() throws {
        let generator = anyGenerator()
        let values = Tensor.normal([4, 3], generator: generator), gradient = Tensor.normal([4, 3], generator: generator)
        func result(_ parameter: Tensor, _ gradient: Tensor) throws -> Tensor {
            parameter.requiresGrad = true
            let optimizer = Adam([NamedTensor("w", parameter)])
            for _ in 0..<3 {
                parameter.grad = gradient
                optimizer.step()
            }
            let copy = Adam([NamedTensor("w", parameter)])
            try copy.load(optimizer.stateDictionary)
            parameter.grad = gradient
            copy.step()
            return parameter.detached()
        }
        let expected = try result(values.cloned(), gradient)
        let transposedGradient = gradient.transposed().contiguous().transposed()
        #expect(try result(values.cloned(), transposedGradient).isEqual(to: expected))
        #expect(try result(values.transposed().contiguous().transposed(), gradient).isEqual(to: expected))
    }

    @Test func namesInvalidSettings() {
        func problem(_ validate: () throws -> Void) -> String? {
            do { try validate() } catch { return "\(error)" }
            return nil
        }
        for (_, settings) in Self.adams { #expect(problem(settings.validate) == nil) }
        for (_, settings) in Self.sgds { #expect(problem(settings.validate) == nil) }
        #expect(problem(Adam.Settings(learningRate: -1).validate) == "learningRate must be 0 or more, found -1.0")
        #expect(problem(Adam.Settings(learningRate: .nan).validate) != nil)
        #expect(problem(Adam.Settings(beta2: 1).validate) == "beta2 must be at least 0 and below 1, found 1.0")
        #expect(problem(Adam.Settings.adamW(weightDecay: -0.1).validate) == "weightDecay must be 0 or more, found -0.1")
        #expect(problem(SGD.Settings(momentum: .nesterov(2)).validate) == "momentum must be at least 0 and below 1, found 2.0")
    }

    @Test func clipping() throws {
        let golden = try goldens("optimizers")
        func check(_ name: String, _ clip: ([Tensor]) -> Double?) throws {
            let parameters = [Tensor.zeros([4, 3]), Tensor.zeros([5])]
            for (parameter, key) in zip(parameters, ["a", "b"]) { parameter.grad = try golden("gradients/\(key)")[0].cloned() }
            if let norm = clip(parameters) { expectClose(Tensor(scalar: Float(norm)), try golden("\(name)/norm")) }
            for (parameter, key) in zip(parameters, ["a", "b"]) {
                expectClose(try #require(parameter.grad), try golden("\(name)/\(key)"), name)
            }
        }
        try check("clip_norm2") { clipGradients(of: $0, toNorm: 1.5) }
        try check("clip_norm1") { clipGradients(of: $0, toNorm: 4, order: 1) }
        try check("clip_norm_infinity") { clipGradients(of: $0, toNorm: 0.7, order: .infinity) }
        try check("clip_loose") { clipGradients(of: $0, toNorm: 1e4) }
        try check("clip_value") {
            clipGradients(of: $0, toValue: 0.25)
            return nil
        }
        #expect(clipGradients(of: [Tensor.zeros([2])], toNorm: 1) == 0)
    }

    /// Against the same in separate steps: project, clip, plain Adam, normalise. Odd sizes, a row of zeros, and a second parameter
    /// that is free.
    @Test(arguments: [0.5, 1e6]) func unitRowsStayUnitRows(_ maximum: Double) {
        let generator = RandomGenerator(seed: 4)
        func normal(_ shape: [Int]) -> Tensor { Tensor.normal(shape, dtype: .float64, generator: generator) }
        func unit(_ rows: Tensor) -> Tensor { rows / rows.norm(axes: [1], keepingDimensions: true).clamped(minimum: 1e-30) }
        let start = unit(normal([131, 17]) * (Tensor.arange(0, 131) - 40).abs().clamped(maximum: 1).to(dtype: .float64).unsqueezed(1)), bias = normal([17])
        func parameters() -> [NamedTensor] {
            [NamedTensor("rows", start.cloned().requiringGrad()), NamedTensor("bias", bias.cloned().requiringGrad())]
        }
        let found = parameters(), expected = parameters()
        let settings = Adam.Settings(learningRate: 0.02)
        var constrained = settings
        constrained.rows = .unitNorm
        let fused = Adam(groups: [ParameterGroup([found[0]], constrained), ParameterGroup([found[1]], settings)])
        let plain = Adam(expected, settings)
        for step in 0..<6 {
            let gradients = [normal([131, 17]), normal([17])]
            for (index, gradient) in gradients.enumerated() {
                found[index].tensor.grad = gradient.cloned()
                expected[index].tensor.grad = gradient.cloned()
            }
            let norm = fused.step(learningRateFactor: 0.5, clippingToNorm: maximum)
            withoutGradients {
                let rows = expected[0].tensor.detached()
                expected[0].tensor.grad = gradients[0] - (gradients[0] * rows).sum(axis: 1, keepingDimensions: true) * rows
                #expect(abs(norm / clipGradients(of: expected.map(\.tensor), toNorm: maximum) - 1) < 1e-9)
                plain.step(learningRateFactor: 0.5)
                expected[0].tensor.copyInPlace(from: unit(expected[0].tensor.detached()))
            }
            // The divisor is a float32, so that parameters drift apart by rounding.
            for (found, expected) in zip(found, expected) {
                expectClose(found.tensor, expected.tensor, relative: 1e-6, absolute: 1e-8, "\(found.name) after step \(step)")
            }
        }
        let norms = found[0].tensor.detached().norm(axes: [1])
        expectClose(norms, Tensor.ones([131], dtype: .float64), relative: 1e-12, absolute: 1e-12)
    }

    @Test func unitRowsGoWithoutDecay() {
        var settings = Adam.Settings(weightDecay: .l2(0.1), rows: .unitNorm)
        #expect(throws: InvalidSetting.self) { try settings.validate() }
        settings.weightDecay = .none
        #expect(throws: Never.self) { try settings.validate() }
    }
}
