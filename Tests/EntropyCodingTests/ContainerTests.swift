import EntropyCoding
import Foundation
import Testing
import Torch
import TorchNN

@Suite("Compressed files") struct ContainerTests {
    static let file = CodedFile(
        model: 2, quality: 3, height: 333, width: 500, latentHeight: 6, latentWidth: 8, fingerprint: ModelFingerprint(value: 0x0123_4567_89AB_CDEF),
        tablesChecksum: 0xDEAD_BEEF, streams: [[1, 2, 3, 4], Array(repeating: 7, count: 200)])

    /// The layout, byte by byte: files written today must stay readable.
    @Test func layout() throws {
        let bytes = Self.file.serialized()
        let header: [UInt8] = [
            0x43, 0x4E, 0x44, 0x43, 1, 0, 2, 3, 8, 3, 0xCD, 0x02, 0xF4, 0x03, 6, 8,
            0xEF, 0xCD, 0xAB, 0x89, 0x67, 0x45, 0x23, 0x01, 0xEF, 0xBE, 0xAD, 0xDE, 2, 4, 0xC8, 0x01,
        ]
        #expect(Array(bytes.prefix(header.count)) == header)
        #expect(bytes.count == header.count + 204 + 4)
        #expect(Self.file.payloadByteCount == 204)
        #expect(try CodedFile(bytes: bytes) == Self.file)
    }

    @Test func sizesAndStreamsComeBack() throws {
        for (height, width) in [(1, 1), (1, 1 << 29), (70, 69), (32768, 32768)] {
            for count in [0, 1, 3, 200] {
                var file = Self.file
                (file.height, file.width, file.latentHeight, file.latentWidth) = (height, width, 1, width)
                file.streams = (0..<count).map { Array(repeating: UInt8($0), count: $0 * 5) }
                #expect(try CodedFile(bytes: file.serialized()) == file)
            }
        }
    }

    @Test func everyChangedBitIsNoticed() {
        let bytes = Self.file.serialized()
        for bit in 0..<bytes.count * 8 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: FileFormatError.self) { try CodedFile(bytes: damaged) }
        }
    }

    @Test func cutAndLongerFilesAreRefused() {
        let bytes = Self.file.serialized()
        for length in 0..<bytes.count {
            #expect(throws: FileFormatError.self) { try CodedFile(bytes: Array(bytes.prefix(length))) }
        }
        #expect(throws: FileFormatError.self) { try CodedFile(bytes: bytes + [0]) }
        #expect(throws: FileFormatError.self) { try CodedFile(bytes: bytes + bytes) }
    }

    /// Bytes with a checksum that fits, as from a hostile writer.
    static func sealed(_ bytes: [UInt8]) -> [UInt8] {
        bytes + withUnsafeBytes(of: CRC32.checksum(bytes, .castagnoli).littleEndian, Array.init)
    }

    @Test func hostileHeadersAreRefused() throws {
        let bytes = Array(Self.file.serialized().dropLast(4))
        #expect(try CodedFile(bytes: Self.sealed(bytes)) == Self.file)
        func refusal(replacing place: Int, with replacement: [UInt8], count: Int = 1) throws -> (any Error)? {
            var changed = bytes
            changed.replaceSubrange(place..<place + count, with: replacement)
            let sealed = Self.sealed(changed)
            return #expect(throws: (any Error).self, "byte \(place)") { try CodedFile(bytes: sealed) }
        }
        #expect(try refusal(replacing: 4, with: [2]) as? CodedFileError == .unknownVersion(path: "bytes in memory", found: 2))
        #expect(try refusal(replacing: 5, with: [1]) as? CodedFileError == .unknownCoder(path: "bytes in memory", found: 1))
        let largest: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF, 0x0F]
        for place in [10, 12] {
            guard case .beyondLimits = try refusal(replacing: place, with: largest, count: 2) as? CodedFileError else { Issue.record("size at \(place)"); continue }
        }
        for place in [14, 15] {
            guard case .beyondLimits = try refusal(replacing: place, with: largest) as? CodedFileError else { Issue.record("latent at \(place)"); continue }
        }
        // Bit depth 0 and 17, no channels, no height, numbers longer than they need to be or than 32 bits, streams that do not fit.
        for (place, replacement) in [
            (8, [0]), (8, [17]), (9, [0]), (14, [0]), (6, [0x82, 0]), (6, [0xFF, 0xFF, 0xFF, 0xFF, 0x1F]), (28, [0xFF, 0xFF, 0xFF, 0xFF, 0x0F]),
            (28, [1]), (28, [3]), (29, [5]), (29, [0xFF, 0xFF, 0xFF, 0xFF, 0x0F]),
        ] as [(Int, [UInt8])] {
            _ = try refusal(replacing: place, with: replacement)
        }
    }

    @Test func limitsAreTheReaders() throws {
        let bytes = Self.file.serialized()
        #expect(throws: CodedFileError.self) { try CodedFile(bytes: bytes, limits: CodedFileLimits(pixels: 333 * 500 - 1)) }
        #expect(try CodedFile(bytes: bytes, limits: CodedFileLimits(pixels: 333 * 500)) == Self.file)
    }

    @Test func filesAreWrittenWholeAndReadBack() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "coded-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "photo.cnd").path
        try Self.file.write(to: path)
        try Self.file.write(to: path)
        #expect(try CodedFile(path: path) == Self.file)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["photo.cnd"])
        #expect(throws: FileAccessError.self) { try Self.file.write(to: path + "/inside.cnd") }
        #expect(throws: FileAccessError.self) { try CodedFile(path: path + ".absent") }
        #expect(throws: FileAccessError.self) { try CodedFile(path: folder.path) }
        _ = FileManager.default.createFile(atPath: path, contents: Data())
        #expect(throws: FileFormatError.self) { try CodedFile(path: path) }
    }

    @Test func otherModelsAreRefused() throws {
        let file = Self.file
        try file.check(path: "a", fingerprint: file.fingerprint, tablesChecksum: file.tablesChecksum)
        let other = ModelFingerprint(value: 1)
        #expect(other.description == "0000000000000001")
        #expect(throws: CodedFileError.anotherModel(path: "a", expected: file.fingerprint, found: other)) {
            try file.check(path: "a", fingerprint: other, tablesChecksum: file.tablesChecksum)
        }
        #expect(throws: CodedFileError.otherTables(path: "a", expected: file.tablesChecksum, found: 5)) {
            try file.check(path: "a", fingerprint: file.fingerprint, tablesChecksum: 5)
        }
    }

    @Test func fingerprintsFollowWeightsNotTables() throws {
        let model = EntropyBottleneck(3, generator: RandomGenerator(seed: 1))
        let before = ModelFingerprint(of: model)
        try model.update()
        #expect(ModelFingerprint(of: model) == before)
        #expect(ModelFingerprint(of: EntropyBottleneck(3, generator: RandomGenerator(seed: 1))) == before)
        #expect(ModelFingerprint(of: EntropyBottleneck(3, generator: RandomGenerator(seed: 2))) != before)
        withoutGradients { model.biases[2][1, 0, 0] = Tensor(scalar: Float(0.25)) }
        #expect(ModelFingerprint(of: model) != before)
    }

    @Test func filesOfTheReferencesExample() throws {
        let file = CompressAIFile(
            model: 2, metric: .msSSIM, quality: 4, height: 333, width: 500, latentHeight: 6, latentWidth: 8, streams: [[1, 2, 3, 4], [9]])
        let bytes = file.serialized()
        #expect(bytes == [2, 0x13, 0, 0, 1, 0x4D, 0, 0, 1, 0xF4, 8, 0, 0, 0, 6, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0, 4, 1, 2, 3, 4, 0, 0, 0, 1, 9])
        #expect(try CompressAIFile(bytes: bytes) == file)
        for length in 0..<bytes.count {
            #expect(throws: FileFormatError.self) { try CompressAIFile(bytes: Array(bytes.prefix(length))) }
        }
        #expect(throws: FileFormatError.self) { try CompressAIFile(bytes: bytes + [0]) }
        for (place, byte) in [(1, 0x23), (10, 0), (10, 17), (19, 0xFF), (23, 0xFF)] as [(Int, UInt8)] {
            var damaged = bytes
            damaged[place] = byte
            #expect(throws: FileFormatError.self) { try CompressAIFile(bytes: damaged) }
        }
        for place in [2, 6, 11, 15] {
            var large = bytes
            large[place] = 0xFF
            #expect(throws: CodedFileError.self) { try CompressAIFile(bytes: large) }
        }
    }
}
