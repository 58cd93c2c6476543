internal import Foundation
public import Torch
public import TorchNN

/// Normal distributions whose scale, and perhaps mean, another network tells for each latent (Ballé et al., arXiv:1802.01436;
/// with means Minnen et al., arXiv:1809.02736), and the coder for them.
///
/// Coding takes the next larger of a table's scales. State-dictionary keys are those of CompressAI 1.2.8; tables of any size
/// are read.
public final class GaussianConditional: ModeDependent, StateAdapting {
    public var mode = ModuleMode.training
    /// Probability of what lies outside of a table's row.
    public let tailMass: Double
    /// The scales that have a row in the tables, rising, [count].
    public let scaleTable: Tensor
    /// Smaller scales count as this, [1].
    public let scaleBound: Tensor
    let tableBuffers = TableBuffers()
    private let scaleLowerBound: LowerBound, likelihoodBound: LowerBound
    private let generator: RandomGenerator

    /// - Parameters:
    ///   - scaleTable: rising and positive; ``standardScales`` for those of all published models.
    ///   - generator: the noise of training comes from it; its state belongs into checkpoints.
    public init(
        scaleTable: [Float] = GaussianConditional.standardScales, scaleBound: Double = 0.11, tailMass: Double = 1e-9,
        likelihoodBound: Double = 1e-9, generator: RandomGenerator
    ) {
        require(
            !scaleTable.isEmpty && zip(scaleTable, scaleTable.dropFirst()).allSatisfy { $0 < $1 } && scaleTable.allSatisfy { $0 > 0 },
            "GaussianConditional: the scales must be positive and rise, found \(scaleTable).")
        require(scaleBound > 0 && tailMass > 0 && tailMass < 1, "GaussianConditional: scale bound \(scaleBound) and tail mass \(tailMass) must be positive.")
        self.tailMass = tailMass
        self.generator = generator
        self.scaleTable = Tensor(scaleTable).to(device: generator.device)
        self.scaleBound = Tensor.full([1], scaleBound, device: generator.device)
        scaleLowerBound = LowerBound(scaleBound, device: generator.device)
        self.likelihoodBound = LowerBound(likelihoodBound, device: generator.device)
    }

    /// 64 scales from 0.11 to 256 in equal ratios.
    public static var standardScales: [Float] { Tensor.linspace(log(0.11), log(256), count: 64).exp().scalars() }

    public func visit(_ v: inout ParameterVisitor) {
        v("", tableBuffers)
        v.resizableBuffer("scale_table", scaleTable)
        v.buffer("scale_bound", scaleBound)
        v("likelihood_lower_bound", likelihoodBound)
        v("lower_bound_scale", scaleLowerBound)
    }

    /// A checkpoint written before the scales were set has an empty table: this module's stays.
    public func adapt(_ state: inout [String: Tensor], prefix: String) {
        if state["\(prefix)scale_table"]?.elementCount == 0 { state["\(prefix)scale_table"] = scaleTable }
    }

    // MARK: Likelihoods

    /// - Parameters:
    ///   - input: latents of any shape.
    ///   - scales: standard deviations, in the latents' shape.
    ///   - means: 0 if nil.
    /// - Returns: gradients flow through the values while training, and through the likelihoods always.
    public func callAsFunction(_ input: Tensor, scales: Tensor, means: Tensor? = nil) -> EntropyModelOutput {
        require(
            scales.shape == input.shape && (means.map { $0.shape == input.shape } ?? true),
            "GaussianConditional: latents \(input.shape), scales \(scales.shape) and means \(means?.shape ?? input.shape) must have one shape.")
        let values = mode == .training ? Latents.noisy(input, generator: generator) : Latents.rounded(input, means: means)
        let distances = (means.map { values - $0 } ?? values).abs(), scales = scaleLowerBound(scales)
        // Of the distance's size, where the lower tail is: its probabilities are precise, those near 1 are not.
        let likelihoods = Self.cumulative((0.5 - distances) / scales) - Self.cumulative((-0.5 - distances) / scales)
        return EntropyModelOutput(values: values, likelihoods: likelihoodBound(likelihoods))
    }

    /// Φ by the complementary error function.
    private static func cumulative(_ x: Tensor) -> Tensor { (x * -(0.5.squareRoot())).erfc() * 0.5 }

    // MARK: Tables

    /// Makes the tables of all scales: for each the integers that hold all but `tailMass` of its distribution, and the escape.
    /// - Throws: ``EntropyCodingError`` if a checkpoint's scales cannot have tables. The tables are then as they were.
    public func update() throws {
        let rows = try probabilities()
        tableBuffers.store(try CDFTables(probabilities: rows.probabilities, offsets: rows.offsets))
    }

    package func probabilities() throws -> RowProbabilities {
        try withoutGradients {
            let scales: [Float] = scaleTable.scalars(), multiplier = Float(Self.standardQuantile(upperTail: tailMass / 2))
            let reach = try scales.map { scale in
                let reach = (scale * multiplier).rounded(.up)
                guard reach >= 0 && reach < Float(CDFQuantization.total / 2) else {
                    throw EntropyCodingError.invalidProbabilities("a scale is \(scale)")
                }
                return Int(reach)
            }
            let longest = 2 * (reach.max() ?? 0) + 1, column = scaleTable.unsqueezed(1)
            let centers = Tensor(reach).to(device: scaleTable.device).unsqueezed(1)
            let distances = (Tensor.arange(0, longest, device: scaleTable.device) - centers).abs().to(dtype: .float32)
            let lower = Self.cumulative((-0.5 - distances) / column)
            return RowProbabilities(
                inside: (Self.cumulative((0.5 - distances) / column) - lower).scalars(), rowLengths: reach.map { 2 * $0 + 1 },
                outside: (lower[.all, 0] * 2).scalars(), offsets: reach.map { -Int32($0) })
        }
    }

    /// Where the standard normal distribution has so little above, by Newton's method on its logarithm.
    static func standardQuantile(upperTail: Double) -> Double {
        var x = 0.0
        for _ in 0..<64 {
            let tail = 0.5 * erfc(x / 2.0.squareRoot()), density = exp(-x * x / 2) / (2 * Double.pi).squareRoot()
            let step = log(tail / upperTail) * tail / density
            x += step
            if abs(step) < 1e-15 { break }
        }
        return x
    }

    /// The tables, one row a scale.
    /// - Throws: ``EntropyCodingError/missingTables(model:)`` before ``update()``; ``EntropyCodingError/invalidTables(_:)`` if
    ///   a checkpoint's are damaged.
    public func tables() throws -> CDFTables {
        try tableBuffers.read(model: "The Gaussian entropy model", rowCount: scaleTable.elementCount)
    }

    /// The row of the tables for each scale, int32: that of the smallest table scale that is not smaller, or the last.
    public func rows(for scales: Tensor) -> Tensor {
        withoutGradients {
            let bounded = scaleLowerBound(scales)
            return scaleTable[..<(scaleTable.elementCount - 1)].searchSorted(bounded.contiguous()).to(dtype: .int32)
        }
    }

    // MARK: Coding

    /// - Parameters:
    ///   - input: latents [batch, …].
    ///   - rows: of the tables, int32, in the latents' shape.
    ///   - means: 0 if nil; in the latents' shape.
    /// - Returns: a stream for each of the batch.
    /// - Throws: ``EntropyCodingError`` without tables, and for NaN or huge latents.
    public func compress(_ input: Tensor, rows: Tensor, means: Tensor? = nil) throws -> [[UInt8]] {
        require(input.shape == rows.shape, "GaussianConditional: latents \(input.shape) and rows \(rows.shape) must have one shape.")
        let symbols = try Latents.symbols(input, means: means)
        return try Latents.streams(of: symbols, tables: tables(), rows: { rows.selected(axis: 0, index: $0).scalars() }, run: 1)
    }

    /// - Parameter rows: of the tables, int32 [streams.count, …].
    /// - Returns: the rounded latents, in the shape of the rows.
    /// - Throws: ``EntropyCodingError`` without tables, and for streams that were not written with these rows.
    public func decompress(_ streams: [[UInt8]], rows: Tensor, means: Tensor? = nil) throws -> Tensor {
        require(rows.rank > 0 && rows.size(0) == streams.count, "GaussianConditional: \(streams.count) streams for rows \(rows.shape).")
        let symbols = try Latents.decoded(
            streams, tables: tables(), rows: { rows.selected(axis: 0, index: $0).scalars() }, run: 1,
            shape: Array(rows.shape.dropFirst()), device: rows.device)
        return withoutGradients { symbols.to(dtype: means?.dtype ?? .float32) + (means ?? Tensor(scalar: Float(0)).to(device: rows.device)) }
    }
}
