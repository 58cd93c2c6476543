import ArgumentParser
import Experiments
import Foundation
import SparseAutoencoders

struct SAETrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train", abstract: "Train a sparse autoencoder on an activation store.",
        discussion: """
            The run directory gets the autoencoder (sae/), metrics, checkpoints and a report. Ctrl-C saves a checkpoint; --resume
            continues to the same bits.

            Examples:
              condense sae train activations/prose --dictionary-size 8192 --k 32
              condense sae train activations/prose --architecture relu --set training.steps=5000
              condense sae train --resume runs/sae-train-20260101-120000
            """)

    @Argument(help: "Folder of the activation store (not with --resume).")
    var store: String?

    @Option(help: "Architecture: \(SAEArchitecture.names.joined(separator: ", ")) (default: topK).")
    var architecture: String?

    @Option(help: "Number of features.")
    var dictionarySize: Int?

    @Option(help: "Active features per token, for architectures that choose so many; on average where they choose for a batch.")
    var k: Int?

    @Option(help: "Optimiser steps.")
    var steps: Int?

    @Option(help: "Activations per step.")
    var batchSize: Int?

    @Option(help: "Learning rate (default: the architecture's for the dictionary's size).")
    var learningRate: Double?

    @OptionGroup var options: RunOptions

    func validate() throws {
        if options.resume == nil, options.config == nil, store == nil {
            throw ValidationError("give the folder of an activation store, or --resume a run")
        }
        let ownOptions: [Any?] = [store, architecture, dictionarySize, k, steps, batchSize, learningRate]
        if options.resume != nil, ownOptions.contains(where: { $0 != nil }) {
            throw ValidationError("--resume continues a run with the settings it has; leave out the store and all settings")
        }
        if let architecture, SAEArchitecture(named: architecture) == nil {
            throw ValidationError("there is no architecture '\(architecture)': choose one of \(SAEArchitecture.names.joined(separator: ", "))")
        }
    }

    func run() throws {
        var options = options
        var defaults = StoreTrainingConfiguration()
        if let architecture = architecture.flatMap({ SAEArchitecture(named: $0) }) { defaults.training.architecture = architecture }
        options.change("store", toText: store)
        if let k { options.changes.append("training.architecture.\(defaults.training.architecture.name).k=\(k)") }
        let numbers = [("dictionarySize", dictionarySize), ("steps", steps), ("batchSize", batchSize)]
        options.changes += numbers.compactMap { key, value in value.map { "training.\(key)=\($0)" } }
        if let learningRate { options.changes.append("training.learningRate=\(learningRate)") }
        let outcome = try options.execute(
            command: "sae train", title: "Sparse autoencoder", defaults: defaults, prepare: { _ = try SAESession.store($0.store) }
        ) { session in
            let configuration = session.configuration
            let autoencoder = try trainOnStore(
                configuration, settings: session.settings, run: session.run, progress: session.progress, cancellation: session.cancellation)
            let store = try SAESession.store(configuration.store)
            let held = try FeatureSource(store, contexts: store.heldOutContexts(configuration.heldOut))
            let evaluation = try StoreEvaluation(
                of: autoencoder, on: held, model: nil, progress: session.progress, cancellation: session.cancellation)
            try session.run.write(evaluation, named: "evaluation.json")
            return Report(
                title: "Sparse autoencoder on \(store.description.hook)", subtitle: "trained on \(configuration.store)",
                blocks: [.keyNumbers(AutoencoderReport.keyNumbers(evaluation)), .table(AutoencoderReport.metricTable(evaluation))]
                    + AutoencoderReport.trainingCurves(try MetricWriter.read(session.run.directory))
                    + [AutoencoderReport.densityHistogram(evaluation.reconstruction.density)])
        }
        try options.printOutcome(outcome)
    }
}
