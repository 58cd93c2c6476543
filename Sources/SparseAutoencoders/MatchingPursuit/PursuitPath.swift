public import Networks
public import Torch

/// How one token's activation is put together, an atom at a time: what the token is mostly about first, then what is left.
public struct PursuitPath: Codable, Sendable, Equatable {
    /// Place in the text; a beginning-of-sequence token, where there is one, has the place 0 and no path.
    public var position: Int
    /// What the token adds to the text.
    public var text: String
    public var picks: [Pick]

    /// One step of a pursuit.
    public struct Pick: Codable, Sendable, Equatable {
        public var atom: Int
        /// How much of the atom is taken, in the model's scale.
        public var value: Double
        /// ‖residual‖ after the step as a part of ‖x − b_dec‖; it never rises.
        public var residual: Double
    }
}

extension SparseAutoencoder {
    /// The steps of each input's pursuit, in order. Traps for other architectures.
    /// - Parameter input: shape [B, D].
    public func pursuitSteps(of input: Tensor) -> [[PursuitPath.Pick]] {
        withoutGradients {
            let rows = encoderInput(configuration.normalization.normalize(input).rows)
            let sequence = pursuit(of: input).sequence
            let norms = rows.norm(axes: [1]).clamped(minimum: 1e-30)
            var residual = rows
            var picks = [[PursuitPath.Pick]](repeating: [], count: input.size(0))
            for step in 0..<sequence.values.size(1) {
                let values = sequence.values.narrowed(axis: 1, from: step, count: 1)
                let indices = sequence.indices.narrowed(axis: 1, from: step, count: 1).reshaped([-1])
                residual = residual - values * atoms.gathered(indices: indices)
                let left = (residual.norm(axes: [1]) / norms).scalars(as: Double.self)
                let taken = values.reshaped([-1]).scalars(as: Double.self), chosen = indices.scalars(as: Int.self)
                // After a row's end there are only zeros.
                for row in picks.indices where taken[row] != 0 {
                    picks[row].append(PursuitPath.Pick(atom: chosen[row], value: taken[row], residual: left[row]))
                }
            }
            return picks
        }
    }

    /// Whether codes have an order of picks.
    public var isMatchingPursuit: Bool { encoder is MatchingPursuitEncoder }

    /// The pursuit of every token of a text.
    /// - Parameters:
    ///   - prependsBOS: whether the text's context begins with the token for beginnings, as the autoencoder's contexts did.
    /// - Throws: ``FeatureError`` if the hook's activations have another width; what the model fails with.
    public func pursuitPaths(of text: String, in model: TextModel, at hook: HookPoint, prependsBOS: Bool = true) throws -> [PursuitPath] {
        let width = try model.width(of: hook)
        guard width == inputSize else { throw FeatureError.widthMismatch(dictionary: inputSize, activations: width) }
        var tokens = model.tokenizer.encode(text, addSpecialTokens: false, readsControlTokens: false).map { Int32(clamping: $0) }
        let beginning = prependsBOS ? model.tokenizer.specialTokens.bos ?? model.tokenizer.specialTokens.eos : nil
        if let beginning { tokens.insert(Int32(clamping: beginning), at: 0) }
        let first = beginning == nil ? 0 : 1
        guard tokens.count > first else { return [] }
        let activations = try inferenceMode { try model.activations(at: hook, contexts: [tokens]) }[0]
        let steps = pursuitSteps(of: activations.narrowed(axis: 0, from: first, count: tokens.count - first))
        return zip(model.texts(of: Array(tokens[first...])), steps).enumerated().map { index, token in
            PursuitPath(position: index + first, text: token.0, picks: token.1)
        }
    }
}
