import ArgumentParser
import Codecs
import Experiments
import Foundation

struct WaLLoCTrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train", abstract: "Train a WaLLoC codec on pictures or sound.",
        discussion: """
            The run directory gets the codec (codec/), metrics, checkpoints and a report with files that were not trained on. Ctrl-C
            saves a checkpoint; --resume continues to the same bits. The default is a small decoder that two CPU cores train in minutes; the
            published one has --width 768.

            Examples:
              condense walloc train --out runs/walloc
              condense walloc train --data photos/ --latent-channels 48
              condense walloc train --audio --data music/
              condense walloc train --resume runs/walloc
            """)

    @Option(help: "Folder of pictures or sound, or data item (default: photos; muldjord-stems with --audio).")
    var data: String?

    @Flag(help: "Train on sound in stereo.")
    var audio = false

    @Option(help: "Channels of the latent: fewer make smaller files (default: 12 of 192 bands; 108 of 512 with --audio).")
    var latentChannels: Int?

    @Option(help: "Levels of the wavelet packet (default: 3; 8 with --audio).")
    var levels: Int?

    @Option(help: "Channels of the decoder (default: 128; 108 with --audio).")
    var width: Int?

    @Option(help: "Optimiser steps.")
    var steps: Int?

    @Option(help: "Crops or segments per step.")
    var batchSize: Int?

    @Option(help: "Learning rate.")
    var learningRate: Double?

    @OptionGroup var options: RunOptions

    func validate() throws {
        let own: [Any?] = [data, latentChannels, levels, width, steps, batchSize, learningRate, audio ? true : nil]
        if options.resume != nil, own.contains(where: { $0 != nil }) {
            throw ValidationError("--resume continues a run with the settings it has; leave out all settings")
        }
    }

    func run() throws {
        var options = options
        options.change("data", toText: data)
        let numbers = [
            ("codec.latentChannels", latentChannels), ("codec.levels", levels), ("codec.decoderWidth", width), ("steps", steps), ("batchSize", batchSize),
        ]
        options.changes += numbers.compactMap { key, value in value.map { "training.\(key)=\($0)" } }
        if let learningRate { options.changes.append("training.learningRate=\(learningRate)") }
        let outcome = try options.execute(
            command: "walloc train", title: "WaLLoC codec", defaults: audio ? WaLLoCRunConfiguration.audio : WaLLoCRunConfiguration(),
            prepare: { configuration in
                _ = try WaLLoCSession.inputs([configuration.data], of: configuration.training.codec.signal, options.output.progress())
            }
        ) { session in
            try trainWaLLoCOnFiles(
                session.configuration, settings: session.settings, run: session.run, progress: session.progress, cancellation: session.cancellation
            ).report
        }
        try options.printOutcome(outcome)
    }
}
