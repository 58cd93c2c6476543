public import Torch
internal import TorchNN

/// What an entropy model makes of latents.
public struct EntropyModelOutput {
    /// The latents with noise while training, rounded in evaluation; in their shape.
    public let values: Tensor
    /// The probability of each, at least 1e-9; −Σ log2 of them is the rate in bits. In the shape of the latents.
    public let likelihoods: Tensor

    public init(values: Tensor, likelihoods: Tensor) {
        self.values = values
        self.likelihoods = likelihoods
    }
}

extension EntropyModelOutput {
    /// The rate in bits of everything together: −Σ log2 of the likelihoods.
    public var bits: Tensor { -likelihoods.log2().sum() }
}

/// How latents become symbols and come back.
package enum Latents {
    /// Latents farther from their mean than this are no latents: 32 bits hold them with every table's offset.
    private static let limit = 0x1p29

    /// Uniform noise of one integer's width stands for rounding.
    package static func noisy(_ latents: Tensor, generator: RandomGenerator) -> Tensor {
        let noise = withoutGradients {
            Tensor.uninitialized(latents.shape, dtype: latents.dtype, device: generator.device)
                .uniformInPlace(from: -0.5, to: 0.5, generator: generator)
        }
        return latents + noise.to(device: latents.device)
    }

    static func rounded(_ latents: Tensor, means: Tensor?) -> Tensor {
        guard let means else { return latents.rounded() }
        return (latents - means).rounded() + means
    }

    /// The integers next to the latents' distances from their means, int32.
    static func symbols(_ latents: Tensor, means: Tensor?) throws -> Tensor {
        try withoutGradients {
            let rounded = (means.map { latents - $0 } ?? latents).rounded()
            if rounded.elementCount > 0 {
                let largest = rounded.abs().max().item()
                guard largest <= limit else { throw EntropyCodingError.latentOutOfRange(largest) }
            }
            return rounded.to(dtype: .int32)
        }
    }

    /// Positions of a size that comes from a file.
    static func positionCount(of size: [Int]) throws -> Int {
        try size.reduce(1) { count, size in
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            guard size >= 0 && !overflow else { throw EntropyCodingError.invalidRows("a latent has size \(size)") }
            return product
        }
    }

    /// One stream for each example, channels after each other.
    static func streams(of symbols: Tensor, tables: CDFTables, rows: (Int) -> [Int32], run: Int) throws -> [[UInt8]] {
        try (0..<symbols.size(0)).map { example in
            try tables.encode(symbols.selected(axis: 0, index: example).scalars(), rows: rows(example), run: run)
        }
    }

    static func decoded(_ streams: [[UInt8]], tables: CDFTables, rows: (Int) -> [Int32], run: Int, shape: [Int], device: Device) throws -> Tensor {
        guard !streams.isEmpty else { return Tensor.zeros([0] + shape, dtype: .int32, device: device) }
        let symbols = try streams.enumerated().map { example, stream in
            Tensor(try tables.decode(stream, rows: rows(example), run: run), shape: shape)
        }
        return Tensor.stacked(symbols).to(device: device)
    }
}
