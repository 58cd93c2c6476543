import Condense

// 2,000 points, each a positive combination of 4 of 64 hidden directions, plus a little noise.
let generator = RandomGenerator(seed: 1)
let directions = Tensor.normal([64, 32], generator: generator)
let unit = directions / directions.norm(axes: [1], keepingDimensions: true)
let choices = Tensor.stacked((0..<2_000).map { _ in Tensor.permutation(64, generator: generator)[0..<4] })
let strengths = Tensor.uniform([2_000, 4], generator: generator) + 0.5
let points = SparseCode(values: strengths, indices: choices, featureCount: 64).decoded(atoms: unit)
    + Tensor.normal([2_000, 32], generator: generator) * 0.01

// A TopK autoencoder in a dozen lines: encoder product and selection are fused, the decoder is sparse.
let encoder = (Tensor.normal([64, 32], generator: generator) / 6).requiringGrad()
let decoder = encoder.detached().cloned().requiringGrad()
let bias = Tensor.zeros([64]).requiringGrad()
let optimizer = Adam(
    [NamedTensor("encoder", encoder), NamedTensor("decoder", decoder), NamedTensor("bias", bias)], Adam.Settings(learningRate: 3e-3))

for step in 0...1_000 {
    let reconstruction = points.topKLinear(weight: encoder, bias: bias, k: 4).decoded(atoms: decoder)
    let loss = (points - reconstruction).squared().sum() / points.squared().sum()
    optimizer.zeroGradients()
    loss.backward()
    optimizer.step()
    if step % 250 == 0 { print("step \(step): fraction of variance unexplained \(loss.item())") }
}
