import Foundation
import Testing

/// The commands of an image codec's life, one after another, at the size of seconds.
@Suite(.serialized) struct CodecCommandTests {
    private static let train = [
        "codec", "train", "--data", "pictures", "--steps", "40", "--batch-size", "2", "--crop-size", "64", "--quiet", "--threads", "1",
        "--set", "training.codec.channels=8", "--set", "training.codec.latentChannels=12", "--set", "training.logEvery=1",
        "--set", "training.checkpointEvery=10", "--set", "heldOut=0.2",
    ]

    /// A program with a folder of six pictures.
    private static func program() throws -> CondenseProgram {
        let program = try CondenseProgram()
        for number in 0..<6 { try write(program, "pictures/\(number).ppm", height: 70 + number, width: 90) }
        return program
    }

    /// A binary PPM of smooth colours with an edge.
    private static func write(_ program: CondenseProgram, _ path: String, height: Int, width: Int, kind: String = "P6", maximum: Int = 255) throws {
        var bytes = Array("\(kind)\n\(width) \(height)\n\(maximum)\n".utf8)
        for y in 0..<height {
            for x in 0..<width {
                for channel in 0..<(kind == "P6" ? 3 : 1) {
                    let level = (x * (channel + 1) + y * 2 + (x > width / 2 ? 90 : 0)) % 256
                    bytes += maximum > 255 ? [UInt8(level), UInt8((x + y) % 256)] : [UInt8(level)]
                }
            }
        }
        let file = program.url(path)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: file)
    }

    private static func expectSuccess(_ outcome: CondenseProgram.Outcome, _ location: SourceLocation = #_sourceLocation) {
        #expect(outcome.status == 0, "\(outcome.errors)", sourceLocation: location)
    }

    /// Exactly one sentence, and nothing else.
    private static func expectRefusal(_ outcome: CondenseProgram.Outcome, _ pieces: String..., location: SourceLocation = #_sourceLocation) {
        #expect(outcome.status == 1, "\(outcome.errors)", sourceLocation: location)
        let sentences = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("condense: ") }
        #expect(sentences.count == 1 && outcome.output == "", "\(outcome.errors)", sourceLocation: location)
        for piece in pieces { #expect(sentences.first?.contains(piece) == true, "\(outcome.errors)", sourceLocation: location) }
    }

    @Test func fromPicturesToFilesAndBack() throws {
        let program = try Self.program()
        Self.expectRefusal(try program.run("codec", "compress", "pictures/0.ppm"), "no codec was trained here", "--codec")
        Self.expectSuccess(try program.run(Self.train + ["--out", "codec"]))
        for file in ["codec/codec/codec.safetensors", "codec/codec/training.json", "codec/evaluation.json", "codec/report.html"] {
            #expect(program.exists(file), "\(file)")
        }

        // The last codec that was trained is taken; a file lies beside its picture.
        Self.expectSuccess(try program.run("codec", "compress", "pictures/0.ppm", "--quiet"))
        let again = try program.run("codec", "compress", "pictures/0.ppm", "--quiet")
        Self.expectRefusal(again, "pictures/0.cnd", "--overwrite")
        Self.expectSuccess(try program.run("codec", "compress", "pictures/0.ppm", "--overwrite", "--quiet", "--threads", "2"))
        let folder = try program.run("codec", "compress", "pictures", "--codec", "codec", "--out", "compressed", "--json", "--quiet")
        Self.expectSuccess(folder)
        let listed = try #require(try JSONSerialization.jsonObject(with: Data(folder.output.utf8)) as? [[String: Any]])
        let files = try program.files(below: "compressed")
        #expect(files.count == 6 && listed.map { $0["bytes"] as? Int } == (0..<6).map { files["\($0).cnd"]?.count })
        #expect(try files["0.cnd"] == Data(contentsOf: program.url("pictures/0.cnd")))

        Self.expectSuccess(try program.run("codec", "decompress", "compressed", "--out", "back", "--quiet"))
        #expect(try program.files(below: "back").keys.sorted() == (0..<6).map { "\($0).png" })
        Self.expectSuccess(try program.run("codec", "decompress", "compressed/3.cnd", "--out", "three.ppm", "--quiet"))
        #expect(try String(decoding: Data(contentsOf: program.url("three.ppm")).prefix(9), as: UTF8.self) == "P6\n90 73\n")
        Self.expectRefusal(try program.run("codec", "decompress", "compressed/3.cnd", "--out", "three.gif"), "three.gif", "no image format")

        let evaluated = try program.run("codec", "evaluate", "pictures", "--json", "--quiet", "--against", "webp")
        Self.expectSuccess(evaluated)
        let series = try #require(
            ((try JSONSerialization.jsonObject(with: Data(evaluated.output.utf8)) as? [String: Any])?["comparison"] as? [String: Any])?["series"]
                as? [[String: Any]])
        #expect(series.count == 2)
        let settings = try #require(series[0]["settings"] as? [[String: Any]]), pictures = try #require(settings[0]["pictures"] as? [[String: Any]])
        #expect(pictures.map { $0["bytes"] as? Int } == (0..<6).map { files["\($0).cnd"]?.count })

        Self.expectSuccess(try program.run("codec", "train", "--start", "codec", "--lambda", "0.05", "--out", "other", "--steps", "2", "--quiet",
            "--data", "pictures", "--crop-size", "64", "--set", "training.codec.channels=8", "--set", "training.codec.latentChannels=12"))
        let compared = try program.run("codec", "compare", "codec", "other", "--data", "pictures", "--out", "page", "--quiet")
        Self.expectSuccess(compared)
        let page = try String(contentsOf: program.url("page/report.html"), encoding: .utf8)
        for piece in ["class=\"compare\"", "type=\"range\"", "λ 0.05", "published", "JPEG quality"] { #expect(page.contains(piece), "\(piece)") }
        // Everything is in the page itself.
        #expect(!page.contains("<script src") && !page.contains("<link") && !page.contains("<img src=\"http"))
    }

    @Test func damagedAndForeignFilesAreRefused() throws {
        let program = try Self.program()
        Self.expectSuccess(try program.run(Self.train + ["--out", "codec"]))
        Self.expectSuccess(try program.run(Self.train + ["--out", "same-kind", "--seed", "1", "--steps", "1"]))
        Self.expectSuccess(try program.run(Self.train + ["--out", "factorized", "--kind", "factorized", "--steps", "1",
            "--set", "training.codec.channels=8", "--set", "training.codec.latentChannels=12"]))
        Self.expectSuccess(try program.run("codec", "compress", "pictures/0.ppm", "--codec", "codec", "--out", "a.cnd", "--quiet"))
        Self.expectRefusal(try program.run("codec", "decompress", "a.cnd", "--codec", "same-kind", "--quiet"), "a.cnd", "decompress it with the model that wrote it")
        Self.expectRefusal(try program.run("codec", "decompress", "a.cnd", "--codec", "factorized", "--quiet"), "a.cnd", "mbt2018-mean", "bmshj2018-factorized")
        let bytes = try Data(contentsOf: program.url("a.cnd"))
        var flipped = bytes
        flipped[bytes.count / 2] ^= 4
        for (name, content, says) in [("zero.cnd", Data(), "it is empty"), ("cut.cnd", bytes.dropLast(9), "checksum"), ("flipped.cnd", flipped, "checksum")] {
            try content.write(to: program.url(name))
            Self.expectRefusal(try program.run("codec", "decompress", name, "--codec", "codec", "--quiet"), name, says)
        }
        // One bad file of several does not keep the others from it.
        try FileManager.default.createDirectory(at: program.url("mixed"), withIntermediateDirectories: true)
        try bytes.write(to: program.url("mixed/good.cnd"))
        try flipped.write(to: program.url("mixed/bad.cnd"))
        Self.expectRefusal(try program.run("codec", "decompress", "mixed", "--codec", "codec", "--out", "out", "--quiet"), "1 of 2 files", "bad.cnd")
        #expect(try program.files(below: "out").keys.sorted() == ["good.png"])
        #expect(!program.exists("zero.png") && !program.exists("cut.png") && !program.exists("flipped.png"))
    }

    @Test func picturesOfOtherKindsAreConvertedAndThatIsSaid() throws {
        let program = try Self.program()
        Self.expectSuccess(try program.run(Self.train + ["--out", "codec", "--steps", "2"]))
        try Self.write(program, "grey.pgm", height: 33, width: 20, kind: "P5")
        try Self.write(program, "deep.ppm", height: 20, width: 33, maximum: 65535)
        try Self.write(program, "dot.ppm", height: 1, width: 1)
        for (name, says) in [("grey.pgm", "grey became RGB"), ("deep.ppm", "16 bits a sample became 8"), ("dot.ppm", "bits per pixel")] {
            let outcome = try program.run("codec", "compress", name)
            Self.expectSuccess(outcome)
            #expect(outcome.output.contains(says), "\(outcome.output)")
        }
        Self.expectSuccess(try program.run("codec", "decompress", "grey.cnd", "deep.cnd", "dot.cnd", "--out", "back/", "--format", "ppm", "--quiet"))
        let sizes = try program.files(below: "back").mapValues { String(decoding: $0.dropFirst(3).prefix { $0 != 10 }, as: UTF8.self) }
        #expect(sizes == ["grey.ppm": "20 33", "deep.ppm": "33 20", "dot.ppm": "1 1"])
    }

    @Test func interruptedTrainingContinuesToTheSameBits() throws {
        let program = try Self.program()
        Self.expectSuccess(try program.run(Self.train + ["--steps", "120", "--out", "whole"]))
        let interrupted = try program.start(Self.train + ["--steps", "120", "--out", "interrupted"])
        let metrics = program.url("interrupted/metrics.jsonl")
        #expect(interrupted.wait { ((try? Data(contentsOf: metrics))?.count ?? 0) > 2_000 }, "the training was over too soon")
        interrupted.send(SIGINT)
        let stopped = try interrupted.outcome()
        #expect(stopped.status == 130 && stopped.errors.contains("condense codec train --resume interrupted"), "\(stopped.errors)")
        #expect(!program.exists("interrupted/codec"))
        #expect(try program.run("codec", "train", "--resume", "interrupted", "--lambda", "1").status != 0)
        Self.expectSuccess(try program.run("codec", "train", "--resume", "interrupted", "--quiet"))
        #expect(try program.files(below: "interrupted/codec") == program.files(below: "whole/codec"))
        #expect(try Data(contentsOf: metrics) == Data(contentsOf: program.url("whole/metrics.jsonl")))
    }
}
