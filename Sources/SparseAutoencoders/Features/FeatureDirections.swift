public import Torch

/// What a feature's direction does to the network's next-token logits when added to the residual stream, were there no
/// layers in between: direction · W_U, with the gain of the final norm folded into W_U.
///
/// Source: nostalgebraist, "interpreting GPT: the logit lens", 2020; for features Bloom and Lin, "Understanding SAE features
/// with the logit lens", 2024.
public struct LogitLens {
    /// [vocabulary, D].
    private let unembedding: Tensor

    /// A token with its change of logit per unit of the direction's norm.
    public struct Effect: Sendable, Equatable {
        public var token: Int32
        public var logit: Float
    }

    /// The tokens that a feature promotes and suppresses most.
    public struct Effects: Sendable, Equatable {
        /// Falling.
        public var promoted: [Effect]
        /// Rising.
        public var suppressed: [Effect]
    }

    /// - Parameters:
    ///   - unembedding: [vocabulary, D].
    ///   - finalNormGain: [D], the final norm's weight; nil without one.
    ///   - centring: whether the final norm subtracts the mean (LayerNorm does, RMSNorm does not).
    public init(unembedding: Tensor, finalNormGain: Tensor?, centring: Bool) {
        var matrix = unembedding.detached().to(dtype: .float32)
        if let finalNormGain { matrix = matrix * finalNormGain.detached().to(dtype: .float32) }
        // direction − mean(direction) times W is direction times (W − row mean of W).
        if centring { matrix = matrix - matrix.mean(axis: 1, keepingDimensions: true) }
        self.unembedding = matrix
    }

    /// - Parameters:
    ///   - directions: [S, D]; they are taken at norm 1.
    ///   - count: tokens of each kind.
    public func effects(of directions: Tensor, count: Int) -> [Effects] {
        // 64 rows of logits at a time: 13 MB for a vocabulary of 50,000.
        stride(from: 0, to: directions.size(0), by: 64).flatMap { start in
            let rows = directions.narrowed(axis: 0, from: start, count: min(64, directions.size(0) - start))
            let logits = rows.detached().to(dtype: .float32).unitRows().matmul(unembedding.transposed())
            func effects(largest: Bool) -> [[Effect]] {
                let (values, tokens) = logits.topK(min(count, logits.size(1)), largest: largest)
                let columns = values.size(1)
                let all = zip(tokens.scalars(as: Int32.self), values.scalars(as: Float.self)).map { Effect(token: $0, logit: $1) }
                return (0..<rows.size(0)).map { Array(all[$0 * columns..<($0 + 1) * columns]) }
            }
            return zip(effects(largest: true), effects(largest: false)).map { Effects(promoted: $0, suppressed: $1) }
        }
    }
}

/// Features whose directions are nearly that of another.
public struct FeatureNeighbour: Sendable, Equatable {
    public var feature: Int
    public var cosine: Float
}

/// For each of some features the others with the largest cosine between directions; [S, F] at most 64 rows at a time.
///
/// - Parameters:
///   - directions: all directions of the dictionary, [F, D].
///   - count: neighbours per feature.
public func nearestDirections(to features: [Int], among directions: Tensor, count: Int) -> [[FeatureNeighbour]] {
    let units = directions.detached().to(dtype: .float32).unitRows()
    let wanted = min(count + 1, directions.size(0))
    return stride(from: 0, to: features.count, by: 64).flatMap { start -> [[FeatureNeighbour]] in
        let chosen = Array(features[start..<min(features.count, start + 64)])
        let (cosines, indices) = units.gathered(indices: Tensor(chosen)).matmul(units.transposed()).topK(wanted)
        let all = zip(indices.scalars(as: Int.self), cosines.scalars(as: Float.self)).map { FeatureNeighbour(feature: $0, cosine: $1) }
        return chosen.enumerated().map { row, feature in
            Array(all[row * wanted..<(row + 1) * wanted].filter { $0.feature != feature }.prefix(count))
        }
    }
}
