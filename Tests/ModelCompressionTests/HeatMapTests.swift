import Experiments
import Media
import ModelCompression
import Networks
import Testing
import Torch
import TorchNN

@Suite struct HeatMapTests {
    @Test func colours() {
        var values = [Float](repeating: 0, count: 16)
        (values[5], values[10]) = (1, -1)
        let map = HeatMap(Tensor(values, shape: [1, 4, 4]), smoothing: 1), drawn = map.drawn(over: Tensor.ones([3, 4, 4]))
        func pixel(_ y: Int, _ x: Int) -> [Float] { drawn.pixels[.all, y, x].scalars() }
        #expect(map.scale == 1 && pixel(0, 0) == [1, 1, 1])
        #expect(pixel(1, 1) == [0.8, 0, 0.1] && pixel(2, 2) == [0.1, 0.2, 0.8])
        // Without relevance there is the picture.
        #expect(HeatMap(Tensor.zeros([2, 3, 3])).drawn(over: Tensor.zeros([1, 3, 3])).pixels.isEqual(to: Tensor.ones([3, 3, 3]) * 0.5))
    }

    @Test func picturesAreCroppedAndNormalised() throws {
        #expect(ImagePreparation(for: .efficientNetLite(0)) == .efficientNetLite && ImagePreparation(for: .resNet(.resNet18)) == .imageNet)
        #expect(ImagePreparation(for: .perceptron([3, 2])) == .none)
        let image = Image(pixels: Tensor.uniform([3, 40, 60], generator: RandomGenerator(seed: 1)))
        let whole = ImagePreparation.none.cropped(image, to: [3, 40, 40])
        #expect(whole.isClose(to: image.pixels[.all, ..<40, 10..<50], relative: 1e-5, absolute: 1e-5))
        #expect(ImagePreparation.none.cropped(image, to: [1, 20, 20]).shape == [1, 20, 20])
        let bounds = ImagePreparation.imageNet.bounds, black = ImagePreparation.imageNet.normalized(Tensor.zeros([1, 3, 2, 2]))
        #expect(zip(black[0, .all, 0, 0].scalars(as: Double.self), bounds.low).allSatisfy { abs($0 - $1) < 1e-6 })
        #expect(abs(ImagePreparation.efficientNetLite.normalized(Tensor.ones([1, 3, 1, 1])).mean().item() - 1) < 1e-6)
    }
}
