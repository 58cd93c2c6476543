import Codecs
import CondenseTesting
import Testing
import Torch
import TorchNN

@Suite struct ReproducibleCodingTests {
    /// The layers that describe latents in the published codecs.
    static func networks() -> [Sequential] {
        let generator = RandomGenerator(seed: 3)
        func same(_ input: Int, _ output: Int) -> Conv2d {
            Conv2d(inputChannels: input, outputChannels: output, kernelSize: 3, padding: .symmetric(1), generator: generator)
        }
        func doubling(_ input: Int, _ output: Int, _ size: PerAxis, _ padding: PerAxis) -> ConvTranspose2d {
            ConvTranspose2d(
                inputChannels: input, outputChannels: output, kernelSize: size, stride: 2, padding: padding, outputPadding: 1, generator: generator)
        }
        return [
            Sequential(doubling(6, 10, 5, 2), ActivationLayer(.leakyReLU()), doubling(10, 4, 3, 1), ActivationLayer(.relu), same(4, 9)),
            Sequential(same(6, 40), ActivationLayer(.leakyReLU()), Sequential(same(40, 8), PixelShuffle(2)), same(2, 3)),
        ]
    }

    @Test(arguments: 0..<2, [(1, 1), (5, 3), (40, 70)]) func orderedNetworksAreTheSameNetworks(_ index: Int, _ size: (Int, Int)) {
        let network = Self.networks()[index]
        let input = Tensor.normal([2, 6, size.0, size.1], generator: RandomGenerator(seed: 8))
        #expect(mismatch(OrderedNetwork(network)(input), withoutGradients { network(input) }, relative: 1e-4, absolute: 1e-5) == nil)
    }

    /// An image coded with one number of threads is read with any other.
    @Test func streamsDoNotDependOnThreads() async {
        await #expect(processExitsWith: .success) {
            for kind in [ImageCodecKind.scaleHyperprior, .meanScaleHyperprior, .jointAutoregressive, .chengAttention] {
                let codec = ImageCodecConfiguration(kind, channels: 24, latentChannels: 36).makeCodec(generator: RandomGenerator(seed: 1))
                codec.setMode(.evaluation)
                try codec.update()
                let image = Tensor.uniform([1, 3, 128, 192], generator: RandomGenerator(seed: 2))
                Engine.threadCount = 1
                let one = try codec.compress(image)
                let parameters = try codec.decompress(one)
                for threads in [2, 3, 5] {
                    Engine.threadCount = threads
                    let decoded = try codec.decompress(one)
                    precondition(decoded.isClose(to: parameters, relative: 0, absolute: 1e-5), "\(kind) with \(threads) threads")
                }
            }
        }
    }

    /// Only the last bits differ between the two kinds of arithmetic.
    @Test(arguments: [ImageCodecKind.meanScaleHyperprior, .jointAutoregressive, .chengAnchor], [(64, 128), (192, 64), (64, 64), (128, 320)])
    func bothKindsOfArithmeticCodeTheSame(_ kind: ImageCodecKind, _ size: (Int, Int)) throws {
        let codec = ImageCodecConfiguration(kind, channels: 12, latentChannels: 16).makeCodec(generator: RandomGenerator(seed: 4))
        codec.setMode(.evaluation)
        try codec.update()
        let image = Tensor.uniform([1, 3, size.0, size.1], generator: RandomGenerator(seed: 5))
        let native = try codec.decompress(codec.compress(image, arithmetic: .native), arithmetic: .native)
        #expect(try codec.decompress(codec.compress(image)).isClose(to: native, relative: 0, absolute: 1e-3))
    }
}
