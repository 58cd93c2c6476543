public import ArgumentParser
public import Codecs
import EntropyCoding
import Experiments
import Foundation
import Media

extension AlphaRule: ExpressibleByArgument {}

struct CodecCompressCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compress", abstract: "Compress pictures to .cnd files.",
        discussion: """
            Takes PNG, JPEG, WebP, TIFF, PPM and PGM files and folders of them. Codecs keep three channels of 8 bits: grey becomes RGB and 16 bits
            become 8, which is said; pictures with transparent pixels are refused unless --alpha tells what to do. A file appears complete or not
            at all.

            Examples:
              condense codec compress photo.jpg
              condense codec compress pictures/ --codec runs/codec --out compressed/
            """)

    @Argument(help: "Pictures, folders of them, or data items.")
    var inputs: [String]

    @OptionGroup var codec: CodecOption

    @Option(help: "What transparent pixels become: refuse, or put before white or black.")
    var alpha = AlphaRule.refuse

    @OptionGroup var options: ConversionOptions

    private struct Result: Encodable {
        var input: String, output: String
        var width: Int, height: Int
        var bytes: Int
        var bitsPerPixel: Double
        var changes: [String]
    }

    func run() throws {
        try options.applyThreads()
        let trained = try codec.load(), compressor = try ImageCompressor(trained.codec)
        let sources = try inputs.map { try CodecSession.pictures($0, options.output.progress()) }
        let plan = try FileConversion.plan(sources.map { .pictures($0) }, out: options.out, suffix: "cnd", overwriting: options.overwrite)
        try options.convert("Compressing with \(trained.label)", plan) { conversion in
            let picture = try CodecPicture(path: conversion.input, alpha: alpha)
            let file = try compressor.compress(picture.pixels, quality: trained.quality)
            let bytes = try file.write(to: conversion.output), rate = 8 * Double(bytes) / Double(picture.height * picture.width)
            let changes = picture.changes.isEmpty ? "" : " (\(picture.changes.joined(separator: ", ")))"
            return (
                Result(
                    input: conversion.input, output: conversion.output, width: picture.width, height: picture.height, bytes: bytes, bitsPerPixel: rate,
                    changes: picture.changes),
                "\(conversion.output): \(formatCount(bytes)) bytes, \(formatNumber(rate, digits: 3)) bits per pixel\(changes)"
            )
        }
    }
}

struct CodecDecompressCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decompress", abstract: "Make pictures of .cnd files.",
        discussion: """
            Needs the codec that wrote the files; another one is refused, and so are damaged files. Pictures are PNG unless --format or the extension
            of --out says otherwise.

            Examples:
              condense codec decompress photo.cnd --out photo.png
              condense codec decompress compressed/ --codec runs/codec --out pictures/
            """)

    @Argument(help: "Compressed files, or folders of them.")
    var inputs: [String]

    @OptionGroup var codec: CodecOption

    @Option(help: ArgumentHelp("Format of the pictures: png, jpg, webp, tiff or ppm (default: png).", valueName: "extension"))
    var format: String?

    @OptionGroup var options: ConversionOptions

    private struct Result: Encodable {
        var input: String, output: String
        var width: Int, height: Int
    }

    func validate() throws {
        if let format, ImageFormat(path: "a.\(format)") == nil {
            throw ValidationError("there is no format '\(format)': choose one of png, jpg, webp, tiff, ppm")
        }
    }

    func run() throws {
        try options.applyThreads()
        let trained = try codec.load(), compressor = try ImageCompressor(trained.codec)
        let plan = try FileConversion.plan(
            inputs.map { try .coded($0) }, out: options.out, suffix: format ?? "png", overwriting: options.overwrite)
        try plan.requireImageFormats()
        try options.convert("Decompressing with \(trained.label)", plan) { conversion in
            let file = try CodedFile(path: conversion.input)
            let pixels = try compressor.decompress(file, path: conversion.input)
            try Image(pixels: pixels).write(conversion.output)
            return (
                Result(input: conversion.input, output: conversion.output, width: file.width, height: file.height),
                "\(conversion.output): \(file.width) × \(file.height)"
            )
        }
    }
}
