import CondenseTesting
import Foundation
import Media
import Testing
import Torch

@Suite("Writing images") struct ImageWritingTests {
    private let sizes = [(1, 1), (1, 2), (2, 1), (3, 5), (7, 5), (16, 16), (17, 33)]

    private func image(_ color: Image.ColorKind, alpha: Bool, _ size: (Int, Int), _ depth: Image.BitDepth) -> Image {
        let levels = depth == .eight ? 255.0 : 65535
        let planes = testPicture(channels: color.rawValue + (alpha ? 1 : 0), height: size.0, width: size.1, levels: levels)
        let pixels = planes.narrowed(axis: 0, from: 0, count: color.rawValue)
        return Image(pixels: pixels, alpha: alpha ? planes.selected(axis: 0, index: color.rawValue) : nil, bitDepth: depth)
    }

    @Test func losslessFormatsKeepEverything() throws {
        let folder = try TemporaryFolder()
        for (suffix, hasAlpha) in [("png", [false, true]), ("tif", [false, true]), ("ppm", [false])] {
            for size in sizes {
                for depth in [Image.BitDepth.eight, .sixteen] {
                    for color in [Image.ColorKind.grey, .rgb] {
                        for alpha in hasAlpha {
                            let written = image(color, alpha: alpha, size, depth), label = "\(suffix) \(size) \(depth) \(color) alpha \(alpha)"
                            try written.write(folder("a.\(suffix)"))
                            let read = try Image.read(folder("a.\(suffix)"))
                            #expect(mismatch(read.pixels, written.pixels, relative: 0, absolute: 1e-7, label) == nil)
                            #expect(read.bitDepth == depth && read.color == color && (read.alpha != nil) == alpha, "\(label)")
                            if let a = read.alpha, let b = written.alpha { #expect(mismatch(a, b, relative: 0, absolute: 1e-7, "alpha, \(label)") == nil) }
                        }
                    }
                }
            }
        }
        // Nothing temporary is left.
        #expect(folder.names == ["a.png", "a.ppm", "a.tif"])
    }

    @Test func losslessWebPKeepsLevels() throws {
        for size in sizes {
            let written = image(.rgb, alpha: false, size, .eight)
            let read = try Image(decoding: written.encoded(as: .losslessWebP))
            #expect(mismatch(read.pixels, written.pixels, relative: 0, absolute: 1e-7, "\(size)") == nil)
            #expect(read.alpha == nil)
        }
        let written = image(.rgb, alpha: true, (7, 5), .eight)
        let read = try Image(decoding: written.encoded(as: .losslessWebP)), alpha = try #require(read.alpha)
        #expect(mismatch(alpha, try #require(written.alpha), relative: 0, absolute: 1e-7) == nil)
    }

    @Test func lossyFormatsStayNear() throws {
        let written = image(.rgb, alpha: false, (67, 45), .eight)
        func error(_ encoding: ImageEncoding) throws -> Double {
            (try Image(decoding: written.encoded(as: encoding)).pixels - written.pixels).squared().mean().item().squareRoot()
        }
        #expect(try error(.jpeg(quality: 95, chroma: .none)) < 0.008)
        #expect(try error(.jpeg(quality: 95)) < 0.012)
        #expect(try error(.webP(quality: 95)) < 0.015)
        #expect(try error(.jpeg(quality: 20)) < 0.06)
        // Quality is monotonous, in error and in bytes.
        let sizes = try [10, 50, 90].map { try written.encoded(as: .jpeg(quality: $0)).count }
        #expect(sizes == sizes.sorted() && Set(sizes).count == 3)
        let errors = try [90, 50, 10].map { try error(.jpeg(quality: $0)) }
        #expect(errors == errors.sorted())
        for size in self.sizes {
            let small = image(.rgb, alpha: false, size, .eight)
            for encoding in [ImageEncoding.jpeg(quality: 90), .jpeg(quality: 90, chroma: .none), .webP(quality: 90)] {
                let read = try Image(decoding: small.encoded(as: encoding))
                #expect(read.pixels.shape == small.pixels.shape && (read.pixels - small.pixels).abs().max().item() < 0.25, "\(encoding) \(size)")
            }
        }
    }

    @Test func greyStaysGreyInLevels() throws {
        let grey = image(.grey, alpha: false, (16, 24), .eight)
        for encoding in [ImageEncoding.jpeg(quality: 95), .losslessWebP] {
            let read = try Image(decoding: grey.encoded(as: encoding))
            #expect(read.color == .rgb && (read.pixels - grey.pixels).abs().max().item() < 0.02, "\(encoding)")
            #expect(read.pixels.selected(axis: 0, index: 0).isEqual(to: read.pixels.selected(axis: 0, index: 2)))
        }
    }

    @Test func numbersAreClampedAndRounded() throws {
        let pixels = Tensor([-0.5, 0.4 / 255, 0.6 / 255, 1, 7] as [Float], shape: [1, 1, 5])
        let read = try Image(decoding: Image(pixels: pixels).encoded(as: .png(.eight)))
        #expect(read.pixels.scalars(as: Float.self) == [0, 0, 1 / 255, 1, 1])
    }

    @Test func sameBytesEveryTime() throws {
        let picture = image(.rgb, alpha: false, (17, 33), .eight)
        for encoding in [ImageEncoding.png(.eight), .png(.sixteen), .jpeg(quality: 80), .webP(quality: 80), .losslessWebP, .tiff(.eight), .portableMap(.eight)] {
            #expect(try picture.encoded(as: encoding) == picture.encoded(as: encoding), "\(encoding)")
        }
    }

    @Test func whatFormatsCannotHoldIsRefused() throws {
        let folder = try TemporaryFolder()
        let alpha = image(.rgb, alpha: true, (2, 3), .eight), plain = alpha.withoutAlpha
        #expect(refusal { try alpha.write(folder("a.jpg")) }?.contains("alpha") == true)
        #expect(refusal { try alpha.write(folder("a.ppm")) }?.contains("alpha") == true)
        #expect(refusal { try plain.write(folder("a.bmp")) }?.contains("extension") == true)
        #expect(refusal { try plain.write(folder("a")) }?.contains("extension") == true)
        #expect(refusal { try plain.write(folder("a.jpg"), as: .jpeg(quality: 0)) }?.contains("quality 0") == true)
        #expect(refusal { try plain.write(folder("a.webp"), as: .webP(quality: 101)) }?.contains("quality") == true)
        #expect(refusal { try plain.write(folder("absent/a.png")) }?.contains("No such file") == true)
        #expect(refusal { try Image(pixels: plain.pixels * .nan).write(folder("a.png")) }?.contains("NaN") == true)
        let wide = Image(pixels: Tensor.zeros([1, 1, 70_000]))
        #expect(refusal { try wide.write(folder("a.jpg")) }?.contains("too large") == true)
        #expect(folder.names.isEmpty)
    }

    @Test func fullDiskLeavesNothing() throws {
        guard FileManager.default.fileExists(atPath: "/dev/full") else { return }
        let plain = image(.rgb, alpha: false, (2, 3), .eight)
        #expect(refusal { try plain.write("/dev/full/a.png") } != nil)
    }
}
