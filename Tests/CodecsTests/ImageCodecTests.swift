import Codecs
import CondenseTesting
import EntropyCoding
import Foundation
import Testing
import Torch
import TorchNN

@Suite("Image codecs against CompressAI") struct ImageCodecTests {
    /// The noise of the golden values.
    private static let noiseSeed: UInt64 = 11

    private struct Fixture {
        let golden: Goldens
        let codec: any ImageCodec
        let image: Tensor

        init(_ kind: ImageCodecKind) throws {
            let url = try #require(Bundle.module.url(forResource: kind.rawValue, withExtension: "safetensors", subdirectory: "Fixtures"))
            golden = try Goldens(url)
            let generator = RandomGenerator(seed: 0)
            codec = ImageCodecConfiguration(kind, channels: 4, latentChannels: 6).makeCodec(generator: generator)
            generator.state = RandomGenerator(seed: ImageCodecTests.noiseSeed).state
            try codec.load(golden.group("weights/"))
            image = try golden("image").to(dtype: .float32) / 255
        }

        /// The reference's name of a latent.
        func likelihoods(_ place: Int) -> String { "likelihoods/\(place == 0 ? "y" : "z")" }
    }

    private func expectClose(
        _ found: Tensor, _ expected: Tensor, relative: Double = 1e-4, absolute: Double = 1e-5, _ name: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(mismatch(found, expected, relative: relative, absolute: absolute, name) == nil, sourceLocation: sourceLocation)
    }

    @Test(arguments: ImageCodecKind.allCases) func trainingGivesTheSameValuesAndGradients(_ kind: ImageCodecKind) throws {
        let fixture = try Fixture(kind), golden = fixture.golden
        #expect(forgottenMembers(of: fixture.codec).isEmpty)
        let output = fixture.codec(fixture.image)
        expectClose(output.reconstruction, try golden("training/reconstruction"), "reconstruction")
        var loss = (output.reconstruction - fixture.image).squared().mean()
        for (place, latent) in output.latents.enumerated() {
            expectClose(latent.likelihoods, try golden("training/" + fixture.likelihoods(place)), "likelihoods of latent \(place)")
            loss = loss - latent.likelihoods.log2().mean()
        }
        loss.backward()
        for parameter in fixture.codec.namedParameters() where golden.names.contains("training/gradients/\(parameter.name)") {
            var expected = try golden("training/gradients/\(parameter.name)")
            // The reference has gradients of weights that it sets to 0 before each use.
            if parameter.name == "context_prediction.weight" { expected = expected * (try golden("weights/context_prediction.mask")) }
            // Processors round differently, and a unit that is 0 but for that has one slope or the other: held against all of the gradient,
            // not against each number of it.
            let difference = (try #require(parameter.tensor.grad) - expected).squared().sum().sqrt().item()
            #expect(difference <= 3e-3 * expected.squared().sum().sqrt().item() + 1e-7, "\(parameter.name)")
        }
    }

    /// The bytes of either side are those of the other, and decode to the same picture.
    @Test(arguments: ImageCodecKind.allCases) func streamsAreTheReferences(_ kind: ImageCodecKind) throws {
        let fixture = try Fixture(kind), golden = fixture.golden, decoded = try golden("decoded")
        fixture.codec.setMode(.evaluation)
        let coded = try fixture.codec.compress(fixture.image, arithmetic: .native)
        #expect(coded.count == 1)
        for (place, stream) in coded[0].streams.enumerated() {
            let expected: [UInt8] = try golden("streams/\(place)").scalars()
            #expect(stream == expected, "stream \(place)")
        }
        expectClose(try fixture.codec.decompress(coded, arithmetic: .native), decoded, "decoded")
    }

    /// What evaluation estimates is what the coder writes, with tables for all scales: the same values, and no more bits.
    @Test(arguments: ImageCodecKind.allCases) func evaluationIsWhatIsCoded(_ kind: ImageCodecKind) throws {
        let fixture = try Fixture(kind), golden = fixture.golden
        fixture.codec.setMode(.evaluation)
        let standard = ["gaussian_conditional.scale_table": Tensor(GaussianConditional.standardScales)]
        if kind != .factorized { try fixture.codec.load(standard, matching: .allowingMissing) }
        try fixture.codec.update()
        let output = withoutGradients { fixture.codec(fixture.image) }
        let coded = try fixture.codec.compress(fixture.image)
        expectClose(output.reconstruction.clamped(minimum: 0, maximum: 1), try fixture.codec.decompress(coded), "reconstruction")
        let isEstimatedAlike = kind.sizeMultiple == 16 || kind == .scaleHyperprior || kind == .meanScaleHyperprior
        for (place, latent) in output.latents.enumerated() where isEstimatedAlike || place == 1 {
            expectClose(latent.likelihoods, try golden("evaluation/" + fixture.likelihoods(place)), "likelihoods of latent \(place)")
        }
        let written = coded[0].streams.reduce(0) { $0 + 8 * $1.count }
        // A stream ends with a state of up to 64 bits; the scales of the table are up to 13 % larger than those they stand for. Random
        // weights give latents far outside of their distributions, which escapes write in fewer bits than the bound of likelihoods says.
        #expect(Double(written) < 1.02 * output.bits.item() + 64 * Double(coded[0].streams.count), "\(written), \(output.bits.item())")
    }

    @Test(arguments: ImageCodecKind.allCases) func batchesAndOtherShapes(_ kind: ImageCodecKind) throws {
        let codec = try Fixture(kind).codec
        codec.setMode(.evaluation)
        let images = Tensor.uniform([2, 3, 128, 64], generator: RandomGenerator(seed: 5))
        let coded = try codec.compress(images)
        let each = try (0..<2).flatMap { try codec.compress(images.narrowed(axis: 0, from: $0, count: 1)) }
        #expect(coded == each)
        #expect(try codec.decompress(coded).shape == [2, 3, 128, 64])
        #expect(throws: EntropyCodingError.self) { try codec.decompress([CodedLatents(streams: [], latentHeight: 2, latentWidth: 1)]) }
        var damaged = coded[0]
        damaged.streams[0].removeLast(4)
        #expect(throws: EntropyCodingError.self) { try codec.decompress([damaged]) }
    }

    /// Parameters of the published sizes, computed from the papers' layers.
    @Test(arguments: [
        (ImageCodecKind.factorized, 1, 2_998_147), (.factorized, 6, 7_030_531), (.scaleHyperprior, 1, 5_075_843), (.scaleHyperprior, 6, 11_816_323),
        (.meanScaleHyperprior, 1, 7_028_003), (.meanScaleHyperprior, 5, 17_561_699), (.jointAutoregressive, 1, 14_130_467),
        (.jointAutoregressive, 5, 25_504_596),
    ])
    func publishedSizes(_ kind: ImageCodecKind, _ quality: Int, _ count: Int) {
        let codec = ImageCodecConfiguration(kind, quality: quality).makeCodec(generator: RandomGenerator(seed: 0))
        #expect(codec.parameterCount() == count)
    }

    @Test func contextSeesOnlyWhatComesBefore() throws {
        let codec = ImageCodecConfiguration(.jointAutoregressive, channels: 2, latentChannels: 3).makeCodec(generator: RandomGenerator(seed: 1))
        let context = try #require(codec.namedModules().first { $0.name == "context_prediction" }?.module as? ContextConvolution)
        let input = Tensor.uniform([1, 3, 9, 9], generator: RandomGenerator(seed: 2)).requiringGrad()
        context(input)[0, .all, 4, 4].sum().backward()
        let reach: [Float] = try #require(input.grad).abs().sum(axis: 1).reshaped([-1]).scalars()
        for (place, gradient) in reach.enumerated() {
            let (row, column) = (place / 9, place % 9)
            let isSeen = (2...4).contains(row) && (2...6).contains(column) && (row < 4 || column < 4)
            #expect((gradient != 0) == isSeen, "row \(row), column \(column)")
        }
    }
}
