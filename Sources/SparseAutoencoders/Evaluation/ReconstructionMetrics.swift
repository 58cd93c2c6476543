internal import Foundation
internal import Torch

/// How well and how sparsely a dictionary rebuilds activations, over a whole evaluation set of N inputs.
///
/// x is an input, x̂ its reconstruction, e = x − x̂, f its code, all in the scale of the input.
public struct ReconstructionMetrics: Codable, Sendable, Equatable {
    /// N.
    public var inputCount: Int
    /// Mean number of features with f ≠ 0.
    public var l0: Double
    /// Mean Σ|f|.
    public var l1: Double
    /// Mean ‖e‖², summed over dimensions.
    public var meanSquaredError: Double
    /// Mean cosine of x and x̂; a row of zeros counts as 0.
    public var cosineSimilarity: Double
    /// Fraction of variance unexplained: Σ‖e‖² / Σ‖x − x̄‖², x̄ the mean of the whole set in each dimension.
    public var fractionOfVarianceUnexplained: Double
    /// Mean of ‖e‖²/‖x‖² (OpenAI's normalised MSE); rows of zeros are left out.
    public var normalizedMSE: Double
    /// γ = E‖x̂‖² / E⟨x, x̂⟩: 1 without shrinkage, less with it (Rajamanoharan et al. 2024, arXiv:2404.16014, eq. 10).
    public var relativeReconstructionBias: Double
    /// Mean of ‖x̂‖/‖x‖; rows of zeros are left out.
    public var l2Ratio: Double
    public var otherExplainedVariances: OtherExplainedVariances
    public var density: FeatureDensity

    /// 1 − FVU.
    public var explainedVariance: Double { 1 - fractionOfVarianceUnexplained }

    /// What other libraries call explained variance, under names of their own since the numbers differ.
    public struct OtherExplainedVariances: Codable, Sendable, Equatable {
        /// dictionary_learning: 1 − Σ_d Var(e_d) / Σ_d Var(x_d). A constant error costs nothing.
        public var dictionaryLearning: Double
        /// SAELens' `explained_variance`: 1 − E‖e‖² / (E‖x‖² − (E‖x‖²/D)²). It subtracts the square of a mean square where
        /// the square of a mean belongs, so it depends on the unit of x (SAELens issue 659).
        public var saeLens: Double
        /// SAELens' `explained_variance_legacy`: the mean over tokens of 1 − ‖e‖²/‖x − x̄_batch‖²; it depends on the batches.
        public var saeLensLegacy: Double
    }
}

/// How often features are active.
public struct FeatureDensity: Codable, Sendable, Equatable {
    /// In how many inputs each feature was active.
    public let firingCounts: [Int]
    public let inputCount: Int

    public init(firingCounts: [Int], inputCount: Int) {
        require(inputCount > 0 && firingCounts.allSatisfy { (0...inputCount).contains($0) }, "FeatureDensity: impossible counts")
        self.firingCounts = firingCounts
        self.inputCount = inputCount
    }

    /// The part of the inputs in which each feature was active.
    public var densities: [Double] { firingCounts.map { Double($0) / Double(inputCount) } }

    /// The part of the features that were active at all.
    public var aliveFraction: Double { fraction { $0 > 0 } }
    public var deadFraction: Double { 1 - aliveFraction }
    /// The part of the features that were active in more than 1 % of the inputs.
    public var denseFraction: Double { fraction { $0 > 0.01 } }
    /// The part of the features that were active in more than 10 % of the inputs.
    public var veryDenseFraction: Double { fraction { $0 > 0.1 } }

    private func fraction(_ condition: (Double) -> Bool) -> Double {
        firingCounts.isEmpty ? 0 : Double(densities.count(where: condition)) / Double(firingCounts.count)
    }

    /// log₁₀ of the densities of features that were active.
    public var log10Densities: [Double] { densities.filter { $0 > 0 }.map { log10($0) } }

    /// A histogram over log₁₀ density, in equal bins from 1/N to 1; features that were never active are left out.
    public func histogram(bins: Int) -> [Bin] {
        require(bins > 0, "histogram: \(bins) bins")
        let low = -log10(Double(max(inputCount, 2)))
        let width = -low / Double(bins)
        var counts = [Int](repeating: 0, count: bins)
        for value in log10Densities { counts[min(bins - 1, max(0, Int((value - low) / width)))] += 1 }
        return counts.enumerated().map { Bin(from: low + Double($0) * width, to: low + Double($0 + 1) * width, count: $1) }
    }

    /// Features with a log₁₀ density between two bounds.
    public struct Bin: Codable, Sendable, Equatable {
        public let from: Double
        public let to: Double
        public let count: Int
    }
}
