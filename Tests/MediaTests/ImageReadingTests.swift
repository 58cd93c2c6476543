import CondenseTesting
import Foundation
import Media
import Testing
import Torch

/// Every fixture against what the reference reads from it.
@Suite("Reading images") struct ImageReadingTests {
    /// Levels of the reference as the library keeps them, with alpha apart.
    private func expected(_ name: String) throws -> (pixels: Tensor, alpha: Tensor?) {
        let levels = try Fixtures.levels(name)
        let maximum = levels.dtype == .uint8 ? 255.0 : 65535
        let planes = levels.to(dtype: .float32).permuted([2, 0, 1]) / maximum
        let count = planes.size(0)
        let hasAlpha = count % 2 == 0
        return (planes.narrowed(axis: 0, from: 0, count: hasAlpha ? count - 1 : count), hasAlpha ? planes.selected(axis: 0, index: count - 1) : nil)
    }

    @Test func everyFileAgreesWithTheReference() throws {
        let names = try Fixtures.goldens().names
        #expect(names.count > 70)
        for name in names {
            let image = try Image.read(Fixtures.path(name))
            let (pixels, alpha) = try expected(name)
            // The inverse transform of JPEG is the only thing that is not exact.
            let tolerance = name.hasSuffix(".jpg") ? 2.01 / 255 : 1e-7
            #expect(mismatch(image.pixels, pixels, relative: 0, absolute: tolerance, name) == nil)
            #expect((image.alpha == nil) == (alpha == nil), "\(name)")
            if let found = image.alpha, let alpha { #expect(mismatch(found, alpha, relative: 0, absolute: 1e-7, "alpha of \(name)") == nil) }
            #expect(image.bitDepth == (name.contains("16-") || name.contains("16.") && !name.contains("x16.") ? .sixteen : .eight), "\(name)")
            #expect(image.hasColorProfile == ["rgb.png", "progressive.jpg", "lossy.webp", "strips.tif"].contains(name), "\(name)")
        }
    }

    /// Decoders of JPEG round differently (by specification): few samples differ, most of them by one level.
    @Test func jpegsDifferInFewSamples() throws {
        var byOne = 0.0, byMore = 0.0, total = 0.0
        for name in try Fixtures.goldens().names where name.hasSuffix(".jpg") {
            let difference = ((try Image.read(Fixtures.path(name)).pixels - expected(name).pixels) * 255).abs().rounded()
            byOne += difference.equals(1).to(dtype: .float64).sum().item()
            byMore += (difference .> 1).to(dtype: .float64).sum().item()
            total += Double(difference.elementCount)
        }
        #expect(byOne / total < 0.04 && byMore / total < 0.01, "\(byOne) by one and \(byMore) by more of \(total)")
    }

    /// All eight ways of storing it give the same picture.
    @Test func orientationIsApplied() throws {
        let upright = try Image.read(Fixtures.path("turned-1.png"))
        #expect((upright.height, upright.width) == (7, 5))
        for number in 2...8 {
            #expect(try Image.read(Fixtures.path("turned-\(number).png")).pixels.isEqual(to: upright.pixels), "\(number)")
        }
        #expect(try Image.read(Fixtures.path("turned-6.webp")).pixels.isEqual(to: upright.pixels))
        #expect(try Image.read(Fixtures.path("turned-3.tif")).pixels.isEqual(to: upright.pixels))
    }

    @Test func contentCountsAndNotTheName() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(Fixtures.bytes("rgb.png"), to: "photo.jpg")
        #expect(try Image.read(path).pixels.isEqual(to: Image.read(Fixtures.path("rgb.png")).pixels))
        #expect(try Image(decoding: Fixtures.bytes("rgb.png")).width == 33)
    }

    @Test func folderIsListedInOneOrder() throws {
        let folder = try TemporaryFolder()
        for name in ["b.PNG", "a.jpeg", "Z.webp", "notes.txt", ".hidden.png", "é.tif"] { try folder.write([0], to: name) }
        try FileManager.default.createDirectory(atPath: folder("inside.png"), withIntermediateDirectories: true)
        try folder.write([0], to: "inside.png/c.pgm")
        #expect(try ImageFolder.paths(in: folder.path) == ["Z.webp", "a.jpeg", "b.PNG", "inside.png/c.pgm", "é.tif"].map { folder($0) })
        #expect(try ImageFolder.paths(in: folder.path + "/", recursively: false) == ["Z.webp", "a.jpeg", "b.PNG", "é.tif"].map { folder($0) })
        let empty = try TemporaryFolder()
        #expect(throws: MediaError.noImages(folder: empty.path)) { try ImageFolder.paths(in: empty.path) }
        #expect(throws: FileAccessError.self) { try ImageFolder.paths(in: empty("absent")) }
    }

    @Test func greyBecomesThreeChannels() throws {
        let grey = try Image.read(Fixtures.path("grey-alpha.png"))
        #expect(grey.color == .grey && grey.rgb.color == .rgb && grey.rgb.alpha != nil && grey.withoutAlpha.alpha == nil)
        #expect(grey.rgb.pixels.isEqual(to: Tensor.concatenated([grey.pixels, grey.pixels, grey.pixels])))
    }
}
