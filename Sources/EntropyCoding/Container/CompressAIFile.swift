internal import Torch

/// A compressed image in the layout of the example program of CompressAI (`examples/codec.py`).
///
/// It has no magic number, no checksum and no mark of the weights: what it says is checked for sense, but damage may decode to a
/// wrong picture. Prefer ``CodedFile``.
public struct CompressAIFile: Sendable, Equatable {
    public enum Metric: UInt8, Sendable, Codable { case meanSquaredError = 0, msSSIM }

    /// 0 bmshj2018-factorized, 1 its variant with ReLU, 2 bmshj2018-hyperprior, 3 mbt2018-mean, 4 mbt2018, 5 cheng2020-anchor,
    /// 6 cheng2020-attn.
    public var model: UInt8
    public var metric: Metric
    /// 1 to 16.
    public var quality: Int
    public var height: Int, width: Int
    public var bitDepth: UInt8
    /// Size of the hyper-latent, or of the latent where there is none.
    public var latentHeight: Int, latentWidth: Int
    public var streams: [[UInt8]]

    public init(
        model: UInt8, metric: Metric, quality: Int, height: Int, width: Int, bitDepth: UInt8 = 8, latentHeight: Int, latentWidth: Int,
        streams: [[UInt8]]
    ) {
        self.model = model
        self.metric = metric
        self.quality = quality
        self.height = height
        self.width = width
        self.bitDepth = bitDepth
        self.latentHeight = latentHeight
        self.latentWidth = latentWidth
        self.streams = streams
    }

    /// Bytes of the streams alone.
    public var payloadByteCount: Int { streams.reduce(0) { $0 + $1.count } }

    /// The bytes of the file.
    public func serialized() -> [UInt8] {
        require(
            1...16 ~= quality && ([height, width, latentHeight, latentWidth] + streams.map(\.count)).allSatisfy { 0...Int(UInt32.max) ~= $0 },
            "CompressAIFile: quality \(quality) or a size cannot be written.")
        var writer = ByteWriter()
        for byte in [model, metric.rawValue << 4 | UInt8(quality - 1)] { writer.append(byte) }
        for size in [height, width] { writer.append(bigEndian: UInt32(size)) }
        writer.append(bitDepth)
        for size in [latentHeight, latentWidth, streams.count] { writer.append(bigEndian: UInt32(size)) }
        for stream in streams {
            writer.append(bigEndian: UInt32(stream.count))
            writer.append(bytes: stream)
        }
        return writer.bytes
    }

    /// - Throws: as ``CodedFile/init(path:limits:)``.
    public init(path: String, limits: CodedFileLimits = .init()) throws {
        let file = try MappedBytes(path: path)
        self = try withExtendedLifetime(file) { try CompressAIFile(file.buffer, path: path, limits: limits) }
    }

    /// - Parameter name: stands for the path in errors.
    /// - Throws: `FileFormatError` when the bytes are no such file; ``CodedFileError`` for sizes beyond the limits.
    public init(bytes: [UInt8], name: String = "bytes in memory", limits: CodedFileLimits = .init()) throws {
        self = try bytes.withUnsafeBytes { try CompressAIFile($0, path: name, limits: limits) }
    }

    private init(_ bytes: UnsafeRawBufferPointer, path: String, limits: CodedFileLimits) throws {
        func damaged(_ problem: String) -> FileFormatError {
            FileFormatError(path: path, format: "a compressed image of CompressAI's example", problem: problem)
        }
        var reader = ByteReader(bytes)
        func size() -> Int? {
            let value: UInt32? = reader.bigEndian()
            return value.map { Int($0) }
        }
        guard let model: UInt8 = reader.integer(), let code: UInt8 = reader.integer(), let height = size(), let width = size(),
            let bitDepth: UInt8 = reader.integer(), let latentHeight = size(), let latentWidth = size(), let count = size()
        else { throw damaged("its header ends early") }
        guard let metric = Metric(rawValue: code >> 4), 1...16 ~= bitDepth else { throw damaged("its header has numbers that cannot be") }
        try limits.check(path: path, height: height, width: width, latentHeight: latentHeight, latentWidth: latentWidth)
        var streams: [[UInt8]] = []
        // Each has four bytes of length at least.
        guard count <= reader.remaining / 4 else { throw damaged("its \(count) streams do not fit it") }
        for index in 0..<count {
            guard let length = size(), let stream = reader.take(length) else { throw damaged("stream \(index) reaches beyond its end") }
            streams.append(Array(stream))
        }
        guard reader.remaining == 0 else { throw damaged("\(reader.remaining) bytes follow its streams") }
        self.init(
            model: model, metric: metric, quality: Int(code & 15) + 1, height: height, width: width, bitDepth: bitDepth,
            latentHeight: latentHeight, latentWidth: latentWidth, streams: streams)
    }
}
