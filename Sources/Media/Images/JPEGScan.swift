/// The marker segments of a JPEG file (ITU-T T.81, annex B; Exif 2.3, section 4.5; ICC.1:2010, annex B.4).
enum JPEGScan {
    /// Walks all segments and scans up to the end marker. Application data and comments do not go to the decoder, but for
    /// those that say how colours are coded (JFIF, Adobe); nor does what follows the picture.
    static func scan(_ view: ByteView) throws(ScanProblem) -> ScannedImage {
        var image: ScannedImage?
        var payload: [UInt8] = [0xFF, 0xD8]
        payload.reserveCapacity(view.count)
        var orientation: Orientation?, hasColorProfile = false, hasScan = false
        var position = 2
        while true {
            let marker = try nextMarker(view, &position)
            if marker == 0xD9 {
                payload += [0xFF, marker]
                break
            }
            // Markers that stand alone: TEM, and restarts outside of a scan.
            if marker == 0x01 || (0xD0...0xD7).contains(marker) { continue }
            guard let length = view.integer(position, as: UInt16.self, bigEndian: true), length >= 2, let whole = view.slice(position, length),
                let body = whole.slice(2, length - 2)
            else { throw .damaged("it ends within its segment 0xFF\(hex(marker)) at byte \(position)") }
            position += length
            switch marker {
            case 0xE1:
                if orientation == nil, body.hasText("Exif\0"), let exif = body.slice(6, body.count - 6) {
                    orientation = TIFFDirectory.open(exif)?.orientation
                }
                continue
            case 0xE2:
                hasColorProfile = hasColorProfile || body.hasText("ICC_PROFILE\0")
                continue
            case 0xE3...0xED, 0xEF, 0xF0...0xFE: continue
            case 0xC0, 0xC1, 0xC2:
                guard image == nil else { throw .damaged("it has two frame headers") }
                image = try frameHeader(body)
            case 0xC3, 0xC5...0xC7, 0xC9...0xCB, 0xCD...0xCF, 0xCC: throw .unsupported("a JPEG of an unusual kind (\(kind(marker)))")
            case 0xDC: throw .unsupported("a JPEG that tells its height only at the end (marker DNL)")
            default: break
            }
            payload += [0xFF, marker]
            payload += whole.bytes
            if marker == 0xDA {
                guard image != nil else { throw .damaged("it has pixels before its frame header") }
                hasScan = true
                let end = endOfScan(view, position)
                payload += view.bytes[position..<end]
                position = end
            }
        }
        guard var image, hasScan else { throw .damaged("it has no pixels") }
        image.payload = payload
        image.orientation = orientation ?? .upright
        image.hasColorProfile = hasColorProfile
        return image
    }

    private static func hex(_ byte: UInt8) -> String { String(byte, radix: 16, uppercase: true) }

    private static func kind(_ marker: UInt8) -> String {
        switch marker {
        case 0xC3, 0xC7, 0xCB, 0xCF: "lossless"
        case 0xC9, 0xCA, 0xCC, 0xCD, 0xCE: "arithmetic coding"
        default: "hierarchical"
        }
    }

    /// The byte after any number of 0xFF; `position` is moved behind it.
    private static func nextMarker(_ view: ByteView, _ position: inout Int) throws(ScanProblem) -> UInt8 {
        guard let first = view[position] else { throw .damaged("it ends before its end marker") }
        guard first == 0xFF else { throw .damaged("byte \(position) is no marker") }
        while let byte = view[position] {
            position += 1
            if byte != 0xFF {
                guard byte != 0 else { throw .damaged("byte \(position - 1) is no marker") }
                return byte
            }
        }
        throw .damaged("it ends before its end marker")
    }

    /// Where the coded data from `start` ends: at a marker that is no restart.
    private static func endOfScan(_ view: ByteView, _ start: Int) -> Int {
        let bytes = view.bytes
        var position = start
        while position < bytes.count {
            if bytes[position] == 0xFF, let next = view[position + 1] {
                if next != 0 && next != 0xFF && !(0xD0...0xD7).contains(next) { return position }
                // Of several 0xFF only the last begins a marker.
                position += next == 0xFF ? 1 : 2
            } else {
                position += 1
            }
        }
        return bytes.count
    }

    private static func frameHeader(_ body: ByteView) throws(ScanProblem) -> ScannedImage {
        guard let precision = body[0], let height = body.integer(1, as: UInt16.self, bigEndian: true),
            let width = body.integer(3, as: UInt16.self, bigEndian: true), let components = body[5], body.count == 6 + 3 * Int(components)
        else { throw .damaged("its frame header is too short") }
        if precision != 8 { throw .unsupported("a JPEG of \(precision) bits a sample") }
        if height == 0 { throw .unsupported("a JPEG that tells its height only at the end (marker DNL)") }
        if components == 4 { throw .unsupported("a CMYK JPEG", "convert it to RGB") }
        guard components == 1 || components == 3 else { throw .unsupported("a JPEG of \(components) components") }
        return ScannedImage(format: .jpeg, width: width, height: height)
    }
}
