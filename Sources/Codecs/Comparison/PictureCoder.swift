internal import EntropyCoding
public import Torch

/// Something that makes files of pictures and pictures of files: a learned codec, or a program.
public protocol PictureCoder {
    /// - Throws: errors of the codec, or of its program.
    func code(_ picture: CodecPicture) throws -> CodedPicture
}

/// A picture that went through a codec.
public struct CodedPicture {
    /// Of the whole file, header included.
    public let byteCount: Int
    /// Shape [3, height, width], in 8 bits a sample.
    public let decoded: Tensor
    /// From the picture in memory to the bytes of the file, and back.
    public let encodeSeconds: Double, decodeSeconds: Double

    public init(byteCount: Int, decoded: Tensor, encodeSeconds: Double, decodeSeconds: Double) {
        self.byteCount = byteCount
        self.decoded = decoded
        self.encodeSeconds = encodeSeconds
        self.decodeSeconds = decodeSeconds
    }
}

/// A trained codec, through the bytes of its files.
public struct LearnedCoder: PictureCoder {
    private let compressor: ImageCompressor

    /// - Throws: as ``ImageCompressor/init(_:)``.
    public init(_ codec: any ImageCodec) throws { compressor = try ImageCompressor(codec) }

    public func code(_ picture: CodecPicture) throws -> CodedPicture {
        let (bytes, encodeSeconds) = try timed { try compressor.compress(picture.pixels).serialized() }
        let (decoded, decodeSeconds) = try timed { CodecPicture.rounded(try compressor.decompress(try CodedFile(bytes: bytes))) }
        return CodedPicture(byteCount: bytes.count, decoded: decoded, encodeSeconds: encodeSeconds, decodeSeconds: decodeSeconds)
    }
}

/// A result and how many seconds it took.
func timed<Result>(_ body: () throws -> Result) rethrows -> (Result, Double) {
    let start = ContinuousClock.now
    let result = try body()
    return (result, (ContinuousClock.now - start) / .seconds(1))
}
