import CondenseTesting
import Networks
import Testing
import Torch

@Suite struct HookTests {
    let tokens = LlamaFixtures.tokens()

    @Test func namesAreParsed() throws {
        for point in HookPoint.all(layerCount: 3) {
            #expect(try HookPoint(parsing: point.name, layerCount: 3) == point)
        }
        #expect(HookPoint.residualPost(5).name == "blocks.5.hook_resid_post")
        #expect(HookPoint.block(0, .mixedValues).name == "blocks.0.attn.hook_z")
    }

    @Test("An unknown name is answered with the nearest", arguments: [
        ("blocks.1.hook_resid_pots", "blocks.1.hook_resid_post"), ("blocks.7.hook_mlp_out", "blocks.0.hook_mlp_out"),
        ("hook_embeds", "hook_embed"), ("blocks.2.attn.z", "blocks.2.attn.hook_z"),
    ])
    func suggestions(name: String, nearest: String) throws {
        let error = #expect(throws: UnknownHookPointError.self) { try LlamaFixtures.tinyModel().hookPoint(name) }
        #expect(error?.nearest == nearest)
        #expect(error?.description == "there is no hook point '\(name)' in a model of 3 blocks; did you mean '\(nearest)'?")
    }

    @Test func hooksOnAbsentLayersThrow() throws {
        let model = try LlamaFixtures.tinyModel()
        #expect(throws: UnknownHookPointError.self) { try model.run(tokens: tokens, hooks: [.ablateToZero(.residualPost(3))]) }
    }

    @Test("A hook that only looks changes no bit", arguments: HookPoint.all(layerCount: 3))
    func lookingChangesNothing(point: HookPoint) throws {
        let model = try LlamaFixtures.tinyModel()
        let plain = try model.logits(tokens: tokens)
        var fired = 0
        let looking = Hook(point) { _, _ in fired += 1; return nil }
        #expect(try model.logits(tokens: tokens, hooks: [looking]).isEqual(to: plain))
        #expect(fired == 1)
        let cache = ActivationCache()
        _ = try model.logits(tokens: tokens, hooks: [.record(point, in: cache)])
        let recorded = try #require(cache[point])
        #expect(recorded.isFinite().all().item() == 1)
        // What was recorded is not overwritten later in the pass: putting it back is the same computation.
        let restored = try model.logits(tokens: tokens, hooks: [.replace(point, with: recorded)])
        #expect(mismatch(restored, plain, relative: 1e-4, absolute: 1e-4) == nil)
        #expect(!(try model.logits(tokens: tokens, hooks: [.ablateToZero(point)])).isClose(to: plain, relative: 1e-3, absolute: 1e-3))
    }

    @Test func activationsFitTogether() throws {
        let model = try LlamaFixtures.tinyModel()
        let sites: [HookPoint.Site] = HookPoint.Site.allCases
        let cache = try model.activations(at: sites.map { .block(1, $0) }, tokens: tokens)
        func at(_ site: HookPoint.Site) throws -> Tensor { try #require(cache[.block(1, site)]) }
        #expect(model.loadedLayers == [0, 1])
        #expect(mismatch(try at(.residualPre) + at(.attentionOutput), try at(.residualMid)) == nil)
        #expect(mismatch(try at(.residualMid) + at(.feedForwardOutput), try at(.residualPost)) == nil)
        #expect(mismatch(try at(.headResults).sum(axis: 2), try at(.attentionOutput), relative: 1e-4, absolute: 1e-5) == nil)
        #expect(mismatch(try at(.pattern).sum(axis: -1), Tensor.ones([2, 4, 12])) == nil)
        #expect(mismatch(try at(.attentionScores).softmax(), try at(.pattern)) == nil)
        let values = try at(.values).repeated(2, axis: 2)
        let mixed = Tensor.einsum("bhts,bshd->bthd", try at(.pattern), values)
        #expect(mismatch(mixed, try at(.mixedValues), relative: 1e-4, absolute: 1e-5) == nil)
        #expect(mismatch(try at(.gate).silu() * at(.up), try at(.gatedProduct)) == nil)
        #expect(mismatch(try at(.residualPre) / at(.attentionNormScale), try at(.attentionNormalized)) == nil)
        #expect(try at(.queries).shape == [2, 12, 4, 8])
        #expect(try at(.keys).shape == [2, 12, 2, 8])
        #expect(try at(.rotatedQueries)[0..., 0].isEqual(to: at(.queries)[0..., 0]), "position 0 is not rotated")
        #expect(try at(.gatedProduct).shape == [2, 12, 40])
    }

    @Test func activationsStopEarly() throws {
        let model = try LlamaFixtures.tinyModel()
        let cache = try model.activations(at: [.residualPre(2), .embedding], tokens: tokens)
        #expect(model.loadedLayers == [0, 1])
        let recorded = try #require(cache[.residualPre(2)])
        #expect(try model.run(tokens: tokens, stopAtLayer: 2).isEqual(to: recorded))
        #expect(cache.points.map(\.name) == ["blocks.2.hook_resid_pre", "hook_embed"])
    }

    @Test func interventionsAtPositions() throws {
        let model = try LlamaFixtures.tinyModel()
        let point = HookPoint.residualPost(0)
        func residual(_ hooks: [Hook]) throws -> Tensor { try model.run(tokens: tokens, hooks: hooks, stopAtLayer: 1) }
        let plain = try residual([])
        let direction = Tensor.normal([24], generator: RandomGenerator(seed: 1))

        let added = try residual([.add(point, direction: direction, scale: 2, at: .at([3, 5]))])
        #expect(mismatch(added[0..., 5], plain[0..., 5] + direction * 2) == nil)
        #expect(added[0..., 4].isEqual(to: plain[0..., 4]))
        let zeroed = try residual([.ablateToZero(point, at: .at([0]))])
        #expect(zeroed[0..., 0].abs().sum().item() == 0)
        #expect(zeroed[0..., 1...].isEqual(to: plain[0..., 1...]))
        let averaged = try residual([.ablateToMean(point)])
        #expect(mismatch(averaged[1, 7], plain.mean(axes: [0, 1])) == nil)
        let other = try model.run(tokens: LlamaFixtures.tokens(seed: 77), stopAtLayer: 1)
        let patched = try residual([.replace(point, with: other, at: .at([2]))])
        #expect(patched[0..., 2].isEqual(to: other[0..., 2]))
        #expect(patched[0..., 3].isEqual(to: plain[0..., 3]))
        #expect(try residual([.ablateToZero(point, at: .at([99]))]).isEqual(to: plain))
    }

    @Test func hooksRunInOrderAndAreScoped() throws {
        let model = try LlamaFixtures.tinyModel()
        let point = HookPoint.residualPost(0)
        let twice = Hook(point) { x, _ in x * 2 }
        let plusOne = Hook(point) { x, _ in x + 1 }
        let plain = try model.run(tokens: tokens, stopAtLayer: 1)
        #expect(try model.run(tokens: tokens, hooks: [twice, plusOne], stopAtLayer: 1).isEqual(to: plain * 2 + 1))
        let scoped = try model.withHooks([plusOne]) { try model.run(tokens: tokens, hooks: [twice], stopAtLayer: 1) }
        #expect(scoped.isEqual(to: (plain + 1) * 2))
        #expect(try model.run(tokens: tokens, stopAtLayer: 1).isEqual(to: plain))
        struct Stop: Error {}
        #expect(throws: Stop.self) { try model.run(tokens: tokens, hooks: [Hook(point) { _, _ in throw Stop() }]) }
    }

    @Test func generationFiresOnNewPositionsOnly() throws {
        let model = try LlamaFixtures.tinyModel()
        var positions: [Range<Int>] = []
        let cache = ActivationCache()
        let look = Hook(.residualPost(1)) { x, context in
            #expect(x.size(1) == context.positions.count)
            positions.append(context.positions)
            return nil
        }
        let new = try model.generate(
            prompt: [5, 6, 7], maximumCount: 3, endTokens: [], hooks: [look, .record(.residualPost(1), in: cache)])
        #expect(positions == [0..<3, 3..<4, 4..<5])
        let sequence = Tensor([5, 6, 7] + new.dropLast(), shape: [1, 5])
        let whole = try model.run(tokens: sequence, stopAtLayer: 2)
        let recorded = try #require(cache[.residualPost(1)])
        #expect(mismatch(recorded, whole, relative: 1e-4, absolute: 1e-4) == nil)
    }
}
