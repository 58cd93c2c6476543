import CondenseTesting
import Experiments
import SparseAutoencoders
import Testing

@Suite struct LearningRateSearchTests {
    /// The search goes up by factors of three from the kind's own rate while the error falls, and takes the least one.
    @Test func theRateWithTheLeastErrorIsTaken() throws {
        var setting = AbsTopKSetting(.small).truth
        (setting.trainingRows, setting.testRows) = (4_000, 1_000)
        let data = BidirectionalTruth(setting, seed: 4).split
        try withReproductionContext(of: AbsTopK.self) { context in
            var search = LearningRateSearch.ofAutoencoders
            let arm = Comparison.Arm(
                "TopK", .topK(TopKSettings(k: 3)), dictionarySize: 64, batchSize: 128, steps: 60, deadAfterTokens: 2_000)
            let tuned = try search.tuned(arm, in: Comparison(data, context: context))
            let table = try #require(search.evidence.lazy.compactMap { if case .table(let table) = $0 { table } else { nil } }.first)
            let rates = table.rows.map { Double($0[1].replacing(",", with: "")) ?? .nan }
            let errors = table.rows.map { Double($0[3].replacing(",", with: "")) ?? .nan }
            let own = TopKSettings().learningRate(dictionarySize: 64)
            #expect(rates.count >= 2)
            for (place, rate) in rates.enumerated() { #expect(abs(rate / (own * [1, 3, 9, 27, 81][place]) - 1) < 1e-3) }
            let least = try #require(errors.indices.min { errors[$0] < errors[$1] })
            #expect(table.rows.map { $0[4] == "chosen" } == errors.indices.map { $0 == least })
            #expect(abs((tuned.configuration.learningRate ?? 0) / rates[least] - 1) < 1e-3)
            // All trials but the last are better than the one before.
            #expect(zip(errors.dropLast(), errors.dropFirst().dropLast()).allSatisfy { $0 > $1 })
        }
    }
}
