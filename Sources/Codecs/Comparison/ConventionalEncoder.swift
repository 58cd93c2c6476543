internal import Datasets
public import Foundation
internal import Media
internal import Torch

/// The formats that learned codecs are held against.
public enum ConventionalFormat: String, Codable, Sendable, CaseIterable {
    case jpeg = "JPEG"
    case webP = "WebP"
    case avif = "AVIF"

    /// As it is written on command lines.
    public var shortName: String { rawValue.lowercased() }
}

/// An encoder of such a format as it is installed here.
///
/// The programs of the formats' own libraries are preferred, `cjpeg`, `cwebp` and `avifenc`. Without them FFmpeg's libraries encode WebP (by the same library)
/// and JPEG (by an encoder of their own, which never divides the mean of a block by more than 8 and is worse at low rates); without
/// `avifenc` there is no AVIF.
public final class ConventionalEncoder {
    public let format: ConventionalFormat
    /// Which program or library in which version, with its settings; for reports.
    public let origin: String
    private let backend: Backend
    private let scratch: URL

    private enum Backend {
        case program(encoder: Program, decoder: Program?)
        case library
    }

    /// - Parameter environment: where programs are looked for (`PATH`).
    /// - Returns: nil where the format cannot be written here.
    /// - Throws: `DataError` if a temporary folder cannot be made.
    public init?(_ format: ConventionalFormat, environment: [String: String] = ProcessInfo.processInfo.environment) throws {
        self.format = format
        scratch = FileManager.default.temporaryDirectory.appending(path: "condense-\(UUID().uuidString)", directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
        let decoder = format == .avif ? Program("avifdec", environment: environment) : nil
        if let encoder = Program(format.program, environment: environment), format != .avif || decoder != nil,
            let version = try Self.version(of: encoder, format, scratch)
        {
            backend = .program(encoder: encoder, decoder: decoder)
            origin = "\(format.program) of \(version), \(format.settings)"
        } else if format == .avif {
            try? FileManager.default.removeItem(at: scratch)
            return nil
        } else {
            backend = .library
            origin = format == .jpeg
                ? "the encoder of FFmpeg's libavcodec (4:2:0; weaker than libjpeg at low rates, install cjpeg for the usual baseline)"
                : "libwebp through FFmpeg's libavcodec"
        }
    }

    deinit { try? FileManager.default.removeItem(at: scratch) }

    /// Version as the program tells it; nil if it does not run.
    private static func version(of program: Program, _ format: ConventionalFormat, _ scratch: URL) throws -> String? {
        let outcome = try program.run([format == .avif ? "--version" : "-version"], in: scratch, scratch: scratch)
        guard outcome.status == 0 || format == .jpeg else { return nil }
        let lines = (outcome.output + outcome.complaints).split(whereSeparator: \.isNewline).map(String.init)
        switch format {
        case .jpeg: return lines.first { $0.contains("version") }.map { $0.replacing(" version", with: "") }
        case .webP: return lines.first.map { "libwebp \($0)" }
        case .avif: return lines.first { $0.hasPrefix("Version: ") }.map { "libavif \($0.dropFirst("Version: ".count))" }
        }
    }

    /// The bytes of a picture's file.
    /// - Parameter quality: 1 to 100, as the format's programs count; for AVIF turned into a quantiser of 63 to 0.
    public func encode(_ picture: CodecPicture, quality: Int) throws -> [UInt8] {
        let image = Image(pixels: picture.pixels)
        switch backend {
        case .library: return try image.encoded(as: format == .jpeg ? .jpeg(quality: quality) : .webP(quality: Double(quality)))
        case .program(let encoder, _):
            try image.write(input.path)
            return try run(encoder, format.arguments(quality: quality, input: input.path, output: output.path), giving: output)
        }
    }

    /// Shape [3, height, width].
    func decode(_ bytes: [UInt8]) throws -> Tensor {
        guard case .program(_, let decoder?) = backend else { return try Image(decoding: bytes, name: format.rawValue).rgb.pixels }
        try Data(bytes).write(to: output)
        let decoded = scratch.appending(path: "decoded.png")
        let png = try run(decoder, [output.path, decoded.path], giving: decoded)
        return try Image(decoding: png, name: decoded.path).rgb.pixels
    }

    private var input: URL { scratch.appending(path: format == .avif ? "input.png" : "input.ppm") }
    private var output: URL { scratch.appending(path: "output.\(format.shortName)") }

    private func run(_ program: Program, _ arguments: [String], giving result: URL) throws -> [UInt8] {
        try? FileManager.default.removeItem(at: result)
        let outcome = try program.run(arguments, in: scratch, scratch: scratch)
        guard outcome.status == 0, let bytes = try? Data(contentsOf: result) else {
            throw EncoderFailure(program: program.name, reason: outcome.reason)
        }
        return Array(bytes)
    }

    /// The encoder at one quality.
    public func at(quality: Int) -> Setting { Setting(encoder: self, quality: quality) }

    /// Times of programs contain their start and the reading and writing of files.
    public struct Setting: PictureCoder {
        let encoder: ConventionalEncoder
        let quality: Int

        public func code(_ picture: CodecPicture) throws -> CodedPicture {
            let (bytes, encodeSeconds) = try timed { try encoder.encode(picture, quality: quality) }
            let (decoded, decodeSeconds) = try timed { CodecPicture.rounded(try encoder.decode(bytes)) }
            return CodedPicture(byteCount: bytes.count, decoded: decoded, encodeSeconds: encodeSeconds, decodeSeconds: decodeSeconds)
        }
    }

    /// The quality whose file is nearest to a size, found by halving the range.
    func quality(for picture: CodecPicture, bytes target: Int) throws -> Int {
        var (low, high) = (1, 100)
        while high - low > 1 {
            let middle = (low + high) / 2
            if try encode(picture, quality: middle).count < target { low = middle } else { high = middle }
        }
        let (below, above) = (try encode(picture, quality: low).count, try encode(picture, quality: high).count)
        return abs(below - target) <= abs(above - target) ? low : high
    }
}

extension ConventionalFormat {
    fileprivate var program: String {
        switch self {
        case .jpeg: "cjpeg"
        case .webP: "cwebp"
        case .avif: "avifenc"
        }
    }

    fileprivate var settings: String {
        switch self {
        case .jpeg: "4:2:0, optimised Huffman tables"
        case .webP: "method 4"
        case .avif: "4:2:0, speed 6"
        }
    }

    fileprivate func arguments(quality: Int, input: String, output: String) -> [String] {
        switch self {
        case .jpeg: return ["-quality", "\(quality)", "-sample", "2x2", "-optimize", "-outfile", output, input]
        case .webP: return ["-quiet", "-m", "4", "-q", "\(quality)", input, "-o", output]
        case .avif:
            let quantizer = "\(63 * (100 - quality) / 100)"
            return ["--min", quantizer, "--max", quantizer, "-y", "420", "-s", "6", "-j", "1", input, output]
        }
    }

    /// Qualities that curves are drawn through, from about 0.1 to 2 bits per pixel.
    public var curveQualities: [Int] {
        switch self {
        case .jpeg: [5, 10, 20, 30, 45, 60, 75, 85, 92]
        case .webP: [1, 10, 25, 45, 65, 80, 90]
        case .avif: [10, 25, 40, 55, 70, 80]
        }
    }
}

/// A program that did not do its work.
struct EncoderFailure: Error, CustomStringConvertible {
    let program: String, reason: String
    var description: String { "'\(program)' failed: \(reason); check that it runs here, or take it out of PATH" }
}
