import CondenseTesting
import Foundation
import SparseAutoencoders
import Testing
import Torch

/// Autoencoders that the libraries themselves have written (`Tools/goldens/sae_layouts.py`) give their reconstructions here.
@Suite struct LayoutGoldenTests {
    static let kinds: [(name: String, kind: EncoderKind)] = [
        ("saelens-standard", .relu), ("saelens-standard-whole", .relu), ("saelens-topk", .topK(k: 3)), ("saelens-topk-norms", .topK(k: 3)),
        ("saelens-old-topk", .topK(k: 3)), ("saelens-abstopk", .absTopK(k: 3)), ("saelens-jumprelu", .jumpReLU),
        ("saelens-training-jumprelu", .jumpReLU), ("saelens-gated", .gated), ("saelens-batchtopk", .jumpReLU),
        ("saelens-training-batchtopk", .batchTopK(k: 3)), ("saelens-pursuit", .matchingPursuit(PursuitRules(steps: 5, absoluteResidual: 0.2))),
        ("dictionary-learning-standard", .relu), ("dictionary-learning-standard-new", .relu), ("dictionary-learning-gated", .gated),
        ("dictionary-learning-jumprelu", .jumpReLU), ("dictionary-learning-topk", .topK(k: 3)),
        ("dictionary-learning-batchtopk", .batchTopK(k: 3)), ("dictionary-learning-matryoshka", .batchTopK(k: 3)),
        ("sparsify-topk", .topK(k: 3)), ("openai-relu", .relu), ("openai-topk", .topK(k: 3)),
    ]

    private func fixture(_ name: String) throws -> URL {
        try #require(Bundle.module.resourceURL).appending(path: "Fixtures/Layouts/\(name)")
    }

    @Test(arguments: kinds.indices) func reconstructsAsTheLibraryDoes(_ index: Int) throws {
        let (name, kind) = Self.kinds[index]
        let goldens = try Goldens(fixture("expected.safetensors")), model = try SparseAutoencoder.load(at: fixture(name))
        #expect(model.configuration.encoder == kind)
        let reconstruction = try model.reconstruct(goldens("\(name).input"))
        #expect(reconstruction.code.activeCounts().sum().item() > 16)
        #expect(try mismatch(reconstruction.output, goldens("\(name).output"), relative: 0, absolute: 1e-5) == nil)
    }

    @Test func everyFixtureIsReadOrRefused() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: fixture("").path).filter { !$0.hasSuffix("safetensors") }
        #expect(Set(names) == Set(Self.kinds.map(\.name) + ["saelens-pursuit-support", "sparsify-skip"]))
        for (name, says) in [
            ("saelens-pursuit-support", "its pursuit stops when an atom is taken again"),
            ("sparsify-skip", "it has 'skip_connection': x̂ has a part that no feature makes"),
        ] {
            let error = #expect(throws: AutoencoderLayoutError.self) { try SparseAutoencoder.load(at: fixture(name)) }
            #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
        }
    }

    @Test func originsAreRead() throws {
        let origin = try SparseAutoencoder.load(at: fixture("saelens-topk")).configuration.origin
        #expect(
            origin == ActivationOrigin(model: "pythia-70m", hook: "blocks.2.hook_resid_post", contextSize: 128, prependsBOS: true, dataset: "pile"))
        let other = try SparseAutoencoder.load(at: fixture("dictionary-learning-topk")).configuration.origin
        #expect(other == ActivationOrigin(model: "pythia-70m", hook: "blocks.2.hook_resid_post", contextSize: 128))
    }

    /// Replaces a piece of a fixture's configuration, or a tensor, and returns the sentence of the refusal.
    private func refusal(of name: String, _ file: String, _ old: String, _ new: String) throws -> String {
        var sentence = ""
        try withFolder { folder in
            let copy = folder.appending(path: name), url = copy.appending(path: file)
            try FileManager.default.copyItem(at: fixture(name), to: copy)
            let text = try String(contentsOf: url, encoding: .utf8)
            #expect(text.contains(old))
            try text.replacingOccurrences(of: old, with: new).write(to: url, atomically: true, encoding: .utf8)
            sentence = "\(try #require(throws: AutoencoderLayoutError.self) { try SparseAutoencoder.load(at: copy) })"
        }
        return sentence
    }

    @Test func whatIsNotKnownIsNamed() throws {
        let changes: [(name: String, file: String, old: String, new: String, says: String)] = [
            ("saelens-topk", "cfg.json", "\"topk\"", "\"temporal\"", "the architecture 'temporal' is not known; known are standard, topk"),
            ("saelens-topk", "cfg.json", "\"k\": 3", "\"k\": 13", "k must be between 1 and the dictionary's 12 features, found 13"),
            ("saelens-topk", "cfg.json", "\"k\": 3", "\"k\": \"3\"", "'k' must be a whole number"),
            ("saelens-topk", "cfg.json", "\"k\": 3, ", "", "the key 'k' is missing"),
            ("saelens-topk", "cfg.json", "\"d_in\": 6", "\"d_in\": 7", "'W_dec' must have the shape [12, 7], found [12, 6]"),
            ("saelens-topk", "cfg.json", "\"none\"", "\"covariance_whitening\"", "the normalisation 'covariance_whitening' is not known; fold it"),
            ("saelens-topk", "cfg.json", "\"none\"", "\"expected_average_only_in\"", "its inputs are to be scaled by √D/E‖x‖"),
            ("saelens-topk", "cfg.json", "{", "[", "it is not valid JSON"),
            ("saelens-pursuit", "cfg.json", "\"max_iterations\": 5", "\"max_iterations\": 4000000000", "steps must be between 1 and 65536"),
            ("saelens-old-topk", "cfg.json", "\"topk\"", "\"tanh-relu\"", "the activation 'tanh-relu' of a standard autoencoder is not known"),
            ("dictionary-learning-topk", "config.json", "AutoEncoderTopK\",\n        \"lr", "IdentityDict\",\n        \"lr", "the class 'IdentityDict' is not known"),
            ("dictionary-learning-topk", "config.json", "\"k\": 3", "\"k\": 4", "k must be 4 as in config.json, found 3"),
            ("dictionary-learning-topk", "config.json", "\"dict_size\": 12", "\"dict_size\": 13", "dict_size must be 13 as in config.json, found 12"),
            ("dictionary-learning-topk", "config.json", "\"trainer\"", "\"trainers\"", "the key 'trainer' is missing"),
            ("sparsify-topk", "cfg.json", "\"topk\"", "\"groupmax\"", "the activation 'groupmax' is not known; known is topk"),
            ("sparsify-topk", "cfg.json", "\"transcode\": false", "\"transcode\": true", "a transcoder maps one place of a network to another"),
            ("sparsify-topk", "cfg.json", "\"num_latents\": 12", "\"num_latents\": 24", "'encoder.weight' must have the shape [24, 6]"),
        ]
        for change in changes {
            let sentence = try refusal(of: change.name, change.file, change.old, change.new)
            #expect(sentence.contains(change.says) && sentence.contains(change.name), "\(sentence)")
        }
    }

    @Test func wrongTensorsAreNamed() throws {
        let wrong: [(key: String, tensor: Tensor?, says: String)] = [
            ("b_enc", nil, "the tensor 'b_enc' is missing"), ("b_enc", Tensor.zeros([11]), "'b_enc' must have the shape [12], found [11]"),
            ("b_enc", Tensor.full([12], .nan), "'b_enc' holds numbers that are not finite"),
            ("b_enc", Tensor.zeros([12], dtype: .int64), "'b_enc' must hold floating-point numbers"),
            ("W_enc", Tensor.zeros([12, 6]), "'W_enc' must have the shape [6, 12], found [12, 6]"),
            ("scaling_factor", Tensor.full([12], 2.0), "it scales features after fine-tuning"),
        ]
        for change in wrong {
            try withFolder { folder in
                let copy = folder.appending(path: "sae"), path = copy.appending(path: "sae_weights.safetensors").path
                try FileManager.default.copyItem(at: fixture("saelens-topk"), to: copy)
                var tensors = try SafetensorsFile(path: path).tensors()
                tensors[change.key] = change.tensor
                try SafetensorsWriter.write(tensors, to: path)
                let error = try #require(throws: AutoencoderLayoutError.self) { try SparseAutoencoder.load(at: copy) }
                #expect(error.description.contains(change.says), "\(error)")
            }
        }
    }

    @Test func halfPrecisionIsWidened() throws {
        try withFolder { folder in
            let copy = folder.appending(path: "sae"), path = copy.appending(path: "sae_weights.safetensors").path
            try FileManager.default.copyItem(at: fixture("saelens-topk"), to: copy)
            try SafetensorsWriter.write(SafetensorsFile(path: path).tensors().mapValues { $0.to(dtype: .bfloat16) }, to: path)
            #expect(try SparseAutoencoder.load(at: copy).atoms.dtype == .float32)
        }
    }
}
