import CondenseTesting
import EntropyCoding
import Foundation
import Testing
import Torch
import TorchNN

/// The noise of the golden values.
let noiseSeed: UInt64 = 11

/// Compares training (values, likelihoods and all gradients, with the reference's noise) and evaluation.
func expectGolden(
    _ golden: Goldens, _ name: String, _ module: some ModeDependent, inputCount: Int,
    _ forward: ([Tensor]) -> EntropyModelOutput
) throws {
    #expect(forgottenMembers(of: module).isEmpty)
    let inputs = try (0..<inputCount).map { try golden("\(name)/input\($0)").requiringGrad() }
    module.mode = .training
    let output = forward(inputs)
    expectClose(output.values, try golden("\(name)/output"))
    expectClose(output.likelihoods, try golden("\(name)/likelihood"), absolute: 2e-7, "likelihoods")
    let cotangents = try (golden("\(name)/cotangent/output"), golden("\(name)/cotangent/likelihood"))
    ((output.values * cotangents.0).sum() + (output.likelihoods * cotangents.1).sum()).backward()
    for (index, input) in inputs.enumerated() {
        expectClose(try #require(input.grad), try golden("\(name)/gradients/input\(index)"), relative: 1e-4, absolute: 1e-5, "gradient of input \(index)")
    }
    for parameter in module.namedParameters() where golden.names.contains("\(name)/gradients/\(parameter.name)") {
        expectClose(
            try #require(parameter.tensor.grad), try golden("\(name)/gradients/\(parameter.name)"), relative: 1e-4, absolute: 1e-5, parameter.name)
    }
    module.mode = .evaluation
    let evaluated = forward(inputs)
    expectClose(evaluated.values, try golden("\(name)/evaluation/output"))
    expectClose(evaluated.likelihoods, try golden("\(name)/evaluation/likelihood"), absolute: 2e-7, "evaluated likelihoods")
    #expect(evaluated.likelihoods.min().item() >= Double(Float(1e-9)))
}

@Suite("Entropy bottleneck against CompressAI") struct EntropyBottleneckTests {
    static func loaded(_ golden: Goldens) throws -> EntropyBottleneck {
        let model = EntropyBottleneck(4, generator: RandomGenerator(seed: noiseSeed))
        try model.load(golden.group("weights/"))
        return model
    }

    /// As ``loaded(_:)``, with a generator that has drawn nothing yet.
    static func fresh(_ golden: Goldens) throws -> EntropyBottleneck {
        let generator = RandomGenerator(seed: 0)
        let model = EntropyBottleneck(4, generator: generator)
        generator.state = RandomGenerator(seed: noiseSeed).state
        try model.load(golden.group("weights/"))
        return model
    }

    @Test func likelihoods() throws {
        let golden = try goldens("bottleneck"), model = try Self.fresh(golden)
        try expectGolden(golden, "likelihoods", model, inputCount: 1) { model($0[0]) }
    }

    @Test func auxiliaryLossTrainsOnlyQuantiles() throws {
        let golden = try goldens("bottleneck"), model = try Self.loaded(golden)
        let loss = model.auxiliaryLoss()
        expectClose(loss, try golden("auxiliary/loss"))
        loss.backward()
        expectClose(try #require(model.quantiles.grad), try golden("auxiliary/gradients/quantiles"))
        #expect(model.namedParameters().allSatisfy { $0.name == "quantiles" || $0.tensor.grad == nil })
    }

    @Test func initialParameters() throws {
        let golden = try goldens("bottleneck")
        let model = EntropyBottleneck(3, generator: RandomGenerator(seed: noiseSeed))
        let expected = try golden.group("initial/"), state = model.stateDictionary
        #expect(Set(state.keys) == Set(expected.keys))
        for (name, tensor) in expected { expectClose(try #require(state[name]), tensor, relative: 1e-6, absolute: 0, name) }
    }

    @Test func tablesAreTheReferences() throws {
        let golden = try goldens("bottleneck"), model = try Self.loaded(golden)
        let stored = try model.tables()
        try model.update()
        #expect(try model.tables() == stored)
        for row in 0..<stored.rowCount {
            let cumulative = stored[row]
            #expect(cumulative.first == 0 && cumulative.last == 65536 && zip(cumulative, cumulative.dropFirst()).allSatisfy { $0 < $1 })
        }
    }

    /// Those of the channel whose row is longest: the others' tails are cut short, as in the reference.
    @Test func probabilitiesSumToOne() throws {
        let model = try Self.loaded(goldens("bottleneck"))
        let longest = try #require(model.probabilities().probabilities.max { $0.count < $1.count })
        #expect(abs(longest.reduce(0.0) { $0 + Double($1) } - 1) < 1e-5)
    }

    /// Room for so many latents is not even looked for.
    @Test(arguments: [[1 << 20, 1 << 20], [1 << 40, 1 << 40], [1 << 31], [-1, 5], [-1, -15]])
    func sizesThatNoStreamHoldsAreRefused(size: [Int]) throws {
        let golden = try goldens("bottleneck"), model = try Self.loaded(golden)
        let streams = try model.compress(golden("likelihoods/input0"))
        #expect(throws: EntropyCodingError.self) { try model.decompress(streams, size: size) }
    }

    @Test func quantilesAreFound() throws {
        let golden = try goldens("bottleneck"), model = try Self.loaded(golden)
        try model.update(searchingQuantiles: true)
        // The search stops at 1e-3.
        expectClose(model.quantiles, try golden("searched/quantiles"), relative: 1e-4, absolute: 1e-3)
        let state = model.stateDictionary
        for name in ["_offset", "_cdf_length", "_quantized_cdf"] { expectClose(try #require(state[name]), try golden("searched/\(name)"), relative: 0, absolute: 0, name) }
        // 1e-9 of the mass lies outside; so much of each row's probability is the escape's, or the least there is.
        #expect(model.auxiliaryLoss().item() < 0.5)
    }

    @Test func streamsAreTheReferences() throws {
        let golden = try goldens("bottleneck"), model = try Self.loaded(golden)
        let streams = try model.compress(golden("likelihoods/input0"))
        #expect(try streams == [golden.stream("coded/0"), golden.stream("coded/1")])
        #expect(try model.decompress(streams, size: [5, 3]).isEqual(to: golden("coded/symbols")))
        #expect(throws: EntropyCodingError.self) { try model.decompress(streams, size: [5, 2]) }
        #expect(throws: EntropyCodingError.self) { try model.decompress(streams, size: [5, 4]) }
    }

    @Test(arguments: [("_matrix", "_bias", "_factor"), ("_matrices.", "_biases.", "_factors.")])
    func olderSpellingsAreRead(matrix: String, bias: String, factor: String) throws {
        let golden = try goldens("bottleneck")
        let state = Dictionary(uniqueKeysWithValues: try golden.group("weights/").map { name, tensor in
            ("codec." + name.replacing("matrices.", with: matrix).replacing("biases.", with: bias).replacing("factors.", with: factor), tensor)
        })
        let model = EntropyBottleneck(4, generator: RandomGenerator(seed: 1)), expected = try Self.loaded(golden)
        try Wrapper(model).load(state)
        #expect(model.namedParameters().map(\.name) == expected.namedParameters().map(\.name))
        for (found, wanted) in zip(model.parameters(), expected.parameters()) { #expect(found.isEqual(to: wanted)) }
        #expect(try model.tables() == expected.tables())
    }

    private final class Wrapper: Module {
        let codec: EntropyBottleneck
        init(_ codec: EntropyBottleneck) { self.codec = codec }
        func visit(_ v: inout ParameterVisitor) { v("codec", codec) }
    }

    @Test func withoutTablesNothingIsCoded() {
        let model = EntropyBottleneck(2, generator: RandomGenerator(seed: 1))
        #expect(throws: EntropyCodingError.missingTables(model: "The entropy bottleneck")) { try model.compress(Tensor.zeros([1, 2, 3])) }
    }

    @Test func damagedTablesAreRefused() throws {
        let golden = try goldens("bottleneck")
        for (name, tensor) in [
            ("_quantized_cdf", Tensor.zeros([4, 9], dtype: .int32)), ("_quantized_cdf", Tensor.zeros([3, 9], dtype: .int32)),
            ("_cdf_length", Tensor([3, 3, 3] as [Int32])), ("_offset", Tensor.zeros([4, 1], dtype: .int32)),
            ("_cdf_length", Tensor([1 << 20, 3, 3, 3] as [Int32])),
        ] {
            let model = try Self.loaded(golden)
            var state = model.stateDictionary
            state[name] = tensor
            try model.load(state)
            #expect(throws: EntropyCodingError.self) { try model.compress(Tensor.zeros([1, 4, 3])) }
        }
    }

    @Test(arguments: [Float.nan, .infinity, 1e12])
    func impossibleLatentsAndParametersAreRefused(value: Float) throws {
        let golden = try goldens("bottleneck"), model = try Self.loaded(golden)
        #expect(throws: EntropyCodingError.self) { try model.compress(Tensor([0, 0, value, 0] as [Float], shape: [1, 4, 1])) }
        withoutGradients { model.quantiles[1, 0, 2] = Tensor(scalar: value) }
        #expect(throws: EntropyCodingError.self) { try model.update() }
        #expect(try model.tables() == Self.loaded(golden).tables())
    }

    @Test func emptyLatentsComeBack() throws {
        let model = try Self.loaded(goldens("bottleneck"))
        let streams = try model.compress(Tensor.zeros([2, 4, 0, 7]))
        #expect(streams.map(\.count) == [8, 8])
        #expect(try model.decompress(streams, size: [0, 7]).shape == [2, 4, 0, 7])
    }
}
