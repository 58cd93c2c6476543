import Codecs
import CondenseTesting
import Foundation
import Testing
import Torch
import TorchNN

/// Of the encoders' last layers, so that latents are not all 0.
private let gains: [String: Double] = ["encoder.0.weight": 30, "encoder.0.conv_out.weight": 30, "encoder.0.conv2.weight_g": 3]

/// Weights that the golden script computes, too.
private func formulaWeights(_ codec: WaLLoC) -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    for (number, entry) in codec.stateDictionary.sorted(by: { $0.key < $1.key }).enumerated() {
        let (name, shape) = (entry.key, entry.value.shape)
        let count = entry.value.elementCount
        let fanIn = Double(count) / Double(shape[0])
        let gain = gains[name] ?? 1
        let values = (0..<count).map { place -> Float in
            let unit = Double((place * 40503 + (number + 1) * 7919) % 65521) / 65521 * 2 - 1
            var value: Double
            if name.hasSuffix("alpha") || name.hasSuffix("beta") {
                value = 0.3 * unit
            } else if name.hasSuffix("weight_g") || name.contains("norm") && name.hasSuffix("weight") {
                value = 1 + 0.3 * unit
            } else if name.hasSuffix("bias") {
                value = 0.2 * unit
            } else {
                value = unit * 1.5 / fanIn.squareRoot()
            }
            value *= gain
            return Float(value)
        }
        result[name] = Tensor(values, shape: shape)
    }
    return result
}

private func configuration(_ name: String) -> WaLLoCConfiguration {
    var configuration = WaLLoCConfiguration()
    (configuration.channels, configuration.levels, configuration.latentChannels, configuration.decoderWidth) = (2, 2, 4, 32)
    switch name {
    case "image": break
    case "image-deep": (configuration.encoderWidth, configuration.bits) = (32, 6)
    case "audio": (configuration.signal, configuration.levels, configuration.latentChannels, configuration.decoderWidth, configuration.postFilterTaps) = (.audio, 3, 5, 11, 129)
    default: (configuration.signal, configuration.levels, configuration.decoderWidth, configuration.encoderWidth, configuration.bits) = (.audio, 3, 11, 9, 6)
    }
    return configuration
}

private func goldens() throws -> Goldens {
    try Goldens(#require(Bundle.module.url(forResource: "walloc", withExtension: "safetensors", subdirectory: "Fixtures")))
}

private let kinds = ["image", "image-deep", "audio", "audio-deep"]

@Suite("WaLLoC against its authors' package") struct WaLLoCReferenceTests {
    @Test(arguments: [1, 2, 3, 4]) func packetsOfSignals(_ levels: Int) throws {
        let golden = try goldens(), x = try golden("packet1d/input")
        #expect(mismatch(x.waveletPacket(levels: levels, axes: .one), try golden("packet1d/\(levels)"), absolute: 1e-12) == nil)
    }

    @Test(arguments: [1, 2, 3]) func packetsOfImages(_ levels: Int) throws {
        let golden = try goldens(), x = try golden("packet2d/input")
        #expect(mismatch(x.waveletPacket(levels: levels, axes: .two), try golden("packet2d/\(levels)"), absolute: 1e-12) == nil)
    }

    @Test(arguments: kinds) func codecsGiveTheSameValuesAndGradients(_ kind: String) throws {
        let golden = try goldens(), generator = RandomGenerator(seed: 0)
        let codec = WaLLoC(configuration(kind), generator: generator)
        #expect(forgottenMembers(of: codec).isEmpty)
        try codec.load(formulaWeights(codec))
        let signal = try golden("\(kind)/signal")
        codec.setMode(.evaluation)
        let evaluated = withoutGradients { codec(signal) }
        #expect(evaluated.latents.isEqual(to: try golden("\(kind)/latents")))
        #expect(codec.latents(signal).isEqual(to: evaluated.latents))
        #expect(evaluated.latents.abs().max().item() <= Double(codec.compander.greatestLevel) && evaluated.latents.abs().max().item() > 3)
        let limited = evaluated.reconstruction.clamped(minimum: -0.5, maximum: 0.5)
        #expect(mismatch(limited, try golden("\(kind)/reconstruction"), relative: 1e-4, absolute: 1e-4) == nil)
        codec.setMode(.training)
        generator.state = RandomGenerator(seed: 11).state
        let output = codec(signal)
        let loss = output.reconstruction.meanSquaredError(signal), bandLoss = output.reconstructedBands.meanSquaredError(output.bands)
        #expect(mismatch(Tensor.stacked([loss, bandLoss]).detached(), try golden("\(kind)/losses"), relative: 1e-4) == nil)
        (loss + bandLoss * 0.5).backward()
        // Snakes make gradients of random weights large and sensitive to the last bits of sums.
        let tolerance = kind.hasPrefix("audio") ? 1e-2 : 1e-3
        var compared = 0
        for parameter in codec.namedParameters() where golden.names.contains("\(kind)/gradients/\(parameter.name)") {
            let expected = try golden("\(kind)/gradients/\(parameter.name)"), size = expected.abs().max().item()
            let difference = mismatch(try #require(parameter.tensor.grad), expected, relative: 2e-3, absolute: tolerance * size + 1e-6, parameter.name)
            #expect(difference == nil, "\(difference.map(\.description) ?? "")")
            compared += 1
        }
        #expect(compared == golden.names.count { $0.hasPrefix("\(kind)/gradients/") } && compared > 20)
    }

    @Test(arguments: [(WaLLoCConfiguration.rgb16, 56_885_964, 2_316), (.stereo5, 16_346_074, 55_404)])
    func publishedSizes(_ configuration: WaLLoCConfiguration, _ all: Int, _ encoder: Int) {
        let codec = WaLLoC(configuration, generator: RandomGenerator(seed: 0))
        #expect(codec.parameterCount() == all)
        let parts = codec.namedParameters().filter { $0.name.hasPrefix("encoder.") }
        #expect(parts.reduce(0) { $0 + $1.tensor.elementCount } == encoder)
    }
}

@Suite struct WaLLoCTests {
    @Test(arguments: [2, 3, 6, 8]) func companding(_ bits: Int) {
        let compander = Compander(bits: bits)
        let probabilities = Tensor.linspace(2e-4, 1 - 2e-4, count: 1001, dtype: .float64)
        let x = (probabilities * 2 - 1).erfinv() * (2.0.squareRoot() * compander.scale)
        #expect(mismatch(compander.expanded(compander.compressed(x)), x, absolute: 1e-3) == nil)
        let levels = Tensor.arange(-compander.greatestLevel, compander.greatestLevel + 1).to(dtype: .float32)
        #expect(mismatch(compander.compressed(compander.expanded(levels)), levels, absolute: 1e-3) == nil, "whole numbers stay what they are")
        let extreme = compander.compressed(Tensor([-1e9, 1e9] as [Float]))
        #expect(extreme.rounded().scalars(as: Float.self) == [-Float(compander.greatestLevel), Float(compander.greatestLevel)])
        #expect(compander.expanded(extreme).isFinite().all().item() == 1)
    }

    @Test func numbersOfTheTable() {
        #expect(Compander(bits: 8).limit == 127.499 && abs(Compander(bits: 8).scale - 68.6486) < 1e-4)
        #expect(WaLLoCConfiguration.rgb16.dimensionalityReduction == 16)
        #expect(abs(WaLLoCConfiguration.stereo5.dimensionalityReduction - 4.74) < 0.001)
    }

    /// Every size comes back, from latents of whole numbers in range.
    @Test func everySizeComesBack() {
        var layout = WaLLoCConfiguration()
        layout.decoderWidth = 32
        let codec = WaLLoC(layout, generator: RandomGenerator(seed: 3))
        for (height, width) in [(1, 1), (1, 70), (2, 3), (7, 9), (8, 8), (15, 64), (33, 17), (70, 1)] {
            let image = Tensor.uniform([3, height, width], generator: RandomGenerator(seed: 1)) - 0.5
            let latents = codec.encoded(image)
            #expect(latents.dtype == .int8 && latents.shape == [12] + codec.latentSize(of: [height, width]))
            #expect(latents.to(dtype: .int64).abs().max().item() <= 127)
            let decoded = codec.decoded(latents, size: [height, width])
            #expect(decoded.shape == image.shape && decoded.abs().max().item() <= 0.5)
        }
        var sound = WaLLoCConfiguration()
        (sound.signal, sound.channels, sound.levels, sound.latentChannels, sound.decoderWidth) = (.audio, 2, 4, 4, 8)
        let coder = WaLLoC(sound, generator: RandomGenerator(seed: 3))
        for count in [1, 15, 16, 17, 100, 1000] {
            let signal = Tensor.uniform([2, count], generator: RandomGenerator(seed: 1)) - 0.5
            let latents = coder.encoded(signal)
            #expect(latents.shape == [4, (count + 15) / 16 + 2])
            #expect(coder.decoded(latents, size: [count]).shape == signal.shape)
        }
    }

    /// With as many dimensions as bands and principal components at both ends, only rounding is lost.
    @Test func withoutReductionOnlyRoundingIsLost() {
        var layout = WaLLoCConfiguration()
        (layout.levels, layout.latentChannels) = (2, 48)
        let codec = WaLLoC(layout, generator: RandomGenerator(seed: 0))
        let images = (Tensor.uniform([2, 3, 12, 12], generator: RandomGenerator(seed: 1)) - 0.5).resizedBilinear(height: 48, width: 48)
        let linear = LinearBandCodec(layout, bands: codec.analysis(images))
        #expect((linear.decoded(linear.latents(images)) - images).squared().mean().sqrt().item() < 0.02)
        #expect(mismatch(linear.decoded(linear.unroundedLatents(images)), images, absolute: 2e-3) == nil)
    }

    @Test func principalComponentsAreTheBestProjection() {
        let generator = RandomGenerator(seed: 5)
        let mixing = Tensor.normal([6, 6], dtype: .float64, generator: generator)
        let rows = Tensor.normal([400, 6], dtype: .float64, generator: generator).matmul(mixing) + 3
        let components = BandComponents(of: rows.transposed().reshaped([1, 6, 20, 20]), count: 6)
        let centred = rows - rows.mean(axis: 0)
        let projected = centred.matmul(components.directions.transposed())
        #expect(mismatch(projected.matmul(components.directions), centred, absolute: 1e-9) == nil)
        let covariance = projected.transposed().matmul(projected) / 400
        #expect(mismatch(covariance.diagonal().sqrt(), components.deviations, absolute: 1e-9) == nil)
        #expect((covariance - covariance.diagonal() * Tensor.identity(6, dtype: .float64)).abs().max().item() < 1e-9)
    }

    /// Normalisation and SiLU do not keep the decoder from beginning as a matrix.
    @Test(arguments: [128, 192]) func wideDecodersBeginLinear(_ width: Int) {
        var layout = WaLLoCConfiguration()
        layout.decoderWidth = width
        let codec = WaLLoC(layout, generator: RandomGenerator(seed: 3))
        codec.setMode(.evaluation)
        let images = (Tensor.uniform([2, 3, 6, 6], generator: RandomGenerator(seed: 1)) - 0.5).resizedBilinear(height: 48, width: 48)
        let bands = codec.analysis(images)
        codec.startAtPrincipalComponents(BandComponents(of: bands, count: layout.latentChannels))
        let linear = LinearBandCodec(layout, bands: bands), latents = linear.latents(images)
        let decoded = withoutGradients { codec(images).reconstruction.clamped(minimum: -0.5, maximum: 0.5) }
        #expect(codec.latents(images).isEqual(to: latents))
        #expect(mismatch(decoded, linear.decoded(latents), absolute: 0.02) == nil)
    }

    /// Sound decoded in segments is the sound decoded whole.
    @Test func segmentsHaveNoSeams() {
        var layout = WaLLoCConfiguration()
        (layout.signal, layout.channels, layout.levels, layout.latentChannels, layout.decoderWidth) = (.audio, 1, 2, 2, 4)
        let codec = WaLLoC(layout, generator: RandomGenerator(seed: 2))
        withoutGradients {
            let latents = (Tensor.uniform([1, 2, 702], generator: RandomGenerator(seed: 4)) - 0.5) * 200
            #expect(mismatch(codec.segmentedBands(latents, length: 200), codec.segmentedBands(latents, length: 1000), absolute: 1e-4) == nil)
        }
    }

    /// Tiles cover every place, and fade into each other without a step: what differs from the whole changes as smoothly at seams as elsewhere.
    @Test func tilesFadeIntoEachOther() {
        var layout = WaLLoCConfiguration()
        (layout.levels, layout.latentChannels, layout.decoderWidth) = (1, 2, 32)
        let codec = WaLLoC(layout, generator: RandomGenerator(seed: 2))
        withoutGradients {
            let coarse = Tensor.uniform([1, 2, 5, 7], generator: RandomGenerator(seed: 4)).resizedBilinear(height: 50, width: 70)
            let latents = (coarse - 0.5) * 150
            let whole = codec.tiledBands(latents, side: 100), tiled = codec.tiledBands(latents, side: 24)
            #expect(tiled.shape == whole.shape)
            let difference = tiled - whole
            let steps = (difference[.all, .all, .all, 1...] - difference[.all, .all, .all, ..<69]).abs().max().item()
            let inner = (whole[.all, .all, .all, 1...] - whole[.all, .all, .all, ..<69]).abs().max().item()
            #expect(steps < inner, "a step of \(steps) where the picture itself has \(inner)")
            #expect(difference.abs().mean().item() < 0.75 * whole.abs().mean().item())
        }
    }
}
