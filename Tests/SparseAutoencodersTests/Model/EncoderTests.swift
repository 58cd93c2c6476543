import CondenseTesting
import SparseAutoencoders
import Testing
import Torch
import TorchNN

/// A small model with random weights and biases in double precision.
func makeModel(
    _ encoder: EncoderKind, inputSize: Int = 7, dictionarySize: Int = 24, normalization: InputNormalization = .none,
    subtractsDecoderBias: Bool = true, threshold: Double? = nil, dtype: DType = .float64, seed: UInt64 = 5
) -> SparseAutoencoder {
    let generator = RandomGenerator(seed: seed)
    let model = SparseAutoencoder(
        configuration: SparseAutoencoderConfiguration(
            encoder: encoder, inputSize: inputSize, dictionarySize: dictionarySize, normalization: normalization,
            subtractsDecoderBias: subtractsDecoderBias, threshold: threshold),
        atomNorm: 1, encoderScale: 0.8, dtype: dtype, generator: generator)
    withoutGradients {
        for parameter in model.parameters() {
            parameter.addInPlace(Tensor.normal(parameter.shape, dtype: dtype, generator: generator), scale: 0.2)
        }
    }
    return model
}

func normal(_ shape: [Int], seed: UInt64 = 11, dtype: DType = .float64) -> Tensor {
    Tensor.normal(shape, dtype: dtype, generator: RandomGenerator(seed: seed))
}

@Suite struct EncoderTests {
    @Test func topKHasAtMostKAndExactlyKWherePositivesExist() {
        let model = makeModel(.topK(k: 5))
        let input = normal([40, 7])
        let counts = model.encode(input).activeCounts().scalars(as: Int.self)
        let linear = model.encoder as! TopKEncoder
        let positives = (linear.preActivations(model.encoderInput(input)) .> 0).sum(axis: 1).scalars(as: Int.self)
        #expect(counts == positives.map { min(5, $0) })
    }

    @Test func topKEqualsDenseComposition() {
        let model = makeModel(.topK(k: 4))
        let input = normal([9, 7])
        let pre = (input - model.decoderBias).linear(
            weight: (model.encoder as! TopKEncoder).weight, bias: (model.encoder as! TopKEncoder).bias).relu()
        let kept = pre.topK(4)
        let dense = Tensor.zeros(like: pre).scatterAdding(kept.values, at: kept.indices)
        #expect(mismatch(model.encode(input).dense(), dense, relative: 1e-12, absolute: 1e-12) == nil)
        let output = dense.matmul(model.atoms) + model.decoderBias
        #expect(mismatch(model.reconstruct(input).output, output, relative: 1e-12, absolute: 1e-12) == nil)
    }

    @Test func topKWithAllFeaturesEqualsReLU() {
        let relu = makeModel(.relu), topK = makeModel(.topK(k: 24))
        let input = normal([6, 7])
        #expect(mismatch(topK.encode(input).dense(), relu.encode(input).dense(), relative: 1e-12, absolute: 1e-12) == nil)
    }

    @Test(arguments: [EncoderKind.relu, .topK(k: 3)]) func reconstructionHasExactGradients(_ kind: EncoderKind) {
        let model = makeModel(kind, inputSize: 4, dictionarySize: 9)
        let input = normal([5, 4])
        #expect(gradientMismatch(at: [input] + model.parameters()) { model.reconstruct(input).output } == nil)
    }

    @Test func codesOfBothFormsAreMeasuredAlike() {
        let model = makeModel(.topK(k: 6))
        let sparse = model.encode(normal([30, 7]))
        let dense = FeatureCode.dense(sparse.dense())
        let weights = normal([24], seed: 2).abs()
        #expect(sparse.activeCounts().isEqual(to: dense.activeCounts()))
        #expect(sparse.firingCounts().isEqual(to: dense.firingCounts()))
        #expect(mismatch(sparse.absoluteSums(), dense.absoluteSums(), relative: 1e-12) == nil)
        #expect(mismatch(sparse.absoluteSums(weightedBy: weights), dense.absoluteSums(weightedBy: weights), relative: 1e-12) == nil)
        for feature in [0, 11, 23] {
            #expect(sparse.activations(of: feature).isEqual(to: dense.activations(of: feature)))
        }
        let signed = FeatureCode.dense(Tensor([[0.0, -2, 3], [0, 0, -1]]))
        #expect(signed.activeCounts().scalars(as: Int.self) == [2, 1])
        #expect(signed.firingCounts().scalars(as: Int.self) == [0, 1, 2])
        #expect(signed.absoluteSums().scalars(as: Double.self) == [5, 1])
    }

    @Test func modulesNameAllTheirTensors() {
        let model = makeModel(.topK(k: 3))
        #expect(forgottenMembers(of: model) == [])
        #expect(model.namedParameters().map(\.name) == ["encoder.weight", "encoder.bias", "decoder.atoms", "decoder.bias"])
    }

    @Test func thresholdSelectsByValueAlone() {
        let model = makeModel(.topK(k: 3), threshold: 0.7)
        model.inference = .threshold
        let input = normal([10, 7])
        let pre = (model.encoder as! TopKEncoder).preActivations(model.encoderInput(input))
        #expect(mismatch(model.encode(input).dense(), pre * (pre .> 0.7).to(dtype: .float64), relative: 1e-12, absolute: 1e-12) == nil)
    }
}
