import Foundation
import Testing
import Torch
import TorchNN

// The code of the article "Converting from PyTorch", compiled and run.
final class Classifier: Layer {
    let hidden: Linear
    let output: Linear

    init(inputSize: Int, classCount: Int, generator: RandomGenerator) {
        hidden = Linear(inputSize: inputSize, outputSize: 64, generator: generator)
        output = Linear(inputSize: 64, outputSize: classCount, generator: generator)
    }

    func visit(_ v: inout ParameterVisitor) {
        v("hidden", hidden)  // hidden.weight, hidden.bias
        v("output", output)
    }

    func callAsFunction(_ input: Tensor) -> Tensor { output(hidden(input).relu()) }
}

@Suite struct ConvertingFromPyTorchTests {
    @Test func operatorBySchema() {
        let logitOperator = Operator("aten::logit")
        let logits = logitOperator(Tensor([0.25, 0.5]), 1e-6)
        #expect(logits[1].item() == 0 && abs(logits[0].item() + 1.0986122886681098) < 1e-12)
    }

    @Test func trainSaveLoad() throws {
        let generator = RandomGenerator(seed: 0)
        let model = Classifier(inputSize: 8, classCount: 2, generator: generator)
        let optimizer = Adam(model.namedParameters(), Adam.Settings(learningRate: 1e-2))
        let inputs = Tensor.normal([256, 8], generator: generator)
        let labels = (inputs.sum(axis: 1) .> 0).to(dtype: .int64)

        for _ in 0..<100 {
            let loss = model(inputs).crossEntropy(labels)
            optimizer.zeroGradients()
            loss.backward()
            optimizer.step()
        }
        let correct = model(inputs).argmax(axis: 1).equals(labels).to(dtype: .float64).mean().item()
        #expect(correct > 0.95)

        let path = FileManager.default.temporaryDirectory.appending(path: "classifier-\(UUID()).safetensors").path
        try SafetensorsWriter.write(model.stateDictionary, to: path)
        try model.load(SafetensorsFile(path: path).tensors())
        #expect(model(inputs).argmax(axis: 1).equals(labels).to(dtype: .float64).mean().item() == correct)
        try FileManager.default.removeItem(atPath: path)
    }

    /// The right column of the article's table.
    @Test func table() {
        let x = Tensor.arange(0, 24, dtype: .float32).reshaped([2, 3, 4])
        #expect(x.viewed(as: [-1, 8]).shape == [3, 8] && x.permuted([0, 2, 1]).shape == x.transposed(1, 2).shape)
        #expect(x[.all, 1..<3].shape == [2, 2, 4] && x[.ellipsis, .newAxis].shape == [2, 3, 4, 1])
        #expect(x.sum(axis: 1, keepingDimensions: true).shape == [2, 1, 4])
        #expect(x.topK(2).values.shape == [2, 3, 2])
        #expect(Tensor.select(where: x .> 3, x, else: Tensor(scalar: Float(0))).sum().item() == 270)
    }
}
