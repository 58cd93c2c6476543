import Foundation
public import Torch

/// Which keys a query may look at.
public enum AttentionMask {
    /// All.
    case none
    /// Key `j` from query `i` if `j ≤ i` (with as many keys as queries).
    case causal
    /// Those where a Boolean tensor that broadcasts to [batch, heads, queries, keys] is true.
    case allowed(Tensor)
    /// All, with numbers that broadcast to [batch, heads, queries, keys] added to the scores.
    case additive(Tensor)

    /// All keys but padding.
    /// - Parameter padded: Boolean, shape [batch, keys], true where a key is padding.
    public static func keyPadding(_ padded: Tensor) -> AttentionMask {
        .allowed(padded.logicalNot().reshaped([padded.size(0), 1, 1, padded.size(1)]))
    }

    /// What is added to the scores of the given shape; nil for nothing.
    func bias(like scores: Tensor) -> Tensor? {
        switch self {
        case .none: return nil
        case .additive(let bias): return bias
        case .allowed(let allowed):
            return Tensor.zeros(like: scores).filled(where: allowed.logicalNot(), with: -.infinity)
        case .causal:
            let queries = scores.size(-2), keys = scores.size(-1)
            let allowed = Tensor.ones([queries, keys], dtype: .bool, device: scores.device).lowerTriangle()
            return Tensor.zeros(like: scores).filled(where: allowed.logicalNot(), with: -.infinity)
        }
    }
}

/// `softmax(Q Kᵀ / √d + mask) V` for several heads (Vaswani et al., arXiv:1706.03762, eq. 1), by libtorch's fused kernels.
/// - Parameters:
///   - query: shape [batch, heads, queries, d].
///   - key: shape [batch, heads, keys, d].
///   - value: shape [batch, heads, keys, dv].
///   - scale: instead of 1/√d.
/// - Returns: shape [batch, heads, queries, dv].
public func scaledDotProductAttention(
    query: Tensor, key: Tensor, value: Tensor, mask: AttentionMask = .none, scale: Double? = nil
) -> Tensor {
    require(
        query.rank == key.rank && key.rank == value.rank && query.size(-1) == key.size(-1) && key.size(-2) == value.size(-2),
        "scaledDotProductAttention: query \(query.shape), key \(key.shape) and value \(value.shape) do not fit.")
    return switch mask {
    case .none: query.attention(keys: key, values: value, scale: scale)
    case .causal: query.attention(keys: key, values: value, causal: true, scale: scale)
    case .allowed(let mask), .additive(let mask): query.attention(keys: key, values: value, mask: mask, scale: scale)
    }
}

/// Multi-head attention with projections (Vaswani et al., arXiv:1706.03762, section 3.2.2), its state dictionary laid
/// out as that of `torch.nn.MultiheadAttention`.
public final class MultiHeadAttention: Module, ModeDependent {
    /// The projections of queries, keys and values.
    public enum Projections {
        /// One matrix [3·embeddingSize, embeddingSize].
        case joint(Tensor)
        /// Three matrices [embeddingSize, input size], for keys and values of other sizes than the queries'.
        case separate(query: Tensor, key: Tensor, value: Tensor)

        /// The three matrices.
        var matrices: [Tensor] {
            switch self {
            case .joint(let weight): (0..<3).map { weight[$0 * weight.size(1)..<($0 + 1) * weight.size(1)] }
            case .separate(let query, let key, let value): [query, key, value]
            }
        }
    }

    public let embeddingSize: Int, headCount: Int
    public let projections: Projections
    /// Shape [3·embeddingSize].
    public let projectionBias: Tensor?
    public let output: Linear
    /// Applied to the attention probabilities while training.
    public let dropout: Dropout
    public var mode = ModuleMode.training

    /// - Parameters:
    ///   - keySize: of the key vectors; `embeddingSize` if nil.
    ///   - valueSize: of the value vectors; `embeddingSize` if nil.
    ///   - dropout: probability that an attention probability is dropped while training.
    public init(
        embeddingSize: Int, headCount: Int, keySize: Int? = nil, valueSize: Int? = nil, bias: Bool = true, dropout: Double = 0,
        generator: RandomGenerator
    ) {
        require(
            headCount > 0 && embeddingSize % headCount == 0,
            "MultiHeadAttention: an embedding of \(embeddingSize) does not divide into \(headCount) heads.")
        self.embeddingSize = embeddingSize
        self.headCount = headCount
        output = Linear(inputSize: embeddingSize, outputSize: embeddingSize, bias: bias, generator: generator)
        if let bias = output.bias { Initializer.zeros.fill(bias, generator: generator) }
        let initializer = Initializer.xavierUniform()
        if (keySize ?? embeddingSize, valueSize ?? embeddingSize) == (embeddingSize, embeddingSize) {
            projections = .joint(initializer.parameter([3 * embeddingSize, embeddingSize], generator: generator))
        } else {
            projections = .separate(
                query: initializer.parameter([embeddingSize, embeddingSize], generator: generator),
                key: initializer.parameter([embeddingSize, keySize ?? embeddingSize], generator: generator),
                value: initializer.parameter([embeddingSize, valueSize ?? embeddingSize], generator: generator))
        }
        projectionBias = bias ? Tensor.zeros([3 * embeddingSize], device: generator.device).requiringGrad() : nil
        self.dropout = Dropout(dropout, generator: generator)
    }

    public func visit(_ v: inout ParameterVisitor) {
        switch projections {
        case .joint(let weight):
            v("in_proj_weight", weight)
        case .separate(let query, let key, let value):
            v("q_proj_weight", query)
            v("k_proj_weight", key)
            v("v_proj_weight", value)
        }
        v("in_proj_bias", projectionBias)
        v("out_proj", output)
        v("dropout", dropout)
    }

    /// Attention of a sequence to itself: shape [batch, positions, embeddingSize] in and out.
    public func callAsFunction(_ input: Tensor, mask: AttentionMask = .none) -> Tensor {
        self(query: input, key: input, value: input, mask: mask)
    }

    /// - Parameters:
    ///   - query: shape [batch, queries, embeddingSize].
    ///   - key: shape [batch, keys, keySize].
    ///   - value: shape [batch, keys, valueSize].
    /// - Returns: shape [batch, queries, embeddingSize].
    public func callAsFunction(query: Tensor, key: Tensor, value: Tensor, mask: AttentionMask = .none) -> Tensor {
        let heads = projectedHeads(query, key, value)
        let mixed: Tensor
        if mode == .training && dropout.probability > 0 {
            mixed = dropout(probabilities(heads[0], heads[1], mask)).matmul(heads[2])
        } else {
            mixed = scaledDotProductAttention(query: heads[0], key: heads[1], value: heads[2], mask: mask)
        }
        return output(mixed.transposed(1, 2).reshaped([query.size(0), query.size(1), embeddingSize]))
    }

    /// How much each query looks at each key: shape [batch, heads, queries, keys], rows sum to 1.
    public func probabilities(query: Tensor, key: Tensor, mask: AttentionMask = .none) -> Tensor {
        let matrices = projections.matrices
        return probabilities(heads(query, matrices[0], 0), heads(key, matrices[1], 1), mask)
    }

    private func probabilities(_ query: Tensor, _ key: Tensor, _ mask: AttentionMask) -> Tensor {
        let scores = query.matmul(key.transposed(-2, -1)) / Double(embeddingSize / headCount).squareRoot()
        return (mask.bias(like: scores).map { scores + $0 } ?? scores).softmax(axis: -1)
    }

    private func projectedHeads(_ query: Tensor, _ key: Tensor, _ value: Tensor) -> [Tensor] {
        let matrices = projections.matrices
        for (input, matrix) in zip([query, key, value], matrices) {
            require(
                input.rank == 3 && input.size(-1) == matrix.size(1) && input.size(0) == query.size(0),
                "MultiHeadAttention: an input must be [\(query.size(0)), positions, \(matrix.size(1))], found shape \(input.shape).")
        }
        return zip([query, key, value], matrices).enumerated().map { heads($1.0, $1.1, $0) }
    }

    /// Projects and splits into heads: shape [batch, heads, positions, headSize].
    private func heads(_ input: Tensor, _ matrix: Tensor, _ index: Int) -> Tensor {
        let bias = projectionBias?[index * embeddingSize..<(index + 1) * embeddingSize]
        return input.linear(weight: matrix, bias: bias)
            .reshaped([input.size(0), input.size(1), headCount, embeddingSize / headCount]).transposed(1, 2)
    }
}
