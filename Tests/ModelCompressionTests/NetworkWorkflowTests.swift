import Experiments
import Foundation
import ModelCompression
import Networks
import Testing
import Torch
import TorchNN

@Suite struct NetworkWorkflowTests {
    /// A folder for runs with a text in it.
    private func withText(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "workflow-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let text = (0..<400).map { "\($0 % 7) green bottles hanging on the wall, \($0 % 5) red ones. " }.joined()
        try text.write(to: folder.appending(path: "text.txt"), atomically: true, encoding: .utf8)
        try body(folder)
    }

    private func run<C: RunConfiguration>(
        _ configuration: C, _ folder: URL, _ body: (Run) throws -> Report
    ) throws -> Report {
        let run = try Run.create(in: folder, method: "test", title: "Test", configuration: ResolvedConfiguration(configuration: configuration, settings: RunSettings()))
        return try body(run)
    }

    private func fit(_ folder: URL) throws -> Report {
        var configuration = NetworkFittingConfiguration()
        configuration.network = "new:lstm-16"
        configuration.data.source = folder.appending(path: "text.txt").path
        (configuration.training.steps, configuration.training.batchSize, configuration.training.learningRate) = (40, 8, 2e-2)
        try configuration.validate()
        return try run(configuration, folder.appending(path: "fitted")) {
            try fitNetwork(configuration, settings: RunSettings(), run: $0, progress: SilentProgress(), cancellation: Cancellation())
        }
    }

    private func pruning(_ folder: URL, _ goal: PruningGoal, steps: Int) -> NetworkPruningConfiguration {
        var configuration = NetworkPruningConfiguration()
        configuration.network = folder.appending(path: "fitted").path
        configuration.data = NetworkDataConfiguration(folder.appending(path: "text.txt").path)
        configuration.goal = goal
        configuration.criterion = .taylor
        (configuration.training.steps, configuration.training.batchSize, configuration.training.learningRate) = (steps, 8, 1e-2)
        return configuration
    }

    private func prune(_ configuration: NetworkPruningConfiguration, _ folder: URL) throws -> Report {
        try configuration.validate()
        try configuration.check()
        return try run(configuration, folder) {
            try pruneNetwork(configuration, settings: RunSettings(), run: $0, progress: SilentProgress(), cancellation: Cancellation())
        }
    }

    /// A language model is trained, made smaller by every means, and measured beside what it was.
    @Test func aTextIsLearnedAndTheNetworkMadeSmaller() throws {
        try withText { folder in
            let report = try fit(folder)
            #expect(report.keyNumbers.contains { $0.label == "Bits per character" && (Double($0.value) ?? 9) < 3 }, "\(report.keyNumbers)")
            let fitted = try TrainedNetwork(folder.appending(path: "fitted").path)
            #expect(fitted.characters?.contains("g") == true && fitted.characters?.contains("Z") == false)
            let goals: [(PruningGoal, Int)] = [
                (PruningGoal(.weights, .sparsity, less: 0.8), 30), (PruningGoal(.weights, .fileBytes, less: 0.4), 0), (PruningGoal(.weights, .parameters, less: 0.5), 10),
                (PruningGoal(.channels, .channels, less: 0.5), 30), (PruningGoal(.channels, .parameters, less: 0.3), 0),
            ]
            for (number, (goal, steps)) in goals.enumerated() {
                let place = folder.appending(path: "pruned-\(number)")
                let report = try prune(pruning(folder, goal, steps: steps), place)
                let small = try TrainedNetwork(place.path), counts = (fitted.network.weightCounts, small.network.weightCounts)
                #expect(small.characters == fitted.characters)
                let part: Double = switch (goal.means, goal.measure) {
                case (.weights, .sparsity): 1 - small.network.prunedState["lstm.0.weight_hh_l0"]!.nonzeroCount(axes: [0, 1]).item() / Double(64 * 16)
                case (_, .fileBytes): 1 - Double(try small.network.fileByteCount()) / Double(try fitted.network.fileByteCount())
                // Those of the embedding and of the recurrent layer.
                case (_, .channels): 1 - Double(small.network.stateDictionary["lstm.0.weight_ih_l0"]!.size(1) + small.network.stateDictionary["output.weight"]!.size(1)) / 32
                default: 1 - Double(counts.1.nonzero) / Double(counts.0.nonzero)
                }
                #expect((goal.part - 0.01...goal.part + 0.1).contains(part), "\(goal): \(part)")
                #expect(report.keyNumbers.contains { $0.label == "File" && $0.note?.hasPrefix("before: ") == true }, "\(report.keyNumbers)")
            }
            let impossible = pruning(folder, PruningGoal(.channels, .parameters, less: 0.97), steps: 0)
            let problem = #expect(throws: GraphProblem.self) { try impossible.check() }
            #expect(try #require(problem?.description).hasPrefix("97 % of the weights cannot go: with 80 % of the channels of each layer gone it is "))
            let names = ["fitted", "pruned-0"].map { folder.appending(path: $0).path }
            let evaluation = try NetworkEvaluation(names.map { ($0, try TrainedNetwork($0)) }, on: folder.appending(path: "text.txt").path, limit: 5)
            #expect(evaluation.isText && evaluation.entries.count == 2 && evaluation.classTable == nil && evaluation.table.rows.contains { $0[0] == "Bits per character" })
        }
    }

    @Test func picturesOfNewClasses() throws {
        try NetworkDataTests.withPictures(["dark", "light"], each: 12) { folder in
            let out = URL(filePath: folder + "-runs")
            defer { try? FileManager.default.removeItem(at: out) }
            let start = out.appending(path: "start").path
            try FileManager.default.createDirectory(at: out, withIntermediateDirectories: true)
            try GraphNetwork(NetworkDataTests.graph(classes: 5), generator: RandomGenerator(seed: 1)).export(to: start)
            var configuration = NetworkFittingConfiguration()
            (configuration.network, configuration.newClasses, configuration.data.source) = (start, true, folder)
            (configuration.training.steps, configuration.training.batchSize) = (60, 8)
            let report = try run(configuration, out.appending(path: "fitted")) {
                try fitNetwork(configuration, settings: RunSettings(), run: $0, progress: SilentProgress(), cancellation: Cancellation())
            }
            #expect(report.keyNumbers.contains { $0.label == "Right" && $0.value == "100.0 %" }, "\(report.keyNumbers)")
            let names = [out.appending(path: "fitted").path], evaluation = try NetworkEvaluation(names.map { ($0, try TrainedNetwork($0)) }, on: folder)
            #expect(evaluation.classTable?.rows.map(\.first) == ["dark", "light"] && evaluation.entries[0].classes[1]?.examples == 12)
        }
    }

    @Test func whatCannotBeReachedIsSaid() throws {
        let network = try GraphNetwork(.perceptron([20, 30, 4]), generator: RandomGenerator(seed: 1))
        let plan = PruningPlan(schedule: .oneShot(0.5, at: 0))
        let problem = #expect(throws: GraphProblem.self) { _ = try PruningGoal(.weights, .fileBytes, less: 0.98).sparsity(of: network, plan) }
        #expect(try #require(problem?.description).hasPrefix("98 % of the bytes cannot go: with 99 % of the weights at zero it is "))
        #expect(throws: ConfigurationError.self) { try PruningGoal(.weights, .multiplyAdds).validate() }
        #expect(throws: ConfigurationError.self) { try PruningGoal(.channels, .sparsity).validate() }
        #expect(throws: ConfigurationError(key: "goal.part", problem: "must be at least 0 and less than 1, found 1.0")) { try PruningGoal(.weights, less: 1).validate() }
        var configuration = NetworkPruningConfiguration()
        (configuration.network, configuration.goal) = ("x", PruningGoal(.channels, .channels))
        #expect(throws: ConfigurationError(key: "criterion", problem: "must be weight or random without data, found taylor")) { try configuration.validate() }
        configuration.criterion = .weight
        try configuration.validate()
        configuration.training.steps = 5
        #expect(throws: ConfigurationError(key: "training.steps", problem: "must be 0 without data to train on, found 5")) { try configuration.validate() }
        for name in ["new:lstm-0", "new:lenet", "new:perceptron", "new:vgg16-3"] {
            var fitting = NetworkFittingConfiguration()
            (fitting.network, fitting.data.source) = (name, "mnist-5k")
            let error = #expect(throws: ConfigurationError.self) { _ = try fitting.beginning(seed: 0, SilentProgress()) }
            #expect(try #require(error).description.contains("names no new network"), "\(name)")
        }
    }

    /// Two runs that cut channels along a training, one of which is stopped between two cuts.
    @Test func resumedCuttingGivesTheSameBits() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "cutting-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let random = RandomGenerator(seed: 2)
        let examples = Examples(inputs: Tensor.normal([64, 6], generator: random), targets: Tensor.integers(in: 0..<3, [64], generator: random))
        var configuration = NetworkTrainingConfiguration()
        (configuration.steps, configuration.batchSize, configuration.checkpointEvery, configuration.logEvery) = (40, 8, 7, 3)
        configuration.channels = ChannelPruningPlan(
            .parameters, schedule: PruningSchedule(final: 0.6, begin: 2, end: 30, every: 6), criterion: .taylor, step: 0.05)
        func train(_ name: String, stoppingAt stop: Int? = nil, resumed: Bool = false) throws -> (GraphNetwork?, String) {
            let url = folder.appending(path: name), cancellation = Cancellation()
            let own = try GraphNetwork(.perceptron([6, 40, 30, 3], dropout: 0.2), generator: RandomGenerator(seed: 1))
            let run = resumed
                ? try Run.resume(url)
                : try Run.create(in: url, method: "test", title: "Test", configuration: ResolvedConfiguration(configuration: configuration, settings: RunSettings()))
            var result: GraphNetwork?
            do {
                result = try trainNetwork(
                    own, configuration, on: ShuffledExamples(examples, seed: 3), references: examples, run: run, cancellation: cancellation
                ) { step, _ in if step == stop { cancellation.cancel() } }
            } catch is RunInterrupted { #expect(stop != nil) }
            return (result, try String(contentsOf: url.appending(path: "metrics.jsonl"), encoding: .utf8))
        }
        let whole = try train("whole")
        _ = try train("stopped", stoppingAt: 17)
        let resumed = try train("stopped", resumed: true)
        let (first, second) = (try #require(whole.0), try #require(resumed.0))
        #expect(first.graph == second.graph && whole.1 == resumed.1)
        for (name, tensor) in first.stateDictionary { #expect(try #require(second.stateDictionary[name]).isEqual(to: tensor), "\(name)") }
        let all = try GraphNetwork(.perceptron([6, 40, 30, 3]), generator: random)
        #expect((0.3...0.4).contains(Double(first.parameterCount()) / Double(all.parameterCount())))
        configuration.pruning = PruningPlan(schedule: .oneShot(0.5, at: 0))
        #expect(throws: ConfigurationError.self) { try configuration.validate() }
    }
}
