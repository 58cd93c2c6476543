import Experiments
import ModelCompression
import Networks
import Testing
import Torch
import TorchNN

@Suite struct PruningTests {
    @Test func theScheduleIsCubic() {
        let schedule = PruningSchedule(final: 0.8, begin: 100, end: 300, every: 30)
        #expect(schedule.sparsity(at: 0) == 0 && schedule.sparsity(at: 100) == 0)
        #expect(abs(schedule.sparsity(at: 200) - 0.7) < 1e-12)
        #expect(schedule.sparsity(at: 300) == 0.8 && schedule.sparsity(at: 9_999) == 0.8)
        let all = (0...400).map(schedule.sparsity)
        #expect(zip(all, all.dropFirst()).allSatisfy { $0 <= $1 })
        #expect((0...400).filter(schedule.choosesWeights) == [100, 130, 160, 190, 220, 250, 280, 300])
        let once = PruningSchedule.oneShot(0.9, at: 50)
        #expect(once.sparsity(at: 49) == 0 && once.sparsity(at: 50) == 0.9 && (0...99).filter(once.choosesWeights) == [50])
        #expect(throws: ConfigurationError.self) { try PruningSchedule(final: 1, steps: 100).validate() }
        #expect(throws: ConfigurationError.self) { try PruningSchedule(initial: 0.5, final: 0.4, begin: 0, end: 9, every: 1).validate() }
    }

    /// Exactly as many stay as are asked for, ties included, and none that stays is smaller than one that goes.
    @Test(arguments: [0, 0.25, 0.5, 0.9, 0.99]) func theLargestStay(_ sparsity: Double) {
        let random = Tensor.normal([37, 5, 3], generator: RandomGenerator(seed: 1))
        for weight in [random, random.sign(), (random * 2).rounded().to(dtype: .bfloat16)] {
            let mask = SparsityPattern.unstructured.mask(of: weight, sparsity: sparsity)
            #expect(mask.shape == weight.shape && mask.dtype == weight.dtype)
            let kept = mask.to(dtype: .float32), sizes = weight.to(dtype: .float32).abs()
            #expect(kept.sum().item() == (555 * (1 - sparsity)).rounded())
            let least = (sizes + (1 - kept) * 1e9).min().item(), most = (sizes - kept * 1e9).max().item()
            #expect(least >= most || sparsity == 0)
        }
    }

    @Test func groupsKeepTheirLargest() {
        let weight = Tensor.normal([6, 3, 3, 1], generator: RandomGenerator(seed: 2))
        let mask = SparsityPattern.kept(2, of: 4).mask(of: weight, sparsity: 0).reshaped([6, 9])
        #expect(mask[.all, ..<8].reshaped([6, 2, 4]).sum(axis: 2).isEqual(to: Tensor.full([6, 2], 2)))
        // A last group of one keeps it.
        #expect(mask[.all, 8].isEqual(to: Tensor.ones([6])))
        let sizes = weight.abs().reshaped([6, 9])[.all, ..<8].reshaped([6, 2, 4]), kept = mask[.all, ..<8].reshaped([6, 2, 4])
        #expect(((sizes + (1 - kept) * 9).min(axes: [2]) .>= (sizes * (1 - kept)).max(axes: [2])).all().item() == 1)
    }

    @Test func blocksStayWhole() {
        let weight = Tensor.normal([7, 10], generator: RandomGenerator(seed: 3))
        let mask = SparsityPattern.blocks(rows: 2, columns: 4).mask(of: weight, sparsity: 0.5)
        var kept = 0
        for row in stride(from: 0, to: 7, by: 2) {
            for column in stride(from: 0, to: 10, by: 4) {
                let block = mask[row..<min(7, row + 2), column..<min(10, column + 4)]
                #expect(block.min().item() == block.max().item())
                kept += Int(block.max().item())
            }
        }
        #expect(kept == 6)
        #expect(SparsityPattern.blocks(rows: 1, columns: 1).mask(of: weight, sparsity: 0.3).isEqual(to: SparsityPattern.unstructured.mask(of: weight, sparsity: 0.3)))
    }

    /// What is masked neither counts nor learns, and comes back as it was.
    @Test func maskedWeightsRest() throws {
        let network = try GraphNetwork(.perceptron([6, 12, 3]), generator: RandomGenerator(seed: 4))
        let input = Tensor.normal([5, 6], generator: RandomGenerator(seed: 5)), name = "0.weight"
        let weight = try #require(network.namedParameters().first { $0.name == name }).tensor, before = network(input)
        network.masks[name] = SparsityPattern.unstructured.mask(of: weight, sparsity: 0.5)
        let mask = try #require(network.masks[name])
        #expect(!network(input).isEqual(to: before))
        network(input).squared().sum().backward()
        #expect(try (#require(weight.grad) * (1 - mask)).isEqual(to: Tensor.zeros([12, 6])))
        let pruned = try GraphNetwork(network.graph, state: network.prunedState, generator: RandomGenerator(seed: 6))
        #expect(pruned(input).isEqual(to: network(input)))
        #expect(try #require(pruned.stateDictionary[name]).isEqual(to: weight * mask))
        network.masks = [:]
        #expect(network(input).isEqual(to: before))
    }
}
