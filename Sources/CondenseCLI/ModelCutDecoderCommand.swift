public import ArgumentParser
import Experiments
import Foundation
public import ModelCompression
import Networks
import SparseAutoencoders

extension DecoderCriterion: ExpressibleByArgument {}

struct ModelCutDecoderCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cut-decoder", abstract: "Cut heads, neurons and blocks out of a language model of the Llama family.",
        discussion: """
            The folder holds a smaller model of the same family in the Hugging Face layout, which other programs load, too. Heads and neurons are chosen in
            each block by the change of the loss on text to first order, or by their weights; blocks by how little they turn the residual stream. Loss
            and time are measured before and after, on text that nothing was chosen by.

            Examples:
              condense model cut-decoder smollm2-135m-instruct --neurons 0.2 --data prose --out smaller
              condense model cut-decoder models/llama --blocks 2 --heads 0.25 --data notes.txt --out smaller
            """)

    @Argument(help: "Folder or GGUF file of a language model, or item of the catalogue.")
    var model: String

    @Option(help: ArgumentHelp("Part of each block's key/value heads to cut, with the query heads they serve.", valueName: "part"))
    var heads = 0.0

    @Option(help: ArgumentHelp("Part of each block's feed-forward neurons to cut.", valueName: "part"))
    var neurons = 0.0

    @Option(help: ArgumentHelp("Blocks to cut.", valueName: "count"))
    var blocks = 0

    @Option(help: "How heads and neurons are chosen (default: taylor; weight without data).")
    var criterion: DecoderCriterion?

    @Option(help: "Text: file, folder, JSON lines, table, or data item.")
    var data: String?

    @Option(help: "Texts to choose by, and as many others to measure on.")
    var texts = 16

    @Option(help: "Tokens of each text.")
    var length = 256

    @Option(help: ArgumentHelp("Folder to write; it must not exist or be empty.", valueName: "folder"))
    var out: String

    @Option(help: "Number of CPU threads (default: all cores).")
    var threads: Int?

    @OptionGroup(title: "Output") var output: OutputOptions

    func run() throws {
        try ComputeOptions.applyThreads(threads)
        let progress = output.progress()
        var configuration = DecoderCutConfiguration()
        (configuration.heads, configuration.neurons, configuration.blocks) = (heads, neurons, blocks)
        (configuration.data, configuration.texts, configuration.length) = (data, texts, length)
        configuration.criterion = criterion ?? (data == nil ? .weight : .taylor)
        try configuration.validate()
        if let data, !FileManager.default.fileExists(atPath: data) { try CommandSession.fetch(data, progress) }
        let outcome = try CommandSession.interruptible("nothing was written", progress) {
            try cutDecoder(try TextModel.location(of: model).path, configuration, to: out, progress: progress, cancellation: Interrupts.cancellation())
        }
        if output.json { return try Terminal.printJSON(outcome) }
        guard !output.quiet else { return }
        Terminal.show(outcome.table)
        Terminal.print("model: \(out)" + (outcome.hasTokenizer ? "" : ", without a tokenizer; that of \(model) fits"))
    }
}
