import Foundation
import SparseAutoencoders
import Testing
import Torch

@Suite struct CoherenceTests {
    @Test func orthogonalDirectionsHaveNoCoherenceAndFullRank() {
        let directions = Tensor.identity(5) * 3
        #expect(Coherence.babel(directions, counts: [1, 4, 9]) == [0, 0, 0])
        #expect(abs(Coherence.effectiveRank(directions) - 5) < 1e-9)
    }

    @Test func copiesHaveAllOfItAndRankOne() {
        let directions = Tensor([[1.0, 2, 2], [2, 4, 4], [-1, -2, -2]])
        let babel = Coherence.babel(directions, counts: [1, 2])
        #expect(abs(babel[0] - 1) < 1e-6 && abs(babel[1] - 2) < 1e-6)
        #expect(abs(Coherence.effectiveRank(directions) - 1) < 1e-6)
    }

    /// The definition, atom by atom.
    @Test func babelIsTheLargestSumOfCosines() {
        let directions = Tensor.normal([40, 6], dtype: .float64, generator: RandomGenerator(seed: 2))
        let units = directions / directions.norm(axes: [1], keepingDimensions: true)
        let cosines = units.matmul(units.transposed()).abs()
        let expected = [1, 3, 7].map { r in
            (0..<40).map { row in
                cosines[row].scalars(as: Double.self).enumerated().filter { $0.offset != row }.map(\.element).sorted(by: >).prefix(r).reduce(0, +)
            }.max()!
        }
        for (found, expected) in zip(Coherence.babel(directions, counts: [1, 3, 7], chunk: 16), expected) { #expect(abs(found - expected) < 1e-5) }
    }

    /// Two directions at 60°: singular values √1.5 and √0.5.
    @Test func effectiveRankIsTheExponentialOfAnEntropy() {
        let large = 1.5.squareRoot(), small = 0.5.squareRoot()
        let entropy = -[large, small].map { $0 / (large + small) }.reduce(0) { $0 + $1 * log($1) }
        let found = Coherence.effectiveRank(Tensor([[1.0, 0], [0.5, 0.75.squareRoot()]]))
        #expect(abs(found - exp(entropy)) < 1e-9)
    }

    @Test func togetherMeansActiveInTheSameInput() {
        // Features 0 and 1 are copies, but never active together; 0 and 2 are orthogonal.
        let found = CoActivation(of: Known(), on: Tensor([[1.0, 0, 1], [0, 1, 1], [0, 1, 0]]), counts: [1])
        #expect(found.babel == [0] && abs(found.effectiveRank - 2) < 1e-6 && found.l0 == 2)
    }

    private final class Known: ActivationDictionary {
        let inputSize = 3
        let dictionarySize = 3
        var decoderDirections: Tensor { Tensor([[1.0, 0, 0], [1, 0, 0], [0, 1, 0]]) }
        func encode(_ input: Tensor) -> FeatureCode { .dense(input) }
        func decode(_ code: FeatureCode, of input: Tensor?) -> Tensor { code.dense() }
    }
}

@Suite struct LinearAssignmentTests {
    /// Against all ways to assign.
    @Test(arguments: [(1, 1), (3, 3), (4, 6), (6, 6)]) func itFindsTheLeastSum(rows: Int, columns: Int) {
        for seed in 0..<20 {
            let costs = Tensor.normal([rows, columns], dtype: .float64, generator: RandomGenerator(seed: UInt64(seed)))
            let table = (0..<rows).map { costs[$0].scalars(as: Double.self) }
            let found = linearAssignment(table)
            #expect(Set(found).count == rows && found.allSatisfy { (0..<columns).contains($0) })
            let sum = found.enumerated().reduce(0) { $0 + table[$1.offset][$1.element] }
            #expect(abs(sum - leastSum(table, row: 0, free: Set(0..<columns))) < 1e-9)
        }
    }

    private func leastSum(_ costs: [[Double]], row: Int, free: Set<Int>) -> Double {
        guard row < costs.count else { return 0 }
        return free.map { costs[row][$0] + leastSum(costs, row: row + 1, free: free.subtracting([$0])) }.min()!
    }

    @Test func noRowsNeedNoColumns() { #expect(linearAssignment([]) == []) }
}
