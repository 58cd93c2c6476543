import Codecs
import CondenseTesting
import Experiments
import Foundation
import Media
import Testing
import Torch

/// The whole experiments at the size of seconds.
@Suite struct CodecExperimentTests {
    @Test func hyperprior() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "pictures-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        for (name, seed) in [("test", 11), ("others", 12)] as [(String, UInt64)] {
            let part = folder.appending(path: name)
            try FileManager.default.createDirectory(at: part, withIntermediateDirectories: true)
            try Image(pixels: smoothPicture(seed, height: 200, width: 192)).write(part.appending(path: "a.png").path)
        }
        var setting = HyperpriorSetting(.small)
        (setting.channels, setting.latentChannels, setting.cropSize, setting.batchSize, setting.steps) = (4, 6, 64, 2, 20)
        setting.lambdas = [0.001, 0.1]
        let pictures = HyperpriorPictures(
            training: (0..<3).map { smoothPicture($0, height: 80, width: 96) }, test: try PictureSet(PictureSource(folder.appending(path: "test").path)),
            others: try PictureSet(PictureSource(folder.appending(path: "others").path)))
        let reproduction = try withReproductionContext(of: Hyperprior.self) { try HyperpriorExperiment(setting, pictures, context: $0).run() }
        #expect(reproduction.rows.count == 6)
        #expect(reproduction.rows.allSatisfy { !$0.measured.contains("nan") }, "\(reproduction.rows)")
        #expect(reproduction.setting.contains("crops of 64 × 64 of 3 photographs"))
    }

    @Test func walloc() throws {
        var setting = WaLLoCSetting(.small)
        (setting.photo.cropSize, setting.photo.steps, setting.photo.batchSize, setting.photo.startSignals) = (32, 4, 4, 16)
        (setting.cell.cropSize, setting.cell.steps, setting.cell.batchSize, setting.cell.startSignals) = (32, 4, 4, 16)
        (setting.linearEpochs, setting.convolutionalEpochs) = (1, 1)
        let crops = InMemoryCrops((0..<3).map { smoothPicture($0, height: 80, width: 96) }, seed: 1)
        let pictures = WaLLoCPictures(training: crops, trainingCount: 3, test: [smoothPicture(7, height: 192, width: 192)], names: ["a"])
        let side = LabelledCells.side, count = 20
        let pixels = Tensor.uniform([count, side, side], generator: RandomGenerator(seed: 5)) * 255
        let cells = LabelledCells(pixels: pixels.to(dtype: .uint8), labels: (0..<count).map { $0 % 2 })
        let reproduction = try withReproductionContext(of: WaLLoCMethod.self) { try WaLLoCExperiment(setting, pictures, cells, context: $0).run() }
        #expect(reproduction.rows.count == 8)
        #expect(reproduction.rows.allSatisfy { !$0.measured.contains("nan") }, "\(reproduction.rows)")
    }
}
