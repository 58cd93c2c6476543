import CondenseTesting
import Testing
import Torch

@Suite struct MatchingPursuitTests {
    let generator = RandomGenerator(seed: 3)

    struct Case: Sendable, CustomStringConvertible {
        var rows, features, width, steps: Int
        var description: String { "B \(rows), F \(features), D \(width), T \(steps)" }
    }

    static let cases = [
        Case(rows: 1, features: 1, width: 1, steps: 1), Case(rows: 7, features: 70, width: 5, steps: 9),
        Case(rows: 130, features: 2_500, width: 33, steps: 6), Case(rows: 17, features: 200, width: 64, steps: 32),
    ]
    static let routes = [Tensor.PursuitRoute.gram, .products]

    private func normal(_ shape: [Int], _ dtype: DType = .float64) -> Tensor { Tensor.normal(shape, dtype: dtype, generator: generator) }

    /// Step by step with ordinary operators; differentiable.
    private func unrolled(_ x: Tensor, _ atoms: Tensor, _ rules: PursuitRules) -> (code: Tensor, residuals: [Tensor], picks: [Tensor]) {
        var residual = x, code = Tensor.zeros([x.size(0), atoms.size(0)], dtype: x.dtype)
        var residuals: [Tensor] = [], picks: [Tensor] = []
        let limit = withoutGradients { (x.detached().norm(axes: [1]) * rules.relativeResidual).clamped(minimum: rules.absoluteResidual) }
        var running = Tensor.ones([x.size(0)], dtype: x.dtype)
        for _ in 0..<rules.steps {
            let squares = atoms.squared().sum(axis: 1)
            let pick = withoutGradients { (residual.detached().matmul(atoms.detached().transposed()) / squares.detached().sqrt()).argmax(axis: 1) }
            let atom = atoms.gathered(indices: pick)
            var value = (residual * atom).sum(axis: 1) / squares.gathered(indices: pick)
            withoutGradients {
                running = running * (residual.detached().norm(axes: [1]) .> limit).to(dtype: x.dtype)
                if rules.nonNegative { running = running * (value.detached() .> 0).to(dtype: x.dtype) }
            }
            value = value * running
            code = code.scatterAdding(value.unsqueezed(1), at: pick.unsqueezed(1), axis: 1)
            residual = residual - value.unsqueezed(1) * atom
            residuals.append(residual)
            picks.append(pick)
        }
        return (code, residuals, picks)
    }

    @Test(arguments: cases, routes) func equalsTheUnrolledLoop(_ size: Case, _ route: Tensor.PursuitRoute) {
        let x = normal([size.rows, size.width]), atoms = normal([size.features, size.width])
        for rules in [
            PursuitRules(steps: size.steps), PursuitRules(steps: size.steps, nonNegative: false),
            PursuitRules(steps: size.steps, relativeResidual: 0.7), PursuitRules(steps: size.steps, absoluteResidual: 3),
        ] {
            let found = x.matchingPursuit(atoms: atoms, rules, route: route), expected = unrolled(x, atoms, rules)
            #expect(mismatch(found.code.dense(), expected.code, relative: 1e-9, absolute: 1e-9) == nil, "\(rules)")
            #expect(mismatch(found.sequence.dense(), expected.code, relative: 1e-9, absolute: 1e-9) == nil)
            #expect(mismatch(x - found.code.decoded(atoms: atoms), expected.residuals.last!, relative: 1e-9, absolute: 1e-9) == nil)
        }
    }

    /// Of the code and of its reconstruction, with respect to rows and atoms, against autograd through the unrolled loop.
    @Test(arguments: cases, routes) func gradientsAreThoseOfTheUnrolledLoop(_ size: Case, _ route: Tensor.PursuitRoute) {
        let x = normal([size.rows, size.width]).requiringGrad(), atoms = normal([size.features, size.width]).requiringGrad()
        let weights = normal([size.rows, size.features])
        for rules in [
            PursuitRules(steps: size.steps), PursuitRules(steps: size.steps, nonNegative: false),
            PursuitRules(steps: size.steps, relativeResidual: 0.7),
        ] {
            func loss(_ code: Tensor) -> Tensor {
                (code * weights).sum() + code.power(3).sum() + (x - code.matmul(atoms)).squared().sum()
            }
            let found = gradients(of: loss(x.matchingPursuit(atoms: atoms, rules, route: route).code.dense()), withRespectTo: [x, atoms])
            let expected = gradients(of: loss(unrolled(x, atoms, rules).code), withRespectTo: [x, atoms])
            for (a, b) in zip(found, expected) { #expect(mismatch(a, b, relative: 1e-9, absolute: 1e-9) == nil, "\(rules)") }
        }
    }

    @Test(arguments: [true, false]) func gradientsAreSlopes(nonNegative: Bool) {
        let x = normal([4, 5]), atoms = normal([9, 5])
        let rules = PursuitRules(steps: 6, nonNegative: nonNegative)
        #expect(gradientMismatch(at: [x, atoms]) { x.matchingPursuit(atoms: atoms, rules).code.dense() } == nil)
        #expect(gradientMismatch(at: [x, atoms]) { x.matchingPursuit(atoms: atoms, rules).sequence.values } == nil)
    }

    @Test(arguments: routes, [DType.float32, .float64]) func theResidualFallsAndIsOrthogonalToWhatWasTaken(_ route: Tensor.PursuitRoute, _ dtype: DType) {
        let x = normal([60, 24], dtype), atoms = normal([100, 24], dtype)
        atoms.divideInPlace(by: atoms.norm(axes: [1], keepingDimensions: true))
        let tolerance = dtype == .float32 ? 1e-5 : 1e-12
        var before = x.norm(axes: [1])
        let whole = x.matchingPursuit(atoms: atoms, PursuitRules(steps: 12), route: route)
        for steps in 1...12 {
            let picks = x.matchingPursuit(atoms: atoms, PursuitRules(steps: steps), route: route)
            #expect(picks.sequence.values.isEqual(to: whole.sequence.values[.all, ..<steps]), "a shorter pursuit is the beginning of a longer one")
            let residual = x - picks.code.decoded(atoms: atoms)
            let last = picks.sequence.values[.all, steps - 1]
            let norm = residual.norm(axes: [1])
            #expect((norm .<= before + tolerance).all().item() == 1)
            #expect(mismatch(norm.squared(), before.squared() - last.squared(), relative: 0, absolute: 50 * tolerance) == nil, "‖r‖² falls by v²")
            let products = (residual * atoms.gathered(indices: picks.sequence.indices[.all, steps - 1])).sum(axis: 1)
            #expect(mismatch(products, Tensor.zeros(like: products), relative: 0, absolute: tolerance) == nil)
            before = norm
        }
    }

    @Test(arguments: routes) func oneStepIsTheLargestPositiveProduct(_ route: Tensor.PursuitRoute) {
        let x = normal([50, 6], .float32), atoms = normal([20, 6], .float32)
        atoms.divideInPlace(by: atoms.norm(axes: [1], keepingDimensions: true))
        let code = x.matchingPursuit(atoms: atoms, PursuitRules(steps: 1), route: route).code
        #expect(mismatch(code.dense(), x.topKLinear(weight: atoms, k: 1).dense(), relative: 1e-5, absolute: 1e-5) == nil)
    }

    @Test(arguments: routes) func orthonormalAtomsGiveTheProducts(_ route: Tensor.PursuitRoute) {
        let x = normal([50, 8], .float32), atoms = normal([8, 8], .float32).qr().q.contiguous()
        let rules = PursuitRules(steps: 8), signed = PursuitRules(steps: 16, nonNegative: false)
        let products = x.matmul(atoms.transposed())
        #expect(mismatch(x.matchingPursuit(atoms: atoms, rules, route: route).code.dense(), products.relu(), relative: 1e-5, absolute: 1e-5) == nil)
        // The largest product with its sign is first 0 for atoms already taken: without ReLU it stays at those.
        let found = x.matchingPursuit(atoms: atoms, signed, route: route).code.dense()
        #expect(mismatch(found.relu(), products.relu(), relative: 1e-5, absolute: 1e-5) == nil)
    }

    @Test(arguments: routes) func continuingOnTheResidualIsGoingOn(_ route: Tensor.PursuitRoute) {
        let x = normal([40, 16]), atoms = normal([50, 16])
        func pursue(_ rows: Tensor, _ steps: Int) -> SparseCode {
            rows.matchingPursuit(atoms: atoms, PursuitRules(steps: steps), route: route).code
        }
        let beginning = pursue(x, 5)
        let rest = pursue(x - beginning.decoded(atoms: atoms), 7)
        #expect(mismatch(pursue(x, 12).dense(), beginning.dense() + rest.dense(), relative: 1e-9, absolute: 1e-9) == nil)
    }

    @Test func routesAgreeInSinglePrecision() {
        let x = normal([200, 64], .float32), atoms = normal([512, 64], .float32)
        let codes = Self.routes.map { x.matchingPursuit(atoms: atoms, PursuitRules(steps: 16), route: $0).code.dense() }
        #expect(mismatch(codes[0], codes[1], relative: 1e-5, absolute: 1e-5) == nil)
    }

    /// The norm of an atom changes neither what is picked nor what is rebuilt.
    @Test func normsDoNotMatter() {
        let x = normal([30, 8]), atoms = normal([40, 8]), scales = Tensor.uniform([40, 1], dtype: .float64, generator: generator) + 0.1
        let rules = PursuitRules(steps: 6)
        let code = x.matchingPursuit(atoms: atoms, rules).code, scaled = x.matchingPursuit(atoms: atoms * scales, rules).code
        #expect(mismatch(scaled.dense() * scales.squeezed(1), code.dense(), relative: 1e-10, absolute: 1e-12) == nil)
        #expect(mismatch(scaled.decoded(atoms: atoms * scales), code.decoded(atoms: atoms), relative: 1e-10, absolute: 1e-12) == nil)
    }

    /// Two atoms at an obtuse angle: the pursuit goes back and forth between them.
    @Test(arguments: routes) func anAtomMayBeTakenAgain(_ route: Tensor.PursuitRoute) {
        let obtuse = Tensor([[1.0, 0], [-0.6, 0.8]]), y = Tensor([[1.0, 0.9]])
        let again = y.matchingPursuit(atoms: obtuse, PursuitRules(steps: 6), route: route)
        #expect(again.sequence.indices.scalars(as: Int.self) == [0, 1, 0, 1, 0, 1])
        #expect(again.code.values.notEquals(0).sum().item() == 2, "each atom once")
        #expect(mismatch(again.code.dense(), again.sequence.dense(), relative: 1e-12, absolute: 1e-12) == nil)
    }

    @Test(arguments: routes) func rowsEnd(_ route: Tensor.PursuitRoute) {
        let atoms = Tensor([[1.0, 0], [0, 1], [0, 0]]), x = Tensor([[3.0, 1], [-1, -1], [0, 0], [-1, 2]])
        func counts(_ rules: PursuitRules) -> [Double] {
            x.matchingPursuit(atoms: atoms, rules, route: route).sequence.values.notEquals(0).sum(axis: 1).scalars(as: Double.self)
        }
        #expect(counts(PursuitRules(steps: 5)) == [2, 0, 0, 1])
        #expect(counts(PursuitRules(steps: 5, absoluteResidual: 1)) == [1, 0, 0, 1])
        #expect(counts(PursuitRules(steps: 5, relativeResidual: 0.4)) == [1, 0, 0, 1])
        #expect(counts(PursuitRules(steps: 5, absoluteResidual: 4)) == [0, 0, 0, 0])
        let bad = Tensor([[Double.nan, 1], [1, 2]]).matchingPursuit(atoms: atoms, PursuitRules(steps: 2), route: route)
        #expect(bad.sequence.values[1].scalars(as: Double.self) == [2, 1], "a row that is no number does not touch others")
    }

    @Test(arguments: routes) func sameBitsOnAnyNumberOfThreads(_ route: Tensor.PursuitRoute) {
        let x = normal([300, 48], .float32).requiringGrad(), atoms = normal([700, 48], .float32).requiringGrad()
        func compute() -> [Tensor] {
            let code = x.matchingPursuit(atoms: atoms, PursuitRules(steps: 9), route: route).code
            let loss = (x - code.decoded(atoms: atoms)).squared().sum()
            return [code.values.detached(), code.indices] + gradients(of: loss, withRespectTo: [x, atoms])
        }
        let threads = Engine.threadCount
        defer { Engine.threadCount = threads }
        let many = compute()
        Engine.threadCount = 1
        for (a, b) in zip(many, compute()) { #expect(a.isEqual(to: b)) }
    }

    @Test func misuseIsExplained() throws {
        let x = normal([2, 3]).requiringGrad(), atoms = normal([4, 3])
        let message = { (body: () -> Void) in #expect(throws: TorchError.self) { try withTorchErrors(body) }?.message ?? "" }
        #expect(message { _ = x.matchingPursuit(atoms: normal([4, 2]), PursuitRules(steps: 1)) }.contains("differ in width"))
        #expect(message { _ = x.matchingPursuit(atoms: atoms, PursuitRules(steps: 0)) }.contains("must be positive"))
        #expect(message { _ = x.matchingPursuit(atoms: normal([4, 3], .float32), PursuitRules(steps: 1)) }.contains("input of Double"))
        #expect(
            message {
                let loss = x.matchingPursuit(atoms: atoms, PursuitRules(steps: 2)).sequence.values.sum()
                _ = gradients(of: loss, withRespectTo: [x], createGraph: true)
            }.contains("first derivatives only"))
    }
}
