public import ArgumentParser
import Experiments
import Foundation
public import SparseAutoencoders

extension AutoencoderLayout: ExpressibleByArgument {}

struct SAEConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert", abstract: "Rewrite an autoencoder in the files of another library.",
        discussion: """
            Layouts (the source's is found out by the names of its files):
              condense             config.json, sae.safetensors
              saelens              cfg.json, sae_weights.safetensors
              dictionary-learning  config.json, ae.pt
              sparsify             cfg.json, sae.safetensors
              openai               autoencoder.pt

            What was written is read back and compared on random inputs. A layout that cannot express the
            autoencoder is refused, and nothing is written.

            Examples:
              condense sae convert runs/sae exported --to saelens
              condense sae convert downloads/pythia-70m/layer-3 pythia --to condense
            """)

    @Argument(help: "The autoencoder: a run of 'condense sae train', a folder of any layout, or a .pt file of OpenAI.")
    var source: String

    @Argument(help: "The folder to make.")
    var destination: String

    @Option(help: "Layout to write.")
    var to: AutoencoderLayout

    @Option(help: "A safetensors file to write: the random inputs ('input') and their reconstructions ('output'), to check the other library with.")
    var samples: String?

    @OptionGroup(title: "Output") var output: OutputOptions

    func run() throws {
        let conversion = try AutoencoderConversion(
            from: URL(filePath: source), to: URL(filePath: destination, directoryHint: .isDirectory), as: to,
            samples: samples.map { URL(filePath: $0) })
        if output.json { return try Terminal.printJSON(conversion) }
        Terminal.print("\(destination): \(conversion.source.libraryName) → \(conversion.destination.libraryName)")
        for note in conversion.notes { Terminal.print("  \(note)") }
        let difference = formatNumber(conversion.largestDifference, digits: 2), largest = formatNumber(conversion.largestOutput, digits: 3)
        Terminal.print(
            "Read back: largest |Δx̂| \(difference) where the largest |x̂| is \(largest), on \(AutoencoderConversion.inputCount) random inputs with "
                + "\(formatNumber(conversion.l0, digits: 3)) active features each")
    }
}
