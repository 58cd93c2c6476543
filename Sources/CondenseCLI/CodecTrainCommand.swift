public import ArgumentParser
public import Codecs
import Experiments
import Foundation

extension ImageCodecKind: ExpressibleByArgument {
    /// The names of CompressAI, and words for them.
    public init?(argument: String) {
        guard let kind = Self.allCases.first(where: { argument == $0.rawValue || argument == $0.word }) else { return nil }
        self = kind
    }

    /// What it is called on the command line.
    var word: String {
        switch self {
        case .factorized: "factorized"
        case .scaleHyperprior: "hyperprior"
        case .meanScaleHyperprior: "mean-scale"
        case .jointAutoregressive: "autoregressive"
        case .chengAnchor: "cheng-anchor"
        case .chengAttention: "cheng-attention"
        }
    }

    static var words: String { allCases.map(\.word).joined(separator: ", ") }
}

extension Distortion: ExpressibleByArgument {
    public init?(argument: String) {
        guard let distortion = Self.allCases.first(where: { argument == $0.rawValue || argument == $0.shortName }) else { return nil }
        self = distortion
    }
}

struct CodecTrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train", abstract: "Train an image codec on pictures.",
        discussion: """
            The run directory gets the codec (codec/), metrics, checkpoints and a report with pictures that were not trained on. Ctrl-C
            saves a checkpoint; --resume continues to the same bits.

            The default is a small codec that two CPU cores train in minutes. --size published takes the channels, crops and batches of
            the papers, for a GPU. Kinds: \(ImageCodecKind.words), or CompressAI's names (mbt2018-mean).

            Examples:
              condense codec train --out runs/codec
              condense codec train --data photos/ --kind factorized --quality 3
              condense codec train --start runs/codec --lambda 0.05 --steps 500 --out runs/high
              condense codec train --size published --quality 4 --device cuda
              condense codec train --resume runs/codec
            """)

    @Option(help: "Folder of pictures, or data item (default: photos).")
    var data: String?

    @Option(help: "Kind of codec: \(ImageCodecKind.words) (default: mean-scale).")
    var kind: ImageCodecKind?

    @Option(help: "λ of λ·distortion + bits per pixel: larger ones give larger files and better pictures (default: 0.013; for ms-ssim 16.64).")
    var lambda: Double?

    @Option(help: "One of the published λ instead, 1 (smallest files) to 8.")
    var quality: Int?

    @Option(help: "What is made small beside the bits: mse or ms-ssim (default: mse).")
    var distortion: Distortion?

    @Option(help: "small: trains in minutes on two cores; published: channels, crops and batches of the papers (default: small).")
    var size: Size?

    @Option(help: "Optimiser steps.")
    var steps: Int?

    @Option(help: "Crops per step.")
    var batchSize: Int?

    @Option(help: "Height and width of crops.")
    var cropSize: Int?

    @Option(help: "Learning rate.")
    var learningRate: Double?

    @Option(help: ArgumentHelp("A codec to start from, of the same kind and size, e.g. one of another λ.", valueName: "folder"))
    var start: String?

    @OptionGroup var options: RunOptions

    enum Size: String, ExpressibleByArgument, CaseIterable { case small, published }

    func validate() throws {
        let ownOptions: [Any?] = [data, kind, lambda, quality, distortion, size, steps, batchSize, cropSize, learningRate, start]
        if options.resume != nil, ownOptions.contains(where: { $0 != nil }) {
            throw ValidationError("--resume continues a run with the settings it has; leave out the data and all settings")
        }
        if lambda != nil, quality != nil { throw ValidationError("give --lambda or --quality, not both") }
        if let quality, !(1...8).contains(quality) { throw ValidationError("--quality must be between 1 and 8, found \(quality)") }
    }

    /// Defaults as far as options choose them, before `--config` and `--set`.
    private var defaults: PictureTrainingConfiguration {
        var defaults = PictureTrainingConfiguration()
        let chosen = kind ?? defaults.training.codec.kind
        if size == .published {
            defaults.training = ImageCodecTrainingConfiguration()
            defaults.training.codec = ImageCodecConfiguration(chosen, quality: quality ?? 4)
        } else {
            let isCheng = chosen == .chengAnchor || chosen == .chengAttention
            let channels = defaults.training.codec.channels
            defaults.training.codec = ImageCodecConfiguration(
                chosen, channels: channels, latentChannels: isCheng ? channels : defaults.training.codec.latentChannels)
        }
        if let distortion { defaults.training.distortion = distortion }
        if defaults.training.distortion == .msSSIM {
            defaults.training.lambda = defaults.training.distortion.publishedLambdas[3]
            defaults.training.cropSize = max(defaults.training.cropSize, 192)
        }
        return defaults
    }

    func run() throws {
        var options = options
        let defaults = defaults
        options.change("data", toText: data)
        options.change("start", toText: start)
        if let quality { options.changes.append("training.lambda=\(defaults.training.distortion.publishedLambdas[quality - 1])") }
        let numbers = [("steps", steps), ("batchSize", batchSize), ("cropSize", cropSize)]
        options.changes += numbers.compactMap { key, value in value.map { "training.\(key)=\($0)" } }
        let rates = [("lambda", lambda), ("learningRate", learningRate)]
        options.changes += rates.compactMap { key, value in value.map { "training.\(key)=\($0)" } }
        let outcome = try options.execute(
            command: "codec train", title: "Image codec", defaults: defaults,
            prepare: { configuration in
                _ = try CodecSession.pictures(configuration.data, options.output.progress())
                if let start = configuration.start, options.resume == nil { _ = try TrainedCodec.load(at: start) }
            }
        ) { session in
            try trainOnPictures(
                session.configuration, settings: session.settings, run: session.run, progress: session.progress, cancellation: session.cancellation
            ).report
        }
        try options.printOutcome(outcome)
    }
}
