import ArgumentParser
import Codecs
import Datasets
import Experiments
import Foundation
import Media

/// `condense codec`: learned compression of pictures.
struct CodecCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "codec", abstract: "Learned image codecs: train, compress, decompress, evaluate, compare with JPEG, WebP and AVIF.",
        discussion: """
            Examples:
              condense codec train --out runs/codec
              condense codec compress photo.jpg --codec runs/codec
              condense codec decompress photo.cnd --codec runs/codec --out photo.png
              condense codec evaluate pictures/ --codec runs/codec
              condense codec compare runs/low runs/middle runs/high --data photos-test
            """,
        subcommands: [
            CodecTrainCommand.self, CodecCompressCommand.self, CodecDecompressCommand.self, CodecEvaluateCommand.self, CodecCompareCommand.self,
        ])
}

/// What every `codec` command does in the same way.
enum CodecSession {
    /// The pictures of a name; an item of the catalogue that is not in the cache is fetched.
    static func pictures(_ name: String, _ progress: any ProgressReporter) throws -> PictureSource {
        do {
            return try PictureSource(name)
        } catch PictureError.notFetched {
            try CommandSession.fetch(name, progress)
            return try PictureSource(name)
        }
    }

    /// What it looks with is fetched if it is not in the cache.
    static func perceptualDistance(_ progress: any ProgressReporter) throws -> PerceptualDistance {
        for item in PerceptualDistance.items { try CommandSession.fetch(item, progress) }
        return try PerceptualDistance()
    }
}

/// The codec that files are compressed with.
struct CodecOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The codec: a run of 'condense codec train', or a folder with codec.json and codec.safetensors (default: the last one trained here).",
            valueName: "folder"))
    var codec: String?

    func load() throws -> TrainedCodec {
        try codec.map { try TrainedCodec.load(at: $0) } ?? Self.last()
    }

    /// The last one trained on this computer.
    static func last() throws -> TrainedCodec {
        guard let last = try RunIndex().entries(method: "codec-train", state: .finished).first else {
            throw CommandError("no codec was trained here yet: train one with 'condense codec train', or give --codec")
        }
        return try TrainedCodec.load(at: last.directory.shellPath)
    }
}

/// Files in, files out.
struct ConversionOptions: ParsableArguments {
    @Option(help: ArgumentHelp("File or folder for the results (default: beside a file; needed for folders).", valueName: "path"))
    var out: String?

    @Flag(help: "Replace results that exist.")
    var overwrite = false

    @Option(help: "Number of CPU threads (default: all cores).")
    var threads: Int?

    @OptionGroup(title: "Output") var output: OutputOptions

    func applyThreads() throws { try ComputeOptions.applyThreads(threads) }

    /// Converts files one after another, each complete or not at all. Files that cannot be converted do not keep the others from it.
    /// - Throws: `CommandError` at the end if there were such files; exit code 130 on an interrupt.
    func convert<Result: Encodable>(
        _ task: String, _ plan: [FileConversion], _ body: (FileConversion) throws -> (result: Result, line: String)
    ) throws {
        let progress = output.progress(), cancellation = Interrupts.cancellation()
        var results: [Result] = [], failures: [String] = []
        func finish() throws {
            progress.end()
            if output.json { try Terminal.printJSON(results) }
        }
        progress.begin(task, total: plan.count, unit: plan.count == 1 ? "file" : "files")
        for conversion in plan {
            if cancellation.isCancelled {
                try finish()
                Terminal.error("interrupted; \(results.count) of \(plan.count) files are done and complete")
                throw ExitCode(130)
            }
            do {
                try conversion.makeFolder()
                let (result, line) = try body(conversion)
                results.append(result)
                progress.update(results.count)
                if !output.json && !output.quiet { Terminal.print(line) }
            } catch where plan.count > 1 {
                failures.append("\(error)")
                progress.message("\(error)")
            }
        }
        try finish()
        if !failures.isEmpty { throw CommandError("\(failures.count) of \(plan.count) files could not be converted, the first: \(failures[0])") }
    }
}

extension [FileConversion] {
    /// - Throws: `CommandError` for a result whose extension stands for no image format.
    func requireImageFormats() throws {
        for conversion in self where ImageFormat(path: conversion.output) == nil {
            throw CommandError("the extension of '\(conversion.output)' stands for no image format; use .png, .jpg, .webp, .tiff or .ppm")
        }
    }
}

extension ComputeOptions {
    /// Sets the number of threads, all cores if nil.
    static func applyThreads(_ threads: Int?) throws {
        var settings = RunSettings()
        if let threads { settings.threads = threads }
        try settings.validate()
        try apply(settings)
    }
}
