import Foundation
import Testing

/// The commands of a WaLLoC codec's life, one after another, at the size of seconds.
@Suite(.serialized) struct WaLLoCCommandTests {
    private static let small = [
        "--steps", "6", "--batch-size", "2", "--quiet", "--threads", "1", "--set", "training.startSignals=4", "--set", "training.checkpointEvery=2",
        "--set", "heldOut=0.2",
    ]

    private static func expectSuccess(_ outcome: CondenseProgram.Outcome, _ location: SourceLocation = #_sourceLocation) {
        #expect(outcome.status == 0, "\(outcome.errors)", sourceLocation: location)
    }

    private static func expectRefusal(_ outcome: CondenseProgram.Outcome, _ pieces: String..., location: SourceLocation = #_sourceLocation) {
        #expect(outcome.status == 1, "\(outcome.errors)", sourceLocation: location)
        for piece in pieces { #expect(outcome.errors.contains(piece), "\(outcome.errors)", sourceLocation: location) }
    }

    /// A binary PPM of smooth colours.
    private static func picture(_ height: Int, _ width: Int) -> Data {
        var bytes = Array("P6\n\(width) \(height)\n255\n".utf8)
        for y in 0..<height { for x in 0..<width { for channel in 0..<3 { bytes.append(UInt8((x * (channel + 1) + y * 2) % 256)) } } }
        return Data(bytes)
    }

    /// A WAV file of 16 bits in stereo.
    private static func sound(_ count: Int, pitch: Double) -> Data {
        func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian, Array.init) }
        let samples = (0..<count).flatMap { place in [1.0, 0.5].flatMap { little(Int16(8_000 * $0 * sin(Double(place) * pitch))) } }
        let header = Array("RIFF".utf8) + little(UInt32(36 + samples.count)) + Array("WAVEfmt ".utf8) + little(UInt32(16)) + little(UInt16(1)) + little(UInt16(2))
        let rates = little(UInt32(8_000)) + little(UInt32(32_000)) + little(UInt16(4)) + little(UInt16(16))
        return Data(header + rates + Array("data".utf8) + little(UInt32(samples.count)) + samples)
    }

    private static func write(_ data: Data, _ program: CondenseProgram, _ path: String) throws {
        let file = program.url(path)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try data.write(to: file)
    }

    @Test func picturesBecomeLatentsAndComeBack() throws {
        let program = try CondenseProgram()
        for number in 0..<6 { try Self.write(Self.picture(70 + number, 90), program, "pictures/\(number).ppm") }
        let train = ["walloc", "train", "--data", "pictures", "--width", "32", "--set", "training.cropSize=32"] + Self.small
        Self.expectSuccess(try program.run(train + ["--out", "codec"]))
        for file in ["codec/codec/walloc.json", "codec/codec/walloc.safetensors", "codec/evaluation.json", "codec/report.html"] {
            #expect(program.exists(file), "\(file)")
        }
        Self.expectSuccess(try program.run("walloc", "encode", "pictures/3.ppm", "--quiet"))
        #expect(program.exists("pictures/3.walloc.png"))
        Self.expectSuccess(try program.run("walloc", "decode", "pictures/3.walloc.png", "--out", "three.ppm", "--quiet"))
        #expect(try String(decoding: Data(contentsOf: program.url("three.ppm")).prefix(9), as: UTF8.self) == "P6\n90 73\n")
        Self.expectSuccess(try program.run("walloc", "encode", "pictures/0.ppm", "pictures/1.ppm", "--format", "webp", "--out", "latents/", "--codec", "codec", "--quiet"))
        #expect(try program.files(below: "latents").keys.sorted() == ["0.walloc.webp", "1.walloc.webp"])
        Self.expectSuccess(try program.run("walloc", "decode", "latents", "--out", "back", "--quiet"))
        #expect(try program.files(below: "back").count == 2)
        Self.expectSuccess(try program.run("walloc", "encode", "pictures/0.ppm", "pictures/1.ppm", "--latents", "shards", "--quiet"))
        #expect(program.exists("shards/latents.safetensors.index.json") && program.exists("shards/latents-00001-of-00001.safetensors"))

        Self.expectRefusal(try program.run("walloc", "decode", "three.ppm"), "three.ppm", "without a latent's description")
        Self.expectSuccess(try program.run(train + ["--out", "other", "--seed", "5"]))
        Self.expectRefusal(try program.run("walloc", "decode", "pictures/3.walloc.png", "--codec", "other", "--out", "x.png"), "was written by the codec")
        #expect(!program.exists("x.png"))
    }

    @Test func soundBecomesLatentsAndComesBack() throws {
        let program = try CondenseProgram()
        for number in 0..<5 { try Self.write(Self.sound(3_000 + number, pitch: 0.05 + 0.03 * Double(number)), program, "music/\(number).wav") }
        let train = [
            "walloc", "train", "--audio", "--data", "music", "--levels", "4", "--latent-channels", "8", "--width", "8", "--set", "training.cropSize=512",
            "--set", "sampleRate=8000",
        ]
        Self.expectSuccess(try program.run(train + Self.small + ["--out", "codec"]))
        Self.expectSuccess(try program.run("walloc", "encode", "music/2.wav", "--quiet"))
        Self.expectSuccess(try program.run("walloc", "decode", "music/2.walloc.png", "--format", "flac", "--quiet"))
        #expect(program.exists("music/2.walloc.decoded.flac"))
        Self.expectSuccess(try program.run("walloc", "decode", "music/2.walloc.png", "--quiet"))
        // 3,002 samples in two channels of 24 bits, and a header.
        let bytes = try Data(contentsOf: program.url("music/2.walloc.decoded.wav"))
        #expect(bytes.count > 3_002 * 6 && bytes.count < 3_002 * 6 + 200)
    }
}
