public import Foundation
internal import Torch

/// An autoencoder rewritten in another library's layout, and how nearly it does the same.
public struct AutoencoderConversion: Codable, Sendable, Equatable {
    public let source: AutoencoderLayout
    public let destination: AutoencoderLayout
    /// What is different in the new files, or not kept, as sentences.
    public let notes: [String]
    /// The largest |Δx̂| between what was read and the new files, read back, on random inputs.
    public let largestDifference: Double
    /// The largest |x̂| of these inputs.
    public let largestOutput: Double
    /// Active features per input, on average.
    public let l0: Double

    /// Number of random inputs.
    public static let inputCount = 256

    /// Reads an autoencoder of any layout and writes it in another; the destination appears complete or not at all.
    /// - Parameters:
    ///   - source: folder, `.pt` file, or run that trained it.
    ///   - destination: a folder that does not exist yet.
    ///   - samples: a file that gets the random inputs, `input` [B, D], and what the source makes of them, `output` [B, D], as
    ///     safetensors, so that the other library can be checked against them.
    /// - Throws: ``AutoencoderLayoutError`` if the layout cannot express the model; `FileAccessError`, `FileFormatError`.
    public init(from source: URL, to destination: URL, as layout: AutoencoderLayout, samples: URL? = nil) throws {
        let location = try AutoencoderLocation(at: source)
        let path = destination.path(percentEncoded: false)
        guard !FileManager.default.fileExists(atPath: path) else {
            throw FileAccessError(path: path, action: "made", reason: "it exists already; remove it or choose another name")
        }
        let model = try SparseAutoencoder.load(location)
        let name = destination.lastPathComponent
        let temporary = destination.deletingLastPathComponent().appending(path: ".\(name).\(UUID().uuidString)", directoryHint: .isDirectory)
        defer { try? FileManager.default.removeItem(at: temporary) }
        notes = try model.save(to: temporary, as: layout)
        let written = try SparseAutoencoder.load(AutoencoderLocation(at: temporary))
        // No other library selects from batches when a model is used.
        if layout != .condense, model.encoder is BatchTopKEncoder { model.inference = .threshold }
        let input = Self.randomInput(for: model)
        let before = model.reconstruct(input), after = written.reconstruct(input)
        (self.source, self.destination) = (location.layout, layout)
        largestDifference = (after.output - before.output).abs().max().item()
        largestOutput = before.output.abs().max().item()
        l0 = before.code.activeCounts().to(dtype: .float64).mean().item()
        do {
            try FileManager.default.moveItem(at: temporary, to: destination)
        } catch {
            throw FileAccessError(path: path, action: "made", reason: (error as NSError).localizedDescription)
        }
        if let samples { try SafetensorsWriter.write(["input": input, "output": before.output.detached()], to: samples.path(percentEncoded: false)) }
    }

    /// Normal numbers around b_dec, large enough that features are active: thresholds and biases say nothing about the scale of
    /// the activations that a model was trained on.
    private static func randomInput(for model: SparseAutoencoder) -> Tensor {
        let atoms = model.atoms
        let noise = Tensor.normal([inputCount, model.inputSize], dtype: atoms.dtype, generator: RandomGenerator(seed: 0, device: atoms.device))
        var center = model.decoderBias.detached()
        if case .scaled(let factor) = model.configuration.normalization { center = center / factor }
        var input = noise + center, scale = 1.0
        while model.encode(input).activeCounts().sum().item() < Double(inputCount), scale < 1e6 {
            scale *= 10
            input = noise * scale + center
        }
        return input
    }
}
