import Foundation
import Testing

/// Wrong input is one sentence on standard error, an exit code that is not 0, and nothing written.
@Suite struct WrongInputTests {
    struct Case: CustomTestStringConvertible {
        let command: String
        /// Pieces of the sentence.
        let says: [String]
        var testDescription: String { command }
    }

    static let cases = [
        Case(command: "sae colect", says: ["colect"]),
        Case(command: "sae collect", says: ["--out"]),
        Case(command: "sae collect --model smollm2-135m-instrct --out a", says: ["did you mean 'smollm2-135m-instruct'"]),
        Case(command: "sae collect --model prose-small --out a", says: ["not a language model"]),
        Case(command: "sae collect --model no/such/model --out a", says: ["no/such/model"]),
        Case(command: "sae collect --hook blocks.15.hook_resid_pots --out a", says: ["did you mean 'blocks.15.hook_resid_post'"]),
        Case(command: "sae collect --hook blocks.99.hook_resid_post --out a", says: ["blocks.99"]),
        Case(command: "sae collect --hook blocks.3.attn.hook_pattern --out a", says: ["no vector for each token"]),
        Case(command: "sae collect --text short.txt --out a", says: ["too few for one context of 128", "--context-length"]),
        Case(command: "sae collect --text none.txt --out a", says: ["none.txt"]),
        Case(command: "sae collect --tokens 0 --out a", says: ["tokens must be positive"]),
        Case(command: "sae collect --mode dialogs --out a", says: ["dialogs"]),
        Case(command: "sae collect --mode dialogues --text short.txt --out a", says: ["has no dialogues", "jsonl:messages"]),
        Case(command: "sae collect --dedup 20 --out a", says: ["left out with --mode text"]),
        Case(command: "sae collect --mode dialogues --dedup 0 --out a", says: ["words compared"]),
        Case(command: "sae collect --device cuda:7 --out a", says: ["cuda:7", "not available"]),
        Case(command: "sae train none", says: ["none"]),
        Case(command: "demo --set collection.tokens=0", says: ["collection"]),
        Case(command: "demo --quiet --set collection.model=no/such/model", says: ["no/such/model"]),
        Case(command: "sae train garbage --k 4", says: ["garbage"]),
        Case(command: "sae train --architecture topk2 store", says: ["no architecture 'topk2'"]),
        Case(command: "sae train garbage --set trainig.steps=3", says: ["did you mean 'training'"]),
        Case(command: "sae train --resume none", says: ["none"]),
        Case(command: "sae train --resume none --k 5", says: ["leave out"]),
        Case(command: "sae eval none --store none", says: ["none"]),
        Case(command: "sae eval garbage --store garbage --held-out 2", says: ["--held-out"]),
        Case(command: "sae features none --store none", says: ["none"]),
        Case(command: "sae probe none", says: ["none"]),
        Case(command: "sae probe none --ablate 0", says: ["--ablate must be positive"]),
        Case(command: "sae probe none --training 0", says: ["--training must be positive"]),
        Case(command: "sae absorption none --test 0", says: ["--test must be positive"]),
        Case(command: "sae steer none --feature 3 --prompt x", says: ["--maximum"]),
        Case(command: "sae steer none --feature 3 --prompt x --maximum 1 --tokens 0", says: ["--tokens must be positive"]),
        Case(command: "sae convert none a --to saelens", says: ["none", "there is no such file or folder"]),
        Case(command: "sae convert garbage a --to saelens", says: ["garbage", "a sparse autoencoder is a folder with"]),
        Case(command: "sae convert garbage a --to saelenz", says: ["saelenz"]),
        Case(command: "model inspect none", says: ["none", "no such file, exported network or fetched vision model"]),
        Case(command: "model inspect short.txt", says: ["short.txt"]),
        Case(command: "model inspect garbage", says: ["garbage"]),
        Case(command: "model inspect prose-small --batch 0", says: ["prose-small"]),
        Case(command: "model inspect none --batch 5000", says: ["--batch must be between"]),
        Case(command: "model inspect none --image-size 3", says: ["--image-size must be between"]),
        Case(command: "model export none --out a", says: ["none"]),
        Case(command: "model export none --out a --mode zip", says: ["zip"]),
        Case(command: "explain none picture.png --out a", says: ["none"]),
        Case(command: "codec train --data none", says: ["no file, folder or data item 'none'"]),
        Case(command: "codec train --data garbage", says: ["garbage", "holds no images"]),
        Case(command: "codec train --data phots", says: ["did you mean 'photos'"]),
        Case(command: "codec train --data prose-small", says: ["kind 'text'"]),
        Case(command: "codec train --data short.txt --kind jpeg", says: ["jpeg"]),
        Case(command: "codec train --data short.txt --lambda 0", says: ["lambda must be positive"]),
        Case(command: "codec train --data short.txt --lambda 1 --quality 3", says: ["not both"]),
        Case(command: "codec train --data short.txt --quality 9", says: ["between 1 and 8"]),
        Case(command: "codec train --data short.txt --crop-size 100", says: ["cropSize must be a multiple of 64"]),
        Case(command: "codec train --data short.txt --start none", says: ["no folder 'none'"]),
        Case(command: "codec train --resume none --steps 3", says: ["leave out"]),
        Case(command: "codec compress short.txt --codec none", says: ["no folder 'none'"]),
        Case(command: "codec compress short.txt --codec garbage", says: ["garbage", "holds no codec"]),
        Case(command: "codec compress short.txt", says: ["no codec was trained here"]),
        Case(command: "codec decompress none --codec garbage", says: ["holds no codec"]),
        Case(command: "codec decompress none --format gif", says: ["no format 'gif'"]),
        Case(command: "codec evaluate none --codec garbage", says: ["holds no codec"]),
        Case(command: "codec evaluate short.txt --against bpg", says: ["bpg"]),
        Case(command: "codec compare none", says: ["no folder 'none'"]),
        Case(command: "codec compare --resume none", says: ["run it again"]),
        Case(command: "walloc train --data none", says: ["no file, folder or data item 'none'"]),
        Case(command: "walloc train --data garbage", says: ["garbage", "holds no images"]),
        Case(command: "walloc train --data garbage --audio", says: ["garbage", "holds no sound"]),
        Case(command: "walloc train --data short.txt --latent-channels 193", says: ["latentChannels must be between 1 and the 192 bands"]),
        Case(command: "walloc train --data short.txt --width 48", says: ["decoderWidth must be a multiple of 32"]),
        Case(command: "walloc train --resume none --audio", says: ["leave out"]),
        Case(command: "walloc encode short.txt --codec none", says: ["none"]),
        Case(command: "walloc encode short.txt --codec garbage", says: ["garbage"]),
        Case(command: "walloc encode short.txt --format jpg", says: ["jpg", "choose one of png, webp, tiff"]),
        Case(command: "walloc encode short.txt --latents a --format png", says: ["leave out --format"]),
        Case(command: "walloc decode short.txt", says: ["no WaLLoC codec was trained here"]),
        Case(command: "reproduce sae-baseline", says: ["did you mean 'sae-baselines'"]),
        Case(command: "runs show nothing", says: ["no run 'nothing'"]),
        Case(command: "data fetch prose-smal", says: ["did you mean 'prose-small'"]),
        Case(command: "bench engin", says: ["engine"]),
    ]

    @Test(arguments: cases) func isOneSentence(_ wrong: Case) throws {
        let program = try CondenseProgram()
        try "A few words.".write(to: program.url("short.txt"), atomically: true, encoding: .utf8)
        try FileManager.default.createDirectory(at: program.url("garbage"), withIntermediateDirectories: true)
        for name in ["store.json", "config.json", "weights.safetensors"] {
            try Data([0x7B, 0xFF, 0x00, 0x22]).write(to: program.url("garbage/\(name)"))
        }
        let outcome = try program.run(wrong.command.split(separator: " ").map(String.init))
        #expect(outcome.status != 0 && outcome.status < 128, "exit code \(outcome.status)")
        let sentences = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("condense: ") }
        #expect(sentences.count == 1, "\(outcome.errors)")
        for piece in wrong.says { #expect(sentences.first?.contains(piece) == true, "\(outcome.errors)") }
        #expect(outcome.output == "")
        #expect(!program.exists("a"), "a store was begun")
        #expect(!program.exists("runs"), "a run was begun")
    }
}
