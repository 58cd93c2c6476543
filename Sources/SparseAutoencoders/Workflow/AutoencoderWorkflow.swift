public import Experiments
import Foundation
import Networks
import Torch

/// The whole way from a language model and text to a page of readable features.
public struct AutoencoderWorkflow: RunConfiguration {
    public var collection = CollectionConfiguration()
    public var training = SAETrainingConfiguration()
    /// Part of the collected contexts that is not trained on.
    public var heldOut = 0.05
    /// Contexts on which the loss inside the model is measured.
    public var lossContexts = 16
    /// Features on the page, and how many of them are steered with.
    public var features = 16
    public var steeredFeatures = 2
    /// In multiples of a feature's maximum activation.
    public var steeringStrength = 1.0
    public var steeringPrompts = ["I think that", "Once upon a time, there was"]
    public var steeringTokens = 24

    /// Sizes at which two CPU cores give readable features within four minutes.
    public init() {
        collection.tokens = 72_000
        collection.documentLimit = 384
        // Contexts begin in the middle of sentences; their first positions have features of their own.
        collection.droppedPositions = 4
        training = SAETrainingConfiguration(
            architecture: .topK(TopKSettings(k: 32)), dictionarySize: 4_096, batchSize: 1_024, steps: 350, learningRate: 1.5e-3)
        training.warmupSteps = 30
        training.deadAfterTokens = 60_000
        training.logEvery = 10
        training.checkpointEvery = 200
    }

    public func validate() throws(ConfigurationError) {
        do {
            try collection.validate()
        } catch {
            throw ConfigurationError(key: "collection", problem: "cannot be used: \(error)")
        }
        try training.validate()
        try ConfigurationError.require((0..<1).contains(heldOut), "heldOut", "must be at least 0 and less than 1", found: heldOut)
        try ConfigurationError.require(lossContexts > 0, "lossContexts", "must be positive", found: lossContexts)
        try ConfigurationError.require(features >= 0, "features", "must not be negative", found: features)
        try ConfigurationError.require(
            (0...max(0, features)).contains(steeredFeatures), "steeredFeatures", "must be at most the number of features",
            found: steeredFeatures)
    }

    /// Runs everything within a run directory, which gets `activations/`, `sae/`, `features.jsonl`, `evaluation.json`.
    ///
    /// A resumed run continues where it was: collecting after its last shard, training after its last checkpoint.
    /// - Returns: the page.
    public func run(
        in run: Run, settings: RunSettings, progress: any ProgressReporter, cancellation: Cancellation
    ) throws -> Report {
        let model = try TextModel.load(collection.model, device: try .init(parsing: settings.device))
        var collection = collection
        collection.seed = settings.seed
        let store = try collectActivations(
            collection, to: run.directory.appending(path: "activations", directoryHint: .isDirectory), model: model, resuming: true,
            progress: progress, cancellation: cancellation)
        var storeTraining = StoreTrainingConfiguration()
        storeTraining.store = store.folder.path(percentEncoded: false)
        storeTraining.heldOut = heldOut
        storeTraining.training = training
        let autoencoder = try trainOnStore(storeTraining, settings: settings, run: run, progress: progress, cancellation: cancellation)
        let evaluation = try StoreEvaluation(
            of: autoencoder, on: FeatureSource(store, contexts: store.heldOutContexts(heldOut)), model: model, lossContexts: lossContexts,
            progress: progress, cancellation: cancellation)
        try run.write(evaluation, named: "evaluation.json")
        let analysis = try FeatureAnalysis(
            of: autoencoder, on: FeatureSource(store), selection: .interesting(features), model: model, progress: progress,
            cancellation: cancellation)
        try analysis.write(to: run.directory.appending(path: "features.jsonl"))
        let steering = try steer(analysis.records, autoencoder, model, hook: store.description.hook, progress, cancellation)
        return report(store, run, evaluation, analysis, steering)
    }

    /// Continues the prompts with the features that stand for one word more than others do.
    private func steer(
        _ records: [FeatureRecord], _ autoencoder: SparseAutoencoder, _ model: TextModel, hook: String, _ progress: any ProgressReporter,
        _ cancellation: Cancellation
    ) throws -> [ReportBlock] {
        func share(_ record: FeatureRecord) -> Double {
            guard let token = record.tokens.first, token.token.count(where: \.isLetter) > 2 else { return 0 }
            return token.share
        }
        let chosen = records.sorted { share($0) > share($1) }.prefix(steeredFeatures)
        let point = try model.model.hookPoint(hook)
        progress.begin("Steering", total: chosen.count * steeringPrompts.count, unit: "texts")
        defer { progress.end() }
        var blocks: [ReportBlock] = []
        var done = 0
        for record in chosen {
            let steering = try Steering(
                feature: record.index, of: autoencoder, change: .add(strength: steeringStrength), maximumActivation: Double(record.maximum))
            var texts: [SteeredText] = []
            for prompt in steeringPrompts {
                try cancellation.check()
                texts.append(
                    try generateSteered(
                        model, at: point, steering: steering, prompt: prompt, prependsBOS: collection.prependsBOS,
                        maximumCount: steeringTokens))
                done += 1
                progress.update(done)
            }
            let strength = formatNumber(steeringStrength, digits: 2)
            blocks += AutoencoderReport.steering(
                texts, feature: record.title, how: "added at every position with \(strength) times its largest activation")
        }
        return blocks
    }

    private func report(
        _ store: ActivationStore, _ run: Run, _ evaluation: StoreEvaluation, _ analysis: FeatureAnalysis, _ steering: [ReportBlock]
    ) -> Report {
        let description = store.description
        var blocks: [ReportBlock] = [
            .keyNumbers(AutoencoderReport.keyNumbers(evaluation)),
            .paragraph(
                "A sparse autoencoder was trained on \(formatCount(store.rowCount)) activations of \(description.model.name) at "
                    + "\(description.hook), on text from \(description.text ?? "a file"). It writes each activation as a sum of a few of "
                    + "\(formatCount(training.dictionarySize)) directions, its features. Below are features that are active on few tokens "
                    + "and strong where they are; the darker a token, the more active the feature on it."),
        ]
        blocks.append(.heading("Features"))
        blocks += analysis.records.flatMap { $0.blocks(topContexts: 4) }
        if !steering.isEmpty {
            blocks.append(.heading("Steering"))
            blocks.append(.paragraph("The model continues a prompt as it is, and with a feature added to its activations:"))
            blocks += steering
        }
        blocks.append(.heading("How good the autoencoder is"))
        blocks.append(.table(AutoencoderReport.metricTable(evaluation)))
        blocks.append(AutoencoderReport.densityHistogram(evaluation.reconstruction.density))
        blocks.append(.heading("Training"))
        blocks += AutoencoderReport.trainingCurves((try? MetricWriter.read(run.directory)) ?? [])
        return Report(
            title: "A sparse autoencoder on \(description.model.name)",
            subtitle: "\(formatCount(training.dictionarySize)) features of \(description.hook), read from \(description.text ?? "text")",
            blocks: blocks)
    }
}
