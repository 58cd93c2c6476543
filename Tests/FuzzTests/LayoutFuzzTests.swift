import Foundation
import SparseAutoencoders
import Testing
import Torch

/// Damaged autoencoders of every layout are read or refused in one sentence, and what is read can be used.
@Suite struct LayoutFuzzTests {
    @Test(arguments: AutoencoderLayout.allCases, [EncoderKind.topK(k: 2), .jumpReLU, .gated, .matchingPursuit(steps: 2)])
    func damagedFilesAreReadOrRefused(_ layout: AutoencoderLayout, _ kind: EncoderKind) throws {
        let environment = ProcessInfo.processInfo.environment
        let count = (environment["CONDENSE_FUZZ"].flatMap(Int.init) ?? 25_000) / 25
        var mutator = Mutator(seed: environment["CONDENSE_FUZZ_SEED"].flatMap(UInt64.init) ?? 1)
        let folder = FileManager.default.temporaryDirectory.appending(path: "layout-fuzz-\(UUID().uuidString)", directoryHint: .isDirectory)
        defer { try? FileManager.default.removeItem(at: folder) }
        let configuration = SparseAutoencoderConfiguration(
            encoder: kind, inputSize: 4, dictionarySize: 6, normalization: layout == .openAI ? .layerNorm : .none)
        let model = SparseAutoencoder(configuration: configuration, generator: RandomGenerator(seed: 1))
        do {
            try model.save(to: folder, as: layout)
        } catch is AutoencoderLayoutError {
            return  // This layout has no such architecture.
        }
        let location = try AutoencoderLocation(at: folder)
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil).sorted { $0.path < $1.path }
        let samples = try files.map { try [UInt8](Data(contentsOf: $0)) }
        let input = Tensor.normal([3, 4], generator: RandomGenerator(seed: 2))
        var refused = 0
        for _ in 0..<count {
            for (file, sample) in zip(files, samples) {
                try Data(mutator.mutated([sample])).write(to: file)
                do {
                    let loaded = try SparseAutoencoder.load(at: location.url)
                    if loaded.inputSize == 4 { #expect(loaded.reconstruct(input).output.shape == [3, 4]) }
                } catch {
                    refused += 1
                    let sentence = "\(error)"
                    #expect((10..<2_000).contains(sentence.utf8.count), "\(sentence)")
                }
                try Data(sample).write(to: file)
            }
        }
        #expect(refused > count / 8 && refused < count * files.count)
    }
}
