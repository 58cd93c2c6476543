extension ImageFormat {
    /// The format of a file by its beginning, whatever it is called.
    static func identified(_ view: ByteView) throws(ScanProblem) -> ImageFormat {
        guard view.count > 0 else { throw .damaged("it is empty") }
        if PNGScan.signature.elementsEqual(view.bytes.prefix(8)) { return .png }
        if view[0] == 0xFF && view[1] == 0xD8 { return .jpeg }
        if view.hasText("RIFF") && view.hasText("WEBP", at: 8) { return .webP }
        if view.hasText("II*\0") || view.hasText("MM\0*") { return .tiff }
        if view.hasText("P"), let kind = view[1], (0x31...0x37).contains(kind), view[2].map(PortableMapScan.isSpace) ?? true { return .portableMap }
        throw .unsupported(foreignKind(view))
    }

    /// Reads the structure of a file of this format.
    func scan(_ view: ByteView) throws(ScanProblem) -> ScannedImage {
        switch self {
        case .png: try PNGScan.scan(view)
        case .jpeg: try JPEGScan.scan(view)
        case .webP: try WebPScan.scan(view)
        case .tiff: try TIFFScan.scan(view)
        case .portableMap: try PortableMapScan.scan(view)
        }
    }
}

/// Names a file that is no picture of ours.
private func foreignKind(_ view: ByteView) -> String {
    if view.hasText("GIF8") { return "a GIF" }
    if view.hasText("BM") { return "a BMP" }
    if view.hasText("ftyp", at: 4) {
        return view.hasText("avif", at: 8) ? "an AVIF" : view.hasText("hei", at: 8) || view.hasText("mif1", at: 8) ? "a HEIF" : "a video file"
    }
    if view.hasText("%PDF") { return "a PDF" }
    if view.hasText("<svg") || view.hasText("<?xml") { return "an SVG or other XML" }
    if view.hasText("II+\0") || view.hasText("MM\0+") { return "a BigTIFF" }
    if view.hasText("8BPS") { return "a Photoshop file" }
    if view.hasText("v/1\u{1}") { return "an OpenEXR file" }
    return "no image that is known here (it begins with '\(view.text(0, min(8, view.count)))')"
}
