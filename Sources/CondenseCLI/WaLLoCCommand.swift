import ArgumentParser
import Codecs
import Datasets
import Experiments
import Foundation

/// `condense walloc`: codecs whose latents are stored as lossless pictures and learned on.
struct WaLLoCCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "walloc", abstract: "Codecs with a nearly free encoder: train, encode to latents in lossless pictures, decode.",
        discussion: """
            Examples:
              condense walloc train --out runs/walloc
              condense walloc encode photo.jpg --codec runs/walloc
              condense walloc decode photo.walloc.png --codec runs/walloc
              condense walloc encode pictures/ --codec runs/walloc --latents latents/
            """,
        subcommands: [WaLLoCTrainCommand.self, WaLLoCEncodeCommand.self, WaLLoCDecodeCommand.self])
}

/// The codec that files are encoded with.
struct WaLLoCOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The codec: a run of 'condense walloc train', a folder with walloc.json and walloc.safetensors, or the .json of a released codec with its .pth beside it (default: the last one trained here).",
            valueName: "path"))
    var codec: String?

    func load() throws -> WaLLoCCoder {
        if let codec { return WaLLoCCoder(try WaLLoC.load(at: codec)) }
        guard let last = try RunIndex().entries(method: "walloc-train", state: .finished).first else {
            throw CommandError("no WaLLoC codec was trained here yet: train one with 'condense walloc train', or give --codec")
        }
        return WaLLoCCoder(try WaLLoC.load(at: last.directory.shellPath))
    }
}

/// Files of pictures or of sound, as a codec takes them.
enum WaLLoCSession {
    /// An item of the catalogue that is not in the cache is fetched.
    static func inputs(_ names: [String], of signal: WaLLoCConfiguration.Signal, _ progress: any ProgressReporter) throws -> [FileConversion.Selection] {
        try names.map { name in
            if signal == .image { return .pictures(try CodecSession.pictures(name, progress)) }
            try CommandSession.fetch(name, progress)
            return try .sounds(name)
        }
    }
}
