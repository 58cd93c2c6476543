import CondenseTesting
import Experiments
import Foundation
import SparseAutoencoders
import Testing
import Torch

@Suite struct DialogueMetricsTests {
    /// A dictionary that rebuilds nothing, so that errors are the inputs' mean squares.
    private final class Nothing: ActivationDictionary {
        let inputSize = 2
        let dictionarySize = 1
        var decoderDirections: Tensor { Tensor.ones([1, 2]) }
        func encode(_ input: Tensor) -> FeatureCode { .dense(Tensor.zeros([input.size(0), 1])) }
        func decode(_ code: FeatureCode, of input: Tensor?) -> Tensor { Tensor.zeros([code.rowCount, 2]) }
    }

    private static let layout = ContextLayout(
        length: 8, beginningToken: nil, separatorToken: nil, firstPosition: 0,
        dialogues: DialogueLayout(arrangement: .separate, templateDigest: ""))

    /// Two dialogues: special tokens 1 and 2; squares per dimension are 1, 4, 9, … of the rows' numbers.
    private let batch = ContextBatch(
        activations: Tensor((1...7).flatMap { [Float($0), Float(-$0)] }, shape: [7, 2]),
        tokens: [[1, 5, 2, 1, 6], [1, 7]], documents: [[0, 0, 0, 0, 0], [1, 1]], roles: [[0, 2, 0, 0, 3], [0, 2]], firstContext: 0,
        layout: Self.layout)

    private func metrics(_ ids: Set<Int32>, _ batch: ContextBatch? = nil, maximumNorm: Double? = nil) -> DialogueMetrics {
        let evaluation = DialogueEvaluation(of: Nothing(), special: SpecialTokens(ids: ids), maximumNorm: maximumNorm)
        evaluation.add(batch ?? self.batch)
        return evaluation.metrics
    }

    @Test func errorsAreMeansOverDialogues() {
        let found = metrics([1, 2])
        #expect(found[.all].perDialogue == 26.75)
        #expect(found[.all].perToken == 20 && found[.all].tokenCount == 7)
        #expect(abs(found[.special].perDialogue - 67.0 / 3) < 1e-12)
        #expect(found[.ordinary].perDialogue == 31.25)
        #expect(found[.ordinarySpecial].perDialogue == 12.5 && found[.ordinarySpecial].dialogueCount == 1)
        #expect(found[.laterSpecial].perDialogue == 12.5)
        #expect(found[.user].perToken == 26.5 && found[.assistant].perToken == 25 && found[.template].perToken == 12.5)
        #expect(found[.system].tokenCount == 0 && found[.system].perDialogue.isNaN)
        #expect(found[.special].log2PerDialogue == log2(found[.special].perDialogue))
    }

    @Test func allTokensSpecialIsAllTokens() {
        let found = metrics([1, 2, 5, 6, 7])
        #expect(found[.special].perDialogue == found[.all].perDialogue && found[.ordinarySpecial].perToken == found[.ordinary].perToken)
    }

    @Test func oneDialogueIsThePlainMean() {
        let one = ContextBatch(
            activations: batch.activations[0..<5], tokens: [[1, 5, 2, 1, 6]], documents: [[0, 0, 0, 0, 0]], roles: [[0, 2, 0, 0, 3]],
            firstContext: 0, layout: Self.layout)
        #expect(metrics([1], one)[.all].perDialogue == 11 && metrics([1], one)[.all].perToken == 11)
    }

    @Test func sinksAreLeftOutByTheirNorm() {
        // The norm of the row of n is n·√2.
        let found = metrics([1, 2], maximumNorm: 4.5)
        #expect(found[.ordinary].tokenCount == 2 && found[.all].tokenCount == 7)
    }
}

@Suite struct FASTExperimentTests {
    /// Dialogues whose template tokens have directions of their own that plain text lacks.
    private func store(_ pipeline: DialoguePipeline, in folder: URL, contexts: Int) throws -> ActivationStore {
        let separate = pipeline == .dialogues
        let layout = ContextLayout(
            length: 12, beginningToken: nil, separatorToken: nil, firstPosition: 0,
            dialogues: pipeline == .plainBlocks ? nil : DialogueLayout(arrangement: separate ? .separate : .joined, templateDigest: ""))
        let description = StoreDescription(
            model: ModelIdentity(name: "tiny"), hook: "hook", width: 8, elementType: .float32, contexts: layout, plannedRows: contexts * 12,
            rowsPerShard: contexts * 12)
        let writer = try ActivationStoreWriter(to: folder, description: description)
        let generator = RandomGenerator(seed: 4)
        let directions = Tensor.normal([8, 8], generator: RandomGenerator(seed: 1))
        var tokens: [[Int32]] = [], roles: [[TokenRole]] = []
        for context in 0..<contexts {
            let length = separate ? 9 + context % 4 : 12
            let kinds: [TokenRole] = (0..<length).map { [.template, .user, .user, .template, .assistant, .assistant][$0 % 6] }
            tokens.append(kinds.enumerated().map { $1 == .template && pipeline != .plainBlocks ? Int32($0 % 2) : Int32(2 + (context + $0) % 6) })
            if pipeline != .plainBlocks { roles.append(kinds) }
        }
        let places = Tensor(tokens.flatMap { $0.map { Int($0) } })
        let noise = Tensor.normal([places.elementCount, 8], generator: generator) * 0.1
        try writer.append(
            .init(
                activations: directions.gathered(indices: places) + noise, tokens: tokens,
                documents: tokens.enumerated().map { number, tokens in tokens.map { _ in Int32(number) } }, roles: roles,
                next: TextCursor(document: contexts)))
        try writer.finish()
        return try ActivationStore(at: folder)
    }

    /// The whole experiment at the size of seconds, on made-up dialogues instead of a language model's.
    @Test func theExperimentRunsOnMadeUpDialogues() throws {
        let temporary = try TemporaryFolder()
        var setting = FASTSetting(.small)
        (setting.dictionarySize, setting.ks, setting.batchSize, setting.steps, setting.searchRuns) = (16, [1, 2], 64, 60, 2)
        var training: [DialoguePipeline: DialogueActivations.Part] = [:]
        for pipeline in DialoguePipeline.allCases {
            let store = try store(pipeline, in: temporary.file("\(pipeline)"), contexts: 120)
            training[pipeline] = .init(store, rows: 0..<store.rowCount)
        }
        let dialogues = try store(.dialogues, in: temporary.file("test"), contexts: 24)
        let batches = try (0..<dialogues.contextCount).map { try dialogues.contexts($0..<$0 + 1) }
        let data = DialogueActivations(
            training: training, validation: Array(batches[..<8]), test: Array(batches[8...]), special: SpecialTokens(ids: [0, 1]),
            maximumNorm: 100, origin: "made-up dialogues")
        #expect(try data.specialShare(.plainBlocks) == 0 && data.specialShare(.dialogues) > 0.2)
        let findings = try withReproductionContext(of: FASTTraining.self) {
            try FASTExperiment(setting, data, context: $0).run()
        }
        #expect(findings.outcomes.count == 18)
        let reproduction = findings.reproduction
        // No steering without a network.
        #expect(reproduction.rows.count == 11)
        #expect(reproduction.rows.allSatisfy { !$0.measured.contains("nan") }, "\(reproduction.rows)")
        // Directions that the blocks of plain text lack are rebuilt worse by what was trained on them.
        #expect(reproduction.rows[0].verdict == .holds, "\(reproduction.rows[0])")
        #expect(reproduction.setting.contains("made-up dialogues"))
    }
}
