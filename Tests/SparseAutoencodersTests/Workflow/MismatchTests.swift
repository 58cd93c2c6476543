import Experiments
import Foundation
import SparseAutoencoders
import Testing
import Torch

/// Settings, stores and checkpoints that do not belong together: one sentence each.
@Suite struct MismatchTests {
    private let temporary: TemporaryFolder

    init() throws { temporary = try TemporaryFolder() }

    @Test(arguments: [
        SAEArchitecture.topK(TopKSettings(k: 49)), SAEArchitecture(BatchTopKSettings(k: 49)), SAEArchitecture(AbsTopKSettings(k: 49)),
        SAEArchitecture(MatryoshkaSettings(k: 49)), SAEArchitecture(FeatureChoiceSettings(k: 49)), SAEArchitecture(VariationalSettings(k: 49)),
        SAEArchitecture(GradientTopKSettings(k: 49)),
    ])
    func moreFeaturesThanTheDictionaryHas(_ architecture: SAEArchitecture) throws {
        let error = #expect(throws: ConfigurationError.self) { try tinyConfiguration(architecture).validate() }
        #expect(error?.description.contains("k must be") == true && error?.description.contains("49") == true, "\(error?.description ?? "")")
    }

    /// Trains on a store of ten contexts of four rows each, of width 3.
    private func train(batchSize: Int = 8, contexts: Int = 10) throws -> (model: SparseAutoencoder, store: ActivationStore) {
        let folder = temporary.file("store")
        let store = try StoreFixture.write(StoreFixture.description(contexts: contexts), to: folder, contexts: contexts)
        var configuration = StoreTrainingConfiguration()
        configuration.store = folder.path()
        configuration.training = SAETrainingConfiguration(
            architecture: .topK(TopKSettings(k: 2)), dictionarySize: 6, batchSize: batchSize, steps: 2)
        let settings = RunSettings()
        let run = try Run.create(
            in: temporary.file("run"), method: "sae-train", title: "Test",
            configuration: ResolvedConfiguration(configuration: configuration, settings: settings))
        let model = try trainOnStore(configuration, settings: settings, run: run, progress: SilentProgress(), cancellation: Cancellation())
        return (model, store)
    }

    @Test func storesWithFewerRowsThanABatch() throws {
        // One of ten contexts is held back.
        #expect(throws: StoreError(temporary.url.appending(path: "store", directoryHint: .isDirectory), .tooSmall(rows: 36, batchSize: 64))) { try train(batchSize: 64) }
    }

    @Test func storesWithoutRows() throws {
        #expect(throws: StoreError(temporary.file("store"), .empty)) { try train(contexts: 0) }
    }

    @Test func storesOfAnotherWidthHookOrModel() throws {
        let (model, store) = try train()
        try model.check(store)
        func other(_ change: (inout StoreDescription) -> Void) throws -> ActivationStore {
            var description = StoreFixture.description()
            change(&description)
            return try StoreFixture.write(description, to: temporary.file(UUID().uuidString))
        }
        #expect(throws: FeatureError.widthMismatch(dictionary: 3, activations: 4)) { try model.check(other { $0.width = 4 }) }
        let hooks = ["blocks.0.hook_resid_post", "blocks.1.hook_resid_post"]
        #expect(throws: FeatureError.hookMismatch(dictionary: hooks[0], activations: hooks[1])) { try model.check(other { $0.hook = hooks[1] }) }
        #expect(throws: FeatureError.modelMismatch(dictionary: "tiny", activations: "tiny")) { try model.check(other { $0.model.digest = "11" }) }
        // Another name for the same weights is no other model.
        try model.check(other { $0.model.name = "models/tiny.gguf" })
    }
}
