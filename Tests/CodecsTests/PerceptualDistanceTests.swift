import Codecs
import CondenseTesting
import Foundation
import Testing
import Torch

/// Against lpips 0.1.4 with the network of HED (Tools/goldens/perceptual_distance.py).
@Suite struct PerceptualDistanceTests {
    @Test func distancesAreThoseOfLPIPS() throws {
        let url = try #require(Bundle.module.url(forResource: "perceptual_distance", withExtension: "safetensors", subdirectory: "Fixtures"))
        let golden = try SafetensorsFile(path: url.path).tensors(), distance = try PerceptualDistance()
        let found = withoutGradients { distance(golden["others"]!, golden["image"]!) }
        #expect(mismatch(found, golden["distance"]!, relative: 1e-4, absolute: 1e-7) == nil)
        let image = golden["image"]!.requiringGrad()
        distance(image, golden["others"]!).sum().backward()
        #expect(try #require(image.grad).abs().max().item() > 0)
    }

    @Test func filesThatDoNotFitAreRefused() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(throws: FileAccessError.self) { try PerceptualDistance(network: path, heads: path) }
        try Data("no HDF5".utf8).write(to: URL(filePath: path))
        #expect(throws: FileFormatError.self) { try PerceptualDistance(network: path, heads: path) }
    }
}
