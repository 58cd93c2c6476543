import CondenseTesting
import Foundation
import Media
import Testing
import Torch

/// What is not a whole, valid file of a known kind is refused in one sentence.
@Suite("Damaged images") struct ImageDamageTests {
    /// Every shorter file is refused, or gives exactly the whole picture (a cut within bytes that no pixel needs).
    @Test func cutFilesAreRefused() throws {
        let names = [
            "7x5.png", "interlaced.png", "palette-alpha.png", "rgb16.png", "7x5.jpg", "grey.jpg", "progressive.jpg", "turned-6.jpg", "7x5.webp",
            "lossless-alpha.webp", "lossy-alpha.webp", "rgba.tif", "strips.tif", "rgb16-big.tif", "rgb16.ppm", "grey.pgm",
        ]
        for name in names {
            let bytes = try Fixtures.bytes(name), whole = try Image(decoding: bytes)
            var refusals = 0
            for length in 0..<bytes.count {
                let cut = Array(bytes.prefix(length))
                var image: Image?
                if refusal({ image = try Image(decoding: cut) }) != nil { refusals += 1 }
                if let image { #expect(image.pixels.isEqual(to: whole.pixels), "\(name) cut to \(length) bytes") }
            }
            // A TIFF may end with a tag's value that says nothing of pixels.
            #expect(refusals >= bytes.count - (name.hasSuffix(".tif") ? bytes.count / 4 : 0), "\(name): \(refusals) of \(bytes.count)")
        }
    }

    /// Checksums of PNG cover every bit but those of chunks' lengths, which then point elsewhere.
    @Test func everyChangedBitOfAPNGIsNoticed() throws {
        let bytes = try Fixtures.bytes("7x5.png")
        for bit in 0..<bytes.count * 8 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(refusal { _ = try Image(decoding: damaged) } != nil, "bit \(bit)")
        }
    }

    /// Pixels that are missing although every chunk is in order.
    @Test func pixelsThatEndEarlyAreNoticed() throws {
        for name in ["rgb.png", "grey.png", "rgb16.png", "interlaced.png"] {
            let bytes = try Fixtures.bytes(name)
            var position = 8, kept = Array(bytes.prefix(8))
            while position < bytes.count {
                let length = bytes[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
                let chunk = Array(bytes[position + 4..<position + 8 + length])
                position += length + 12
                // Half of the compressed data, with a checksum that fits.
                let body = chunk.prefix(4).elementsEqual("IDAT".utf8) ? Array(chunk.prefix(4 + length / 2)) : chunk
                withUnsafeBytes(of: UInt32(body.count - 4).bigEndian) { kept += $0 }
                kept += body
                withUnsafeBytes(of: CRC32.checksum(body, .zip).bigEndian) { kept += $0 }
            }
            #expect(refusal { _ = try Image(decoding: kept) } != nil, "\(name)")
        }
    }

    @Test func foreignKindsAreNamed() throws {
        let expected = [
            "refused-cmyk.jpg": "CMYK", "refused-cmyk.tif": "CMYK", "refused-float.tif": "32", "refused.gif": "GIF", "refused.bmp": "BMP",
            "refused-animated.webp": "animation", "refused-big.tif": "BigTIFF", "refused-text.pgm": "P2",
        ]
        for (name, word) in expected {
            let sentence = refusal { _ = try Image.read(Fixtures.path(name)) }
            #expect(sentence?.contains(word) == true && sentence?.contains(name) == true, "\(name): \(sentence ?? "read")")
        }
    }

    @Test func whatIsNoFileIsRefused() throws {
        let folder = try TemporaryFolder()
        #expect(throws: FileAccessError.self) { try Image.read(folder.path) }
        #expect(throws: FileAccessError.self) { try Image.read(folder("absent.png")) }
        let empty = try folder.write([], to: "empty.png"), zeros = try folder.write(Array(repeating: 0, count: 1000), to: "zeros.jpg")
        #expect(refusal { _ = try Image.read(empty) }?.contains("empty") == true)
        #expect(refusal { _ = try Image.read(zeros) }?.contains("zeros.jpg") == true)
        #expect(refusal { _ = try Image(decoding: Array("hello\u{7}, this is text\n".utf8)) }?.contains("begins with 'hello.,") == true)
    }

    /// The header's word is checked before anything is allocated for it.
    @Test func hugeSizesAreRefused() throws {
        var portable = Array("P6 100000 100000 255\n".utf8)
        #expect(refusal { _ = try Image(decoding: portable) }?.contains("too short") == true)
        portable = Array("P6 9999999999 9999999999 65535\n".utf8)
        #expect(refusal { _ = try Image(decoding: portable) }?.contains("too short") == true)
        let limits = ImageLimits(pixelCount: 33 * 19 - 1)
        for name in ["rgb.png", "420.jpg", "lossy.webp", "lossless.webp", "rgb.tif", "rgb.ppm"] {
            let error = #expect(throws: MediaError.self) { try Image.read(Fixtures.path(name), limits: limits) }
            #expect(error == .tooLarge(path: Fixtures.path(name), size: "33 × 19 pixels", limit: "626 pixels"))
        }
        // A PNG of 2³¹ − 1 by 2³¹ − 1, with checksums that fit.
        var png = try Fixtures.bytes("1x1.png")
        png.replaceSubrange(16..<24, with: [0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF])
        withUnsafeBytes(of: CRC32.checksum(Array(png[12..<29]), .zip).bigEndian) { png.replaceSubrange(29..<33, with: $0) }
        #expect(refusal { _ = try Image(decoding: png) }?.contains("2147483647 × 2147483647") == true)
    }
}
