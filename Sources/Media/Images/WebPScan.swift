/// The chunks of a WebP file (RFC 9649, section 2).
enum WebPScan {
    static func scan(_ view: ByteView) throws(ScanProblem) -> ScannedImage {
        guard let size = view.integer(4, as: UInt32.self, bigEndian: false), let riff = view.slice(0, size + 8) else {
            throw .damaged("it is shorter than its header says")
        }
        // The profile, EXIF and XMP do not go to the decoder.
        var chunks: [UInt8] = []
        chunks.reserveCapacity(riff.count)
        var canvas: (width: Int, height: Int)?, picture: ScannedImage?
        var orientation = Orientation.upright, hasColorProfile = false, hasAlphaChunk = false
        var position = 12
        while position < riff.count {
            guard let length = riff.integer(position + 4, as: UInt32.self, bigEndian: false), let body = riff.slice(position + 8, length) else {
                throw .damaged("it ends within a chunk at byte \(position)")
            }
            let name = riff.text(position, 4)
            switch name {
            case "VP8X": canvas = try extendedHeader(body)
            case "ANIM", "ANMF": throw .unsupported("an animation", "give its frames as single images")
            case "ICCP": hasColorProfile = true
            case "EXIF":
                // Some writers put the prefix of JPEG's segment before it.
                let exif = body.hasText("Exif\0\0") ? body.slice(6, length - 6) : body
                orientation = exif.flatMap { TIFFDirectory.open($0)?.orientation } ?? .upright
            case "ALPH": hasAlphaChunk = true
            case "VP8 ": picture = picture ?? lossyHeader(body)
            case "VP8L": picture = picture ?? losslessHeader(body)
            default: break
            }
            if ["VP8X", "ALPH", "VP8 ", "VP8L"].contains(name) {
                chunks += riff.bytes[position..<position + 8 + length]
                if length % 2 == 1 { chunks.append(0) }
            }
            position += 8 + length + length % 2
        }
        guard var picture else { throw .damaged("it has no picture chunk ('VP8 ' or 'VP8L') with a valid header") }
        if let canvas, canvas != (picture.width, picture.height) {
            throw .damaged("its canvas is \(canvas.width) × \(canvas.height) and its picture \(picture.width) × \(picture.height)")
        }
        picture.hasAlpha = picture.hasAlpha || hasAlphaChunk
        picture.orientation = orientation
        picture.hasColorProfile = hasColorProfile
        picture.payload = Array("RIFF".utf8) + withUnsafeBytes(of: UInt32(chunks.count + 4).littleEndian, Array.init) + Array("WEBP".utf8) + chunks
        return picture
    }

    private static func extendedHeader(_ body: ByteView) throws(ScanProblem) -> (Int, Int) {
        // Flags and three reserved bytes, then width − 1 and height − 1 in three bytes each.
        guard body.count >= 10, let flags = body[0], let width = body.integer(3, as: UInt32.self, bigEndian: false),
            let height = body.integer(6, as: UInt32.self, bigEndian: false)
        else { throw .damaged("its header chunk is too short") }
        if flags & 2 != 0 { throw .unsupported("an animation", "give its frames as single images") }
        return ((width >> 8) + 1, (height >> 8) + 1)
    }

    /// The header of a VP8 key frame (RFC 6386, section 9.1).
    private static func lossyHeader(_ body: ByteView) -> ScannedImage? {
        guard let first = body[0], first & 1 == 0, body[3] == 0x9D, body[4] == 0x01, body[5] == 0x2A,
            let width = body.integer(6, as: UInt16.self, bigEndian: false), let height = body.integer(8, as: UInt16.self, bigEndian: false)
        else { return nil }
        return ScannedImage(format: .webP, width: width & 0x3FFF, height: height & 0x3FFF)
    }

    /// The header of a lossless picture (RFC 9649, section 3.4).
    private static func losslessHeader(_ body: ByteView) -> ScannedImage? {
        guard body[0] == 0x2F, let bits = body.integer(1, as: UInt32.self, bigEndian: false) else { return nil }
        return ScannedImage(format: .webP, width: (bits & 0x3FFF) + 1, height: (bits >> 14 & 0x3FFF) + 1, hasAlpha: bits >> 28 & 1 == 1)
    }
}
