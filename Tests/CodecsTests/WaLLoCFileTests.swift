import Codecs
import CondenseTesting
import EntropyCoding
import Foundation
import Media
import Testing
import Torch
import TorchNN

private func temporaryFolder() throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appending(path: "walloc-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
}

private func imageCodec(latentChannels: Int = 12, seed: UInt64 = 0) -> WaLLoC {
    var layout = WaLLoCConfiguration()
    (layout.decoderWidth, layout.latentChannels) = (32, latentChannels)
    return WaLLoC(layout, generator: RandomGenerator(seed: seed))
}

private func image(_ height: Int, _ width: Int) -> Tensor {
    Tensor.uniform([1, 3, 5, 5], generator: RandomGenerator(seed: UInt64(height * 100 + width))).resizedBilinear(height: height, width: width)[0]
}

@Suite struct WaLLoCFileTests {
    /// As the authors' package lays channels out, and where it has no picture.
    @Test func tilesAreTheReferences() throws {
        let url = try #require(Bundle.module.url(forResource: "walloc", withExtension: "safetensors", subdirectory: "Fixtures"))
        let golden = try Goldens(url)
        for channels in [4, 12, 27, 48] {
            let latent = try golden("tiles/\(channels)/latent"), layout = LatentPicture(channels: channels, of: .image)
            #expect(layout.tiled(latent, bits: 8).isEqual(to: try golden("tiles/\(channels)/picture").permuted([2, 0, 1])), "\(channels) channels")
        }
        #expect(LatentPicture(channels: 10, of: .image) == LatentPicture(channels: 10, of: .image))
        #expect(LatentPicture(channels: 10, of: .image).rows == 2 && LatentPicture(channels: 7, of: .image).columns == 7)
        #expect(LatentPicture(channels: 108, of: .image).planes == 3 && LatentPicture(channels: 108, of: .audio).rows == 108)
    }

    @Test(arguments: [3, 4, 12, 27, 48, 10]) func latentsComeBackFromEveryFormat(_ channels: Int) throws {
        let codec = imageCodec(latentChannels: channels), coder = WaLLoCCoder(codec)
        for (height, width) in [(1, 1), (9, 70), (37, 23)] {
            let file = coder.encode(image(height, width))
            for format in LatentFile.formats {
                let read = try LatentFile(decoding: file.encoded(as: format))
                #expect(read.header == file.header && read.latents.isEqual(to: file.latents), "\(format), \(height) × \(width)")
            }
        }
    }

    @Test(arguments: [2, 3, 6]) func fewerBits(_ bits: Int) throws {
        var layout = WaLLoCConfiguration()
        (layout.decoderWidth, layout.bits) = (32, bits)
        let coder = WaLLoCCoder(WaLLoC(layout, generator: RandomGenerator(seed: 0)))
        let file = coder.encode(image(20, 30))
        #expect(Int(file.picture.to(dtype: .int64).max().item()) < 1 << bits)
        #expect(try LatentFile(decoding: file.encoded(as: .webP)).latents.isEqual(to: file.latents))
    }

    @Test func picturesAndSoundGoThroughFiles() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let coder = WaLLoCCoder(imageCodec()), path = folder.appending(path: "a.walloc.webp").path
        try coder.encode(image(50, 41)).write(path)
        let pixels = try coder.decodePicture(LatentFile(path: path))
        #expect(pixels.shape == [3, 50, 41] && pixels.min().item() >= 0 && pixels.max().item() <= 1)
        #expect(try Image.read(path).width == 12, "any reader of pictures shows the latent")

        var layout = WaLLoCConfiguration()
        (layout.signal, layout.channels, layout.levels, layout.latentChannels, layout.decoderWidth) = (.audio, 2, 4, 4, 8)
        let sound = WaLLoCCoder(WaLLoC(layout, generator: RandomGenerator(seed: 1)))
        let samples = Tensor.normal([2, 777], generator: RandomGenerator(seed: 1)) * 0.01 + 0.2
        let soundPath = folder.appending(path: "a.walloc.png").path
        try sound.encode(samples, sampleRate: 8_000).write(soundPath)
        let file = try LatentFile(path: soundPath)
        #expect(file.header.sampleRate == 8_000 && file.header.size == [777])
        let decoded = try sound.decodeSound(file)
        #expect(decoded.shape == [2, 777] && abs(decoded.mean().item() - 0.2) < 0.05, "the level is kept")
        let error = #expect(throws: LatentFileError.self) { try coder.decodePicture(file) }
        #expect(error?.description.contains("sound") == true)
    }

    @Test func otherCodecsAreRefused() throws {
        let file = WaLLoCCoder(imageCodec()).encode(image(16, 16))
        let other = WaLLoCCoder(imageCodec(seed: 9))
        let error = #expect(throws: LatentFileError.self) { try other.decodePicture(file, path: "a.png") }
        #expect(error?.description.contains(other.fingerprint.description) == true && error?.description.contains("a.png") == true)
    }

    @Test func damageIsFound() throws {
        let coder = WaLLoCCoder(imageCodec()), file = coder.encode(image(40, 40))
        let plain = try Image(pixels: file.picture.to(dtype: .float32) / 255).encoded(as: .png(.eight))
        #expect(throws: LatentFileError.noLatent(path: "x")) { try LatentFile(decoding: plain, name: "x") }
        #expect(throws: (any Error).self) { try LatentFile(decoding: []) }
        for format in LatentFile.formats {
            let bytes = try file.encoded(as: format)
            #expect(throws: (any Error).self, "\(format)") { try LatentFile(decoding: Array(bytes.prefix(bytes.count / 2))) }
            var undetected = 0
            for position in stride(from: 0, to: bytes.count, by: 7) {
                var changed = bytes
                changed[position] ^= 1 << UInt8(position % 8)
                if let read = try? LatentFile(decoding: changed), !read.latents.isEqual(to: file.latents) { undetected += 1 }
            }
            #expect(undetected == 0, "\(format)")
        }
        var header = file.header
        header.size = [1 << 40, 1]
        try expectDamaged(header, file)
        header = file.header
        header.latentChannels = 11
        try expectDamaged(header, file)
    }

    /// A file with another description.
    private func expectDamaged(_ header: LatentFile.Header, _ file: LatentFile, sourceLocation: SourceLocation = #_sourceLocation) throws {
        var changed = file
        let bytes = try changed.encoded(as: .webP)
        changed.header = header
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let (old, new) = (try encoder.encode(file.header), try encoder.encode(header))
        let start = try #require(Data(bytes).range(of: old)).lowerBound
        // The chunk's length is before its text, the file's length at its beginning.
        func little(_ value: Int) -> [UInt8] { withUnsafeBytes(of: UInt32(value).littleEndian, Array.init) }
        let padded = Array(new) + (new.count % 2 == 1 ? [0x20] : [])
        var result = Array(bytes[..<(start - 4)]) + little(padded.count) + padded
        result.replaceSubrange(4..<8, with: little(result.count - 8))
        #expect(throws: LatentFileError.self, sourceLocation: sourceLocation) { try LatentFile(decoding: result) }
    }

    @Test func codecsComeBackFromFolders() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let codec = imageCodec(seed: 4)
        try codec.save(to: folder.path)
        let read = try WaLLoC.load(at: folder.path)
        #expect(read.mode == .evaluation && read.configuration == codec.configuration)
        for (name, tensor) in codec.stateDictionary { #expect(read.stateDictionary[name]?.isEqual(to: tensor) == true, "\(name)") }
        #expect(WaLLoCCoder(read).fingerprint == WaLLoCCoder(codec).fingerprint)
        let settings = folder.appending(path: "walloc.json")
        try Data(String(contentsOf: settings, encoding: .utf8).replacing("\"decoderWidth\" : 32", with: "\"decoderWidth\" : 8192").utf8).write(to: settings)
        #expect(throws: FileFormatError.self) { try WaLLoC.load(at: folder.path) }
        try Data("{}".utf8).write(to: settings)
        #expect(throws: FileFormatError.self) { try WaLLoC.load(at: folder.path) }
        #expect(throws: FileAccessError.self) { try WaLLoC.load(at: folder.appending(path: "none").path) }
    }

    /// The authors' settings and names, with the filters that their checkpoints also hold.
    @Test func releasedCodecsAreRead() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let codec = imageCodec(seed: 4)
        let settings = #"{"channels": 3, "J": 3, "Ne": null, "Nd": 32, "latent_dim": 12, "latent_bits": 8, "lightweight_encode": true, "F": 192}"#
        let path = folder.appending(path: "RGB_16x.json").path
        try Data(settings.utf8).write(to: URL(filePath: path))
        var state = codec.stateDictionary
        state["wt.h0_col"] = Tensor.zeros([1, 1, 10, 1])
        state["iwt.g1_row"] = Tensor.zeros([1, 1, 1, 10])
        try SafetensorsWriter.write(state, to: folder.appending(path: "RGB_16x.safetensors").path)
        #expect(try WaLLoCCoder(WaLLoC.load(at: path)).fingerprint == WaLLoCCoder(codec).fingerprint)
        try Data(#"{"channels": 3}"#.utf8).write(to: URL(filePath: path))
        #expect(throws: FileFormatError.self) { try WaLLoC.load(at: path) }
    }

    @Test func latentsAreWrittenAsShards() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let coder = WaLLoCCoder(imageCodec()), latents = (1...5).map { coder.encode(image(8 * $0, 16)).latents }
        let writer = try LatentDatasetWriter(folder.path, of: coder, shardBytes: 100)
        for (number, latent) in latents.enumerated() { try writer.add(latent, named: "class/\(number).png") }
        try writer.finish()
        let read = try SafetensorsCheckpoint(path: folder.appending(path: "latents.safetensors.index.json").path)
        #expect(read.files.count > 1 && read.names.count == 5)
        for (number, latent) in latents.enumerated() { #expect(try read.mappedTensor(named: "class/\(number).png").isEqual(to: latent)) }
        #expect(read.files[0].metadata["codec"] == coder.fingerprint.description)
    }
}
