internal import Torch

/// The chunks of a PNG file (PNG specification, third edition, section 5).
enum PNGScan {
    static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    /// Checks every chunk's length and checksum. Only the chunks that make pixels go to the decoder: compressed texts and
    /// profiles may expand a thousandfold.
    static func scan(_ view: ByteView) throws(ScanProblem) -> ScannedImage {
        var image: ScannedImage?
        var payload = signature
        payload.reserveCapacity(view.count)
        var orientation = Orientation.upright, hasColorProfile = false, hasPixels = false, hasTransparency = false
        var position = signature.count
        while true {
            guard let length = view.integer(position, as: UInt32.self, bigEndian: true), let whole = view.slice(position, length + 12) else {
                throw .damaged("it ends within its chunks, before the last one (IEND)")
            }
            let name = whole.text(4, 4)
            guard let body = whole.slice(8, length), checksumIsRight(whole, length) else {
                throw .damaged("the checksum of its chunk '\(name)' at byte \(position) does not fit")
            }
            if image == nil {
                guard name == "IHDR" else { throw .damaged("its first chunk is '\(name)' and not IHDR") }
                image = try header(body)
            }
            switch name {
            case "eXIf": orientation = TIFFDirectory.open(body)?.orientation ?? .upright
            case "iCCP": hasColorProfile = true
            case "IHDR", "PLTE", "IDAT", "IEND", "tRNS":
                payload += whole.bytes
                hasPixels = hasPixels || name == "IDAT"
                hasTransparency = hasTransparency || name == "tRNS"
            default:
                // A capital first letter: the picture cannot be understood without the chunk.
                if whole.bytes[4] & 0x20 == 0 { throw .unsupported("a PNG with the unknown chunk '\(name)'") }
            }
            position += length + 12
            if name == "IEND" { break }
        }
        guard var image, hasPixels else { throw .damaged("it has no pixels (no chunk IDAT)") }
        image.payload = payload
        image.orientation = orientation
        image.hasColorProfile = hasColorProfile
        image.hasAlpha = image.hasAlpha || hasTransparency
        return image
    }

    private static func checksumIsRight(_ whole: ByteView, _ length: Int) -> Bool {
        guard let covered = whole.slice(4, length + 4) else { return false }
        var checksum = CRC32(.zip)
        checksum.update(covered.bytes)
        return whole.integer(length + 8, as: UInt32.self, bigEndian: true) == Int(checksum.value)
    }

    private static func header(_ body: ByteView) throws(ScanProblem) -> ScannedImage {
        guard body.count == 13, let width = body.integer(0, as: UInt32.self, bigEndian: true),
            let height = body.integer(4, as: UInt32.self, bigEndian: true), let depth = body[8], let color = body[9]
        else { throw .damaged("its header has \(body.count) bytes and not 13") }
        let depths: [UInt8: [UInt8]] = [0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16]]
        guard depths[color]?.contains(depth) == true else { throw .damaged("its header has colour type \(color) with \(depth) bits") }
        return ScannedImage(
            format: .png, width: width, height: height, hasAlpha: color >= 4, bitDepth: depth == 16 ? .sixteen : .eight)
    }
}
