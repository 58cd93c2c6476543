internal import Torch

/// A compressed image, sound or film as it lies in a file (`.cnd`): what was compressed, by which model, and the streams.
///
/// ```
/// magic "CNDC", version u8, coder u8, model, quality u8, bit depth u8, channels u8,
/// height, width, latent height, latent width, model's fingerprint u64, checksum of its tables u32,
/// number of streams, length of each, their bytes, CRC-32C of everything before u32
/// ```
/// Fixed integers are little-endian; those without a width are LEB128 with the fewest bytes, at most 2³² − 1. Around a small
/// image's two streams these are 37 bytes.
///
/// Files are not trusted: the checksum is compared before anything else is believed, lengths are compared with the file
/// before anything is allocated, and sizes with limits that the reader sets.
public struct CodedFile: Sendable, Equatable {
    /// How the streams were written.
    public enum Coder: UInt8, Sendable, Codable {
        /// That of ``CDFTables/encode(_:rows:run:)``.
        case rANS = 0
    }

    public var coder: Coder
    /// Which kind of model, a number the codecs assign.
    public var model: Int
    /// As the model counts it.
    public var quality: UInt8
    /// Bits of a sample of what was compressed, 1 to 16.
    public var bitDepth: UInt8
    /// Channels of what was compressed, at least 1.
    public var channels: UInt8
    /// Size of what was compressed, at least 1 each; sound has height 1.
    public var height: Int, width: Int
    /// Size of the latent from which the others' follow.
    public var latentHeight: Int, latentWidth: Int
    /// Of the weights that decode the file.
    public var fingerprint: ModelFingerprint
    /// ``CDFTables/checksum`` of all tables that were used.
    public var tablesChecksum: UInt32
    /// In the order in which they are decoded.
    public var streams: [[UInt8]]

    public init(
        coder: Coder = .rANS, model: Int, quality: UInt8, bitDepth: UInt8 = 8, channels: UInt8 = 3, height: Int, width: Int,
        latentHeight: Int, latentWidth: Int, fingerprint: ModelFingerprint, tablesChecksum: UInt32, streams: [[UInt8]]
    ) {
        self.coder = coder
        self.model = model
        self.quality = quality
        self.bitDepth = bitDepth
        self.channels = channels
        self.height = height
        self.width = width
        self.latentHeight = latentHeight
        self.latentWidth = latentWidth
        self.fingerprint = fingerprint
        self.tablesChecksum = tablesChecksum
        self.streams = streams
    }

    /// Bytes of the streams alone.
    public var payloadByteCount: Int { streams.reduce(0) { $0 + $1.count } }

    // MARK: Writing

    static let magic = Array("CNDC".utf8)
    static let version: UInt8 = 1
    static let format = "a compressed file of Condense"

    /// The bytes of the file.
    public func serialized() -> [UInt8] {
        for (name, value) in [("model", model), ("height", height), ("width", width), ("latent height", latentHeight), ("latent width", latentWidth)] {
            require((name == "model" ? 0 : 1)...Int(UInt32.max) ~= value, "CodedFile: \(name) \(value) cannot be written.")
        }
        require(
            1...16 ~= bitDepth && channels > 0 && streams.allSatisfy { $0.count <= Int(UInt32.max) },
            "CodedFile: bit depth \(bitDepth), \(channels) channels or a stream's length cannot be written.")
        var writer = ByteWriter()
        writer.append(bytes: Self.magic)
        for byte in [Self.version, coder.rawValue] { writer.append(byte) }
        writer.append(variable: model)
        for byte in [quality, bitDepth, channels] { writer.append(byte) }
        for size in [height, width, latentHeight, latentWidth] { writer.append(variable: size) }
        writer.append(fingerprint.value)
        writer.append(tablesChecksum)
        writer.append(variable: streams.count)
        for stream in streams { writer.append(variable: stream.count) }
        for stream in streams { writer.append(bytes: stream) }
        writer.append(CRC32.checksum(writer.bytes, .castagnoli))
        return writer.bytes
    }

    /// Writes the file under another name and renames it: at `path` it is complete or not at all.
    /// - Returns: the number of bytes.
    /// - Throws: `FileAccessError` when the disk is full or the folder is not writable.
    @discardableResult
    public func write(to path: String) throws -> Int {
        let bytes = serialized()
        try AtomicFile.write(bytes, to: path)
        return bytes.count
    }

    // MARK: Reading

    /// - Throws: `FileAccessError` when the file is missing, a folder or unreadable; otherwise as ``init(bytes:name:limits:)``.
    public init(path: String, limits: CodedFileLimits = .init()) throws {
        let file = try MappedBytes(path: path)
        self = try withExtendedLifetime(file) { try CodedFile(file.buffer, path: path, limits: limits) }
    }

    /// - Parameter name: stands for the path in errors.
    /// - Throws: `FileFormatError` when the bytes are damaged or no such file; ``CodedFileError`` for other versions, other
    ///   coders and sizes beyond the limits.
    public init(bytes: [UInt8], name: String = "bytes in memory", limits: CodedFileLimits = .init()) throws {
        self = try bytes.withUnsafeBytes { try CodedFile($0, path: name, limits: limits) }
    }

    private init(_ bytes: UnsafeRawBufferPointer, path: String, limits: CodedFileLimits) throws {
        func damaged(_ problem: String) -> FileFormatError { FileFormatError(path: path, format: Self.format, problem: problem) }
        var reader = ByteReader(bytes)
        guard !bytes.isEmpty else { throw damaged("it is empty") }
        guard reader.take(4).map({ $0.elementsEqual(Self.magic) }) == true else { throw damaged("it does not begin with \"CNDC\"") }
        // Whatever the version, the checksum is at the end.
        guard bytes.count > 8 else { throw damaged("it ends after \(bytes.count) bytes") }
        var crc = CRC32(.castagnoli)
        crc.update(UnsafeRawBufferPointer(rebasing: bytes.dropLast(4)))
        let stored = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: bytes.count - 4, as: UInt32.self))
        guard crc.value == stored else { throw damaged("its checksum is not that of its content") }
        reader.end -= 4
        let version: UInt8? = reader.integer(), coder: UInt8? = reader.integer()
        guard let version, let coder else { throw damaged("its header ends early") }
        guard version == Self.version else { throw CodedFileError.unknownVersion(path: path, found: Int(version)) }
        guard let coder = Coder(rawValue: coder) else { throw CodedFileError.unknownCoder(path: path, found: Int(coder)) }
        guard let header = Header(&reader) else { throw damaged("its header ends early, or has a number that cannot be") }
        try limits.check(path: path, height: header.height, width: header.width, latentHeight: header.latentHeight, latentWidth: header.latentWidth)
        guard 1...16 ~= header.bitDepth && header.channels > 0 else {
            throw damaged("\(header.channels) channels of \(header.bitDepth) bits cannot be")
        }
        guard let streams = reader.streams(count: header.streamCount) else { throw damaged("its \(header.streamCount) streams do not fit it") }
        self.init(
            coder: coder, model: header.model, quality: header.quality, bitDepth: header.bitDepth, channels: header.channels,
            height: header.height, width: header.width, latentHeight: header.latentHeight, latentWidth: header.latentWidth,
            fingerprint: ModelFingerprint(value: header.fingerprint), tablesChecksum: header.tablesChecksum, streams: streams)
    }

    /// The numbers after version and coder.
    private struct Header {
        let model: Int
        let quality, bitDepth, channels: UInt8
        let height, width, latentHeight, latentWidth: Int
        let fingerprint: UInt64
        let tablesChecksum: UInt32
        let streamCount: Int

        init?(_ reader: inout ByteReader) {
            guard let model = reader.variable(), let quality: UInt8 = reader.integer(), let bitDepth: UInt8 = reader.integer(),
                let channels: UInt8 = reader.integer(), let height = reader.variable(), let width = reader.variable(),
                let latentHeight = reader.variable(), let latentWidth = reader.variable(), let fingerprint: UInt64 = reader.integer(),
                let tablesChecksum: UInt32 = reader.integer(), let streamCount = reader.variable()
            else { return nil }
            self.model = model
            self.quality = quality
            self.bitDepth = bitDepth
            self.channels = channels
            self.height = height
            self.width = width
            self.latentHeight = latentHeight
            self.latentWidth = latentWidth
            self.fingerprint = fingerprint
            self.tablesChecksum = tablesChecksum
            self.streamCount = streamCount
        }
    }

    /// Checks that a model is the one that wrote the file: with others, streams decode to something else without a sign.
    /// - Parameter path: named in errors.
    /// - Throws: ``CodedFileError/anotherModel(path:expected:found:)``, ``CodedFileError/otherTables(path:expected:found:)``.
    public func check(path: String, fingerprint: ModelFingerprint, tablesChecksum: UInt32) throws {
        guard fingerprint == self.fingerprint else {
            throw CodedFileError.anotherModel(path: path, expected: self.fingerprint, found: fingerprint)
        }
        guard tablesChecksum == self.tablesChecksum else {
            throw CodedFileError.otherTables(path: path, expected: self.tablesChecksum, found: tablesChecksum)
        }
    }
}
