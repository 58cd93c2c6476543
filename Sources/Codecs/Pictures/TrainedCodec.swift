internal import Experiments
internal import Foundation
internal import Torch

/// How a codec was trained.
public struct CodecOrigin: Codable, Sendable, Equatable {
    public var lambda: Double
    public var distortion: Distortion
    public var steps: Int
    /// Folder or data item.
    public var data: String

    public init(lambda: Double, distortion: Distortion, steps: Int, data: String) {
        self.lambda = lambda
        self.distortion = distortion
        self.steps = steps
        self.data = data
    }
}

/// A codec as it lies in a folder: `codec.json`, `codec.safetensors` with CompressAI's keys, and `training.json` where it was trained here.
public struct TrainedCodec {
    public let codec: any ImageCodec
    public let origin: CodecOrigin?
    /// The folder, as the user named it.
    public let path: String

    public init(_ codec: any ImageCodec, origin: CodecOrigin?, path: String) {
        self.codec = codec
        self.origin = origin
        self.path = path
    }

    /// - Parameter path: such a folder, or the run that trained the codec.
    /// - Throws: ``CodecFolderError`` if it is neither; otherwise as ``loadImageCodec(at:)``.
    public static func load(at path: String) throws -> TrainedCodec {
        let files = FileManager.default
        guard let folder = [path, "\(path)/\(folderName)"].first(where: { files.fileExists(atPath: "\($0)/codec.json") }) else {
            throw CodecFolderError(path: path, exists: files.fileExists(atPath: path))
        }
        let origin = (try? Data(contentsOf: URL(filePath: "\(folder)/training.json"))).flatMap { try? JSONDecoder().decode(CodecOrigin.self, from: $0) }
        return TrainedCodec(try loadImageCodec(at: folder), origin: origin, path: path)
    }

    /// Where in its run a codec lies.
    public static let folderName = "codec"

    /// - Throws: as ``saveImageCodec(_:to:)``.
    public func save(to folder: String) throws {
        try saveImageCodec(codec, to: folder)
        if let origin { try AtomicFile.write(json: origin, to: "\(folder)/training.json") }
    }

    public var kind: ImageCodecKind { codec.configuration.kind }

    /// Kind, and λ where it is known.
    public var label: String { kind.rawValue + (origin.map { " λ \($0.lambda)" } ?? "") }

    /// What codecs of one curve have in common: all but λ.
    public var seriesName: String {
        let isOther = origin.map { $0.distortion != .meanSquaredError } ?? false
        return "\(codec.configuration.description)\(isOther ? ", \(Distortion.msSSIM.shortName)" : "")"
    }

    /// The published quality with this λ, 1 to 8, to be noted in files; 0 if there is none.
    public var quality: UInt8 {
        guard let origin, let index = origin.distortion.publishedLambdas.firstIndex(of: origin.lambda) else { return 0 }
        return UInt8(index + 1)
    }
}

/// A folder without a codec.
public struct CodecFolderError: Error, CustomStringConvertible, Equatable, Sendable {
    public let path: String
    public let exists: Bool

    public var description: String {
        exists
            ? "'\(path)' holds no codec (codec.json, codec.safetensors); give a run of 'condense codec train'"
            : "there is no folder '\(path)'; give a run of 'condense codec train', or a folder with codec.json and codec.safetensors"
    }
}
