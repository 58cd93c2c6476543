import CondenseTesting
import Foundation
import Testing
import Torch
import TorchNN

/// A small network with a list, a tie, a buffer of each kind and parts that depend on the mode.
private final class TiedNetwork: Layer {
    let embedding: Embedding
    let blocks: [Sequential]
    let head: Linear
    let scale: Tensor
    let positions: Tensor

    init(generator: RandomGenerator) {
        embedding = Embedding(count: 7, size: 4, generator: generator)
        blocks = (0..<2).map { _ in
            Sequential(
                Linear(inputSize: 4, outputSize: 4, generator: generator), BatchNorm1d(4), ActivationLayer(.gelu),
                Dropout(0.5, generator: generator))
        }
        head = Linear(weight: embedding.weight)
        scale = Tensor.ones([])
        positions = Tensor.arange(0, 4)
    }

    func visit(_ v: inout ParameterVisitor) {
        v("embedding", embedding)
        v("blocks", blocks)
        v("head", head)
        v.buffer("scale", scale)
        v.buffer("positions", positions, persistent: false)
    }

    func callAsFunction(_ input: Tensor) -> Tensor { head(blocks.reduce(embedding(input)) { $1($0) }) * scale }
}

/// Names only part of what it stores.
private final class ForgetfulModule: Module {
    enum Storage {
        case pair(Tensor, Linear)
    }

    let named: Tensor = Tensor.zeros([1])
    let optional: Tensor? = Tensor.zeros([1])
    let list = [Tensor.zeros([1])]
    let table = ["a": Identity()]
    let storage = Storage.pair(Tensor.zeros([1]), Linear(weight: Tensor.zeros([1, 1])))
    let number = 3
    let absent: Tensor? = nil
    let child = Sequential(Identity())

    func visit(_ v: inout ParameterVisitor) {
        v("named", named)
        v("child", child)
    }
}

@Suite("Modules")
struct ModuleTests {
    private let network = TiedNetwork(generator: RandomGenerator(seed: 3))
    private let block = ["0.weight", "0.bias", "1.weight", "1.bias"]
    private let statistics = ["1.running_mean", "1.running_var", "1.num_batches_tracked"]

    @Test func names() {
        let parameters = ["embedding.weight"] + (0..<2).flatMap { index in block.map { "blocks.\(index).\($0)" } }
        #expect(network.namedParameters().map(\.name) == parameters)
        let persistent = (0..<2).flatMap { index in statistics.map { "blocks.\(index).\($0)" } } + ["scale"]
        #expect(network.namedBuffers().map(\.name) == persistent + ["positions"])
        #expect(Set(network.stateDictionary.keys) == Set(parameters + persistent + ["head.weight"]))
        #expect(network.parameterCount() == 28 + 2 * (16 + 4 + 8))
        #expect(network.namedModules().map(\.name).prefix(5) == ["", "embedding", "blocks.0", "blocks.0.0", "blocks.0.1"])
        #expect(forgottenMembers(of: network).isEmpty)
    }

    @Test func findsForgottenMembers() {
        #expect(
            Set(forgottenMembers(of: ForgetfulModule()))
                == ["optional", "list.0", "table.0.value", "storage.pair.0", "storage.pair.1"])
    }

    @Test func freezing() {
        let total = network.parameterCount()
        network.blocks[0].freeze()
        #expect(network.trainableParameterCount() == total - 28)
        network(Tensor([0, 3, 6])).sum().backward()
        #expect(network.blocks[0].parameters().allSatisfy { $0.grad == nil })
        #expect(network.blocks[1].parameters().allSatisfy { $0.grad != nil })
        network.zeroGradients()
        #expect(network.parameters().allSatisfy { $0.grad == nil })
        network.unfreeze()
        #expect(network.trainableParameterCount() == total)
    }

    @Test func savesAndLoads() throws {
        let other = TiedNetwork(generator: RandomGenerator(seed: 4))
        _ = other(Tensor([1, 2]))  // moves its running statistics
        try network.load(other.stateDictionary)
        for (name, tensor) in network.stateDictionary { #expect(tensor.isEqual(to: other.stateDictionary[name]!), "\(name)") }
        #expect(network.parameters().allSatisfy { $0.requiresGrad })
        // One name of a tied parameter is enough.
        var state = other.stateDictionary
        state["head.weight"] = nil
        try network.load(state)
        // Other dtypes are converted.
        try network.load(state.mapValues { $0.dtype.isFloatingPoint ? $0.to(dtype: .float64) : $0 })
        #expect(network.embedding.weight.dtype == .float32)
    }

    @Test func refusesWhatDoesNotFit() throws {
        var state = network.stateDictionary
        state["scale"] = nil
        state["extra"] = Tensor.zeros([1])
        state["blocks.1.0.bias"] = Tensor.zeros([5])
        state["blocks.1.0.weight"] = Tensor.zeros([4, 4])
        let before = network.blocks[1].stateDictionary["0.weight"]!.cloned()
        let error = try #require(throws: StateMismatch.self) { try network.load(state) }
        #expect(error.missing == ["scale"])
        #expect(error.unexpected == ["extra"])
        #expect(error.shapes == [.init(name: "blocks.1.0.bias", expected: [4], found: [5])])
        #expect(
            error.description == "The tensors do not fit TiedNetwork: missing scale; unexpected extra; of another shape "
                + "blocks.1.0.bias (expected [4], found [5]). Check that the checkpoint belongs to this model and configuration.")
        #expect(network.blocks[1].stateDictionary["0.weight"]!.isEqual(to: before), "a refused state changed the module")
        state["blocks.1.0.bias"] = nil
        #expect(throws: StateMismatch.self) { try network.load(state, matching: .allowingMissing) }
        #expect(throws: StateMismatch.self) { try network.load(state, matching: .allowingUnexpected) }
        try network.load(state, matching: .intersection)
        #expect(network.blocks[1].stateDictionary["0.weight"]!.isEqual(to: Tensor.zeros([4, 4])))
    }

    @Test func changesDtypeInPlace() throws {
        let weight = network.embedding.weight
        weight.grad = Tensor.zeros([7, 4])
        network.move(dtype: .float64)
        #expect(weight.dtype == .float64 && weight.grad == nil && weight.requiresGrad)
        #expect(network.head.weight.identity == weight.identity, "the tie is broken")
        #expect(network.namedBuffers().last?.tensor.dtype == .int64)
        let output = network(Tensor([0, 3, 6]))
        #expect(output.dtype == .float64)
        output.sum().backward()
        #expect(try #require(weight.grad).dtype == .float64)
    }

    @Test func modes() {
        let input = Tensor([0, 3, 6])
        #expect(!network(input).isEqual(to: network(input)), "dropout must differ while training")
        let inside = network.evaluating { network(input) }
        #expect(inside.isEqual(to: network.evaluating { network(input) }))
        #expect(!network(input).isEqual(to: network(input)), "the mode must be restored")
        network.setMode(.evaluation)
        let count = network.blocks[0].stateDictionary["1.num_batches_tracked"]!.item()
        #expect(network(input).isEqual(to: network(input)))
        #expect(network.blocks[0].stateDictionary["1.num_batches_tracked"]!.item() == count)
    }

    @Test func dropout() {
        let ones = Tensor.ones([200, 100, 3])
        func kept(_ granularity: Dropout.Granularity, seed: UInt64) -> Tensor {
            Dropout(0.25, granularity: granularity, generator: RandomGenerator(seed: seed))(ones)
        }
        let elements = kept(.elements, seed: 5)
        let rate = 1 - elements.nonzeroCount(axes: [0, 1, 2]).item() / 60_000
        #expect(abs(rate - 0.25) < 5 * (0.25 * 0.75 / 60_000).squareRoot())
        expectClose(elements.max(), Tensor(scalar: Float(4.0 / 3)))
        #expect(elements.isEqual(to: kept(.elements, seed: 5)) && !elements.isEqual(to: kept(.elements, seed: 6)))
        let channels = kept(.channels, seed: 5)
        #expect(channels.isEqual(to: channels[TensorIndex.all, .all, 0..<1].expanded(to: [200, 100, 3])))
        #expect(Dropout(1, generator: anyGenerator())(ones).isEqual(to: ones * 0))
    }

    @Test func sequentialNamesAndOrder() {
        let layers = Sequential(Linear(weight: Tensor([[2.0]])), Function { $0 + 1 }, Identity(), ActivationLayer(.relu))
        #expect(layers(Tensor([[-3.0], [4.0]])).scalars() == [0.0, 9.0])
        #expect(layers.namedParameters().map(\.name) == ["0.weight"])
    }
}

@Suite("Test support")
struct TestSupportTests {
    @Test func mismatchNamesTheWorstElement() {
        let expected = Tensor([[1.0, 2.0], [3.0, 0.001]]), actual = Tensor([[1.0, 2.5], [3.0, 0.002]])
        #expect(mismatch(expected, expected.cloned()) == nil)
        let text = mismatch(actual, expected, "weights")?.description ?? ""
        #expect(text.hasPrefix("weights: 2 of 4 elements differ"))
        #expect(text.contains("greatest error 0.5 at [0, 1] (2.5, expected 2.0)"))
        #expect(text.contains("greatest relative error 1 at [1, 1] (0.002, expected 0.001)"))
        #expect(mismatch(actual, Tensor([1.0]))?.description == "tensor: shape [2, 2], expected [1]")
        let special = Tensor([Double.nan, .infinity, -.infinity])
        #expect(mismatch(special, special.cloned()) == nil)
        #expect(mismatch(Tensor([Double.nan]), Tensor([1.0])) != nil)
        #expect(mismatch(Tensor([1.0]), Tensor([Double.infinity])) != nil)
    }

    @Test func gradientCheckSeesWrongGradients() {
        let x = Tensor.normal([3, 2], dtype: .float64, generator: anyGenerator())
        #expect(gradientMismatch(at: [x]) { (x * x).tanh() } == nil)
        #expect(gradientMismatch(at: [x]) { (x * x.detached()).tanh() } != nil)
    }

    /// Layers in double precision against finite differences, so that goldens and gradients do not share a mistake.
    @Test func gradientsOfLayers() {
        let generator = anyGenerator()
        let layers: [any Layer] = [
            Linear(inputSize: 4, outputSize: 3, generator: generator), LayerNorm(4), RMSNorm(4),
            Sequential(Linear(inputSize: 4, outputSize: 2, generator: generator), ActivationLayer(.mish)),
            ActivationLayer(.geluTanh),
        ]
        for layer in layers {
            layer.move(dtype: .float64)
            let input = Tensor.normal([3, 4], dtype: .float64, generator: generator)
            #expect(gradientMismatch(at: [input] + layer.parameters()) { layer(input) } == nil)
        }
        let convolution = Conv1d(
            inputChannels: 2, outputChannels: 2, kernelSize: 3, padding: .same, paddingMode: .circular, generator: generator)
        convolution.move(dtype: .float64)
        let signal = Tensor.normal([1, 2, 5], dtype: .float64, generator: generator)
        #expect(gradientMismatch(at: [signal] + convolution.parameters()) { convolution(signal) } == nil)
    }

    @Test func missingGoldensAreNamed() throws {
        let golden = try goldens("layers")
        let error = #expect(throws: MissingGolden.self) { try golden("nothing/input") }
        #expect(error?.description.contains("has no tensor nothing/input") == true)
    }
}
