import CondenseTesting
import Foundation
import Media
import Testing
import Torch

/// Pictures made by `Tools/goldens/media.py`.
enum Fixtures {
    static let folder = Bundle.module.bundleURL.appendingPathComponent("Fixtures/images").path

    static func path(_ name: String) -> String { "\(folder)/\(name)" }

    static func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: path(name)))) }

    /// The levels that the reference reads from a file, `[H, W, C]` of 8 bits, or of 16 as int32.
    static func levels(_ name: String) throws -> Tensor { try goldens()(name) }

    static func goldens() throws -> Goldens { try Goldens(Bundle.module.bundleURL.appendingPathComponent("Fixtures/images.safetensors")) }
}

/// A folder of its own for one test.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("condense-media-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

    @discardableResult
    func write(_ bytes: [UInt8], to name: String) throws -> String {
        try Data(bytes).write(to: URL(filePath: self(name)))
        return self(name)
    }

    /// What lies in the folder, temporary files included.
    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
}

/// The error's description, which must be one sentence.
func refusal(_ body: () throws -> Void, sourceLocation: SourceLocation = #_sourceLocation) -> String? {
    do {
        try body()
        return nil
    } catch {
        let sentence = "\(error)"
        #expect((10..<1_000).contains(sentence.utf8.count) && !sentence.contains("\n"), "\(sentence)", sourceLocation: sourceLocation)
        return sentence
    }
}

/// A picture of waves and ramps in which no two channels agree, as float32 `[C, H, W]` in [0, 1], rounded to `levels`.
func testPicture(channels: Int, height: Int, width: Int, levels: Double = 255) -> Tensor {
    let y = Tensor.arange(0, height, dtype: .float64).reshaped([1, height, 1]), x = Tensor.arange(0, width, dtype: .float64).reshaped([1, 1, width])
    let c = Tensor.arange(0, channels, dtype: .float64).reshaped([channels, 1, 1])
    let waves = ((x * 0.21 + c * 0.7).sin() * (y * 0.17 - c * 0.4).cos()) * 0.5 + 0.5
    return ((waves * levels).rounded().to(dtype: .float32) / levels).contiguous()
}
