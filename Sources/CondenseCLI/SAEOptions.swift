import ArgumentParser
import Experiments
import Foundation
import SparseAutoencoders

/// The autoencoder of a `sae` command.
struct AutoencoderArgument: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "The autoencoder: a run of 'condense sae train', or a folder or file of any layout that 'condense sae convert' knows.",
            valueName: "autoencoder"))
    var path: String

    func load() throws -> SparseAutoencoder { try SparseAutoencoder.load(at: URL(filePath: path)) }

    /// Whose activations a loaded autoencoder takes, unless the user says otherwise.
    /// - Parameter option: with which the user would name the model.
    func origin(
        of autoencoder: SparseAutoencoder, model: String?, hook: String?, option: String = "--model"
    ) throws -> (model: String, hook: String) {
        let origin = autoencoder.configuration.origin
        guard let model = model ?? origin?.model, let hook = hook ?? origin?.hook else {
            throw CommandError("\(path) does not say which model and hook it belongs to: give \(option) and --hook")
        }
        return (model, hook)
    }
}

/// The part of a store that is measured on.
struct HeldOutOptions: ParsableArguments {
    @Option(help: "Folder of an activation store of the same hook.")
    var store: String

    @Option(help: "Part of the store to measure on, from its end; what training held out by default.")
    var heldOut = StoreTrainingConfiguration().heldOut

    func validate() throws {
        guard heldOut > 0, heldOut <= 1 else { throw ValidationError("--held-out must be more than 0 and at most 1, found \(heldOut)") }
    }

    func source(_ store: ActivationStore) throws -> FeatureSource {
        try FeatureSource(store, contexts: store.heldOutContexts(heldOut))
    }
}

/// Labelled texts that an autoencoder's features are to tell apart.
struct ProbingOptions: ParsableArguments {
    @Option(
        name: .customLong("training"),
        help: "Texts of each class, or words of each letter, to learn from; classes with too few are left out (default: 160 texts, 100 words).")
    var trainingPerClass: Int?

    @Option(name: .customLong("test"), help: "Texts of each class, or words of each letter, to test on.")
    var testPerClass = 40

    @Option(help: "Language model (default: the one the autoencoder was trained on).")
    var languageModel: String?

    @Option(help: "Hook of the activations (default: the autoencoder's).")
    var hook: String?

    func validate() throws {
        for (name, value) in [("--training", trainingPerClass ?? 1), ("--test", testPerClass)] where value < 1 {
            throw ValidationError("\(name) must be positive, found \(value)")
        }
    }
}
