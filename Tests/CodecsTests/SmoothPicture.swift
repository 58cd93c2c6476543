import Torch

/// A smooth picture with edges, [3, height, width] in 0…1.
func smoothPicture(_ seed: UInt64, height: Int, width: Int) -> Tensor {
    let generator = RandomGenerator(seed: seed)
    let coarse = Tensor.uniform([1, 3, 6, 6], generator: generator).resizedBilinear(height: height, width: width)
    let edges = (Tensor.uniform([1, 1, 4, 4], generator: generator).resizedNearest(height: height, width: width) .> 0.5).to(dtype: .float32)
    return (coarse * 0.7 + edges * 0.3)[0]
}
