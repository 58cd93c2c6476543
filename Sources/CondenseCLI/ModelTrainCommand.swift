import ArgumentParser
import Experiments
import Foundation
import ModelCompression

/// What networks are trained and measured on.
struct NetworkDataOptions: ParsableArguments {
    @Option(help: "Pictures in one folder for each class, a text (file, folder or item), or the data item elpv or mnist-5k.")
    var data: String?

    @Option(help: ArgumentHelp("Other data to measure on (default: a fifth of --data is held back).", valueName: "data"))
    var test: String?

    @Option(help: ArgumentHelp("At most so many examples, or thousands of characters.", valueName: "count"))
    var limit: Int?

    var isGiven: Bool { data != nil || test != nil || limit != nil }

    /// The options given, as changes of settings under this key.
    func changes(_ key: String) -> [String] {
        func quoted(_ text: String) -> String { "'\(text.replacing("'", with: "''"))'" }
        return [data.map { "\(key).source=\(quoted($0))" }, test.map { "\(key).test=\(quoted($0))" }, limit.map { "\(key).limit=\($0)" }].compactMap { $0 }
    }

    /// Brings what the settings name into the cache, as far as it is in the catalogue.
    static func fetch(_ configuration: NetworkDataConfiguration, _ progress: any ProgressReporter) throws {
        for name in [configuration.source, configuration.test].compactMap({ $0 }) where !FileManager.default.fileExists(atPath: name) {
            try CommandSession.fetch(name, progress)
        }
    }
}

struct ModelTrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train", abstract: "Train a network on your own pictures or text.",
        discussion: """
            The run directory gets the network (network/), metrics, checkpoints and a report with what it gets right of examples that it was not trained
            on. 'condense model prune' and the other commands take the run directory. Ctrl-C saves a checkpoint; --resume continues to the same bits.

            New networks: new:lstm-256, new:perceptron-300-100, new:resnet18, new:vgg16, new:efficientnet-lite0, and other sizes of them.

            Examples:
              condense model train efficientnet-lite0 --data cells/ --new-classes --image-size 128 --out runs/cells
              condense model train new:lstm-256 --data notes.txt --steps 2000 --out runs/notes
              condense model train --resume runs/notes
            """)

    @Argument(help: "Run, folder of an exported network, file of weights, vision model of the catalogue, or a new network.")
    var network: String?

    @OptionGroup(title: "Data") var data: NetworkDataOptions

    @Flag(help: "Replace the last layer by a new one with the classes of the data.")
    var newClasses = false

    @Option(help: ArgumentHelp("Height and width of pictures (default: the network's own).", valueName: "pixels"))
    var imageSize: Int?

    @Option(help: "Optimiser steps (default: 200).")
    var steps: Int?

    @Option(help: "Examples per step (default: 16).")
    var batchSize: Int?

    @Option(help: "Learning rate (default: 0.001).")
    var learningRate: Double?

    @OptionGroup var options: RunOptions

    func validate() throws {
        let ownOptions: [Any?] = [network, imageSize, steps, batchSize, learningRate]
        if options.resume != nil, newClasses || data.isGiven || ownOptions.contains(where: { $0 != nil }) {
            throw ValidationError("--resume continues a run with the settings it has; leave out the network, the data and all settings")
        }
    }

    func run() throws {
        var options = options
        options.change("network", toText: network)
        options.changes += data.changes("data")
        if newClasses { options.changes.append("newClasses=true") }
        if let imageSize { options.changes.append("imageSize=\(imageSize)") }
        options.changes += trainingChanges(steps: steps, batchSize: batchSize, learningRate: learningRate)
        let outcome = try options.execute(
            command: "model train", title: "Network", defaults: NetworkFittingConfiguration(),
            prepare: { configuration in
                let progress = options.output.progress()
                try NetworkDataOptions.fetch(configuration.data, progress)
                if !FileManager.default.fileExists(atPath: configuration.network) { try CommandSession.fetch(configuration.network, progress) }
                // What cannot be trained is refused before a run directory is made.
                _ = try configuration.beginning(seed: 0, SilentProgress())
            }
        ) { session in
            try fitNetwork(
                session.configuration, settings: session.settings, run: session.run, progress: session.progress, cancellation: session.cancellation)
        }
        try options.printOutcome(outcome)
    }
}

/// Options of a training as changes of its settings.
func trainingChanges(steps: Int?, batchSize: Int?, learningRate: Double?) -> [String] {
    [steps.map { "training.steps=\($0)" }, batchSize.map { "training.batchSize=\($0)" }, learningRate.map { "training.learningRate=\($0)" }].compactMap { $0 }
}
