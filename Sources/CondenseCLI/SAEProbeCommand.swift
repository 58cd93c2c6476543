import ArgumentParser
import Datasets
import Experiments
import SparseAutoencoders

struct SAEProbeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe", abstract: "Measure how well a few features tell classes of labelled text apart, and can be taken away alone.",
        discussion: """
            k-sparse probing as in SAEBench: for each class, the k features whose means over texts differ most from those of other
            classes, a logistic regression on them, accuracy on texts that were held back (0.5 is chance). Beside it: probes on k
            coordinates of the activations, on all features and on whole activations.

            Targeted probe perturbation (TPP) as in SAEBench: the features that add most to a class's probe are taken out of the
            activations; by how much its accuracy falls (intended), and that of the other classes (unintended).

            Examples:
              condense sae probe runs/sae
              condense sae probe runs/sae --data tweet-sentiment --training 1000 --test 400 --k 1 --k 5 --k 20
            """)

    @OptionGroup var autoencoder: AutoencoderArgument

    @Option(help: "Labelled text of the catalogue: wordnet-glosses (45 classes) or tweet-sentiment (3 classes).")
    var data = "wordnet-glosses"

    @Option(name: .customLong("k"), help: "Number of features of a probe; may be repeated (default: 1, 2 and 5).")
    var k: [Int] = []

    @Option(help: "Number of features to take away; may be repeated (default: 2, 5, 10, 20, 50, 100 and 500).")
    var ablate: [Int] = []

    @OptionGroup var probing: ProbingOptions

    @OptionGroup(title: "Computation") var compute: ComputeOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        for (name, values) in [("--k", k), ("--ablate", ablate)] {
            if let wrong = values.first(where: { $0 < 1 }) { throw ValidationError("\(name) must be positive, found \(wrong)") }
        }
    }

    private struct Result: Encodable {
        var sparseProbing: SparseProbing
        var targetedPerturbation: TargetedProbePerturbation
    }

    func run() throws {
        let settings = try compute.settings()
        let sae = try autoencoder.load()
        let largest = min(sae.dictionarySize, sae.inputSize)
        let k = k.isEmpty ? SparseProbing.usualK.filter { $0 <= largest } : k
        if let wrong = k.first(where: { $0 > largest }) {
            throw CommandError("--k must be at most \(largest), the smaller of features and width of the activations; found \(wrong)")
        }
        let counts = ablate.isEmpty ? TargetedProbePerturbation.usualCounts.filter { $0 <= sae.dictionarySize } : ablate
        if let wrong = counts.first(where: { $0 > sae.dictionarySize }) {
            throw CommandError("--ablate must be at most the autoencoder's \(sae.dictionarySize) features, found \(wrong)")
        }
        let (name, hook) = try autoencoder.origin(of: sae, model: probing.languageModel, hook: probing.hook, option: "--language-model")
        let progress = output.progress()
        try CommandSession.fetch(data, progress)
        let model = try SAESession.model(name, settings: settings, output: output)
        let cancellation = Interrupts.cancellation()
        let result = try CommandSession.interruptible("nothing was written", progress) {
            let texts = try LabelledTexts(
                data, tokenizedBy: model, trainingPerClass: probing.trainingPerClass ?? 160, testPerClass: probing.testPerClass,
                seed: settings.seed)
            if !texts.omitted.isEmpty { progress.message("left out for lack of texts: \(texts.omitted.joined(separator: ", "))") }
            func features(_ examples: [LabelledTexts.Example]) throws -> TextFeatures {
                try TextFeatures(of: examples, dictionary: sae, model: model, hook: hook, progress: progress, cancellation: cancellation)
            }
            let training = try features(texts.training), test = try features(texts.test)
            return Result(
                sparseProbing: SparseProbing(classes: texts.classes, training: training, test: test, k: k, seed: settings.seed),
                targetedPerturbation: TargetedProbePerturbation(
                    classes: texts.classes, training: training, test: test, atoms: sae.decoderDirections, counts: counts, seed: settings.seed))
        }
        if output.json { return try Terminal.printJSON(result) }
        Terminal.print(table(result.sparseProbing).text(width: Terminal.width))
        Terminal.print("")
        Terminal.print(table(result.targetedPerturbation).text(width: Terminal.width))
    }

    private func table(_ perturbation: TargetedProbePerturbation) -> TextTable {
        let rows = perturbation.mean.map { effect in
            ["\(effect.count)"] + [effect.intended, effect.unintended, effect.score].map { formatNumber($0, digits: 3) }
        }
        return TextTable(
            header: ["features taken away", "fall of the class's accuracy", "of the others'", "TPP score"], rows: rows,
            alignment: Array(repeating: .right, count: 4))
    }

    private func table(_ probing: SparseProbing) -> TextTable {
        func cells(_ accuracies: SparseProbing.Accuracies) -> [String] {
            let sparse = accuracies.sparse
            return (sparse.map(\.code) + [accuracies.code] + sparse.map(\.activations) + [accuracies.activations])
                .map { formatNumber($0, digits: 3) }
        }
        let sizes = probing.mean.sparse.map(\.k)
        let header = ["class"] + sizes.map { "\($0) feature\($0 == 1 ? "" : "s")" } + ["all features"]
            + sizes.map { "\($0) coordinate\($0 == 1 ? "" : "s")" } + ["whole activations"]
        return TextTable(
            header: header, rows: probing.classes.map { [$0.name] + cells($0.accuracies) } + [["mean"] + cells(probing.mean)],
            alignment: [.left] + Array(repeating: .right, count: header.count - 1))
    }
}
