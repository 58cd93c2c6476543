import Foundation
import Media
import Testing
import Torch

/// Damaged pictures are read or refused in one sentence, without crashing and without allocating by their word.
///
/// `CONDENSE_FUZZ` sets the number of inputs (25,000 by default), `CONDENSE_FUZZ_SEED` the seed.
@Suite struct MediaFuzzTests {
    private let count = ProcessInfo.processInfo.environment["CONDENSE_FUZZ"].flatMap(Int.init) ?? 25_000
    private let seed = ProcessInfo.processInfo.environment["CONDENSE_FUZZ_SEED"].flatMap(UInt64.init) ?? 1

    private static func samples(_ encodings: [ImageEncoding]) throws -> [[UInt8]] {
        let levels: [Float] = (0..<396).map { index in Float((index * 37) % 256) / 255 }
        let planes = Tensor(levels, shape: [4, 9, 11])
        let rgb = Image(pixels: planes.narrowed(axis: 0, from: 0, count: 3)), alpha = Image(pixels: rgb.pixels, alpha: planes.selected(axis: 0, index: 3))
        let grey = Image(pixels: planes.narrowed(axis: 0, from: 1, count: 1))
        return try encodings.flatMap { encoding in
            let holdsAlpha = encoding.format != .jpeg && encoding.format != .portableMap
            return try [rgb, grey, holdsAlpha ? alpha : rgb].map { try $0.encoded(as: encoding) }
        }
    }

    /// With checksums that fit, so that mutations of PNGs reach the decoder.
    private func sealed(_ bytes: [UInt8]) -> [UInt8] {
        var result = bytes, position = 8
        while position + 12 <= result.count {
            let length = result[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
            guard length <= result.count - position - 12 else { break }
            let checksum = CRC32.checksum(Array(result[position + 4..<position + 8 + length]), .zip)
            withUnsafeBytes(of: checksum.bigEndian) { result.replaceSubrange(position + 8 + length..<position + 12 + length, with: $0) }
            position += length + 12
        }
        return result
    }

    private func fuzz(_ encodings: [ImageEncoding], finishing finish: ([UInt8]) -> [UInt8] = { $0 }) throws {
        var mutator = Mutator(seed: seed)
        let samples = try Self.samples(encodings)
        var refusals = 0
        for _ in 0..<count {
            let bytes = finish(mutator.mutated(samples))
            do {
                let image = try Image(decoding: bytes, limits: ImageLimits(pixelCount: 1 << 16))
                #expect(image.width * image.height <= 1 << 16)
            } catch {
                let sentence = "\(error)"
                #expect((10..<2_000).contains(sentence.utf8.count) && !sentence.contains("\n"), "\(sentence)")
                refusals += 1
            }
        }
        #expect(refusals > count / 20)
    }

    @Test func png() throws { try fuzz([.png(.eight), .png(.sixteen)]) }
    @Test func pngWithFittingChecksums() throws { try fuzz([.png(.eight), .png(.sixteen)], finishing: sealed) }
    @Test func jpeg() throws { try fuzz([.jpeg(quality: 80), .jpeg(quality: 80, chroma: .none)]) }
    @Test func webP() throws { try fuzz([.webP(quality: 80), .losslessWebP]) }
    @Test func tiff() throws { try fuzz([.tiff(.eight), .tiff(.sixteen)]) }
    @Test func portableMap() throws { try fuzz([.portableMap(.eight), .portableMap(.sixteen)]) }

    /// Files of sound and film, fewer of them: each is written to disk and opened.
    @Test(arguments: ["wav", "flac", "mkv", "mp4"]) func streams(_ suffix: String) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("condense-fuzz-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let sample = folder.appendingPathComponent("sample.\(suffix)"), damaged = folder.appendingPathComponent("damaged")
        let isFilm = suffix == "mkv" || suffix == "mp4"
        if isFilm {
            let writer = try VideoWriter(sample.path, as: suffix == "mkv" ? .ffv1() : .automatic, width: 16, height: 12, frameRate: Rational(25))
            for index in 0..<4 { try writer.write(Tensor.full([3, 12, 16], Double(index) / 4)) }
            try writer.finish()
        } else {
            let writer = try AudioWriter(sample.path, as: suffix == "wav" ? .wav(.int16) : .flac(.int16), sampleRate: 8000, channelCount: 2)
            try writer.write(Tensor.arange(0, 2000, dtype: .float32).reshaped([2, 1000]) / 2000)
            try writer.finish()
        }
        var mutator = Mutator(seed: seed)
        let bytes = Array(try Data(contentsOf: sample))
        var refusals = 0
        for _ in 0..<count / 250 {
            try Data(mutator.mutated([bytes])).write(to: damaged)
            do {
                if isFilm {
                    let reader = try VideoReader(damaged.path, limits: ImageLimits(pixelCount: 1 << 16))
                    while try reader.next() != nil {}
                } else {
                    _ = try AudioReader(damaged.path).rest(limit: 1 << 20)
                }
            } catch {
                let sentence = "\(error)"
                #expect((10..<2_000).contains(sentence.utf8.count) && !sentence.contains("\n"), "\(sentence)")
                refusals += 1
            }
        }
        #expect(refusals > 0)
    }
}
