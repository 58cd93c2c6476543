public import Torch

/// How much alike the decoder directions of a dictionary are that are active together, and how much alike all of them are.
public enum Coherence {
    /// Tropp's Babel function of a set of directions (Tropp 2004): μ(r) is the largest sum of |cosines| between one direction and
    /// r others; 0 for orthogonal ones, r for copies.
    /// - Parameters:
    ///   - directions: shape [F, D].
    ///   - counts: the r, at least 1; those of F and more are measured with all F − 1 others.
    public static func babel(_ directions: Tensor, counts: [Int], chunk: Int = 1_024) -> [Double] {
        withoutGradients {
            let units = directions.to(dtype: .float32).unitRows()
            let count = units.size(0), others = count - 1
            guard others > 0, let most = counts.max() else { return counts.map { _ in 0 } }
            let sums = stride(from: 0, to: count, by: chunk).map { start in
                let length = min(chunk, count - start)
                let cosines = units.narrowed(axis: 0, from: start, count: length).matmul(units.transposed()).abs()
                cosines.narrowed(axis: 1, from: start, count: length).diagonal().fillInPlace(0)
                return cosines.topK(min(most, others)).values.cumulativeSum(axis: 1).max(axes: [0])
            }
            let largest = sums.map { $0.scalars(as: Double.self) }
            return counts.map { r in largest.map { $0[min(r, others) - 1] }.max() ?? 0 }
        }
    }

    /// Effective rank of a set of directions (Roy & Vetterli 2007): the exponential of the entropy of their singular values as
    /// shares; m for m orthogonal directions, 1 for copies.
    /// - Parameter directions: shape [m, D].
    public static func effectiveRank(_ directions: Tensor) -> Double {
        withoutGradients {
            let singular = directions.to(dtype: .float64).unitRows().svd().s
            let shares = singular / singular.sum()
            return (-(shares * shares.clamped(minimum: 1e-30).log()).sum()).exp().item()
        }
    }
}

/// Means over inputs of what ``Coherence`` measures, for the features that are active together.
public struct CoActivation: Sendable, Equatable {
    /// Babel function at each of the counts.
    public let babel: [Double]
    public let effectiveRank: Double
    /// Active features.
    public let l0: Double

    /// - Parameters:
    ///   - counts: the r of the Babel function.
    ///   - input: shape [B, D]; rows with fewer than two active features are left out.
    public init(of dictionary: any ActivationDictionary, on input: Tensor, counts: [Int]) {
        let directions = dictionary.decoderDirections.to(dtype: .float32)
        let isActive = withoutGradients { dictionary.encode(input).dense().notEquals(0) }
        var sums = [Double](repeating: 0, count: counts.count)
        var rank = 0.0, active = 0, measured = 0
        for row in 0..<input.size(0) {
            let features = isActive[row].nonzeroIndices().reshaped([-1])
            guard features.elementCount > 1 else { continue }
            let chosen = directions.gathered(indices: features)
            for (index, value) in Coherence.babel(chosen, counts: counts).enumerated() { sums[index] += value }
            rank += Coherence.effectiveRank(chosen)
            active += features.elementCount
            measured += 1
        }
        let count = Double(max(1, measured))
        babel = sums.map { $0 / count }
        effectiveRank = rank / count
        l0 = Double(active) / count
    }
}

extension Tensor {
    /// Rows divided by their norms; rows of zeros stay.
    func unitRows() -> Tensor { self / norm(axes: [1], keepingDimensions: true).clamped(minimum: 1e-30) }
}
