import ArgumentParser
import Condense
import Datasets
import Experiments
import Foundation
import SparseAutoencoders
import Torch

/// `condense sae`: sparse autoencoders on the activations of language models.
struct SAECommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sae", abstract: "Sparse autoencoders: collect activations, train, evaluate, look at features, probe, steer, convert.",
        discussion: """
            Examples:
              condense sae collect --text prose-small --tokens 200000 --out activations/prose
              condense sae train activations/prose --dictionary-size 8192 --k 32 --out runs/sae
              condense sae sweep activations/prose --vary k=16,32,64
              condense sae eval runs/sae --store activations/prose
              condense sae features runs/sae --store activations/prose --count 40
              condense sae probe runs/sae --data wordnet-glosses
              condense sae steer runs/sae --feature 123 --maximum 8.5 --prompt "I think that"
              condense sae path runs/mp --text "The capital of France is"
              condense sae convert runs/sae exported --to saelens
            """,
        subcommands: [
            SAECollectCommand.self, SAETrainCommand.self, SAESweepCommand.self, SAEEvaluateCommand.self, SAEFeaturesCommand.self,
            SAEProbeCommand.self, SAEAbsorptionCommand.self, SAESteerCommand.self, SAENormsCommand.self, SAEPathCommand.self,
            SAEConvertCommand.self,
        ])
}

/// What every `sae` command does in the same way.
enum SAESession {
    static func store(_ path: String) throws -> ActivationStore {
        try ActivationStore(at: URL(filePath: path, directoryHint: .isDirectory))
    }

    /// A store of activations that an autoencoder was trained for.
    static func store(_ path: String, for autoencoder: SparseAutoencoder) throws -> ActivationStore {
        let store = try store(path)
        try autoencoder.check(store)
        return store
    }

    /// Loads a model, showing how far a fetch is.
    static func model(_ name: String, settings: RunSettings, output: OutputOptions) throws -> TextModel {
        try CommandSession.fetch(name, output.progress())
        return try TextModel.load(name, device: Device(parsing: settings.device))
    }
}

extension ComputeOptions {
    /// The settings these options give, applied to the engine.
    func settings() throws -> RunSettings {
        var settings = RunSettings()
        if let device { settings.device = device }
        if let seed { settings.seed = seed }
        if let threads { settings.threads = threads }
        try settings.validate()
        try ComputeOptions.apply(settings)
        return settings
    }
}
