import CondenseTesting
import Foundation
import Networks
import Testing
import Torch

@Suite struct LlamaTests {
    @Test("Logits of tiny models agree with transformers", arguments: ["tiny-llama3", "tiny-qwen2"])
    func tinyModels(name: String) throws {
        let golden = try LlamaFixtures.goldens("\(name)/expected.safetensors")
        let model = try LanguageModel.load(LlamaFixtures.path(name))
        #expect(mismatch(try model.logits(tokens: golden("tokens")), try golden("logits"), relative: 1e-4, absolute: 1e-4) == nil)
    }

    @Test("Saved and reloaded, also in shards, a model computes the same bits", arguments: ["tiny-llama3", "tiny-qwen2"])
    func saving(name: String) throws {
        let folder = try LlamaFixtures.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let original = try LanguageModel.load(LlamaFixtures.path(name))
        try original.save(to: folder)
        let tokens = LlamaFixtures.tokens()
        let expected = try original.logits(tokens: tokens)
        let reloaded = try LanguageModel.load(folder)
        #expect(reloaded.configuration == original.configuration)
        #expect(try reloaded.logits(tokens: tokens).isEqual(to: expected))

        let whole = try SafetensorsFile(path: "\(folder)/model.safetensors")
        var map: [String: String] = [:]
        for part in 0..<2 {
            let chosen = whole.entries.enumerated().filter { $0.offset % 2 == part }.map(\.element.name)
            try SafetensorsWriter.write(
                Dictionary(uniqueKeysWithValues: chosen.map { ($0, try whole.tensor(named: $0)) }), to: "\(folder)/part\(part).safetensors")
            for name in chosen { map[name] = "part\(part).safetensors" }
        }
        try FileManager.default.removeItem(atPath: "\(folder)/model.safetensors")
        try JSONEncoder().encode(["weight_map": map]).write(to: URL(fileURLWithPath: "\(folder)/model.safetensors.index.json"))
        #expect(try LanguageModel.load(folder).logits(tokens: tokens).isEqual(to: expected))
    }

    @Test func anAdditionalOrMissingPrefixIsTolerated() throws {
        let source = LlamaFixtures.path("tiny-qwen2")
        let file = try SafetensorsFile(path: "\(source)/model.safetensors")
        let tokens = LlamaFixtures.tokens()
        let expected = try LanguageModel.load(source).logits(tokens: tokens)
        for rename in [{ "model.\($0)" }, { $0.replacingOccurrences(of: "model.", with: "") }] as [(String) -> String] {
            let folder = try LlamaFixtures.temporaryFolder()
            defer { try? FileManager.default.removeItem(atPath: folder) }
            try FileManager.default.copyItem(atPath: "\(source)/config.json", toPath: "\(folder)/config.json")
            try SafetensorsWriter.write(
                Dictionary(uniqueKeysWithValues: file.tensors().map { (rename($0.key), $0.value) }), to: "\(folder)/model.safetensors")
            #expect(try LanguageModel.load(folder).logits(tokens: tokens).isEqual(to: expected))
        }
    }

    @Test func causality() throws {
        let model = try LlamaFixtures.tinyModel()
        let tokens = LlamaFixtures.tokens(), changed = tokens.cloned()
        changed[0..., 7] = Tensor([Int64(1), 1])
        let (before, after) = (try model.logits(tokens: tokens), try model.logits(tokens: changed))
        #expect(before[0..., 0..<7].isEqual(to: after[0..., 0..<7]))
        #expect(!before[0..., 7...].isClose(to: after[0..., 7...]))
    }

    @Test("A padded batch equals single runs", arguments: [false, true])
    func padding(left: Bool) throws {
        let model = try LlamaFixtures.tinyModel()
        let tokens = LlamaFixtures.tokens(2, 10)
        let length = 6
        let real = left ? 10 - length..<10 : 0..<length
        let mask = Tensor((0..<10).map { real.contains($0) }, shape: [1, 10])
        let batchMask = Tensor.concatenated([mask, Tensor.ones([1, 10], dtype: .bool)])
        let padded = try model.logits(tokens: tokens, paddingMask: batchMask)
        let single = try model.logits(tokens: tokens[0..<1, real])
        #expect(mismatch(padded[0..<1, real], single, relative: 1e-4, absolute: 1e-4) == nil)
        #expect(mismatch(padded[1..<2], try model.logits(tokens: tokens[1..<2]), relative: 1e-4, absolute: 1e-4) == nil)
        #expect(padded.isFinite().all().item() == 1)
    }

    @Test func aCachedPassEqualsTheWhole() throws {
        let model = try LlamaFixtures.tinyModel()
        let tokens = LlamaFixtures.tokens(2, 12)
        let whole = try model.logits(tokens: tokens)
        let cache = KeyValueCache(layerCount: 3)
        // A prompt, several positions at once, then one by one.
        for range in [0..<5, 5..<9, 9..<10, 10..<11, 11..<12] {
            let logits = try model.nextLogits(tokens[0..., range], cache, hooks: [])
            #expect(mismatch(logits, whole[0..., range.upperBound - 1], relative: 1e-4, absolute: 1e-4) == nil)
        }
        #expect(cache.count == 12)
    }

    @Test func generation() throws {
        let model = try LlamaFixtures.tinyModel()
        let prompt = [3, 1, 4]
        let greedy = try model.generate(prompt: prompt, maximumCount: 8, endTokens: [])
        // The same, each time from the whole sequence.
        var sequence = prompt
        for token in greedy {
            let logits = try model.logits(tokens: Tensor(sequence, shape: [1, sequence.count]))
            #expect(Int(logits[0, -1].argmax(axis: 0).item()) == token)
            sequence.append(token)
        }
        #expect(greedy.count == 8)
        #expect(try model.generate(prompt: prompt, maximumCount: 8, endTokens: [greedy[3]]) == Array(greedy.prefix { $0 != greedy[3] }))
        var seen: [Int] = []
        _ = try model.generate(prompt: prompt, maximumCount: 8, endTokens: []) { seen.append($0); return seen.count < 2 }
        #expect(seen == Array(greedy.prefix(2)))
    }

    @Test func sampling() throws {
        let model = try LlamaFixtures.tinyModel()
        func run(_ sampling: SamplingConfiguration) throws -> [Int] {
            try model.generate(prompt: [3], maximumCount: 12, sampling: sampling, endTokens: [])
        }
        let greedy = try run(.greedy)
        #expect(try run(.init(temperature: 1, topK: 1)) == greedy)
        #expect(try run(.init(temperature: 1, topP: 1e-6)) == greedy)
        let warm = SamplingConfiguration(temperature: 2, topK: 20, topP: 0.9, seed: 4)
        #expect(try run(warm) == run(warm))
        #expect(Set(try (0..<5).map { try run(.init(temperature: 2, seed: UInt64($0))) }).count > 1)
        for wrong in [SamplingConfiguration(temperature: -1), .init(topK: 0), .init(topP: 0)] {
            #expect(throws: ModelConfigurationError.self) { try run(wrong) }
        }
        #expect(throws: ModelConfigurationError.self) { try model.generate(prompt: [50], maximumCount: 1) }
    }

    @Test func lossesAreTheCrossEntropyOfTheLogits() throws {
        let model = try LlamaFixtures.tinyModel()
        let tokens = LlamaFixtures.tokens()
        let logits = try model.logits(tokens: tokens)[0..., 0..<11]
        let expected = -logits.logSoftmax().gatheredElements(at: tokens[0..., 1...].unsqueezed(2)).squeezed(2)
        #expect(mismatch(try model.nextTokenLosses(tokens: tokens), expected, relative: 1e-5, absolute: 1e-5) == nil)
    }

    @Test func stoppingLoadsNoLaterLayers() throws {
        let model = try LlamaFixtures.tinyModel()
        let tokens = LlamaFixtures.tokens()
        let residual = try model.run(tokens: tokens, stopAtLayer: 1)
        #expect(model.loadedLayers == [0])
        let continued = try model.run(residual: residual, startAtLayer: 1)
        #expect(model.loadedLayers == [0, 1, 2])
        #expect(continued.isEqual(to: try model.run(tokens: tokens)))
        #expect(try model.logits(residual: continued).isEqual(to: try model.logits(tokens: tokens)))
    }

    @Test func gradientsFlowToActivations() throws {
        let model = try LlamaFixtures.tinyModel()
        let tokens = LlamaFixtures.tokens()
        let residual = try model.run(tokens: tokens, stopAtLayer: 1).detached()
        let direction = Tensor.normal(residual.shape, generator: RandomGenerator(seed: 9))
        func loss(_ x: Tensor) throws -> Tensor {
            try model.nextTokenLosses(residual: model.run(residual: x, startAtLayer: 1), tokens: tokens).mean()
        }
        let input = residual.cloned().requiringGrad()
        let gradient = gradients(of: try loss(input), withRespectTo: [input])[0]
        let step = 1e-2
        let difference = (try loss(residual + direction * step) - (try loss(residual - direction * step))).item() / (2 * step)
        #expect(abs((gradient * direction).sum().item() - difference) < 2e-3 * max(1, abs(difference)))
    }

    /// At hooks of every shape, single precision with packed weights against double precision with plain ones, and both against
    /// finite differences.
    @Test(arguments: ["hook_embed", "blocks.0.hook_resid_post", "blocks.1.attn.hook_z", "blocks.1.hook_mlp_out", "blocks.2.hook_resid_pre"])
    func lossGradientsAreThoseOfTheSummedLoss(_ hook: String) throws {
        let configuration = try LlamaFixtures.tinyConfiguration()
        let weights = DictionaryWeights(LlamaFixtures.weights(configuration))
        let model = try LanguageModel(configuration, weights: weights)
        let exact = try LanguageModel(configuration, weights: weights, dtype: .float64)
        let tokens = LlamaFixtures.tokens(), point = try model.hookPoint(hook)
        // Weights that were first read in inference mode must do for gradients as well.
        _ = try inferenceMode { try model.logits(tokens: tokens) }
        let found = try model.lossGradients(at: point, tokens: tokens)
        let reference = try exact.lossGradients(at: point, tokens: tokens)
        #expect(mismatch(found.gradients, reference.gradients.to(dtype: .float32), relative: 1e-3, absolute: 1e-4) == nil)
        #expect(mismatch(found.losses, try model.nextTokenLosses(tokens: tokens), relative: 1e-5, absolute: 1e-5) == nil)
        #expect(found.activations.isEqual(to: try model.activations(at: [point], tokens: tokens)[point]!))

        let direction = Tensor.normal(reference.activations.shape, dtype: .float64, generator: RandomGenerator(seed: 9))
        func loss(_ step: Double) throws -> Double {
            // Losses of the model itself are in single precision.
            let logits = try exact.logits(tokens: tokens, hooks: [.replace(point, with: reference.activations + direction * step)])
            return -logits[0..., 0..<11].logSoftmax().gatheredElements(at: tokens[0..., 1...].unsqueezed(2)).sum().item()
        }
        let step = 1e-5
        let difference = (try loss(step) - loss(-step)) / (2 * step), expected = (reference.gradients * direction).sum().item()
        #expect(abs(difference - expected) < 1e-3 * max(1, abs(expected)))
        let last = reference.gradients[0..., 11...]
        #expect(last.abs().sum().item() == 0, "the last position predicts nothing that is known")
    }

    @Test func gradientsOfGradientsGoThroughPackedWeights() throws {
        let model = try LlamaFixtures.tinyModel()
        let exact = try LanguageModel(
            LlamaFixtures.tinyConfiguration(), weights: DictionaryWeights(LlamaFixtures.weights(LlamaFixtures.tinyConfiguration())), dtype: .float64)
        func second(_ model: LanguageModel) throws -> Tensor {
            let input = try model.run(tokens: LlamaFixtures.tokens(), stopAtLayer: 2).detached().requiringGrad()
            let output = try model.logits(residual: input)
            let first = gradients(of: output.squared().sum(), withRespectTo: [input], createGraph: true)[0]
            return gradients(of: first.squared().sum(), withRespectTo: [input])[0].to(dtype: .float64)
        }
        let found = try second(model), expected = try second(exact)
        let scale = expected.abs().max().item()
        #expect(mismatch(found / scale, expected / scale, relative: 1e-3, absolute: 1e-4) == nil)
    }

    @Test func missingWeightsAreListed() throws {
        let configuration = try LlamaFixtures.tinyConfiguration()
        var weights = LlamaFixtures.weights(configuration)
        weights["model.layers.1.mlp.up_proj.weight"] = nil
        weights["model.norm.weight"] = Tensor.ones([7])
        let error = #expect(throws: MissingWeightsError.self) {
            try LanguageModel(configuration, weights: DictionaryWeights(weights, path: "folder"))
        }
        #expect(error?.problems == [
            "'model.layers.1.mlp.up_proj.weight' [40, 24] is missing", "'model.norm.weight' has the shape [7] instead of [24]",
        ])
        #expect(error?.description.hasPrefix("'folder' does not hold the weights its configuration asks for: ") == true)
    }
}
