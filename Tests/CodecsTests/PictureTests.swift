import Codecs
import Experiments
import Foundation
import Media
import Testing
import Torch

/// A folder that is removed afterwards.
private final class TemporaryFolder {
    let path = FileManager.default.temporaryDirectory.appending(path: "pictures-\(UUID().uuidString)").path

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

    /// Random levels of 8 bits, [3, height, width].
    @discardableResult
    func picture(_ name: String, _ height: Int, _ width: Int) throws -> Tensor {
        let file = URL(filePath: self(name))
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        let generator = RandomGenerator(seed: UInt64(1_000 * height + width))
        let levels = (Tensor.uniform([3, height, width], generator: generator) * 255).rounded() / 255
        try Image(pixels: levels).write(file.path)
        return levels
    }
}

@Suite struct PictureTests {
    // MARK: Crops

    @Test func cropsOfAFolderAreThoseOfItsPictures() throws {
        let folder = try TemporaryFolder()
        let images = [try folder.picture("a.png", 100, 80), try folder.picture("b/c.png", 64, 64), try folder.picture("d.ppm", 40, 90)]
        let source = try PictureSource(folder.path)
        let expected = InMemoryCrops(images, seed: 3).crops(first: 0, count: 40, size: 48)
        let crops = try FolderCrops(source, seed: 3)
        #expect(try crops.crops(first: 0, count: 40, size: 48).isEqual(to: expected))
        #expect(try crops.crops(first: 17, count: 3, size: 48).isEqual(to: expected[17..<20]))
        // A cache that holds one picture at a time changes nothing.
        #expect(try FolderCrops(source, seed: 3, cacheBytes: 1).crops(first: 0, count: 40, size: 48).isEqual(to: expected))
        #expect(try !FolderCrops(source, seed: 4).crops(first: 0, count: 40, size: 48).isEqual(to: expected))
        // Both a picture and its mirror image are given.
        let whole = try FolderCrops(PictureSource(folder("b/c.png")), seed: 0).crops(first: 0, count: 20, size: 64)
        let plain = (0..<20).count { whole[$0].isEqual(to: images[1]) }, mirrored = (0..<20).count { whole[$0].isEqual(to: images[1].flipped(axes: [2])) }
        #expect(plain > 0 && mirrored > 0 && plain + mirrored == 20)
    }

    @Test func largePicturesAreMadeSmaller() throws {
        let folder = try TemporaryFolder()
        let levels = try folder.picture("a.png", 65, 97)
        let crop = try FolderCrops(PictureSource(folder.path), seed: 0, largestSide: 40).crops(first: 0, count: 1, size: 21)[0]
        let means = levels[.all, ..<63, ..<96].unsqueezed(0).averagePooled(kernel: [3, 3])[0]
        let places = (0..<12).flatMap { left in [means[.all, ..<21, left..<min(32, left + 21)]] }
        let distances = places.flatMap { [$0, $0.flipped(axes: [2])] }.map { ($0 - crop).abs().max().item() }
        #expect(try #require(distances.min()) < 0.5 / 255 + 1e-6)
    }

    @Test func unreadableFilesAreSkippedAndTold() throws {
        let folder = try TemporaryFolder()
        let good = try folder.picture("good.png", 64, 64)
        try folder.picture("cut.png", 200, 200)
        // Its header is whole, its pixels are not.
        let bytes = try Data(contentsOf: URL(filePath: folder("cut.png")))
        try bytes.prefix(bytes.count / 2).write(to: URL(filePath: folder("cut.png")))
        try Data("no picture".utf8).write(to: URL(filePath: folder("text.png")))
        try Data().write(to: URL(filePath: folder("empty.jpg")))
        var told: [String] = []
        let crops = try FolderCrops(PictureSource(folder.path), seed: 0) { told.append($0.path) }
        let given = try crops.crops(first: 0, count: 10, size: 64)
        #expect((0..<10).allSatisfy { given[$0].isEqual(to: good) || given[$0].isEqual(to: good.flipped(axes: [2])) })
        #expect(Set(told) == Set(["cut.png", "empty.jpg", "text.png"].map { folder($0) }) && told.count == 3)
        #expect(crops.skipped.map(\.path) == told && crops.pictureCount == 1)
        try FileManager.default.removeItem(atPath: folder("good.png"))
        let error = #expect(throws: PictureError.self) {
            try FolderCrops(PictureSource(folder.path), seed: 0).crops(first: 0, count: 1, size: 64)
        }
        #expect(error?.description.contains("none of the 3 pictures") == true, "\(error?.description ?? "")")
    }

    @Test func transparencyIsRefusedOrPutBeforeABackground() throws {
        let pixels = Tensor.full([3, 2, 2], 0.2), alpha = Tensor([Float(1), 1, 0, 0.5], shape: [2, 2])
        let image = Image(pixels: pixels, alpha: alpha)
        #expect(throws: PictureError.hasAlpha(path: "a.png")) { try CodecPicture(image, path: "a.png") }
        let white = try CodecPicture(image, alpha: .white), black = try CodecPicture(image, alpha: .black)
        #expect(white.pixels[0].isClose(to: Tensor([Float(0.2), 0.2, 1, 0.6], shape: [2, 2]), absolute: 0.5 / 255))
        #expect(black.pixels[0].isClose(to: Tensor([Float(0.2), 0.2, 0, 0.1], shape: [2, 2]), absolute: 0.6 / 255))
        #expect(white.changes == ["transparent pixels were put before white"])
        #expect(try CodecPicture(Image(pixels: pixels, alpha: Tensor.ones([2, 2]))).changes == [])
        let grey = try CodecPicture(Image(pixels: Tensor.full([1, 3, 5], 1234.0 / 65535), bitDepth: .sixteen))
        #expect(grey.pixels.shape == [3, 3, 5] && grey.changes == ["grey became RGB", "16 bits a sample became 8"])
        #expect(mismatchOfLevels(grey.pixels) < 1e-4)
    }

    /// How far numbers are from levels of 8 bits.
    private func mismatchOfLevels(_ pixels: Tensor) -> Double { (pixels * 255 - (pixels * 255).rounded()).abs().max().item() }

    @Test func sourcesThatAreNoneAreErrors() throws {
        let folder = try TemporaryFolder()
        #expect(throws: MediaError.noImages(folder: folder.path)) { try PictureSource(folder.path) }
        #expect(throws: PictureError.nothing(name: "phots-test", nearest: "photos-test")) { try PictureSource("phots-test") }
        #expect(throws: PictureError.notPictures(name: "prose", kind: "text")) { try PictureSource("prose") }
    }

    // MARK: Files

    @Test func resultsLieWhereTheyAreExpected() throws {
        let folder = try TemporaryFolder()
        for name in ["in/a.png", "in/sub/a.png", "in/sub/b.png", "in/sub/b.ppm"] { try folder.picture(name, 4, 4) }
        let selection = FileConversion.Selection.pictures(try PictureSource(folder("in")))
        #expect(throws: FileConversionError.needsFolder(name: folder("in"))) {
            try FileConversion.plan([selection], out: nil, suffix: "cnd", overwriting: false)
        }
        let plan = try FileConversion.plan([selection], out: folder("out/"), suffix: "cnd", overwriting: false)
        #expect(plan.map(\.output) == ["out/a.cnd", "out/sub/a.cnd", "out/sub/b.png.cnd", "out/sub/b.ppm.cnd"].map { folder($0) })
        let single = FileConversion.Selection.pictures(try PictureSource(folder("in/a.png")))
        #expect(try FileConversion.plan([single], out: nil, suffix: "cnd", overwriting: false).map(\.output) == [folder("in/a.cnd")])
        #expect(try FileConversion.plan([single], out: folder("x"), suffix: "cnd", overwriting: false).map(\.output) == [folder("x")])
        #expect(try FileConversion.plan([single], out: folder("in"), suffix: "cnd", overwriting: false).map(\.output) == [folder("in/a.cnd")])
        try plan[1].makeFolder()
        try Data([1]).write(to: URL(filePath: plan[1].output))
        #expect(throws: FileConversionError.exists(path: plan[1].output, count: 1, isFolder: false)) {
            try FileConversion.plan([selection], out: folder("out"), suffix: "cnd", overwriting: false)
        }
        #expect(try FileConversion.plan([selection], out: folder("out"), suffix: "cnd", overwriting: true) == plan)
        #expect(throws: FileConversionError.sameOutput(first: folder("in/a.png"), second: folder("in/a.png"), output: folder("q/a.cnd"))) {
            try FileConversion.plan([single, single], out: folder("q"), suffix: "cnd", overwriting: false)
        }
        let coded = FileConversion.Selection.coded
        #expect(throws: FileConversionError.nothingCoded(folder: folder("in"))) { try coded(folder("in")) }
        #expect(try FileConversion.plan([coded(folder("out"))], out: folder("back"), suffix: "png", overwriting: false).map(\.output) == [folder("back/sub/a.png")])
    }

    // MARK: Figures

    /// A coder that darkens every level by one and says that it wrote 100 bytes.
    private struct Darkening: PictureCoder {
        func code(_ picture: CodecPicture) -> CodedPicture {
            CodedPicture(byteCount: 100, decoded: (picture.pixels * 255 - 1).abs() / 255, encodeSeconds: 1, decodeSeconds: 3)
        }
    }

    @Test func figuresOfAKnownCodec() throws {
        let folder = try TemporaryFolder()
        try folder.picture("a.png", 10, 20)
        try folder.picture("b.png", 40, 20)
        let pictures = try PictureSet(PictureSource(folder.path))
        #expect(pictures.names == ["a.png", "b.png"])
        let evaluation = try pictures.evaluate(Darkening(), name: "darkening")
        // Every level is off by 1 of 255; the mean of 4 and 1 bits a pixel.
        for picture in evaluation.pictures { #expect(abs(try #require(picture.psnr) - 20 * log10(255)) < 1e-3) }
        #expect(evaluation.bitsPerPixel == 2.5 && evaluation.encodeSeconds == 1 && evaluation.decodeSeconds == 3)
        #expect(evaluation.pictures[0].ssim == nil && evaluation.pictures[1].ssim != nil && evaluation.msSSIM == nil)
        #expect(evaluation.ssim == evaluation.pictures[1].ssim)
        let middle = try PictureSet(PictureSource(folder("b.png")), middle: 12).pictures[0]
        #expect(middle.pixels.isEqual(to: pictures.pictures[1].pixels[.all, 14..<26, 4..<16]))
    }

    @Test func aLosslessCodecHasNoPSNR() throws {
        struct Keeping: PictureCoder {
            func code(_ picture: CodecPicture) -> CodedPicture {
                CodedPicture(byteCount: 1, decoded: picture.pixels, encodeSeconds: 0, decodeSeconds: 0)
            }
        }
        let folder = try TemporaryFolder()
        try folder.picture("a.png", 8, 8)
        let evaluation = try PictureSet(PictureSource(folder.path)).evaluate(Keeping(), name: "keeping")
        #expect(evaluation.psnr == nil && evaluation.point == nil)
        #expect(try JSONDecoder().decode(CodecEvaluation.self, from: JSONEncoder().encode(evaluation)) == evaluation)
    }

    @Test(arguments: [ConventionalFormat.jpeg, .webP]) func conventionalFormatsAreMeasuredWithWhatIsThere(_ format: ConventionalFormat) throws {
        let folder = try TemporaryFolder()
        try folder.picture("a.png", 48, 64)
        let picture = try PictureSet(PictureSource(folder.path)).pictures[0]
        // Without programs on the path, by FFmpeg's libraries.
        let library = try #require(try ConventionalEncoder(format, environment: ["PATH": folder.path]))
        #expect(library.origin.contains("libavcodec"))
        for encoder in [library, try #require(try ConventionalEncoder(format))] {
            let (low, high) = (try encoder.at(quality: 10).code(picture), try encoder.at(quality: 90).code(picture))
            #expect(low.byteCount < high.byteCount && high.decoded.shape == picture.pixels.shape)
            let errors = [low, high].map { ($0.decoded - picture.pixels).squared().mean().item() }
            #expect(errors[1] < errors[0])
        }
        #expect(try ConventionalEncoder(.avif, environment: ["PATH": folder.path]) == nil)
    }
}
