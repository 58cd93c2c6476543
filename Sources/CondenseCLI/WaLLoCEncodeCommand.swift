import ArgumentParser
import Codecs
import EntropyCoding
import Experiments
import Foundation
import Media
import Torch

struct WaLLoCEncodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "encode", abstract: "Encode pictures or sound to latents, stored as lossless pictures or as shards to learn on.",
        discussion: """
            A latent is an ordinary PNG, WebP or TIFF picture, NAME.walloc.png, that also tells its size, layout and codec. With --latents all
            latents go into a folder of safetensors shards instead, one int8 tensor a file under its path.

            Examples:
              condense walloc encode photo.jpg --codec runs/walloc
              condense walloc encode pictures/ --format webp --out latents/
              condense walloc encode train/ --latents shards/
            """)

    @Argument(help: "Pictures or sound files as the codec takes them, folders of them, or data items.")
    var inputs: [String]

    @OptionGroup var codec: WaLLoCOption

    @Option(help: ArgumentHelp("Lossless format of the latents: png, webp or tiff (default: png).", valueName: "extension"))
    var format: String?

    @Option(help: ArgumentHelp("Write shards of latents to learn on to this folder.", valueName: "folder"))
    var latents: String?

    @Option(help: "What transparent pixels become: refuse, or put before white or black.")
    var alpha = AlphaRule.refuse

    @OptionGroup var options: ConversionOptions

    private struct Result: Encodable {
        var input: String, output: String
        var size: [Int]
        var bytes: Int
        var changes: [String]
    }

    private struct DatasetResult: Encodable {
        var folder: String, count: Int, codec: String
    }

    func validate() throws {
        if let format, ImageFormat(path: "a.\(format)").map({ LatentFile.formats.contains($0) }) != true {
            throw ValidationError("there is no format '\(format)' for latents: choose one of png, webp, tiff")
        }
        if latents != nil, format != nil || options.out != nil { throw ValidationError("--latents writes shards; leave out --format and --out") }
    }

    func run() throws {
        try options.applyThreads()
        let coder = try codec.load(), signal = coder.codec.configuration.signal
        let selections = try WaLLoCSession.inputs(inputs, of: signal, options.output.progress())
        if let latents { return try writeDataset(latents, selections, coder) }
        let plan = try FileConversion.plan(selections, out: options.out, suffix: "walloc.\(format ?? "png")", overwriting: options.overwrite)
        try options.convert("Encoding", plan) { conversion in
            let (file, changes) = try encoded(conversion.input, coder)
            let bytes = try file.write(conversion.output)
            let numbers = file.header.size.reduce(8.0 * Double(bytes)) { $0 / Double($1) }
            let unit = signal == .image ? "pixel" : "sample", remark = changes.isEmpty ? "" : " (\(changes.joined(separator: ", ")))"
            return (
                Result(input: conversion.input, output: conversion.output, size: file.header.size, bytes: bytes, changes: changes),
                "\(conversion.output): \(formatCount(bytes)) bytes, \(formatNumber(numbers, digits: 3)) bits per \(unit)\(remark)"
            )
        }
    }

    /// The latent of a file, and what was changed before.
    private func encoded(_ path: String, _ coder: WaLLoCCoder) throws -> (LatentFile, [String]) {
        let configuration = coder.codec.configuration
        switch configuration.signal {
        case .image:
            let picture = try CodecPicture(path: path, alpha: alpha)
            if configuration.channels == 3 { return (coder.encode(picture.pixels), picture.changes) }
            guard picture.isGrey else {
                throw CommandError("'\(path)' is in colour and the codec takes \(configuration.channels == 1 ? "grey pictures" : "\(configuration.channels) channels"); give a grey one")
            }
            return (coder.encode(picture.pixels.narrowed(axis: 0, from: 0, count: 1)), picture.changes.filter { $0 != "grey became RGB" })
        case .audio:
            let reader = try AudioReader(path)
            let samples = try SoundCollection.matched(reader.rest(), configuration.channels, path)
            guard samples.size(1) > 0 else { throw SoundError.empty(path: path) }
            let changes = reader.channelCount == configuration.channels ? [] : ["\(reader.channelCount) channels became \(configuration.channels)"]
            return (coder.encode(samples, sampleRate: reader.sampleRate), changes)
        }
    }

    private func writeDataset(_ folder: String, _ selections: [FileConversion.Selection], _ coder: WaLLoCCoder) throws {
        if !options.overwrite, FileManager.default.fileExists(atPath: folder) {
            throw CommandError("'\(folder)' exists already; choose another folder, or replace with --overwrite")
        }
        let writer = try LatentDatasetWriter(folder, of: coder)
        let progress = options.output.progress(), cancellation = Interrupts.cancellation()
        let files = selections.flatMap(\.named)
        try CommandSession.interruptible("the folder '\(folder)' holds no complete data set", progress) {
            progress.begin("Encoding", total: files.count, unit: "files")
            for (path, name) in files {
                try cancellation.check()
                try writer.add(try encoded(path, coder).0.latents, named: name)
                progress.update(writer.count)
            }
            try writer.finish()
            progress.end()
        }
        if options.output.json { return try Terminal.printJSON(DatasetResult(folder: folder, count: writer.count, codec: coder.fingerprint.description)) }
        Terminal.print("\(folder): latents of \(formatCount(writer.count)) files")
    }
}

struct WaLLoCDecodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decode", abstract: "Make pictures or sound of latents.",
        discussion: """
            Needs the codec that wrote them; another one is refused, and so are damaged files. Pictures become PNG and sound WAV unless --format or
            the extension of --out says otherwise.

            Examples:
              condense walloc decode photo.walloc.png --codec runs/walloc --out photo.png
              condense walloc decode latents/ --codec runs/walloc --out pictures/
            """)

    @Argument(help: "Latents that 'condense walloc encode' wrote, or folders of them.")
    var inputs: [String]

    @OptionGroup var codec: WaLLoCOption

    @Option(help: ArgumentHelp("Format: png, jpg, webp, tiff or ppm for pictures, wav or flac for sound (default: png, wav).", valueName: "extension"))
    var format: String?

    @OptionGroup var options: ConversionOptions

    private struct Result: Encodable {
        var input: String, output: String
        var size: [Int]
    }

    func run() throws {
        try options.applyThreads()
        let coder = try codec.load(), signal = coder.codec.configuration.signal
        let suffix = format ?? (signal == .image ? "png" : "wav")
        let plan = try FileConversion.plan(
            inputs.map { .pictures(try PictureSource($0)) }, out: options.out, suffix: "decoded.\(suffix)", overwriting: options.overwrite)
        if signal == .image { try plan.requireImageFormats() }
        try options.convert("Decoding", plan) { conversion in
            let file = try LatentFile(path: conversion.input)
            if signal == .image {
                try Image(pixels: try coder.decodePicture(file, path: conversion.input)).write(conversion.output)
            } else {
                let samples = try coder.decodeSound(file, path: conversion.input)
                let writer = try AudioWriter(conversion.output, sampleRate: file.header.sampleRate ?? 44_100, channelCount: samples.size(0))
                try writer.write(samples)
                try writer.finish()
            }
            let size = file.header.size.reversed().map(String.init).joined(separator: " × ")
            return (
                Result(input: conversion.input, output: conversion.output, size: file.header.size),
                "\(conversion.output): \(size)\(signal == .audio ? " samples" : "")"
            )
        }
    }
}
