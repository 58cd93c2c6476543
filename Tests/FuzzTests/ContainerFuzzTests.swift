import Foundation
import Networks
import Testing
import Torch

/// Damaged safetensors, PyTorch files, GGUF, tokenizer.json and config.json are read or refused in one sentence; nothing else may happen.
///
/// `CONDENSE_FUZZ` sets the number of inputs per format (25,000 by default), `CONDENSE_FUZZ_SEED` the seed.
@Suite struct ContainerFuzzTests {
    private enum Format: CaseIterable {
        case safetensors, pyTorch, gguf, tokenizer, modelConfiguration

        /// Small valid samples.
        var samples: [[UInt8]] {
            switch self {
            case .safetensors:
                let header = #"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"U8","shape":[3],"data_offsets":[16,19]}}"#
                return [Self.little(UInt64(header.utf8.count)) + Array(header.utf8) + Array(repeating: 1, count: 19)]
            case .pyTorch: return [Self.samplePyTorchFile]
            case .gguf: return [Self.sampleGGUF]
            case .tokenizer:
                return [
                    #"{"version":"1.0","added_tokens":[{"id":4,"content":"<s>","special":true}],"normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},"post_processor":null,"decoder":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"c":3},"merges":["a b"]}}"#,
                    ###"{"added_tokens":[],"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},"pre_tokenizer":{"type":"BertPreTokenizer"},"decoder":{"type":"WordPiece","prefix":"##","cleanup":true},"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"[UNK]":0,"a":1,"##b":2}}}"###,
                ].map { Array($0.utf8) }
            case .modelConfiguration:
                return [
                    #"{"model_type":"llama","vocab_size":50,"hidden_size":24,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"intermediate_size":40,"rms_norm_eps":1e-5,"max_position_embeddings":64,"eos_token_id":[1,2],"rope_parameters":{"rope_type":"llama3","rope_theta":1000.0,"factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":16}}"#
                ].map { Array($0.utf8) }
            }
        }

        /// Reads `bytes` as far as a program would.
        func read(_ bytes: [UInt8]) throws {
            switch self {
            case .safetensors:
                let file = try SafetensorsFile(bytes: MappedBytes(copying: bytes))
                for entry in file.entries { _ = try file.tensor(named: entry.name).shape }
            case .pyTorch:
                let file = try PyTorchFile(bytes: MappedBytes(copying: bytes))
                let dictionary = try file.dictionary()
                for name in dictionary.names {
                    guard let value = dictionary[name] else { continue }
                    _ = (value.kind, value.intValue, value.tensorEntry?.tensor().shape)
                }
            case .gguf:
                let file = try GGUFFile(bytes: MappedBytes(copying: bytes))
                for info in file.tensors { _ = file.dequantized(info) }
                if let tokens = try file.metadata.strings("tokenizer.ggml.tokens") { for token in tokens { _ = token.utf8.count } }
                _ = try LanguageModelConfiguration(file)
                _ = try Tokenizer(gguf: file)
            case .tokenizer:
                let tokenizer = try Tokenizer(tokenizerJSON: bytes)
                _ = tokenizer.decode(tokenizer.encode("ab cab <s> é🙂"))
            case .modelConfiguration:
                let configuration = try LanguageModelConfiguration(HuggingFaceConfiguration(bytes: MappedBytes(copying: bytes)))
                // What is needed may be large, but nothing of that size is made before a file is found to hold it.
                #expect(throws: MissingWeightsError.self) { try LanguageModel(configuration, weights: DictionaryWeights([:])) }
            }
        }

        private static func little(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian, Array.init) }
        private static func string(_ text: String) -> [UInt8] { little(UInt64(text.utf8.count)) + Array(text.utf8) }

        private static var samplePyTorchFile: [UInt8] {
            let path = FileManager.default.temporaryDirectory.appending(path: "fuzz-\(UUID().uuidString).pt").path
            defer { try? FileManager.default.removeItem(atPath: path) }
            do {
                try PyTorchWriter.write(
                    [
                        ("encoder.weight", .tensor(Tensor([[1, 2, 3], [4, 5, 6]] as [[Float]]))), ("k", .tensor(Tensor(scalar: Int32(2)))),
                        ("threshold", .number(0.5)), ("size", .integer(1 << 40)), ("activation", .dictionary([("name", .string("TopK"))])),
                    ], to: path)
                return try [UInt8](Data(contentsOf: URL(filePath: path)))
            } catch {
                preconditionFailure("a sample could not be written: \(error)")
            }
        }

        private static var sampleGGUF: [UInt8] {
            let integers = [
                ("llama.block_count", 1), ("llama.context_length", 16), ("llama.embedding_length", 32), ("llama.feed_forward_length", 32),
                ("llama.attention.head_count", 2), ("llama.attention.head_count_kv", 1),
            ]
            let strings = [("general.architecture", "llama"), ("tokenizer.ggml.model", "gpt2"), ("tokenizer.ggml.pre", "smollm")]
            let lists = [("tokenizer.ggml.tokens", ["a", "b", "ab", "Ġ"]), ("tokenizer.ggml.merges", ["a b"])]
            var bytes = Array("GGUF".utf8) + little(UInt32(3)) + little(UInt64(2)) + little(UInt64(integers.count + strings.count + lists.count + 1))
            for (key, value) in integers { bytes += string(key) + little(UInt32(4)) + little(UInt32(value)) }
            for (key, value) in strings { bytes += string(key) + little(UInt32(8)) + string(value) }
            for (key, values) in lists {
                bytes += string(key) + little(UInt32(9)) + little(UInt32(8)) + little(UInt64(values.count)) + values.flatMap(string)
            }
            bytes += string("llama.attention.layer_norm_rms_epsilon") + little(UInt32(6)) + little(Float(1e-5).bitPattern)
            bytes += string("token_embd.weight") + little(UInt32(2)) + little(UInt64(32)) + little(UInt64(4)) + little(UInt32(8)) + little(UInt64(0))
            bytes += string("norm") + little(UInt32(1)) + little(UInt64(32)) + little(UInt32(2)) + little(UInt64(160))
            bytes += Array(repeating: 0, count: (32 - bytes.count % 32) % 32)
            return bytes + Array(repeating: 7, count: 160 + 18)
        }
    }

    @Test("Mutated files are read or refused", arguments: Format.allCases.indices)
    func mutatedFiles(index: Int) throws {
        let format = Format.allCases[index]
        let environment = ProcessInfo.processInfo.environment
        let count = environment["CONDENSE_FUZZ"].flatMap(Int.init) ?? 25_000
        var mutator = Mutator(seed: environment["CONDENSE_FUZZ_SEED"].flatMap(UInt64.init) ?? 1)
        let samples = format.samples
        for sample in samples { try format.read(sample) }
        var refused = 0
        for _ in 0..<count {
            let bytes = mutator.mutated(samples)
            do {
                try format.read(bytes)
            } catch {
                refused += 1
                let sentence = "\(error)"
                #expect((10..<2_000).contains(sentence.utf8.count), "\(sentence)")
            }
        }
        #expect(refused > count / 4 && refused < count)
    }
}
