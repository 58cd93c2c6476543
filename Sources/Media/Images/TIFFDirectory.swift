/// The first directory of a TIFF file, or of the EXIF data that other formats carry in the same form (TIFF 6.0, section 2).
struct TIFFDirectory {
    private let view: ByteView
    private let bigEndian: Bool
    private let entriesStart: Int, entryCount: Int

    /// Nil unless there is a complete first directory.
    static func open(_ view: ByteView) -> TIFFDirectory? {
        let bigEndian = view.hasText("MM")
        guard bigEndian || view.hasText("II"), view.integer(2, as: UInt16.self, bigEndian: bigEndian) == 42,
            let start = view.integer(4, as: UInt32.self, bigEndian: bigEndian),
            let count = view.integer(start, as: UInt16.self, bigEndian: bigEndian), count > 0, view.slice(start + 2, 12 * count) != nil
        else { return nil }
        return TIFFDirectory(view: view, bigEndian: bigEndian, entriesStart: start + 2, entryCount: count)
    }

    private func field(_ offset: Int, long: Bool) -> Int? {
        long ? view.integer(offset, as: UInt32.self, bigEndian: bigEndian) : view.integer(offset, as: UInt16.self, bigEndian: bigEndian)
    }

    /// Where an entry begins.
    private func entry(_ tag: Int) -> Int? {
        (0..<entryCount).lazy.map { entriesStart + 12 * $0 }.first { field($0, long: false) == tag }
    }

    func contains(_ tag: Int) -> Bool { entry(tag) != nil }

    /// The unsigned numbers of an entry; nil if there is none, if they are of another type, or lie outside of the bytes.
    func numbers(_ tag: Int) -> [Int]? {
        guard let entry = entry(tag), let type = field(entry + 2, long: false), let count = field(entry + 4, long: true) else { return nil }
        let sizes = [1: 1, 3: 2, 4: 4]
        guard let size = sizes[type] else { return nil }
        // Up to four bytes lie in the entry itself.
        guard let start = count * size <= 4 ? entry + 8 : field(entry + 8, long: true), view.slice(start, count * size) != nil else { return nil }
        return (0..<count).compactMap { size == 1 ? view[start + $0].map(Int.init) : field(start + $0 * size, long: size == 4) }
    }

    func number(_ tag: Int) -> Int? { numbers(tag)?.first }

    /// The file with a directory at its end, in place of its own, that has only the entries with some tags.
    func fileKeeping(_ tags: Set<Int>) -> [UInt8] {
        let kept = (0..<entryCount).map { entriesStart + 12 * $0 }.filter { field($0, long: false).map(tags.contains) == true }
        var bytes = Array(view.bytes)
        if bytes.count % 2 == 1 { bytes.append(0) }
        let start = UInt32(truncatingIfNeeded: bytes.count)
        withUnsafeBytes(of: bigEndian ? UInt16(kept.count).bigEndian : UInt16(kept.count).littleEndian) { bytes += $0 }
        for entry in kept { bytes += view.bytes[entry..<entry + 12] }
        bytes += [0, 0, 0, 0]
        withUnsafeBytes(of: bigEndian ? start.bigEndian : start.littleEndian) { bytes.replaceSubrange(4..<8, with: $0) }
        return bytes
    }

    /// Tag 274; upright where its number means nothing.
    var orientation: Orientation { number(274).flatMap(Orientation.init) ?? .upright }
}

/// The tags of a TIFF file's first picture (TIFF 6.0, section 8; supplement 1 for tiles).
enum TIFFScan {
    /// What decoding pixels needs: sizes, samples, compression, colour table, strips and tiles. FFmpeg refuses tags that it does not know.
    private static let pixelTags: Set<Int> = [
        256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325, 347,
    ]

    static func scan(_ view: ByteView) throws(ScanProblem) -> ScannedImage {
        guard let directory = TIFFDirectory.open(view) else { throw .damaged("it has no complete directory") }
        guard view.count < Int(UInt32.max) else { throw .unsupported("a TIFF of 4 GB or more", "save it as PNG") }
        guard let width = directory.number(256), let height = directory.number(257) else { throw .damaged("it does not tell its width and height") }
        let bits = directory.numbers(258) ?? [1], samples = directory.number(277) ?? 1
        guard let depth = bits.first, bits.allSatisfy({ $0 == depth }), [1, 2, 4, 8, 16].contains(depth) else {
            throw .unsupported("a TIFF of \(bits.map(String.init).joined(separator: ", ")) bits a sample", "convert it to 8 or 16 bits")
        }
        if directory.number(339) ?? 1 != 1 { throw .unsupported("a TIFF of signed or floating-point samples", "convert it to 8 or 16 bits") }
        try checkColor(directory, samples: samples)
        try checkPieces(view, directory)
        return ScannedImage(
            format: .tiff, width: width, height: height, hasAlpha: samples == 2 || samples == 4, bitDepth: depth == 16 ? .sixteen : .eight,
            orientation: directory.orientation, hasColorProfile: directory.contains(34675), payload: directory.fileKeeping(pixelTags))
    }

    private static func checkColor(_ directory: TIFFDirectory, samples: Int) throws(ScanProblem) {
        let names = [4: "a mask", 5: "CMYK", 6: "YCbCr", 8: "CIELab", 9: "CIELab", 32803: "a camera's raw samples"]
        let interpretation = directory.number(262) ?? 1
        guard (0...3).contains(interpretation) else {
            throw .unsupported("a TIFF whose samples are \(names[interpretation] ?? "of kind \(interpretation)")", "convert it to RGB")
        }
        let colors = interpretation == 2 ? 3 : 1
        guard samples == colors || samples == colors + 1 && interpretation != 3 else {
            throw .unsupported("a TIFF of \(samples) samples a pixel", "convert it to grey or RGB, with or without alpha")
        }
        if samples > colors, directory.number(338) == 1 {
            throw .unsupported("a TIFF whose colours are multiplied by alpha", "convert it to plain alpha")
        }
    }

    /// All strips or tiles must lie within the file.
    private static func checkPieces(_ view: ByteView, _ directory: TIFFDirectory) throws(ScanProblem) {
        let isTiled = directory.contains(324)
        guard let starts = directory.numbers(isTiled ? 324 : 273), !starts.isEmpty else {
            throw .damaged("it does not tell where its pixels lie, or it was cut off")
        }
        // A single strip needs no length.
        guard let lengths = directory.numbers(isTiled ? 325 : 279) ?? (starts.count == 1 ? [1] : nil), lengths.count == starts.count else {
            throw .damaged("it does not tell how long its \(starts.count) pieces are")
        }
        for (start, length) in zip(starts, lengths) where view.slice(start, length) == nil {
            throw .damaged("its pixels lie at bytes \(start) to \(start + length) of a file of \(view.count)")
        }
    }
}
