import CondenseTesting
import Foundation
import Networks
import Testing
import Torch

/// Against `transformers` on the dequantised SmolLM2; the model is fetched by name.
@Suite struct LlamaSmolLM2Tests {
    @Test func agreesWithTransformers() throws {
        let model = try LanguageModel.load(LlamaFixtures.smolLM2())
        let golden = try LlamaFixtures.goldens("smollm2.safetensors")
        #expect(model.configuration.layerCount == 30 && model.configuration.hiddenSize == 576)
        #expect(model.configuration.tiesEmbeddings && model.configuration.rotary.base == 100_000)
        let columns = Tensor(Array(stride(from: 0, to: 49_152, by: 997)))
        for prompt in 0..<3 {
            let tokens = try golden("\(prompt).tokens")
            let logits = try model.logits(tokens: tokens).squeezed(0)
            #expect(mismatch(logits.gathered(indices: columns, axis: 1), try golden("\(prompt).logits"), relative: 0, absolute: 1e-3) == nil)
            let top = logits[-1].topK(16)
            #expect(mismatch(top.values, try golden("\(prompt).top.values"), relative: 0, absolute: 1e-3) == nil)
            #expect(top.indices.isEqual(to: try golden("\(prompt).top.tokens")))
            let losses = try model.nextTokenLosses(tokens: tokens).squeezed(0)
            #expect(mismatch(losses, try golden("\(prompt).loss"), relative: 1e-4, absolute: 1e-4) == nil)
        }

        let prefix = "hook."
        let names = golden.names.filter { $0.hasPrefix(prefix) }
        #expect(names.count == 25)
        let points = try names.map { try model.hookPoint(String($0.dropFirst(prefix.count))) }
        let cache = try model.activations(at: points, tokens: golden("1.tokens"))
        for (name, point) in zip(names, points) {
            var found = try #require(cache[point]).squeezed(0)
            if point == .block(13, .pattern) {
                found = found[TensorIndex.every(4)]
            } else {
                found = found.flattened(from: 1)[0..., TensorIndex.every(16)]
            }
            let expected = try golden(name)
            let size = expected.abs().max().item()
            #expect(mismatch(found, expected, relative: 1e-4, absolute: 1e-4 * size, name) == nil)
        }

        let greedy = try golden("greedy").scalars(as: Int.self), prompt = try golden("0.tokens").scalars(as: Int.self)
        let new = try model.generate(prompt: prompt, maximumCount: 16)
        #expect(prompt + new == Array(greedy.prefix(prompt.count + new.count)))
        #expect(new.count == 16 || model.configuration.endTokens.contains(greedy[prompt.count + new.count]))
    }
}

@Suite struct LlamaLoadingTests {
    @Test func wrongPlacesAreExplained() throws {
        let folder = try LlamaFixtures.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func sentence(_ path: String) -> String {
            do {
                _ = try LanguageModel.load(path)
                return "no error"
            } catch {
                return "\(error)"
            }
        }
        #expect(sentence("/nonexistent") == "there is no model at '/nonexistent': there is no such file or folder")
        #expect(sentence(folder) == "there is no model at '\(folder)': the folder holds neither config.json nor a .gguf file")
        #expect(sentence(GGUFTests.fixture("README.md")).hasSuffix("a file must be a .gguf file; otherwise give the folder with config.json"))
        #expect(sentence(GGUFTests.fixture("small.gguf")).contains("the metadata key 'llama.attention.head_count' is missing"))

        func config(_ json: String) throws -> String {
            try json.write(toFile: "\(folder)/config.json", atomically: true, encoding: .utf8)
            return sentence(folder)
        }
        #expect(try config("{").contains("it is not valid JSON"))
        #expect(try config(#"{"a":1}"#).contains("the key 'model_type' is missing"))
        #expect(try config(#"{"model_type":"mamba"}"#).contains("architecture 'mamba', which is not supported; use one of llama, qwen2"))
        #expect(try config(#"{"model_type":"llama","vocab_size":"x"}"#).contains("'vocab_size' is not an integer"))
        let sizes = #""model_type":"llama","vocab_size":50,"num_hidden_layers":2,"intermediate_size":8,"#
        #expect(try config("{\(sizes)\"hidden_size\":8,\"num_attention_heads\":0}").contains("the head count is 0"))
        #expect(try config("{\(sizes)\"hidden_size\":9999999999999,\"num_attention_heads\":2}").contains("the hidden size is 9999999999999"))
        #expect(try config("{\(sizes)\"hidden_size\":8,\"num_attention_heads\":2}").contains("neither model.safetensors nor"))
        try SafetensorsWriter.write(["model.norm.weight": Tensor.ones([8])], to: "\(folder)/model.safetensors")
        #expect(try config("{\(sizes)\"hidden_size\":8,\"num_attention_heads\":2}").contains("'model.embed_tokens.weight' [50, 8] is missing;"))
    }

    @Test func aCacheSnapshotIsFound() throws {
        let folder = try LlamaFixtures.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let manager = FileManager.default
        for name in ["abc", "def"] {
            try manager.createDirectory(atPath: "\(folder)/snapshots/\(name)", withIntermediateDirectories: true)
            try "{}".write(toFile: "\(folder)/snapshots/\(name)/config.json", atomically: true, encoding: .utf8)
        }
        #expect(throws: ModelNotFoundError.self) { try ModelLocation(folder) }
        try manager.createDirectory(atPath: "\(folder)/refs", withIntermediateDirectories: true)
        try "def\n".write(toFile: "\(folder)/refs/main", atomically: true, encoding: .utf8)
        #expect(try ModelLocation(folder) == .folder("\(folder)/snapshots/def"))
    }

    /// The same weights as GGUF, rows of q and k in llama.cpp's order, and as Hugging Face tensors.
    @Test func ggufAndHuggingFaceAgree() throws {
        let configuration = try LanguageModelConfiguration(
            vocabularySize: 50, hiddenSize: 24, layerCount: 3, headCount: 4, keyValueHeadCount: 2, headSize: 8, feedForwardSize: 40,
            contextLength: 64, normEpsilon: 0x1p-16, rotary: RotaryConfiguration(base: 500, scaling: .perFrequency([1, 2, 3, 4])), tiesEmbeddings: false)
        let weights = LlamaFixtures.weights(configuration)
        let folder = try LlamaFixtures.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Data(GGUFBuilder.llama(configuration, weights).bytes()).write(to: URL(fileURLWithPath: "\(folder)/m.gguf"))
        let model = try LanguageModel.load(folder)
        #expect(model.configuration == configuration)
        let tokens = LlamaFixtures.tokens()
        let expected = try LanguageModel(configuration, weights: DictionaryWeights(weights)).logits(tokens: tokens)
        #expect(try model.logits(tokens: tokens).isEqual(to: expected))
    }
}

extension GGUFBuilder {
    /// A llama file as llama.cpp's converter writes it.
    static func llama(_ c: LanguageModelConfiguration, _ weights: [String: Tensor]) -> GGUFBuilder {
        var builder = GGUFBuilder()
        builder.addString("general.architecture", "llama")
        let sizes = [
            "block_count": c.layerCount, "context_length": c.contextLength, "embedding_length": c.hiddenSize,
            "feed_forward_length": c.feedForwardSize, "attention.head_count": c.headCount,
            "attention.head_count_kv": c.keyValueHeadCount, "attention.key_length": c.headSize,
        ]
        for (key, value) in sizes.sorted(by: { $0.key < $1.key }) { builder.addInteger("llama.\(key)", value) }
        builder.addFloat("llama.attention.layer_norm_rms_epsilon", Float(c.normEpsilon))
        builder.addFloat("llama.rope.freq_base", Float(c.rotary.base))
        func add(_ name: String, _ tensor: Tensor) {
            builder.addTensor(name, shape: tensor.shape, type: .float32, bytes: tensor.withBytes { Array($0) })
        }
        if case .perFrequency(let factors) = c.rotary.scaling { add("rope_freqs.weight", Tensor(factors.map(Float.init))) }
        let names = [
            "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
            "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
            "post_attention_layernorm": "ffn_norm", "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
            "model.layers": "blk",
        ]
        for (name, _) in c.weightShapes {
            var tensor = weights[name]!
            let heads = name.contains("q_proj") ? c.headCount : name.contains("k_proj") ? c.keyValueHeadCount : 0
            if heads > 0 {
                tensor = tensor.reshaped([heads, 2, c.headSize / 2, -1]).transposed(1, 2).reshaped(tensor.shape)
            }
            add(names.reduce(name) { $0.replacingOccurrences(of: $1.key, with: $1.value) }, tensor)
        }
        return builder
    }
}
