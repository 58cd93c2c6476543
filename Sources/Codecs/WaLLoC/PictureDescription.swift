internal import Foundation
internal import Media
internal import Torch

/// A text within a picture's file, in the place that its format has for it.
enum PictureDescription {
    private static let keyword = Array("condense-walloc".utf8)
    private static let webPChunk = Array("WLoC".utf8)
    private static let imageDescription = 270
    private static let pngSignature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    /// No description of ours is longer.
    private static let longest = 1 << 16

    /// - Parameter bytes: a file that Media wrote.
    static func embedded(_ text: [UInt8], in bytes: [UInt8], _ format: ImageFormat) -> [UInt8] {
        switch format {
        case .webP: inWebP(text, bytes)
        case .tiff: inTIFF(text, bytes)
        default: inPNG(text, bytes)
        }
    }

    /// - Parameter bytes: any bytes.
    static func extracted(from bytes: [UInt8]) -> [UInt8]? {
        let view = Bytes(bytes)
        if bytes.starts(with: pngSignature) { return ofPNG(view) }
        if bytes.starts(with: Array("RIFF".utf8)) { return ofWebP(view) }
        return ofTIFF(view)
    }

    /// Reads integers with bounds.
    private struct Bytes {
        let all: [UInt8]
        init(_ all: [UInt8]) { self.all = all }

        func integer(_ position: Int, _ width: Int, bigEndian: Bool) -> Int? {
            guard let piece = slice(position, width) else { return nil }
            return (bigEndian ? Array(piece) : piece.reversed()).reduce(0) { $0 << 8 | Int($1) }
        }

        func slice(_ position: Int, _ count: Int) -> ArraySlice<UInt8>? {
            guard position >= 0, count >= 0, position <= all.count, count <= all.count - position else { return nil }
            return all[position..<position + count]
        }
    }

    private static func bigEndian(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian, Array.init) }
    private static func littleEndian(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.littleEndian, Array.init) }

    // MARK: PNG: a chunk tEXt before the last one (PNG specification, third edition, section 11.3.3.2)

    private static func inPNG(_ text: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
        let body = Array("tEXt".utf8) + keyword + [0] + text
        let chunk = bigEndian(UInt32(body.count - 4)) + body + bigEndian(CRC32.checksum(body, .zip))
        // The last chunk, IEND, has twelve bytes.
        return Array(bytes.dropLast(12)) + chunk + bytes.suffix(12)
    }

    private static func ofPNG(_ view: Bytes) -> [UInt8]? {
        var position = pngSignature.count
        while let length = view.integer(position, 4, bigEndian: true), let name = view.slice(position + 4, 4), let body = view.slice(position + 8, length) {
            if name.elementsEqual("tEXt".utf8), body.starts(with: keyword + [0]), length <= longest { return Array(body.dropFirst(keyword.count + 1)) }
            position += length + 12
        }
        return nil
    }

    // MARK: WebP: a chunk of our own at the end, which readers pass over (RFC 9649, section 2.7.1.6)

    private static func inWebP(_ text: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
        let chunk = webPChunk + littleEndian(UInt32(text.count)) + text + (text.count % 2 == 1 ? [0] : [])
        return Array(bytes[..<4]) + littleEndian(UInt32(bytes.count - 8 + chunk.count)) + bytes[8...] + chunk
    }

    private static func ofWebP(_ view: Bytes) -> [UInt8]? {
        var position = 12
        while let name = view.slice(position, 4), let length = view.integer(position + 4, 4, bigEndian: false), let body = view.slice(position + 8, length) {
            if name.elementsEqual(webPChunk), length <= longest { return Array(body) }
            position += 8 + length + length % 2
        }
        return nil
    }

    // MARK: TIFF: the tag ImageDescription (TIFF 6.0, section 2)

    /// A new directory at the end of the file, with one entry more.
    private static func inTIFF(_ text: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
        let view = Bytes(bytes)
        guard let start = view.integer(4, 4, bigEndian: false), let count = view.integer(start, 2, bigEndian: false),
            let old = view.slice(start + 2, 12 * count)
        else { preconditionFailure("FFmpeg's TIFF files have a directory") }
        var entries = stride(from: old.startIndex, to: old.endIndex, by: 12).map { Array(old[$0..<$0 + 12]) }
        var result = bytes + (bytes.count % 2 == 1 ? [0] : [])
        let place = result.count
        result += text + [0] + (text.count % 2 == 0 ? [0] : [])
        entries.append([14, 1, 2, 0] + littleEndian(UInt32(text.count + 1)) + littleEndian(UInt32(place)))
        // In the order of tags.
        entries.sort { Int($0[0]) | Int($0[1]) << 8 < Int($1[0]) | Int($1[1]) << 8 }
        let directory = result.count
        result += [UInt8(entries.count & 0xFF), UInt8(entries.count >> 8)] + entries.flatMap { $0 } + [0, 0, 0, 0]
        result.replaceSubrange(4..<8, with: littleEndian(UInt32(directory)))
        return result
    }

    private static func ofTIFF(_ view: Bytes) -> [UInt8]? {
        guard let mark = view.slice(0, 2) else { return nil }
        let isBig = mark.elementsEqual("MM".utf8)
        guard isBig || mark.elementsEqual("II".utf8), let start = view.integer(4, 4, bigEndian: isBig), let count = view.integer(start, 2, bigEndian: isBig)
        else { return nil }
        for entry in 0..<count {
            let position = start + 2 + 12 * entry
            guard let tag = view.integer(position, 2, bigEndian: isBig) else { return nil }
            if tag != imageDescription { continue }
            guard let length = view.integer(position + 4, 4, bigEndian: isBig), 5...longest ~= length, let place = view.integer(position + 8, 4, bigEndian: isBig),
                let text = view.slice(place, length)
            else { return nil }
            return Array(text.prefix { $0 != 0 })
        }
        return nil
    }
}
