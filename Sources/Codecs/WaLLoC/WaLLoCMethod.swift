internal import Datasets
public import Experiments
internal import Foundation
internal import Media
package import Torch

/// A wavelet packet and one 1 × 1 convolution as an encoder: few dimensions, small files, and something to learn on.
public enum WaLLoCMethod: Method {
    public typealias Configuration = WaLLoCTrainingConfiguration

    public static let name = "walloc"
    public static let title = "WaLLoC"
    public static let summary =
        "Pictures or sound go in, latents of few numbers come out, by an encoder that costs almost nothing; to store as lossless pictures and to learn on."
    public static let paper = Paper(
        title: "Learned Compression for Compressed Learning", authors: "Jacobellis, Yadwadkar", year: 2025, arXiv: "2412.09405")
    public static let family = MethodFamily.codecs

    public static func reproduce(scale: ReproductionScale, context: ReproductionContext) throws -> Reproduction {
        let setting = WaLLoCSetting(scale)
        let pictures = try WaLLoCPictures(setting, context: context)
        let cells = try LabelledCells.read(limit: setting.labelledLimit, progress: context.progress, cancellation: context.cancellation)
        return try WaLLoCExperiment(setting, pictures, cells, context: context).run()
    }
}

/// The size of the experiment.
package struct WaLLoCSetting: Sendable, Equatable {
    /// Of the codec of photographs.
    package var photo: WaLLoCTrainingConfiguration
    /// Of the codec of solar cells, whose latents are learned on.
    package var cell: WaLLoCTrainingConfiguration
    /// Test photographs are measured in their middle, so many pixels a side.
    package var testSide: Int
    /// Photographs with a longer side are made smaller by a whole number before training.
    package var largestSide: Int?
    /// Labelled pictures; nil for all.
    package var labelledLimit: Int?
    /// Of the classifiers.
    package var linearEpochs: Int, convolutionalEpochs: Int

    package init(_ scale: ReproductionScale) {
        photo = WaLLoCTrainingConfiguration()
        cell = WaLLoCTrainingConfiguration()
        (cell.codec.channels, cell.codec.latentChannels, cell.codec.decoderWidth) = (1, 4, 32)
        switch scale {
        case .small:
            (photo.steps, photo.learningRate, photo.batchSize) = (1_500, 1e-3, 8)
            (cell.cropSize, cell.steps, cell.learningRate) = (64, 500, 1e-3)
            (testSide, largestSide, labelledLimit, linearEpochs, convolutionalEpochs) = (512, 1_024, nil, 12, 12)
        case .full:
            // 150 passes over the paper's 85,000 photographs.
            (photo.codec.decoderWidth, photo.cropSize, photo.batchSize, photo.steps) = (768, 256, 64, 200_000)
            (photo.learningRate, photo.warmup, photo.schedule) = (3e-5, 0.25, .plateau)
            (cell.codec.decoderWidth, cell.cropSize, cell.steps) = (256, 128, 20_000)
            (testSide, largestSide, labelledLimit, linearEpochs, convolutionalEpochs) = (512, nil, nil, 60, 60)
        }
    }
}

/// Photographs to train on, and others to measure on.
package struct WaLLoCPictures {
    package let training: any CropSource
    package let trainingCount: Int
    /// Each [3, height, width], 0…1, sides multiples of 32.
    package let test: [Tensor]
    package let names: [String]

    package init(training: any CropSource, trainingCount: Int, test: [Tensor], names: [String]) {
        (self.training, self.trainingCount, self.test, self.names) = (training, trainingCount, test, names)
    }

    /// Fetches the photographs of the catalogue.
    package init(_ setting: WaLLoCSetting, context: ReproductionContext) throws {
        context.progress.message("Photographs: the data items photos and photos-test")
        let store = DataStore()
        for name in ["photos", "photos-test"] { _ = try store.fetch(name) }
        let crops = try FolderCrops(PictureSource("photos"), seed: context.seeds[0], largestSide: setting.largestSide)
        let held = try PictureSet(PictureSource("photos-test"), alpha: .white, largestSide: setting.largestSide, middle: setting.testSide)
        self.init(
            training: crops, trainingCount: crops.pictureCount,
            test: held.pictures.map { picture in
                let (height, width) = (picture.height / 32 * 32, picture.width / 32 * 32)
                return picture.pixels[.all, ..<height, ..<width].contiguous()
            }, names: held.names)
    }
}

/// Solar cells with and without defects (Deitsch et al. 2019): photographs by electroluminescence, whose labels are details.
package struct LabelledCells {
    /// uint8 [n, side, side].
    package let pixels: Tensor
    /// 1 where experts found a defect more likely than not.
    package let labels: [Int]

    /// Pixels of a side, from the middle of 300.
    package static let side = 288

    package init(pixels: Tensor, labels: [Int]) { (self.pixels, self.labels) = (pixels, labels) }

    /// Reads the data item `elpv`, which is fetched if needed.
    package static func read(limit: Int?, progress: any ProgressReporter, cancellation: Cancellation) throws -> LabelledCells {
        progress.message("Solar cells: the data item elpv")
        let all = try SolarCell.all(), cells = all.prefix(limit ?? all.count)
        progress.begin("Reading solar cells", total: cells.count, unit: "pictures")
        var pictures: [Tensor] = []
        for cell in cells {
            try cancellation.check()
            let image = try Image.read(cell.path).pixels
            let (top, left) = ((image.size(1) - side) / 2, (image.size(2) - side) / 2)
            guard top >= 0, left >= 0 else {
                throw FileFormatError(path: cell.path, format: "a picture of a solar cell", problem: "it has fewer than \(side) pixels a side")
            }
            pictures.append((image[0, top..<top + side, left..<left + side] * 255).rounded().to(dtype: .uint8))
            progress.update(pictures.count)
        }
        progress.end()
        return LabelledCells(pixels: Tensor.stacked(pictures), labels: cells.map { $0.isDefective ? 1 : 0 })
    }

    /// Disjoint parts drawn by a seed: six tenths to train on, one to validate, three to test.
    package func split(seed: UInt64) -> (training: [Int], validation: [Int], test: [Int]) {
        var random = SplitMix64(seed: seed, stream: -2)
        let order = random.permutation(labels.count), first = labels.count * 6 / 10, second = labels.count * 7 / 10
        return (Array(order[..<first]), Array(order[first..<second]), Array(order[second...]))
    }

    /// Pictures [count, 1, side, side], −½…½.
    package func signals(_ indices: [Int]) -> Tensor {
        pixels.gathered(indices: Tensor(indices)).to(dtype: .float32).unsqueezed(1) / 255 - 0.5
    }
}

/// Crops of the solar cells that are trained on.
final class CellCrops: WaLLoCSource {
    private let cells: LabelledCells, indices: [Int], size: Int, seed: UInt64

    init(_ cells: LabelledCells, _ indices: [Int], size: Int, seed: UInt64) {
        (self.cells, self.indices, self.size, self.seed) = (cells, indices, size, seed)
    }

    func signals(first: Int, count: Int) -> Tensor {
        Tensor.stacked(
            (first..<first + count).map { number in
                var random = SplitMix64(seed: seed, stream: number)
                let index = indices[Int(random.below(UInt64(indices.count)))]
                let range = UInt64(LabelledCells.side - size + 1), top = Int(random.below(range)), left = Int(random.below(range))
                return cells.pixels[index, top..<top + size, left..<left + size].to(dtype: .float32).unsqueezed(0) / 255 - 0.5
            })
    }
}
