import Codecs
import CondenseTesting
import Testing
import Torch
import TorchNN

@Suite struct RowStreamTests {
    private static func conv(_ input: Int, _ output: Int, _ size: Int, stride: PerAxis, padding: PerAxis, groups: Int = 1) -> Conv2d {
        Conv2d(
            inputChannels: input, outputChannels: output, kernelSize: PerAxis(size), stride: stride, padding: .symmetric(padding), groups: groups,
            generator: RandomGenerator(seed: 1))
    }

    private static func enlarged(_ input: Int, _ output: Int, _ size: Int, padding: PerAxis, outputPadding: PerAxis) -> ConvTranspose2d {
        ConvTranspose2d(
            inputChannels: input, outputChannels: output, kernelSize: PerAxis(size), stride: 2, padding: padding, outputPadding: outputPadding,
            generator: RandomGenerator(seed: 2))
    }

    /// Strips of any height give the whole image's output.
    @Test(arguments: [1, 2, 3, 5, 8, 16, 33]) func stripsGiveTheWhole(_ height: Int) {
        let networks = [
            Sequential(Self.conv(3, 4, 5, stride: 2, padding: 2), GDN(4), Self.conv(4, 5, 3, stride: 1, padding: 1)),
            Sequential(Self.conv(3, 4, 1, stride: 2, padding: 0), Self.conv(4, 6, 3, stride: 2, padding: 1, groups: 2)),
            Sequential(Self.enlarged(3, 4, 5, padding: 2, outputPadding: 1), ActivationLayer(.relu), Self.enlarged(4, 2, 5, padding: 2, outputPadding: 1)),
            Sequential(Self.enlarged(3, 4, 3, padding: 0, outputPadding: 1), Self.enlarged(4, 2, 2, padding: 0, outputPadding: 0)),
            Sequential(Self.conv(3, 8, 3, stride: 1, padding: 1), PixelShuffle(2)),
        ]
        let image = Tensor.normal([2, 3, 33, 9], generator: RandomGenerator(seed: 3))
        for (place, network) in networks.enumerated() {
            let whole = withoutGradients { network(image) }
            #expect(mismatch(network(image, inStripsOf: height), whole, relative: 1e-4, absolute: 1e-5, "network \(place)") == nil)
        }
    }

    /// Images that take several strips are coded as whole ones are.
    @Test(arguments: ImageCodecKind.allCases) func longImagesAreCodedInStrips(_ kind: ImageCodecKind) throws {
        let codec = ImageCodecConfiguration(kind, channels: 8, latentChannels: 8).makeCodec(generator: RandomGenerator(seed: 4))
        codec.setMode(.evaluation)
        try codec.update()
        // 2,097,152 pixels of an image with 8 channels are one strip.
        let image = Tensor.uniform([1, 3, 320, 192], generator: RandomGenerator(seed: 5))
        let wide = image.expanded(to: [40, 3, 320, 192]).contiguous()
        let coded = try codec.compress(image), many = try codec.compress(wide)
        #expect(many.allSatisfy { $0.latentHeight == coded[0].latentHeight })
        let whole = try codec.decompress(coded), strips = try codec.decompress(many)
        #expect(mismatch(strips[7], whole[0], relative: 1e-3, absolute: 1e-3) == nil)
    }
}
