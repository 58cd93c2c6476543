public import Experiments
internal import Foundation
public import Torch

/// How well the norms of codes agree with the norms of what they stand for (Lee et al. 2025, arXiv:2503.24277): a diagnosis of any
/// autoencoder that needs no labels.
///
/// If z = Σ f_i d_i with unit directions whose products are at most ε, then ‖z‖²/(1 + ε(h−1)) ≤ ‖f‖² ≤ ‖z‖²/(1 − ε(h−1)): with nearly
/// orthogonal directions ‖f‖ ≈ ‖z‖. Activations that are no multiples of unit directions are scaled by their atoms' norms, and the
/// decoder's bias counts as one more feature of activation ‖b_dec‖. All norms are in the model's normalised scale.
public struct NormAgreement: Sendable {
    /// One token.
    public struct Token: Codable, Sendable, Equatable {
        /// ‖z‖.
        public var inputNorm: Double
        /// ‖f‖.
        public var codeNorm: Double
        /// ‖ẑ‖.
        public var outputNorm: Double
        /// ‖z − ẑ‖² / ‖z‖².
        public var loss: Double
        /// Features that are not 0.
        public var activeFeatures: Int

        /// The least ε that can explain the mismatch: |‖z‖² − ‖f‖²| / ((h − 1)‖f‖²); infinite for a code of zeros.
        /// - Parameter featureCount: h.
        public func epsilonLowerBound(featureCount: Int) -> Double {
            let squared = codeNorm * codeNorm
            return abs(inputNorm * inputNorm - squared) / (Double(featureCount - 1) * squared)
        }
    }

    /// h: the dictionary's features, and one for the decoder's bias.
    public let featureCount: Int
    public private(set) var tokens: [Token] = []

    /// - Parameter model: which ``add(_:of:)`` will be given.
    public init(of model: SparseAutoencoder) { featureCount = model.dictionarySize + 1 }

    /// - Parameter inputs: shape [N, D].
    public init(of model: SparseAutoencoder, on inputs: Tensor, batchSize: Int = 2_048) {
        self.init(of: model)
        for batch in inputs.split(size: batchSize) { add(batch, of: model) }
    }

    /// Measures contexts of a store, without attention sinks.
    /// - Throws: ``StoreError``, `RunInterrupted`.
    public init(
        of model: SparseAutoencoder, on source: FeatureSource, progress: any ProgressReporter = SilentProgress(),
        cancellation: Cancellation = Cancellation()
    ) throws {
        self.init(of: model)
        try source.forEachOrdinaryBatch("Comparing norms", progress, cancellation) { add($0.activations, of: model) }
    }

    /// Measures more rows, shape [B, D].
    public mutating func add(_ inputs: Tensor, of model: SparseAutoencoder) {
        withoutGradients {
            let rows = model.configuration.normalization.normalize(inputs).rows
            let code = model.encode(inputs)
            let output = model.decodeNormalized(code)
            let bias = model.decoderBias.squared().sum()
            let codeNorms = (code.scaled(by: model.atoms.norm(axes: [1])).squaredSums() + bias).sqrt()
            let inputNorms = rows.norm(axes: [1])
            let losses = (rows - output).squared().sum(axis: 1) / rows.squared().sum(axis: 1)
            let columns = [inputNorms, codeNorms, output.norm(axes: [1]), losses].map { $0.to(dtype: .float64).scalars(as: Double.self) }
            for (index, count) in code.activeCounts().scalars(as: Int.self).enumerated() {
                tokens.append(
                    Token(
                        inputNorm: columns[0][index], codeNorm: columns[1][index], outputNorm: columns[2][index], loss: columns[3][index],
                        activeFeatures: count))
            }
        }
    }

    /// A few numbers over all tokens.
    public struct Summary: Codable, Sendable, Equatable {
        /// Median of ‖f‖/‖z‖: 1 in agreement, more for over-active codes.
        public var medianRatio: Double
        /// The part of the tokens with ‖f‖ > ‖z‖.
        public var overActiveShare: Double
        /// Mean |‖f‖ − ‖z‖| / mean ‖z‖.
        public var meanMismatch: Double
        /// Quantiles .5, .9 and .99 of the lower bounds of ε.
        public var epsilonQuantiles: [Double]
        /// Mean and standard deviation of the number of active features.
        public var activeMean: Double
        public var activeDeviation: Double
        /// Pearson's correlation of the number of active features and ‖z‖; nil where all tokens have as many, or norms do not differ.
        public var activeNormCorrelation: Double?
    }

    public var summary: Summary {
        func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
        func quantile(_ sorted: [Double], _ part: Double) -> Double {
            sorted.isEmpty ? .nan : sorted[min(sorted.count - 1, Int(part * Double(sorted.count)))]
        }
        let inputs = tokens.map(\.inputNorm), counts = tokens.map { Double($0.activeFeatures) }
        let activeMean = mean(counts)
        let deviation = mean(counts.map { ($0 - activeMean) * ($0 - activeMean) }).squareRoot()
        let activeNorm = correlation(counts, inputs)
        let bounds = epsilonLowerBounds.sorted()
        return Summary(
            medianRatio: quantile(tokens.map { $0.codeNorm / $0.inputNorm }.sorted(), 0.5),
            overActiveShare: mean(tokens.map { $0.codeNorm > $0.inputNorm ? 1 : 0 }),
            meanMismatch: mean(tokens.map { abs($0.codeNorm - $0.inputNorm) }) / mean(inputs),
            epsilonQuantiles: [0.5, 0.9, 0.99].map { quantile(bounds, $0) }, activeMean: activeMean, activeDeviation: deviation,
            activeNormCorrelation: activeNorm.isNaN ? nil : activeNorm)
    }

    /// Of every token.
    public var epsilonLowerBounds: [Double] { tokens.map { $0.epsilonLowerBound(featureCount: featureCount) } }

    /// A line a token with the columns of the paper's tables: `ztz,ftf,norm_z,norm_f,norm_z_hat,l_recon,l0,epsilon_lbo`.
    public var csv: String {
        let lines = tokens.map { token in
            let numbers = [
                token.inputNorm * token.inputNorm, token.codeNorm * token.codeNorm, token.inputNorm, token.codeNorm, token.outputNorm, token.loss,
            ]
            return (numbers.map { "\($0)" } + ["\(token.activeFeatures)", "\(token.epsilonLowerBound(featureCount: featureCount))"])
                .joined(separator: ",")
        }
        return (["ztz,ftf,norm_z,norm_f,norm_z_hat,l_recon,l0,epsilon_lbo"] + lines).joined(separator: "\n") + "\n"
    }
}

extension FeatureCode {
    /// Every activation times a number of its feature.
    /// - Parameter factors: shape [F].
    fileprivate func scaled(by factors: Tensor) -> FeatureCode {
        switch self {
        case .sparse(let code):
            .sparse(code.with(values: code.values * factors.gathered(indices: code.indices.reshaped([-1])).reshaped(code.indices.shape)))
        case .dense(let activations): .dense(activations * factors)
        }
    }
}
