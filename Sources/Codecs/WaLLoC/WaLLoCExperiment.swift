package import Experiments
internal import Foundation
internal import Media
internal import Torch

/// WaLLoC against fewer pixels, a linear codec with the same latents, and WebP; and a classifier on latents against one on small pictures.
package struct WaLLoCExperiment {
    let setting: WaLLoCSetting
    let pictures: WaLLoCPictures
    let cells: LabelledCells
    let context: ReproductionContext

    package init(_ setting: WaLLoCSetting, _ pictures: WaLLoCPictures, _ cells: LabelledCells, context: ReproductionContext) {
        (self.setting, self.pictures, self.cells, self.context) = (setting, pictures, cells, context)
    }

    /// What was measured of one test photograph with one seed, in dB where nothing else is said.
    struct PhotoMeasurement {
        var psnr = 0.0, unrounded = 0.0, principal = 0.0, bicubic4 = 0.0, bicubic16 = 0.0
        /// WebP of the nearest size, and its bytes.
        var webP = 0.0, webPBytes = 0
        var msSSIM = 0.0
        /// Of the latent as PNG and WebP, headers included.
        var pngBytes = 0, latentWebPBytes = 0, pixelCount = 0
        var encodeSeconds = 0.0, decodeSeconds = 0.0

        /// Raw bytes over bytes of the smaller lossless file.
        var compression: Double { 3 * Double(pixelCount) / Double(min(pngBytes, latentWebPBytes)) }
    }

    /// Areas under the curve and accuracies of one classifier with one seed.
    struct LearningMeasurement {
        var latents: MapClassification.Score, pixels: MapClassification.Score
    }

    package func run() throws -> Reproduction {
        var photos: [[PhotoMeasurement]] = [], learning: [MapClassification.Network: [LearningMeasurement]] = [:]
        var example: [ReportBlock] = []
        for seed in context.seeds {
            let codec = try trainWaLLoC(
                setting.photo, on: WaLLoCCrops(pictures.training, size: setting.photo.cropSize), seed: seed, task: "Photo codec, seed \(seed)",
                progress: context.progress, cancellation: context.cancellation)
            photos.append(try measured(codec, seed: seed))
            if example.isEmpty { example = try LatentReport.blocks(of: WaLLoCCoder(codec), on: pictures.test[0]) }
            for (network, measurement) in try learned(seed: seed) { learning[network, default: []].append(measurement) }
        }
        return WaLLoCFindings(setting: setting, pictures: pictures, cells: cells, photos: photos, learning: learning).reproduction(example: example)
    }

    // MARK: Photographs

    private func measured(_ codec: WaLLoC, seed: UInt64) throws -> [PhotoMeasurement] {
        let source = WaLLoCCrops(pictures.training, size: setting.photo.cropSize)
        let bands = codec.analysis(try source.signals(first: 0, count: setting.photo.startSignals))
        let linear = LinearBandCodec(setting.photo.codec, bands: bands), coder = WaLLoCCoder(codec)
        guard let webP = try ConventionalEncoder(.webP) else { preconditionFailure("libavcodec or cwebp encodes WebP") }
        context.progress.begin("Measuring, seed \(seed)", total: pictures.test.count, unit: "pictures")
        let all = try pictures.test.enumerated().map { number, pixels in
            try context.cancellation.check()
            context.progress.update(number)
            return try measured(pixels, coder, linear, webP)
        }
        context.progress.end()
        return all
    }

    private func measured(_ pixels: Tensor, _ coder: WaLLoCCoder, _ linear: LinearBandCodec, _ webP: ConventionalEncoder) throws -> PhotoMeasurement {
        let codec = coder.codec, size = [pixels.size(1), pixels.size(2)], signal = pixels.unsqueezed(0) - 0.5
        func psnr(_ found: Tensor) -> Double {
            ImageQuality.psnr(CodecPicture.rounded(found.reshaped(pixels.shape)).unsqueezed(0), pixels.unsqueezed(0)).item()
        }
        var result = PhotoMeasurement()
        result.pixelCount = size[0] * size[1]
        let file = coder.encode(pixels)
        let decoded = try coder.decodePicture(file)
        result.psnr = psnr(decoded)
        if size.min() ?? 0 >= ImageQuality.smallestMultiscaleSide { result.msSSIM = ImageQuality.msSSIM(decoded.unsqueezed(0), pixels.unsqueezed(0)).item() }
        result.unrounded = psnr(withoutGradients { codec.synthesis(codec.tiledBands(codec.unroundedLatents(signal))) } + 0.5)
        result.principal = psnr(linear.decoded(linear.latents(signal)) + 0.5)
        result.bicubic4 = psnr(fewerPixels(pixels, factor: 4))
        result.bicubic16 = psnr(fewerPixels(pixels, factor: 16))
        (result.pngBytes, result.latentWebPBytes) = (try file.encoded(as: .png).count, try file.encoded(as: .webP).count)
        let picture = CodecPicture(pixels: pixels)
        let bytes = try webP.encode(picture, quality: try webP.quality(for: picture, bytes: min(result.pngBytes, result.latentWebPBytes)))
        (result.webP, result.webPBytes) = (psnr(try webP.decode(bytes)), bytes.count)
        // The middle of five: the first pays for memory, any may be disturbed.
        func seconds(_ body: () -> Tensor) -> Double { (0..<5).map { _ in timed { _ = body() }.1 }.sorted()[2] }
        let latents = codec.latents(signal)
        result.encodeSeconds = seconds { codec.latents(signal) }
        result.decodeSeconds = seconds { withoutGradients { codec.synthesis(codec.tiledBands(latents)) } }
        return result
    }

    /// A picture of fewer pixels of 8 bits, and back, by bicubic interpolation.
    private func fewerPixels(_ pixels: Tensor, factor: Int) -> Tensor {
        let (height, width) = (pixels.size(1), pixels.size(2))
        let small = pixels.unsqueezed(0).resizedBicubic(height: height / factor, width: width / factor, antialiased: true)
        return CodecPicture.rounded(small).resizedBicubic(height: height, width: width)
    }

    // MARK: Learning

    private func learned(seed: UInt64) throws -> [(MapClassification.Network, LearningMeasurement)] {
        let split = cells.split(seed: seed)
        // The codec sees no label, and only pictures of the training part.
        let codec = try trainWaLLoC(
            setting.cell, on: CellCrops(cells, split.training, size: setting.cell.cropSize, seed: seed), seed: seed, task: "Cell codec, seed \(seed)",
            progress: context.progress, cancellation: context.cancellation)
        func examples(_ indices: [Int], _ maps: (Tensor) -> Tensor) -> MapClassification.Examples {
            let parts = stride(from: 0, to: indices.count, by: 64).map { start in maps(cells.signals(Array(indices[start..<min(indices.count, start + 64)]))) }
            return MapClassification.Examples(maps: Tensor.concatenated(parts), labels: indices.map { cells.labels[$0] })
        }
        let side = LabelledCells.side / 4
        let forms: [(Tensor) -> Tensor] = [
            { codec.latents($0) },
            // As many numbers a picture, in maps of the same size for the same network; rounded to 8 bits as the latent is.
            { CodecPicture.rounded(($0 + 0.5).resizedBicubic(height: side, width: side, antialiased: true)).pixelUnshuffled(2) },
        ]
        let data = forms.map { (examples(split.training, $0), examples(split.validation, $0), examples(split.test, $0)) }
        return try MapClassification.Network.allCases.map { network in
            let classification = MapClassification(network, epochs: network == .linear ? setting.linearEpochs : setting.convolutionalEpochs)
            context.progress.begin("Learning on latents and pixels, seed \(seed)", total: nil, unit: "classifiers")
            let scores = try data.map { training, validation, test in
                try classification.score(training: training, validation: validation, test: test, seed: seed, cancellation: context.cancellation)
            }
            context.progress.end()
            return (network, LearningMeasurement(latents: scores[0], pixels: scores[1]))
        }
    }
}
