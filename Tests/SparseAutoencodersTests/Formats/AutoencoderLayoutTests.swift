import CondenseTesting
import Foundation
import SparseAutoencoders
import Testing
import Torch

/// Calls `body` with a folder of its own, which is removed afterwards.
func withFolder(_ body: (URL) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "layouts-\(UUID().uuidString)", directoryHint: .isDirectory)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder)
}

@Suite struct AutoencoderLayoutTests {
    /// A model, and the libraries that can express it.
    struct Case: Sendable, CustomTestStringConvertible {
        var kind: EncoderKind
        var normalization = InputNormalization.none
        var subtractsDecoderBias = true
        var threshold: Double?
        var inference = InferenceRule.asTrained
        var layouts: Set<AutoencoderLayout>

        var testDescription: String { "\(kind), \(normalization), x − b_dec \(subtractsDecoderBias), \(inference)" }

        func model(dtype: DType = .float32) -> SparseAutoencoder {
            let model = makeModel(
                kind, normalization: normalization, subtractsDecoderBias: subtractsDecoderBias, threshold: threshold, dtype: dtype)
            model.inference = inference
            return model
        }
    }

    static let scaled = InputNormalization.scaled(by: 0.4)
    static let cases = [
        Case(kind: .relu, layouts: [.saelens, .dictionaryLearning, .openAI]),
        Case(kind: .relu, normalization: scaled, subtractsDecoderBias: false, layouts: [.saelens, .dictionaryLearning, .openAI]),
        Case(kind: .relu, normalization: .constantNorm, layouts: [.saelens]),
        Case(kind: .topK(k: 4), layouts: [.saelens, .dictionaryLearning, .sparsify]),
        Case(kind: .topK(k: 4), normalization: scaled, subtractsDecoderBias: false, layouts: [.saelens, .dictionaryLearning, .sparsify]),
        Case(kind: .topK(k: 4), normalization: .layerNorm, layouts: [.saelens, .openAI]),
        Case(kind: .topK(k: 4), normalization: scaled, threshold: 0.7, layouts: [.saelens, .dictionaryLearning, .sparsify]),
        Case(kind: .topK(k: 4), normalization: scaled, threshold: 0.7, inference: .threshold, layouts: [.saelens, .dictionaryLearning]),
        Case(kind: .absTopK(k: 4), layouts: [.saelens]),
        Case(kind: .absTopK(k: 4), normalization: scaled, subtractsDecoderBias: false, layouts: [.saelens]),
        Case(kind: .absTopK(k: 4, selection: .batch), layouts: []),
        Case(kind: .absTopK(k: 4), threshold: 0.7, inference: .threshold, layouts: []),
        Case(kind: .batchTopK(k: 4), layouts: []),
        Case(kind: .batchTopK(k: 4), threshold: 0.7, layouts: [.saelens, .dictionaryLearning]),
        Case(
            kind: .batchTopK(k: 4), normalization: scaled, subtractsDecoderBias: false, threshold: 0.7, inference: .threshold,
            layouts: [.saelens, .dictionaryLearning]),
        Case(kind: .batchTopK(k: 4), threshold: -0.7, layouts: []),
        Case(kind: .jumpReLU, layouts: [.saelens, .dictionaryLearning]),
        Case(kind: .jumpReLU, normalization: scaled, subtractsDecoderBias: false, layouts: [.saelens, .dictionaryLearning]),
        Case(kind: .gated, layouts: [.saelens, .dictionaryLearning]),
        Case(kind: .gated, normalization: scaled, subtractsDecoderBias: false, layouts: [.saelens, .dictionaryLearning]),
        Case(kind: .variational(VariationalEncoder.Settings(k: 4)), layouts: [.saelens, .dictionaryLearning, .sparsify]),
        Case(kind: .variational(VariationalEncoder.Settings(k: 4, rectifiesMean: false)), normalization: scaled, layouts: [.saelens]),
        Case(kind: .topAFA, layouts: []),
        Case(kind: .matchingPursuit(steps: 4), layouts: [.saelens]),
        Case(kind: .matchingPursuit(PursuitRules(steps: 4, absoluteResidual: 0.5)), normalization: scaled, layouts: [.saelens]),
        Case(kind: .matchingPursuit(PursuitRules(steps: 4, relativeResidual: 0.5)), layouts: []),
        Case(kind: .matchingPursuit(PursuitRules(steps: 4, nonNegative: false)), layouts: []),
        Case(kind: .matchingPursuit(steps: 4), subtractsDecoderBias: false, layouts: []),
    ]

    @Test(arguments: cases, AutoencoderLayout.allCases)
    func modelsComeBackOrAreRefused(_ sample: Case, _ layout: AutoencoderLayout) throws {
        try withFolder { folder in
            let model = sample.model(), input = normal([40, 7], dtype: .float32) * 2
            let original = folder.appending(path: "original"), written = folder.appending(path: "written"), again = folder.appending(path: "again")
            try model.save(to: original)
            guard layout == .condense || sample.layouts.contains(layout) else {
                let error = #expect(throws: AutoencoderLayoutError.self) { try AutoencoderConversion(from: original, to: written, as: layout) }
                #expect(error?.description.hasPrefix("this autoencoder cannot be saved as") == true)
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["original"])
                return
            }
            let conversion = try AutoencoderConversion(from: original, to: written, as: layout)
            #expect(conversion.source == .condense && conversion.destination == layout)
            #expect(conversion.largestDifference < 1e-5 && conversion.l0 >= 1 && conversion.largestOutput > 0.1, "\(conversion)")
            #expect(try AutoencoderLocation(at: written).layout == layout)
            if layout != .condense, model.encoder is BatchTopKEncoder { model.inference = .threshold }
            let expected = model.reconstruct(input)
            #expect(expected.code.activeCounts().sum().item() > 0)
            #expect(mismatch(try SparseAutoencoder.load(at: written).reconstruct(input).output, expected.output, absolute: 1e-5) == nil)
            // Once in a library's form, nothing is rewritten any more.
            let back = try AutoencoderConversion(from: written, to: again, as: .condense)
            #expect(back.largestDifference == 0 && back.notes == [] && back.source == layout)
            #expect(mismatch(try SparseAutoencoder.load(at: again).reconstruct(input).output, expected.output, absolute: 1e-5) == nil)
        }
    }

    @Test func originsAreKeptWhereThereIsAPlaceForThem() throws {
        let origin = ActivationOrigin(model: "pythia-70m", hook: "blocks.3.hook_resid_post", contextSize: 128, prependsBOS: true, dataset: "pile")
        for (layout, kept) in [
            (AutoencoderLayout.saelens, origin),
            (.dictionaryLearning, ActivationOrigin(model: "pythia-70m", hook: "blocks.3.hook_resid_post", contextSize: 128)), (.sparsify, nil),
        ] {
            try withFolder { folder in
                let model = makeModel(.topK(k: 4))
                model.updateConfiguration { $0.origin = origin }
                let notes = try model.save(to: folder, as: layout)
                #expect(try SparseAutoencoder.load(at: folder).configuration.origin == kept)
                #expect(notes.contains { $0.contains("do not say which model") } == (kept == nil))
            }
        }
    }

    @Test func doublePrecisionIsKept() throws {
        for layout in [AutoencoderLayout.saelens, .dictionaryLearning, .sparsify] {
            try withFolder { folder in
                let model = makeModel(.topK(k: 4)), input = normal([9, 7])
                try model.save(to: folder, as: layout)
                #expect(try SparseAutoencoder.load(at: folder).reconstruct(input).output.isEqual(to: model.reconstruct(input).output))
            }
        }
    }

    @Test func thresholdsOfTopKAreKeptByDictionaryLearningAlone() throws {
        let model = makeModel(.topK(k: 4), threshold: 0.5)
        try withFolder { folder in
            let notes = try model.save(to: folder, as: .dictionaryLearning), loaded = try SparseAutoencoder.load(at: folder)
            #expect(notes == [] && loaded.configuration == model.configuration)
        }
        try withFolder { folder in
            let notes = try model.save(to: folder, as: .sparsify)
            #expect(notes == ["the threshold is not kept, since sparsify selects the k largest"])
        }
    }

    @Test func nothingIsOverwritten() throws {
        try withFolder { folder in
            let original = folder.appending(path: "original")
            try makeModel(.relu).save(to: original)
            let error = #expect(throws: FileAccessError.self) { try AutoencoderConversion(from: original, to: original, as: .saelens) }
            #expect(error?.description.contains("it exists already; remove it or choose another name") == true)
            #expect(try AutoencoderLocation(at: original).layout == .condense)
        }
    }

    @Test func placesAreFound() throws {
        try withFolder { folder in
            let run = folder.appending(path: "run"), file = folder.appending(path: "openai/autoencoder.pt")
            try makeModel(.relu).save(to: run.appending(path: "sae"))
            #expect(try AutoencoderLocation(at: run).layout == .condense)
            try makeModel(.relu).save(to: folder.appending(path: "openai"), as: .openAI)
            #expect(try AutoencoderLocation(at: file) == AutoencoderLocation(at: folder.appending(path: "openai")))
            try makeModel(.relu).save(to: folder.appending(path: "dl"), as: .dictionaryLearning)
            #expect(try AutoencoderLocation(at: folder.appending(path: "dl/ae.pt")).layout == .dictionaryLearning)
            for (place, says) in [
                (folder, "it holds several autoencoders (dl, openai"), (folder.appending(path: "nowhere"), "there is no such file or folder"),
            ] {
                let error = #expect(throws: FileAccessError.self) { try AutoencoderLocation(at: place) }
                #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
            }
            let empty = folder.appending(path: "empty")
            try FileManager.default.createDirectory(at: empty, withIntermediateDirectories: true)
            let error = #expect(throws: FileAccessError.self) { try AutoencoderLocation(at: empty) }
            #expect(error?.description.contains("a sparse autoencoder is a folder with config.json and sae.safetensors, or one of SAELens") == true)
        }
    }
}
