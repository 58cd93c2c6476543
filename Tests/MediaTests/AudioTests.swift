import CondenseTesting
import Foundation
import Media
import Testing
import Torch

@Suite("Audio") struct AudioTests {
    /// Two sines and a sweep, as multiples of 1/`scale`.
    private func sound(channels: Int, count: Int, rate: Int = 48_000, scale: Double = 32768) -> Tensor {
        let t = Tensor.arange(0, count, dtype: .float64) / Double(rate)
        let rows = (0..<channels).map { channel in
            (t * (2 * Double.pi * 440 * Double(channel + 1))).sin() * 0.4 + (t * t * 900.0).sin() * 0.3
        }
        return ((Tensor.stacked(rows) * scale).rounded() / scale).to(dtype: .float32)
    }

    private func write(_ samples: Tensor, _ path: String, _ encoding: AudioEncoding, rate: Int = 48_000, piece: Int = 1000) throws {
        let writer = try AudioWriter(path, as: encoding, sampleRate: rate, channelCount: samples.size(0))
        for start in stride(from: 0, to: samples.size(1), by: piece) {
            try writer.write(samples.narrowed(axis: 1, from: start, count: min(piece, samples.size(1) - start)))
        }
        try writer.finish()
    }

    @Test func losslessFormatsKeepEverySample() throws {
        let folder = try TemporaryFolder()
        let cases: [(String, AudioEncoding, Double)] = [
            ("a.wav", .wav(.int16), 32768), ("b.wav", .wav(.int24), 8_388_608), ("c.wav", .wav(.float32), 8_388_608),
            ("a.flac", .flac(.int16), 32768), ("b.flac", .flac(.int24), 8_388_608), ("c.mkv", .flac(.int24), 8_388_608),
        ]
        for (name, encoding, scale) in cases {
            for (channels, count) in [(1, 1), (1, 4096), (2, 12_345), (6, 5000)] {
                let samples = sound(channels: channels, count: count, scale: scale)
                try write(samples, folder(name), encoding)
                let reader = try AudioReader(folder(name))
                #expect(reader.sampleRate == 48_000 && reader.channelCount == channels)
                #expect(reader.declaredSampleCount == (name.hasSuffix("mkv") ? nil : count))
                #expect(try reader.rest().isEqual(to: samples), "\(name) \(channels) × \(count)")
            }
        }
        #expect(folder.names.count == cases.count)
    }

    @Test func piecesMakeTheWhole() throws {
        let folder = try TemporaryFolder()
        let samples = sound(channels: 2, count: 10_001)
        try write(samples, folder("a.flac"), .flac(.int16), piece: 777)
        let reader = try AudioReader(folder("a.flac"))
        var pieces: [Tensor] = []
        while let piece = try reader.next(640) { pieces.append(piece) }
        #expect(pieces.dropLast().allSatisfy { $0.shape == [2, 640] } && pieces.last?.shape == [2, 401])
        #expect(Tensor.concatenated(pieces, axis: 1).isEqual(to: samples))
        #expect(try reader.next(1) == nil)
    }

    @Test func lossyFormatsStayNear() throws {
        let folder = try TemporaryFolder()
        let samples = sound(channels: 2, count: 48_000)
        for (name, encoding) in [("a.m4a", AudioEncoding.aac(bitRate: 192_000)), ("a.opus", .opus(bitRate: 160_000))] {
            do {
                try write(samples, folder(name), encoding)
            } catch MediaError.missingEncoder {
                continue
            }
            let read = try AudioReader(folder(name)).rest()
            #expect(abs(read.size(1) - 48_000) <= 1024, "\(name): \(read.shape)")
            // Away from the ends, where codecs fade; a wrong delay would give errors as large as the signal.
            let error = (read.narrowed(axis: 1, from: 4000, count: 40_000) - samples.narrowed(axis: 1, from: 4000, count: 40_000)).squared().mean().item().squareRoot()
            #expect(error < 0.03, "\(name): \(error)")
        }
    }

    @Test func resamplingKeepsTheSignal() throws {
        let folder = try TemporaryFolder()
        let samples = sound(channels: 1, count: 48_000, scale: 8_388_608)
        try write(samples, folder("a.wav"), .wav(.float32))
        let reader = try AudioReader(folder("a.wav"), sampleRate: 24_000), half = try reader.rest()
        #expect(reader.sampleRate == 24_000 && abs(half.size(1) - 24_000) <= 1)
        let every = samples.strided(shape: [1, 24_000], strides: [48_000, 2])
        #expect((half - every.narrowed(axis: 1, from: 0, count: half.size(1))).narrowed(axis: 1, from: 100, count: 23_000).abs().max().item() < 0.01)
    }

    @Test func loudSamplesAreClipped() throws {
        let folder = try TemporaryFolder()
        try write(Tensor([-3, -1, 0.99999, 1, 3] as [Float], shape: [1, 5]), folder("a.wav"), .wav(.int16))
        #expect(try AudioReader(folder("a.wav")).rest().scalars(as: Float.self) == [-1, -1, 32767 / 32768, 32767 / 32768, 32767 / 32768])
    }

    /// Every shorter file is refused while it is opened or read.
    @Test func cutFilesAreRefused() throws {
        let folder = try TemporaryFolder()
        for (name, encoding) in [("a.wav", AudioEncoding.wav(.int16)), ("a.flac", .flac(.int16))] {
            try write(sound(channels: 1, count: 300), folder(name), encoding)
            let bytes = Array(try Data(contentsOf: URL(filePath: folder(name))))
            // FLAC has 8 KB of padding before its frames.
            let lengths = (0..<bytes.count).filter { $0 < 100 || bytes.count - $0 < 500 || $0 % 200 == 0 }
            for length in lengths {
                let path = try folder.write(Array(bytes.prefix(length)), to: "cut-\(name)")
                #expect(refusal { _ = try AudioReader(path).rest() } != nil, "\(name) cut to \(length) of \(bytes.count)")
            }
        }
    }

    @Test func wrongFilesAreRefused() throws {
        let folder = try TemporaryFolder()
        #expect(throws: FileAccessError.self) { try AudioReader(folder.path) }
        #expect(throws: FileAccessError.self) { try AudioReader(folder("absent.wav")) }
        let zeros = try folder.write(Array(repeating: 0, count: 5000), to: "zeros.wav")
        #expect(refusal { _ = try AudioReader(zeros).rest() } != nil)
        // A playlist that names another file is not followed.
        try write(sound(channels: 1, count: 300), folder("a.wav"), .wav(.int16))
        let list = try folder.write(Array("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.wav\n#EXT-X-ENDLIST\n".utf8), to: "list.m3u8")
        #expect(refusal { _ = try AudioReader(list).rest() } != nil)
        let concat = try folder.write(Array("ffconcat version 1.0\nfile a.wav\n".utf8), to: "list.ffconcat")
        #expect(refusal { _ = try AudioReader(concat).rest() } != nil)
    }

    @Test func whatCannotBeWrittenIsRefused() throws {
        let folder = try TemporaryFolder()
        #expect(refusal { _ = try AudioWriter(folder("a.xyz"), sampleRate: 48_000, channelCount: 1) }?.contains("extension") == true)
        #expect(refusal { _ = try AudioWriter(folder("a.wav"), as: .flac(.int16), sampleRate: 48_000, channelCount: 1) }?.contains("flac") == true)
        #expect(refusal { _ = try AudioWriter(folder("absent/a.wav"), sampleRate: 48_000, channelCount: 1) } != nil)
        let writer = try AudioWriter(folder("a.wav"), sampleRate: 48_000, channelCount: 1)
        #expect(refusal { try writer.write(Tensor([Float.nan], shape: [1, 1])) }?.contains("NaN") == true)
        #expect(!folder.names.contains("a.wav"))
    }

    /// Without `finish` neither the file nor anything temporary is left.
    @Test func unfinishedFilesDisappear() throws {
        let folder = try TemporaryFolder()
        do {
            let writer = try AudioWriter(folder("a.flac"), sampleRate: 8000, channelCount: 1)
            try writer.write(sound(channels: 1, count: 9000))
        }
        #expect(folder.names.isEmpty)
    }
}
