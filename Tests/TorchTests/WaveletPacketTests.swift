import CondenseTesting
import Foundation
import Testing
import Torch

@Suite struct WaveletPacketTests {
    private static func normal(_ shape: [Int], _ dtype: DType = .float64, seed: UInt64 = 1) -> Tensor {
        Tensor.normal(shape, dtype: dtype, generator: RandomGenerator(seed: seed))
    }

    @Test(arguments: [([2, 3, 64], 1), ([1, 2, 96], 5), ([3, 1, 256], 8), ([1, 1, 4], 2), ([2, 2, 10], 1)])
    func signalsComeBack(_ shape: [Int], _ levels: Int) {
        expectInverse(shape, levels, .one)
    }

    @Test(arguments: [([2, 3, 64, 48], 3), ([1, 2, 8, 24], 3), ([1, 1, 4, 4], 2), ([1, 3, 40, 528], 2), ([2, 1, 1040, 16], 4), ([1, 1, 6, 6], 0)])
    func imagesComeBack(_ shape: [Int], _ levels: Int) {
        expectInverse(shape, levels, .two)
    }

    private func expectInverse(_ shape: [Int], _ levels: Int, _ axes: Tensor.WaveletAxes) {
        for (dtype, tolerance) in [(DType.float64, 1e-11), (.float32, 1e-5)] {
            let x = Self.normal(shape, dtype), packet = x.waveletPacket(levels: levels, axes: axes)
            #expect(packet.shape == shape.enumerated().map { $0.offset == 0 ? $0.element : $0.offset == 1 ? $0.element << (axes.rawValue * levels) : $0.element >> levels })
            #expect(mismatch(packet.inverseWaveletPacket(levels: levels, axes: axes), x, absolute: tolerance) == nil)
        }
    }

    /// A constant is only in the first band, twice as large after each level of an image; a wave along one side only in the band that is high there.
    @Test func bandsOfImagesAreInOrder() {
        let ones = Tensor.ones([1, 1, 16, 16], dtype: .float64).waveletPacket(levels: 1, axes: .two)
        #expect(mismatch(ones[0, 0], Tensor.full([8, 8], 2, dtype: .float64), absolute: 1e-10) == nil)
        #expect(ones[0, 1...].abs().max().item() < 1e-10)
        let wave = (Tensor.arange(0, 16).remainder(dividingBy: 2) * 2 - 1).to(dtype: .float64)
        let flat = Tensor.ones([16], dtype: .float64)
        for (band, rows, columns) in [(1, wave, flat), (2, flat, wave), (3, wave, wave)] {
            let energy = rows.outer(columns).reshaped([1, 1, 16, 16]).waveletPacket(levels: 1, axes: .two).squared().sum(axes: [0, 2, 3])
            #expect(energy[band].item() > 0.999 * energy.sum().item(), "band \(band)")
        }
        // The next level splits each band in the same order: the wave is in the low bands' first quarter of channel `band`.
        let second = wave.outer(flat).reshaped([1, 1, 16, 16]).waveletPacket(levels: 2, axes: .two).squared().sum(axes: [0, 2, 3])
        #expect(second[4].item() > 0.999 * second.sum().item())
    }

    @Test func bandsOfSignalsAreInOrder() {
        let wave = (Tensor.arange(0, 32).remainder(dividingBy: 2) * 2 - 1).to(dtype: .float64).reshaped([1, 1, 32])
        let energy = wave.waveletPacket(levels: 3, axes: .one).squared().sum(axes: [0, 2])
        #expect(energy[4].item() > 0.999 * energy.sum().item())
        // The channels of a signal stay together.
        let pair = Tensor.concatenated([Tensor.zeros([1, 1, 32], dtype: .float64), wave], axis: 1).waveletPacket(levels: 2, axes: .one).squared().sum(axes: [0, 2])
        #expect(pair[6].item() > 0.999 * pair.sum().item())
    }

    @Test func gradientsAreTheTransposedMap() {
        let image = Self.normal([1, 2, 8, 12]), signal = Self.normal([2, 2, 16])
        #expect(gradientMismatch(at: [image]) { image.waveletPacket(levels: 2, axes: .two) } == nil)
        #expect(gradientMismatch(at: [signal]) { signal.waveletPacket(levels: 3, axes: .one) } == nil)
        let bands = Self.normal([1, 16, 4, 6]), parts = Self.normal([2, 8, 4])
        #expect(gradientMismatch(at: [bands]) { bands.inverseWaveletPacket(levels: 2, axes: .two).squared() } == nil)
        #expect(gradientMismatch(at: [parts]) { parts.inverseWaveletPacket(levels: 2, axes: .one).squared() } == nil)
    }

    @Test func kernelEqualsItsComposition() {
        let kernel = Operator("condense::wavelet_packet"), composite = Operator(composite: "condense::wavelet_packet")
        for reconstruction in [false, true] {
            for (shape, axes) in [([2, 16, 24], 1), ([1, 16, 16, 8], 2)] {
                let x = Self.normal(shape)
                for levels in 0...2 {
                    for transposed in [false, true] {
                        let (a, b) = (kernel(x, levels, axes, transposed, reconstruction), composite(x, levels, axes, transposed, reconstruction))
                        #expect(mismatch(a, b, absolute: 1e-12) == nil, "\(shape), \(levels) levels, transposed \(transposed)")
                    }
                }
            }
        }
    }

    @Test func resultsDoNotDependOnThreads() {
        let x = Self.normal([1, 3, 512, 768], .float32), threads = Engine.threadCount
        defer { Engine.threadCount = threads }
        Engine.threadCount = 1
        let one = x.waveletPacket(levels: 3, axes: .two)
        Engine.threadCount = 4
        #expect(x.waveletPacket(levels: 3, axes: .two).isEqual(to: one))
    }

    @Test func sidesThatDoNotDivideAreNamed() {
        let error = #expect(throws: TorchError.self) { try withTorchErrors { Tensor.zeros([1, 1, 12, 16]).waveletPacket(levels: 3, axes: .two) } }
        #expect(error?.message.contains("multiples of 8") == true, "\(error?.message ?? "")")
        #expect(throws: TorchError.self) { try withTorchErrors { Tensor.zeros([1, 3, 4]).inverseWaveletPacket(levels: 1, axes: .one) } }
        #expect(throws: TorchError.self) { try withTorchErrors { Tensor.zeros([4, 4]).waveletPacket(levels: 1, axes: .two) } }
    }
}
