import ArgumentParser
import Experiments
import Foundation
import Networks
import SparseAutoencoders

struct SAESteerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "steer", abstract: "Generate text with a feature added, clamped or ablated, beside the model's own.",
        discussion: """
            Strengths are multiples of the feature's largest activation, which is read from a features.jsonl of
            'condense sae features', or given.

            Examples:
              condense sae steer runs/sae --feature 17 --features features/features.jsonl --prompt "I think that"
              condense sae steer runs/sae --feature 17 --maximum 8.5 --strength 1.5 --prompt "I think that"
              condense sae steer runs/sae --feature 17 --ablate --prompt "The capital of France is"
            """)

    @OptionGroup var autoencoder: AutoencoderArgument

    @Option(help: "The feature.")
    var feature: Int

    @Option(help: "Text to continue.")
    var prompt: String

    @Option(help: "How much to add, in multiples of the feature's largest activation; negative takes away.")
    var strength = 1.0

    @Flag(help: "Set the feature's activation to the strength instead of adding.")
    var clamp = false

    @Flag(help: "Take the feature's contribution out.")
    var ablate = false

    @Option(help: "The feature's largest activation, the unit of the strength.")
    var maximum: Double?

    @Option(name: .customLong("features"), help: "A features.jsonl that knows the feature's largest activation.")
    var featuresFile: String?

    @Option(help: "Language model (default: the one the autoencoder was trained on).")
    var model: String?

    @Option(help: "Hook (default: the one the autoencoder was trained on).")
    var hook: String?

    @Option(help: "New tokens.")
    var tokens = 60

    @Option(help: "Sampling temperature; 0 takes the likeliest token.")
    var temperature = 0.7

    @OptionGroup(title: "Computation") var compute: ComputeOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        if clamp, ablate { throw ValidationError("give --clamp or --ablate, not both") }
        if !ablate, maximum == nil, featuresFile == nil {
            throw ValidationError("the strength needs its unit: give --features features.jsonl, or --maximum")
        }
        guard tokens > 0 else { throw ValidationError("--tokens must be positive, found \(tokens)") }
    }

    func run() throws {
        let settings = try compute.settings()
        let sae = try autoencoder.load()
        let (name, hook) = try autoencoder.origin(of: sae, model: model, hook: hook)
        let unit = try maximum ?? featuresFile.map { try FeatureRecord.maximum(of: feature, in: URL(filePath: $0)) } ?? 0
        let change: SteeringChange = ablate ? .ablate : clamp ? .clamp(strength: strength) : .add(strength: strength)
        let steering = try Steering(feature: feature, of: sae, change: change, maximumActivation: unit)
        let textModel = try SAESession.model(name, settings: settings, output: output)
        let point = try textModel.model.hookPoint(hook)
        guard try textModel.width(of: point) == sae.inputSize else {
            throw FeatureError.widthMismatch(dictionary: sae.inputSize, activations: try textModel.width(of: point))
        }
        let text = try generateSteered(
            textModel, at: point, steering: steering, prompt: prompt, prependsBOS: sae.configuration.origin?.prependsBOS ?? true,
            maximumCount: tokens, sampling: SamplingConfiguration(temperature: temperature, seed: settings.seed))
        if output.json { return try Terminal.printJSON(text) }
        let rows = [[text.baseline.trimmingCharacters(in: .newlines), text.steered.trimmingCharacters(in: .newlines)]]
        Terminal.print("\(prompt) …\n")
        Terminal.print(TextTable(header: ["the model", "steered"], rows: rows).text(width: Terminal.width ?? 100))
    }
}
