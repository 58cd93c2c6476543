import Foundation
import SparseAutoencoders
import Testing
import Torch
import TorchNN

@Suite struct StorageTests {
    @Test(arguments: [EncoderKind.relu, .topK(k: 4)], [DType.float32, .float64])
    func savingAndLoadingKeepsEveryBit(_ kind: EncoderKind, _ dtype: DType) throws {
        try withFolder { folder in
            let model = makeModel(kind, normalization: .scaled(by: 0.1), threshold: 0.3, dtype: dtype)
            model.updateConfiguration {
                $0.origin = ActivationOrigin(model: "tiny", hook: "blocks.1.hook_resid_post", contextSize: 128, prependsBOS: false)
            }
            try model.save(to: folder)
            let loaded = try SparseAutoencoder(loadingFrom: folder)
            #expect(loaded.configuration == model.configuration)
            for (name, tensor) in model.stateDictionary {
                #expect(loaded.stateDictionary[name]?.isEqual(to: tensor) == true, "\(name)")
            }
            let input = normal([9, 7], dtype: dtype)
            #expect(loaded.reconstruct(input).output.isEqual(to: model.reconstruct(input).output))
            // Again over itself.
            try loaded.save(to: folder)
            #expect(try SparseAutoencoder(loadingFrom: folder).reconstruct(input).output.isEqual(to: model.reconstruct(input).output))
        }
    }

    @Test func aCopyIsIndependent() {
        let model = makeModel(.topK(k: 4))
        let copy = model.copy()
        let input = normal([9, 7])
        #expect(copy.reconstruct(input).output.isEqual(to: model.reconstruct(input).output))
        withoutGradients { _ = model.atoms.zeroInPlace() }
        #expect(copy.atoms.notEquals(0).any().item() == 1)
    }

    @Test func wrongConfigurationsAreNamed() throws {
        try withFolder { folder in
            try makeModel(.topK(k: 4)).save(to: folder)
            let url = folder.appending(path: "config.json")
            let text = try String(contentsOf: url, encoding: .utf8)
            let changes: [(String, String, String)] = [
                ("\"k\" : 4", "\"k\" : 25", "k must be between 1 and the dictionary's 24 features, found 25"),
                ("\"topk\"", "\"topp\"", "unknown architecture 'topp'; known are relu, topk"),
                ("\"inputSize\" : 7", "\"inputSize\" : 8", "decoder.atoms must have the shape [24, 8] of the configuration"),
                ("\"inputSize\" : 7", "\"inputSize\" : -7", "inputSize must be positive, found -7"),
                ("\"dictionarySize\" : 24", "\"dictionarySize\" : \"x\"", "'dictionarySize' must be of type Int"),
                ("\"inputSize\" : 7,", "", "the key 'inputSize' is missing"),
                ("{", "{{", "it is not valid JSON"),
                ("\"formatVersion\" : 2", "\"formatVersion\" : 9", "its formatVersion is 9"),
            ]
            for (old, new, expected) in changes {
                #expect(text.contains(old))
                try text.replacingOccurrences(of: old, with: new).write(to: url, atomically: true, encoding: .utf8)
                let error = #expect(throws: FileFormatError.self) { try SparseAutoencoder(loadingFrom: folder) }
                #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
            }
        }
    }

    @Test func wrongWeightsAreNamed() throws {
        try withFolder { folder in
            let model = makeModel(.relu)
            try model.save(to: folder)
            let path = folder.appending(path: "sae.safetensors").path
            func expectFailure(_ expected: String, _ change: (inout [String: Tensor]) -> Void) throws {
                var tensors = model.stateDictionary
                change(&tensors)
                try SafetensorsWriter.write(tensors, to: path)
                let error = #expect(throws: FileFormatError.self) { try SparseAutoencoder(loadingFrom: folder) }
                #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
            }
            try expectFailure("missing encoder.bias") { $0["encoder.bias"] = nil }
            try expectFailure("decoder.atoms must have the shape [24, 7] of the configuration, found none") { $0["decoder.atoms"] = nil }
            try expectFailure("unexpected threshold") { $0["threshold"] = Tensor([1.0]) }
            try expectFailure("'decoder.bias' holds numbers that are not finite") { $0["decoder.bias"] = Tensor.full([7], .nan) }
            try expectFailure("'encoder.bias' must hold floating-point numbers") { $0["encoder.bias"] = Tensor.zeros([24], dtype: .int64) }
            try expectFailure("encoder.weight (expected [24, 7], found [7, 24])") { $0["encoder.weight"] = Tensor.zeros([7, 24]) }
        }
        let missing = #expect(throws: FileAccessError.self) { try SparseAutoencoder(loadingFrom: URL(filePath: "/nowhere/sae")) }
        #expect(missing?.description.contains("a sparse autoencoder is a folder with config.json") == true)
    }
}
