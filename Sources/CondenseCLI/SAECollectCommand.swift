public import ArgumentParser
import Experiments
import Foundation
public import SparseAutoencoders

extension StoreDescription.ElementType: ExpressibleByArgument {}
extension CollectionConfiguration.Mode: ExpressibleByArgument {}

struct SAECollectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "collect", abstract: "Run text through a model and keep the activations of one hook on disk.",
        discussion: """
            Documents are read in random order, joined by the end-of-sequence token and cut into contexts. The activations go to
            shards of a folder; an interrupted collection continues with --resume and gives the same bytes.

            With --mode dialogues every dialogue is a context of its own, written in the model's chat template and as long as it is;
            with --mode dialogueBlocks such dialogues are joined and cut into contexts of equal length.

            Examples:
              condense sae collect --tokens 200000 --out activations/prose
              condense sae collect --text notes/ --hook blocks.20.hook_mlp_out --context-length 256 --out activations/notes
              condense sae collect --tokens 200000 --gradients --out activations/with-gradients
              condense sae collect --mode dialogues --text chats.jsonl:messages --dedup 20 --out activations/chats
              condense sae collect --text posts.jsonl:body --model models/my-llama --out activations/posts
            """)

    @Option(help: "Language model: catalogue name, GGUF file or Hugging Face folder.")
    var model = CollectionConfiguration().model

    @Option(help: "Text: catalogue name, file, folder, file.jsonl:field or file.csv:column (default: prose-small, or sharegpt for dialogues).")
    var text: String?

    @Option(help: "What becomes a context: blocks of text, dialogues, or dialogueBlocks.")
    var mode = CollectionConfiguration.Mode.text

    @Option(name: .customLong("dedup"), help: "Leave out dialogues that share so many words in sequence with an earlier one, e.g. 20.")
    var deduplication: Int?

    @Option(help: "Hook by TransformerLens's name (default: the residual stream after the middle block).")
    var hook: String?

    @Option(help: "Activations to keep, one per token.")
    var tokens = CollectionConfiguration().tokens

    @Option(help: "Tokens per context (default: 128, or at most 2048 per dialogue).")
    var contextLength: Int?

    @Flag(name: .customLong("no-bos"), help: "Let contexts begin without the beginning-of-sequence token.")
    var withoutBOS = false

    @Option(help: "Positions at the beginning of each context to leave out; the first act as attention sinks (default: 1, or 0 of dialogues).")
    var dropPositions: Int?

    @Option(help: "Take at most so many tokens of each document.")
    var documentTokens: Int?

    @Option(name: .customLong("dtype"), help: "Number format on disk: float16, bfloat16 or float32.")
    var elementType = StoreDescription.ElementType.float16

    @Flag(help: "Also collect the gradients of the model's loss with respect to the activations, which some architectures need.")
    var gradients = false

    @Option(help: "Contexts that go through the model together.")
    var batchContexts = CollectionConfiguration().batchContexts

    @Option(help: "Size of a shard; an interruption loses less than one.")
    var shardMegabytes = CollectionConfiguration().shardMegabytes

    @Option(help: ArgumentHelp("Folder of the store.", valueName: "folder"))
    var out: String

    @Flag(help: "Continue a collection that was interrupted.")
    var resume = false

    @OptionGroup(title: "Computation") var compute: ComputeOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() throws {
        let settings = try compute.settings()
        var configuration = CollectionConfiguration()
        configuration.model = model
        configuration.mode = mode
        configuration.text = text ?? (mode == .text ? configuration.text : "sharegpt")
        configuration.deduplication = deduplication
        configuration.hook = hook
        configuration.tokens = tokens
        configuration.contextLength = contextLength
        configuration.prependsBOS = !withoutBOS
        configuration.droppedPositions = dropPositions
        configuration.documentLimit = documentTokens
        configuration.elementType = elementType
        configuration.gradients = gradients
        configuration.batchContexts = batchContexts
        configuration.shardMegabytes = shardMegabytes
        configuration.seed = settings.seed
        try configuration.validate()
        let textModel = try SAESession.model(model, settings: settings, output: output)
        let progress = output.progress()
        let cancellation = Interrupts.cancellation()
        try CommandSession.fetch(configuration.text, progress)
        let store = try CommandSession.interruptible("complete shards are kept; continue with the same command and --resume", progress) {
            try collectActivations(
                configuration, to: URL(filePath: out, directoryHint: .isDirectory), model: textModel, resuming: resume,
                progress: progress, cancellation: cancellation)
        }
        if output.json { return try Terminal.printJSON(Outcome(store)) }
        if !output.quiet {
            let what = store.hasGradients ? "activations with gradients" : "activations"
            Terminal.print("\(formatCount(store.rowCount)) \(what) of width \(store.width), \(formatBytes(store.byteCount)) in \(out)")
        }
    }

    private struct Outcome: Encodable {
        let folder: String
        let rows: Int
        let shards: Int
        let bytes: Int
        let description: StoreDescription

        init(_ store: ActivationStore) {
            folder = store.folder.path(percentEncoded: false)
            rows = store.rowCount
            shards = store.shardCount
            bytes = store.byteCount
            description = store.description
        }
    }
}
