import ArgumentParser
import Experiments
import Networks
import SparseAutoencoders

struct SAEAbsorptionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "absorption", abstract: "Measure how often features for first letters are absorbed by features for words.",
        discussion: """
            The task of SAEBench's feature absorption: words of one token, and the letter each begins with. Fractions and rates are
            computed as there; features are ranked and prompts are made differently, so the figures are not SAEBench's scores.

            Example:
              condense sae absorption runs/sae --training 100 --test 40
            """)

    @OptionGroup var autoencoder: AutoencoderArgument

    @OptionGroup var probing: ProbingOptions

    @Option(help: "Text before each word.")
    var prefix = " cat has the first letter: C\n dog has the first letter: D\n"

    @OptionGroup(title: "Computation") var compute: ComputeOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() throws {
        let settings = try compute.settings()
        let sae = try autoencoder.load()
        let (name, hook) = try autoencoder.origin(of: sae, model: probing.languageModel, hook: probing.hook, option: "--language-model")
        let model = try SAESession.model(name, settings: settings, output: output)
        let progress = output.progress()
        let cancellation = Interrupts.cancellation()
        let absorption = try CommandSession.interruptible("nothing was written", progress) {
            let words = try LabelledTexts(
                firstLettersIn: model, trainingPerClass: probing.trainingPerClass ?? 100, testPerClass: probing.testPerClass,
                seed: settings.seed)
            if !words.omitted.isEmpty { progress.message("left out for lack of words: \(words.omitted.joined(separator: ", "))") }
            let prefix = model.tokenizer.encode(prefix, addSpecialTokens: false).map { Int32(clamping: $0) }
            func features(_ examples: [LabelledTexts.Example]) throws -> TextFeatures {
                try TextFeatures(
                    of: examples, dictionary: sae, model: model, hook: hook, prefix: prefix, progress: progress, cancellation: cancellation)
            }
            return FeatureAbsorption(
                classes: words.classes, dictionary: sae, training: try features(words.training), test: try features(words.test))
        }
        if output.json { return try Terminal.printJSON(absorption) }
        Terminal.print(table(absorption).text(width: Terminal.width))
    }

    private func table(_ absorption: FeatureAbsorption) -> TextTable {
        func text(_ value: Double) -> String { formatNumber(value, digits: 3) }
        let rows = absorption.classes.map {
            [
                $0.name, text($0.probeF1), "\($0.mainFeatures.count)", text($0.mainF1), "\($0.textCount)", text($0.fraction),
                text($0.fullRate),
            ]
        }
        let mean = ["mean", "", text(absorption.mainFeatureCount), "", "", text(absorption.fraction), text(absorption.fullRate)]
        let header = ["letter", "F1 of activations", "main features", "F1 of these", "words", "absorbed part", "fully absorbed"]
        return TextTable(header: header, rows: rows + [mean], alignment: [.left] + Array(repeating: .right, count: header.count - 1))
    }
}
