import ArgumentParser
import Experiments
import Foundation
import SparseAutoencoders

struct SAESweepCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sweep", abstract: "Train autoencoders of many settings in one pass over a store, and compare them.",
        discussion: """
            Every combination of the values of --vary is trained, all on the same batches, so the store is read once. The run
            directory gets each autoencoder (sae/NAME/), metrics, checkpoints, sweep.json and a report with the trade-off between
            active features and error. --resume continues to the same bits.

            A key of --vary is 'architecture', a setting of the training (dictionarySize, learningRate) or of the architecture (k,
            l1Coefficient); settings that an architecture does not have are not varied for it.

            Examples:
              condense sae sweep activations/prose --vary k=16,32,64 --vary dictionarySize=4096,8192
              condense sae sweep activations/prose --vary architecture=topK,batchTopK,jumpReLU --vary k=16,32 --vary targetL0=16,32
              condense sae sweep activations/prose --vary architecture=relu --vary l1Coefficient=0.02,0.05,0.1 --seeds 0,1,2
            """)

    @Argument(help: "Folder of the activation store (not with --resume).")
    var store: String?

    @Option(help: ArgumentHelp("A setting with the values it takes; may be given several times.", valueName: "key=value,…"))
    var vary: [String] = []

    @Option(help: ArgumentHelp("Seeds of initial weights.", valueName: "seed,…"))
    var seeds: String?

    @Option(help: "Held-out contexts on which reconstructions are put into the language model; 0 for none (default: 32).")
    var lossContexts: Int?

    @Option(help: "Optimiser steps.")
    var steps: Int?

    @Option(help: "Activations per step.")
    var batchSize: Int?

    @OptionGroup var options: RunOptions

    func validate() throws {
        if options.resume == nil, options.config == nil, store == nil {
            throw ValidationError("give the folder of an activation store, or --resume a run")
        }
        let ownOptions: [Any?] = [store, vary.first, seeds, lossContexts, steps, batchSize]
        if options.resume != nil, ownOptions.contains(where: { $0 != nil }) {
            throw ValidationError("--resume continues a run with the settings it has; leave out the store and all settings")
        }
        _ = try axes()
    }

    private func axes() throws -> [SweepConfiguration.Axis] {
        try vary.map { text in
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            let values = parts.count == 2 ? parts[1].split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) } : []
            guard !values.isEmpty, !values.contains("") else {
                throw ValidationError("--vary '\(text)' must be a setting and its values, e.g. --vary k=16,32,64")
            }
            return SweepConfiguration.Axis(parts[0].trimmingCharacters(in: .whitespaces), values)
        }
    }

    func run() throws {
        var options = options
        var defaults = SweepConfiguration()
        defaults.axes = try axes()
        options.change("store", toText: store)
        if let seeds { options.changes.append("seeds=[\(seeds)]") }
        let numbers = [("lossContexts", lossContexts), ("training.steps", steps), ("training.batchSize", batchSize)]
        options.changes += numbers.compactMap { key, value in value.map { "\(key)=\($0)" } }
        let outcome = try options.execute(
            command: "sae sweep", title: "Sweep over sparse autoencoders", defaults: defaults,
            prepare: { _ = try SAESession.store($0.store) }
        ) { session in
            let configuration = session.configuration
            let outcomes = try sweep(
                configuration, settings: session.settings, run: session.run,
                model: { try SAESession.model($0, settings: session.settings, output: options.output) }, progress: session.progress,
                cancellation: session.cancellation)
            return Report(
                title: "Sweep over sparse autoencoders", subtitle: "trained on \(configuration.store)",
                blocks: AutoencoderReport.sweep(outcomes))
        }
        try options.printOutcome(outcome)
    }
}
