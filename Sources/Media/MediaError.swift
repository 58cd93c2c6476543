/// What can go wrong with pictures, sounds and films besides files that cannot be opened (`FileAccessError`) or are damaged
/// (`FileFormatError`). Each case reads as one sentence that says what to do.
public enum MediaError: Error, CustomStringConvertible, Equatable, Sendable {
    /// The file is of a kind, or uses a feature, that is not read.
    case unsupported(path: String, feature: String, advice: String)
    /// The file's own header asks for more than the reader's limits allow.
    case tooLarge(path: String, size: String, limit: String)
    /// A folder holds no picture.
    case noImages(folder: String)
    /// A file has no stream of this kind ("audio" or "video").
    case noStream(path: String, kind: String)
    /// The FFmpeg that is installed was built without this encoder.
    case missingEncoder(name: String, advice: String)
    /// What is to be written does not fit the format: alpha in a JPEG, frames of different sizes.
    case cannotWrite(path: String, problem: String, advice: String)
    /// The encoder, the container or the disk failed.
    case writingFailed(path: String, reason: String)

    public var description: String {
        switch self {
        case .unsupported(let path, let feature, let advice):
            "'\(path)' cannot be read: it is \(feature); \(advice)"
        case .tooLarge(let path, let size, let limit):
            "'\(path)' is not read: its header says \(size) where the limit is \(limit); raise the limit if that is what the file should hold"
        case .noImages(let folder):
            "the folder '\(folder)' holds no images: give one with PNG, JPEG, WebP, TIFF, PPM or PGM files"
        case .noStream(let path, let kind):
            "'\(path)' has no \(kind) stream; give a file that has one"
        case .missingEncoder(let name, let advice):
            "the FFmpeg installed here has no encoder for \(name); \(advice)"
        case .cannotWrite(let path, let problem, let advice):
            "'\(path)' cannot be written: \(problem); \(advice)"
        case .writingFailed(let path, let reason):
            "'\(path)' could not be written: \(reason); check the free space and the permission of its folder"
        }
    }
}
