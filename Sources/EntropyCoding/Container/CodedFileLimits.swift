/// How much a file may say it holds. What a header costs to write is little; what it may cost to read is decided here.
public struct CodedFileLimits: Sendable, Equatable {
    /// Height · width.
    public var pixels: Int
    /// So much larger than what was compressed a latent may be in each direction: models pad.
    static let padding = 1024

    /// - Parameter pixels: 2³⁰ if not given, an image of 32768 × 32768.
    public init(pixels: Int = 1 << 30) { self.pixels = pixels }

    func check(path: String, height: Int, width: Int, latentHeight: Int, latentWidth: Int) throws {
        // Each is below 2³², so their product may not fit.
        let (product, overflow) = height.multipliedReportingOverflow(by: width)
        guard !overflow && product > 0 && product <= pixels && 1...height + Self.padding ~= latentHeight && 1...width + Self.padding ~= latentWidth else {
            throw CodedFileError.beyondLimits(
                path: path, size: "\(height) × \(width), latent \(latentHeight) × \(latentWidth)", pixels: pixels)
        }
    }
}

/// A compressed file that is whole but cannot be decoded here.
public enum CodedFileError: Error, CustomStringConvertible, Equatable, Sendable {
    case unknownVersion(path: String, found: Int)
    case unknownCoder(path: String, found: Int)
    case beyondLimits(path: String, size: String, pixels: Int)
    case anotherModel(path: String, expected: ModelFingerprint, found: ModelFingerprint)
    case otherTables(path: String, expected: UInt32, found: UInt32)

    public var description: String {
        switch self {
        case .unknownVersion(let path, let found):
            "'\(path)' has version \(found) of the format, this program reads version \(CodedFile.version); use a newer one."
        case .unknownCoder(let path, let found):
            "'\(path)' was written by coder \(found), which this program does not have; use a newer one."
        case .beyondLimits(let path, let size, let pixels):
            "'\(path)' says it holds \(size), and 1 to \(pixels) pixels are allowed; raise the limit if you trust it."
        case .anotherModel(let path, let expected, let found):
            "'\(path)' was compressed by the model \(expected) and not by this one (\(found)); decompress it with the model that wrote it."
        case .otherTables(let path, let expected, let found):
            "'\(path)' was compressed with tables \(String(expected, radix: 16)) and this model has \(String(found, radix: 16)); "
                + "load the tables that were saved with the model instead of updating them here."
        }
    }
}
