import CondenseTesting
import Experiments
import Foundation
import ModelCompression
import Networks
import Testing
import Torch
import TorchNN

@Suite struct GradualPruningTests {
    static func network(seed: UInt64 = 1) throws -> GraphNetwork {
        try GraphNetwork(.perceptron([6, 40, 30, 3]), generator: RandomGenerator(seed: seed))
    }

    /// Three classes of points.
    static func examples(_ count: Int = 300) -> Examples {
        let random = RandomGenerator(seed: 5), labels = Tensor.integers(in: 0..<3, [count], generator: random)
        let centers = Tensor.normal([3, 6], generator: random) * 2
        return Examples(inputs: centers.gathered(indices: labels) + Tensor.normal([count, 6], generator: random), targets: labels)
    }

    static func configuration(_ plan: PruningPlan?, optimizer: NetworkTrainingConfiguration.OptimizerKind = .adam) -> NetworkTrainingConfiguration {
        var configuration = NetworkTrainingConfiguration()
        (configuration.steps, configuration.batchSize, configuration.logEvery, configuration.optimizer) = (60, 25, 5, optimizer)
        configuration.learningRate = optimizer == .sgd ? 0.05 : 1e-2
        configuration.pruning = plan
        return configuration
    }

    static let schedule = PruningSchedule(initial: 0, final: 0.9, begin: 10, end: 40, every: 5)

    private func trained(_ plan: PruningPlan?, each: (Int, GraphNetwork, WeightPruner?) throws -> Void = { _, _, _ in }) throws -> GraphNetwork {
        let network = try Self.network(), trainer = try NetworkTrainer(network, Self.configuration(plan))
        let source = ShuffledExamples(Self.examples(), seed: 3)
        for step in 0..<60 {
            try trainer.step(source.batch(step, size: 25))
            try each(step, network, trainer.pruner)
        }
        network.mode = .evaluation
        return network
    }

    /// As many weights stay as the schedule says, matrix by matrix, and masked ones get no gradients.
    @Test(arguments: [PruningPlan.MaskedWeights.rest, .vanish]) func sparsityFollowsTheSchedule(_ masked: PruningPlan.MaskedWeights) throws {
        var sparsities: [Double] = []
        let network = try trained(PruningPlan(schedule: Self.schedule, maskedWeights: masked)) { step, network, pruner in
            sparsities.append(pruner!.sparsity)
            for (name, mask) in network.masks {
                let chosen = step >= 40 ? 40 : 10 + (step - 10) / 5 * 5
                #expect(Int(mask.sum().item()) == Int((Double(mask.elementCount) * (1 - Self.schedule.sparsity(at: chosen))).rounded()))
                let parameter = try #require(network.namedParameters().first { $0.name == name })
                #expect((try #require(parameter.tensor.grad) * (1 - mask)).abs().max().item() == 0)
                if masked == .vanish { #expect((parameter.tensor.detached() * (1 - mask)).abs().max().item() == 0) }
            }
        }
        #expect(sparsities[9] == 0 && abs(sparsities[40] - 0.9) < 1e-3 && sparsities[59] == sparsities[40])
        #expect(zip(sparsities, sparsities.dropFirst()).allSatisfy { $0 <= $1 })
        #expect(network.masks.keys.sorted() == ["0.weight", "2.weight", "4.weight"])
        let examples = Self.examples(), stripped = try GraphNetwork(network.graph, state: network.prunedState, generator: RandomGenerator(seed: 0))
        #expect(stripped.quality(on: examples) == network.quality(on: examples))
        #expect(network.quality(on: examples).accuracy > 0.8)
        let counts = network.weightCounts
        #expect(counts.all == 6 * 40 + 40 * 30 + 30 * 3 + 73 && counts.nonzero == 24 + 120 + 9 + 73)
    }

    /// A sparsity of 0 is no pruning, to the last bit.
    @Test func noSparsityIsNoPruning() throws {
        let plan = PruningPlan(schedule: PruningSchedule(final: 1e-9, begin: 10, end: 40, every: 5))
        let (pruned, plain) = (try trained(plan), try trained(nil))
        #expect(!pruned.masks.isEmpty && plain.masks.isEmpty)
        for (name, tensor) in plain.stateDictionary { #expect(try #require(pruned.stateDictionary[name]).isEqual(to: tensor)) }
    }

    /// Resting weights may come back; vanished ones do not where nothing but their gradient moves them.
    @Test func masksAreNestedWhereWeightsVanish() throws {
        func returned(_ masked: PruningPlan.MaskedWeights) throws -> Int {
            // Most stay masked, so that weights near the threshold change places.
            let schedule = PruningSchedule(initial: 0.5, final: 0.55, begin: 0, end: 50, every: 5)
            let network = try Self.network(), plan = PruningPlan(schedule: schedule, maskedWeights: masked)
            let pruner = try WeightPruner(network, plan), source = ShuffledExamples(Self.examples(), seed: 3)
            let optimizer = SGD(network.namedParameters(), SGD.Settings(learningRate: 0.3))
            var before: [String: Tensor] = [:], count = 0
            for step in 0..<60 {
                pruner.chooseWeights(at: step)
                for (name, mask) in network.masks { if let old = before[name] { count += Int((mask * (1 - old)).sum().item()) } }
                before = network.masks
                let batch = try source.batch(step, size: 25)
                network.zeroGradients()
                network(batch.inputs).crossEntropy(batch.targets).backward()
                optimizer.step()
                pruner.holdMasked()
            }
            return count
        }
        #expect(try returned(.vanish) == 0)
        #expect(try returned(.rest) > 0)
    }

    /// One threshold leaves other parts of matrices, and the same number of all weights.
    @Test(arguments: [SparsityPattern.unstructured, .blocks(rows: 1, columns: 2)]) func oneThresholdForAll(_ pattern: SparsityPattern) throws {
        let network = try Self.network(), weights = network.stateDictionary
        // Scales say nothing.
        withoutGradients { _ = weights["2.weight"]!.copyInPlace(from: weights["2.weight"]! * 100) }
        let pruner = try WeightPruner(network, PruningPlan(schedule: .oneShot(0.6, at: 0), pattern: pattern, scope: .network))
        pruner.chooseWeights(at: 0)
        #expect(abs(pruner.sparsity - 0.6) < 2e-3)
        let sparsities = try ["0.weight", "2.weight", "4.weight"].map { 1 - (try #require(network.masks[$0])).mean().item() }
        #expect(sparsities.allSatisfy { $0 > 0.5 && $0 < 0.7 } && Set(sparsities).count > 1, "\(sparsities)")
    }

    /// Pruning at once leaves what masks would.
    @Test(arguments: [SparsityPattern.unstructured, .blocks(rows: 1, columns: 2), .kept(1, of: 2)], [PruningPlan.Scope.layer, .network])
    func pruningAtOnceIsMasking(_ pattern: SparsityPattern, _ scope: PruningPlan.Scope) throws {
        // Weights that stay by number have no threshold for all.
        if case .kept = pattern, scope == .network { return }
        let masked = try Self.network(), pruned = try GraphNetwork(masked.graph, state: masked.prunedState, generator: RandomGenerator(seed: 1))
        let plan = PruningPlan(schedule: .oneShot(0.5, at: 0), pattern: pattern, scope: scope)
        try WeightPruner(masked, plan).chooseWeights(at: 0)
        try WeightPruner(pruned, plan).pruneAtOnce()
        #expect(pruned.masks.isEmpty && pruned.weightCounts == masked.weightCounts)
        for (name, tensor) in masked.prunedState { #expect(try #require(pruned.stateDictionary[name]).isEqual(to: tensor), "\(name)") }
    }

    @Test func layersHaveTheirOwnSparsities() throws {
        let network = try Self.network()
        let pruner = try WeightPruner(network, PruningPlan(schedule: .oneShot(0.5, at: 0), layers: ["0": 0.25, "4": 0]))
        pruner.chooseWeights(at: 0)
        #expect(network.masks.keys.sorted() == ["0.weight", "2.weight"])
        #expect(network.masks["0.weight"]!.mean().item() == 0.75 && network.masks["2.weight"]!.mean().item() == 0.5)
    }

    /// Kernels that see the input and depthwise ones stay, unless they are named.
    @Test func whatIsPruned() throws {
        let network = try GraphNetwork(.efficientNetLite(0, classes: 5, imageSize: 32), generator: RandomGenerator(seed: 1))
        let pruner = try WeightPruner(network, PruningPlan(schedule: .oneShot(0.5, at: 0), layers: ["_blocks.0._depthwise_conv": 0.5]))
        pruner.chooseWeights(at: 0)
        #expect(network.masks["_conv_stem.weight"] == nil && network.masks["_blocks.1._depthwise_conv.weight"] == nil)
        #expect(network.masks["_blocks.0._depthwise_conv.weight"] != nil && network.masks["_fc.weight"] != nil)
        #expect(network.masks.count == 34)
    }

    @Test func impossiblePlansAreRefused() throws {
        func problem(_ plan: PruningPlan) throws -> String {
            let network = try Self.network()
            return try #require(throws: ConfigurationError.self) { try WeightPruner(network, plan) }.description
        }
        let schedule = PruningSchedule.oneShot(0.5, at: 0)
        #expect(try problem(PruningPlan(schedule: .oneShot(1, at: 0))) == "pruning.schedule.final must be at least 0 and less than 1, found 1.0")
        #expect(try problem(PruningPlan(schedule: schedule, layers: ["7": 0.5])) == "pruning.layers.7 is not there; layers are 0, 2, 4")
        #expect(try problem(PruningPlan(schedule: schedule, layers: ["1": 0.5])) == "pruning.layers.1 has no weights of its own to prune")
        #expect(try problem(PruningPlan(schedule: schedule, layers: ["0": -1])).contains("must be at least 0 and less than 1, found -1.0"))
        #expect(try problem(PruningPlan(schedule: schedule, pattern: .kept(4, of: 4))).contains("not all, found 4 of 4"))
        #expect(try problem(PruningPlan(schedule: schedule, pattern: .kept(2, of: 4), scope: .network)).contains("scope must be layer"))
        #expect(try problem(PruningPlan(schedule: schedule, layers: ["0": 0, "2": 0, "4": 0])) == "pruning finds nothing to prune in the network")
        var configuration = Self.configuration(PruningPlan(schedule: PruningSchedule(final: 0.5, begin: 0, end: 60, every: 1)))
        #expect(throws: ConfigurationError(key: "pruning.schedule.end", problem: "must be before the last of the 60 steps, found 60")) { try configuration.validate() }
        configuration.pruning = nil
        try configuration.validate()
    }

    /// Two runs, one of which is stopped after a choice of weights and resumed by another trainer.
    @Test(arguments: [PruningPlan.MaskedWeights.rest, .vanish]) func resumedTrainingGivesTheSameBits(_ masked: PruningPlan.MaskedWeights) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "pruning-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let plan = PruningPlan(schedule: Self.schedule, maskedWeights: masked)
        var configuration = Self.configuration(plan)
        configuration.checkpointEvery = 17
        func network() throws -> GraphNetwork { try GraphNetwork(.perceptron([6, 40, 30, 3], dropout: 0.2), generator: RandomGenerator(seed: 1)) }
        func train(_ name: String, stoppingAt stop: Int? = nil, resumed: Bool = false) throws -> (GraphNetwork, String) {
            let url = folder.appending(path: name), own = try network(), cancellation = Cancellation()
            let run = resumed
                ? try Run.resume(url)
                : try Run.create(
                    in: url, method: GradualPruning.name, title: "Test", configuration: ResolvedConfiguration(configuration: configuration, settings: RunSettings()))
            do {
                try trainNetwork(own, configuration, on: ShuffledExamples(Self.examples(), seed: 3), run: run, cancellation: cancellation) { step, _ in
                    if step == stop { cancellation.cancel() }
                }
                #expect(stop == nil)
            } catch is RunInterrupted { #expect(stop != nil) }
            return (own, try String(contentsOf: url.appending(path: "metrics.jsonl"), encoding: .utf8))
        }
        let whole = try train("whole")
        _ = try train("stopped", stoppingAt: 31)
        let resumed = try train("stopped", resumed: true)
        for (name, tensor) in whole.0.stateDictionary { #expect(try #require(resumed.0.stateDictionary[name]).isEqual(to: tensor), "\(name)") }
        for (name, mask) in whole.0.masks { #expect(try #require(resumed.0.masks[name]).isEqual(to: mask), "\(name)") }
        #expect(whole.1 == resumed.1 && whole.1.contains("sparsity"))
    }

    /// Each id's target is the next one, and parts of a text cover it.
    @Test func textWindows() throws {
        let ids = Tensor(Array(0..<50)), windows = TextWindows(ids, length: 7, seed: 2), batch = try windows.batch(3, size: 5)
        #expect(batch.inputs.shape == [5, 7] && (batch.targets - batch.inputs).isEqual(to: Tensor.ones(like: batch.inputs)))
        #expect(try windows.batch(3, size: 5).inputs.isEqual(to: batch.inputs) && !windows.batch(4, size: 5).inputs.isEqual(to: batch.inputs))
        let all = TextWindows.all(of: ids, length: 7)
        #expect(all.count == 7 && all.inputs.flattened().isEqual(to: Tensor(Array(0..<49))) && all.targets[6, 6].item() == 49)
    }

    /// The whole experiment at the size of seconds.
    @Test func theExperimentRuns() throws {
        var setting = GradualPruningSetting(.small)
        (setting.hiddenSize, setting.embeddingSize, setting.length, setting.textSteps, setting.textBatchSize) = (24, 8, 8, 30, 4)
        (setting.perceptronWidth, setting.digitSteps, setting.digitBatchSize) = (24, 30, 10)
        let sentence = String(repeating: "the quick brown fox jumps over the lazy dog. ", count: 30)
        let text = CharacterText(training: sentence, validation: sentence, test: sentence, fewestOccurrences: 2)
        #expect(text.vocabularySize == 29)
        let random = RandomGenerator(seed: 1)
        let digits = DigitExamples(Examples(inputs: Tensor.uniform([100, 784], generator: random), targets: Tensor.integers(in: 0..<10, [100], generator: random)))
        let reproduction = try withReproductionContext(of: GradualPruning.self) {
            try GradualPruningExperiment(setting, text, digits, context: $0).run()
        }
        #expect(reproduction.rows.count == 8)
        #expect(reproduction.rows.allSatisfy { !$0.measured.contains("not a number") && !$0.measured.contains("nan") }, "\(reproduction.rows)")
        let tables = reproduction.evidence.compactMap { if case .table(let table) = $0 { table } else { nil } }
        // A small network has about as many weights as the sparse one of which it has the number.
        let counts = tables[0].rows.map { Double($0[2].replacing(",", with: ""))! }
        #expect(tables[0].rows.map { $0[0] }.prefix(5) == ["dense", "50 % sparse", "80 % sparse", "90 % sparse", "small dense as 80 % sparse"])
        #expect(counts[0] > counts[1] && counts[1] > counts[2] && abs(counts[4] / counts[2] - 1) < 0.1 && abs(counts[5] / counts[3] - 1) < 0.1, "\(counts)")
    }
}
