import CondenseTesting
import Foundation
import Media
import Testing
import Torch

@Suite("Video") struct VideoTests {
    /// Waves that move, and a level that counts the frames.
    private func film(_ count: Int, height: Int, width: Int, levels: Double = 255) -> [Tensor] {
        (0..<count).map { index in
            let picture = testPicture(channels: 3, height: height, width: width + index, levels: levels).narrowed(axis: 2, from: index, count: width)
            let level = (Double(index % 16) / 16 * levels).rounded() / levels
            return Tensor.concatenated([picture.narrowed(axis: 1, from: 0, count: height - 1), Tensor.full([3, 1, width], level)], axis: 1)
        }
    }

    private func write(_ film: [Tensor], _ path: String, _ encoding: VideoEncoding, _ rate: Rational = Rational(25)) throws {
        let writer = try VideoWriter(path, as: encoding, width: film[0].size(2), height: film[0].size(1), frameRate: rate)
        for frame in film { try writer.write(frame) }
        try writer.finish()
    }

    private func read(_ reader: VideoReader) throws -> [VideoFrame] {
        var frames: [VideoFrame] = []
        while let frame = try reader.next() { frames.append(frame) }
        return frames
    }

    @Test func losslessFilmsKeepEveryLevel() throws {
        let folder = try TemporaryFolder()
        for (name, depth) in [("a.mkv", Image.BitDepth.eight), ("b.mkv", .sixteen), ("a.avi", .eight)] {
            for (height, width) in [(24, 32), (7, 5), (2, 2)] {
                let film = film(6, height: height, width: width, levels: depth == .eight ? 255 : 65535)
                try write(film, folder(name), .ffv1(depth), Rational(30000, 1001))
                let reader = try VideoReader(folder(name)), frames = try read(reader)
                #expect(frames.count == 6, "\(name) \(height) × \(width)")
                for (index, (frame, original)) in zip(frames, film).enumerated() {
                    #expect(mismatch(frame.pixels, original, relative: 0, absolute: 1e-7, "\(name) frame \(index)") == nil)
                    // Matroska keeps milliseconds.
                    #expect(abs(frame.time - Double(index) * 1001 / 30000) < 0.0011)
                }
                #expect(reader.frameRate.map { abs($0.value - 30000 / 1001) < 0.3 } == true, "\(String(describing: reader.frameRate))")
            }
        }
    }

    @Test func lossyFilmsStayNear() throws {
        let folder = try TemporaryFolder()
        for (name, encoding, size) in [
            ("a.mp4", VideoEncoding.h264(quality: 12), (48, 64)), ("b.mp4", .h264(quality: 12), (47, 33)), ("c.avi", .mpeg4(quantizer: 2), (48, 64)),
        ] {
            let film = film(20, height: size.0, width: size.1)
            do {
                try write(film, folder(name), encoding)
            } catch MediaError.missingEncoder {
                continue
            }
            let frames = try read(VideoReader(folder(name)))
            #expect(frames.count == 20)
            for (frame, original) in zip(frames, film) {
                let error = (frame.pixels - original).squared().mean().item().squareRoot()
                #expect(error < 0.04, "\(name): \(error)")
            }
        }
    }

    @Test func framesAreFoundByNumber() throws {
        let folder = try TemporaryFolder()
        let film = film(60, height: 32, width: 48)
        for (name, encoding) in [("a.mp4", VideoEncoding.automatic), ("a.mkv", .ffv1())] {
            try write(film, folder(name), encoding, Rational(24))
            let reader = try VideoReader(folder(name)), all = try read(reader)
            #expect(try reader.frameCount() == 60)
            for range in [0..<1, 17..<23, 59..<60, 3..<3, 40..<45] {
                let frames = try reader.frames(range)
                #expect(frames.count == range.count)
                for (frame, index) in zip(frames, range) {
                    #expect(frame.pixels.isEqual(to: all[index].pixels) && abs(frame.time - all[index].time) < 1e-9, "\(name) frame \(index)")
                }
            }
            #expect(refusal { _ = try reader.frames(58..<62) }?.contains("60") == true)
            #expect(refusal { try reader.seek(toFrame: 60) }?.contains("60 frames") == true)
        }
    }

    @Test func cutFilesAreRefused() throws {
        let folder = try TemporaryFolder()
        let film = film(5, height: 16, width: 16)
        for (name, encoding) in [("a.mp4", VideoEncoding.automatic), ("a.mkv", .ffv1()), ("a.avi", .ffv1())] {
            try write(film, folder(name), encoding)
            let bytes = Array(try Data(contentsOf: URL(filePath: folder(name))))
            let whole = try read(VideoReader(folder(name)))
            var unnoticed = 0
            for length in stride(from: 0, to: bytes.count, by: 7) {
                let path = try folder.write(Array(bytes.prefix(length)), to: "cut-\(name)")
                var frames: [VideoFrame]?
                if refusal({ frames = try read(VideoReader(path)) }) != nil { continue }
                // What follows the frames (an index) may be missing, no frame and no part of one.
                let isWhole = frames?.count == whole.count && zip(frames ?? [], whole).allSatisfy { $0.pixels.isEqual(to: $1.pixels) }
                if !isWhole { unnoticed += 1 }
            }
            #expect(unnoticed == 0, "\(name)")
        }
    }

    /// FFV1's slices have checksums. (What Matroska keeps around them has none that is looked at: a frame may be missing.)
    @Test func changedBitsOfAFilmWithChecksumsAreNoticed() throws {
        let folder = try TemporaryFolder()
        let film = film(3, height: 16, width: 16)
        try write(film, folder("a.mkv"), .ffv1())
        let bytes = Array(try Data(contentsOf: URL(filePath: folder("a.mkv"))))
        for place in stride(from: bytes.count / 2, to: bytes.count / 2 + 200, by: 5) {
            var damaged = bytes
            damaged[place] ^= 16
            let path = try folder.write(damaged, to: "b.mkv")
            var frames: [VideoFrame]?
            if refusal({ frames = try read(VideoReader(path)) }) == nil, frames?.count == 3 {
                #expect(zip(frames ?? [], film).allSatisfy { mismatch($0.pixels, $1, relative: 0, absolute: 1e-7) == nil }, "byte \(place)")
            }
        }
    }

    @Test func wrongFilesAndRequestsAreRefused() throws {
        let folder = try TemporaryFolder()
        #expect(throws: FileAccessError.self) { try VideoReader(folder("absent.mp4")) }
        let empty = try folder.write([], to: "empty.mp4")
        #expect(refusal { _ = try VideoReader(empty) }?.contains("empty") == true)
        let sound = try AudioWriter(folder("a.wav"), sampleRate: 8000, channelCount: 1)
        try sound.write(Tensor.zeros([1, 100]))
        try sound.finish()
        #expect(throws: MediaError.noStream(path: folder("a.wav"), kind: "video")) { try VideoReader(folder("a.wav")) }
        try write(film(2, height: 16, width: 16), folder("a.mkv"), .ffv1())
        #expect(throws: MediaError.noStream(path: folder("a.mkv"), kind: "audio")) { try AudioReader(folder("a.mkv")) }
        #expect(refusal { _ = try read(VideoReader(folder("a.mkv"), limits: ImageLimits(pixelCount: 100))) } != nil)
        #expect(refusal { _ = try VideoWriter(folder("a.mp4"), as: .ffv1(), width: 8, height: 8, frameRate: Rational(25)) }?.contains("FFV1") == true)
        #expect(refusal { _ = try VideoWriter(folder("a.mkv"), as: .ffv1(), width: 1, height: 8, frameRate: Rational(25)) }?.contains("1 × 8") == true)
        #expect(refusal { _ = try VideoWriter(folder("a.gif"), width: 8, height: 8, frameRate: Rational(25)) }?.contains("extension") == true)
        let writer = try VideoWriter(folder("b.mkv"), as: .ffv1(), width: 2, height: 2, frameRate: Rational(25))
        #expect(refusal { try writer.write(Tensor.full([3, 2, 2], .infinity)) }?.contains("infinity") == true)
    }

    @Test func sameBytesEveryTime() throws {
        let folder = try TemporaryFolder()
        let film = film(4, height: 16, width: 16)
        for (name, encoding) in [("a.mp4", VideoEncoding.automatic), ("a.mkv", .ffv1())] {
            try write(film, folder(name), encoding)
            try write(film, folder("2-" + name), encoding)
            #expect(try Data(contentsOf: URL(filePath: folder(name))) == Data(contentsOf: URL(filePath: folder("2-" + name))), "\(name)")
        }
    }
}
