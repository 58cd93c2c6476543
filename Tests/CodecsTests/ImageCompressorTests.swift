import Codecs
import EntropyCoding
import Foundation
import Testing
import Torch
import TorchNN

@Suite struct ImageCompressorTests {
    private static func codec(_ kind: ImageCodecKind = .meanScaleHyperprior, seed: UInt64 = 1) throws -> any ImageCodec {
        let codec = ImageCodecConfiguration(kind, channels: 2, latentChannels: 4).makeCodec(generator: RandomGenerator(seed: seed))
        try codec.update()
        return codec
    }

    private static func image(_ height: Int, _ width: Int) -> Tensor {
        Tensor.uniform([3, height, width], generator: RandomGenerator(seed: UInt64(1_000 * height + width)))
    }

    /// All 4,900 sizes with the smallest codec; with the others each side goes through all lengths, and short ones in all pairs.
    @Test(arguments: ImageCodecKind.allCases) func imagesOfAllSizesComeBack(_ kind: ImageCodecKind) throws {
        let compressor = try ImageCompressor(Self.codec(kind))
        let pairs = { (most: Int) in (1...most).flatMap { height in (1...most).map { (height, $0) } } }
        let sizes = kind == .factorized ? pairs(70) : (1...70).map { ($0, $0 * 37 % 70 + 1) } + pairs(4)
        for (height, width) in sizes {
            let file = try compressor.compress(Self.image(height, width), quality: 3)
            let read = try CodedFile(bytes: file.serialized())
            #expect(read == file)
            let decoded = try compressor.decompress(read)
            #expect(decoded.shape == [3, height, width])
            #expect(decoded.min().item() >= 0 && decoded.max().item() <= 1)
        }
    }

    /// The picture is what the codec makes of the image with its edge repeated.
    @Test func paddingIsCutOff() throws {
        let codec = try Self.codec(), compressor = try ImageCompressor(codec)
        let image = Self.image(64, 128)
        let whole = try codec.decompress(codec.compress(image.unsqueezed(0)))[0]
        #expect(try compressor.decompress(compressor.compress(image)).isEqual(to: whole))
        let rows = Tensor.concatenated([image[.all, ..<50]] + Array(repeating: image[.all, 49..<50], count: 14), axis: 1)
        let padded = try codec.decompress(codec.compress(rows.unsqueezed(0)))[0]
        #expect(try compressor.decompress(compressor.compress(image[.all, ..<50])).isEqual(to: padded[.all, ..<50]))
    }

    @Test func filesOfOtherCodecsAreRefused() throws {
        let compressor = try ImageCompressor(Self.codec())
        let file = try compressor.compress(Self.image(30, 20))
        #expect(throws: CodedFileError.self) { try ImageCompressor(Self.codec(seed: 2)).decompress(file) }
        let error = #expect(throws: CodedImageError.self) { try ImageCompressor(Self.codec(.factorized)).decompress(file, path: "a.cnd") }
        #expect(error?.description == "'a.cnd' was compressed by a codec of mbt2018-mean, and this one is of bmshj2018-factorized; decompress it with the codec that wrote it.")
        for change: (inout CodedFile) -> Void in [{ $0.height = 65 }, { $0.latentWidth = 2 }, { $0.channels = 1 }] {
            var other = file
            change(&other)
            #expect(throws: CodedImageError.self) { try compressor.decompress(other) }
        }
        var damaged = file
        damaged.streams[0] = [1, 2, 3]
        #expect(throws: EntropyCodingError.self) { try compressor.decompress(damaged) }
        damaged.streams = []
        #expect(throws: EntropyCodingError.self) { try compressor.decompress(damaged) }
    }

    @Test(arguments: ImageCodecKind.allCases) func codecsAreKeptInFolders(_ kind: ImageCodecKind) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "codec-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let codec = try Self.codec(kind)
        try saveImageCodec(codec, to: folder)
        let loaded = try loadImageCodec(at: folder)
        #expect(loaded.configuration == codec.configuration)
        let image = Self.image(20, 30), file = try ImageCompressor(codec).compress(image)
        #expect(try ImageCompressor(loaded).compress(image) == file)
        for text in ["{\"kind\": \"jpeg\"}", "{\"kind\": \"\(kind.rawValue)\", \"channels\": 50000, \"latentChannels\": 50000}"] {
            try Data(text.utf8).write(to: URL(filePath: "\(folder)/codec.json"))
            #expect(throws: FileFormatError.self) { try loadImageCodec(at: folder) }
        }
    }
}
