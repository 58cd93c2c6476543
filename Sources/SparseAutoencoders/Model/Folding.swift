internal import Torch

extension SparseAutoencoder {
    /// What stays as it is when the input's scale is folded into the weights.
    public enum ScaleFolding: Sendable {
        /// Atoms keep their norms, codes change by the factor (dictionary_learning): W_enc stays, biases and threshold
        /// are divided by the factor.
        case keepingAtoms
        /// Codes stay, atoms change (SAELens): W_enc·s, W_dec/s, b_dec/s.
        case keepingCodes
    }

    /// Rewrites the weights so that the model takes activations as they are, with the same reconstructions. Does nothing
    /// without a fixed factor.
    /// - Throws: ``FoldingError`` where the architecture or normalisation does not allow it.
    public func foldInputScale(_ folding: ScaleFolding = .keepingAtoms) throws {
        switch configuration.normalization {
        case .none: return
        case .constantNorm, .layerNorm:
            throw FoldingError("a normalisation of each row by itself cannot be folded into weights; keep it in the configuration")
        case .scaled(let factor):
            try encoder.scaleInputs(by: 1 / factor)
            try withoutGradients {
                decoderBias.divideInPlace(by: factor)
                switch folding {
                case .keepingCodes:
                    atoms.divideInPlace(by: factor)
                case .keepingAtoms:
                    try encoder.scaleCodes(by: Tensor.full([dictionarySize], 1 / factor, dtype: atoms.dtype, device: atoms.device))
                }
            }
            configuration.encoder = configuration.encoder.withInputs(scaledBy: 1 / factor)
            updateConfiguration {
                $0.normalization = .none
                if folding == .keepingAtoms { $0.threshold = $0.threshold.map { $0 / factor } }
            }
        }
    }

    /// Gives every atom the norm 1 and multiplies its code by the norm it had; x̂ is unchanged. Atoms of norm 0 stay.
    /// - Throws: ``FoldingError`` if features would be selected differently: TopK encoders, and models with a threshold.
    public func foldDecoderNorms() throws {
        let norms = withoutGradients { atoms.norm(axes: [1]) }
        let factors = norms.filled(where: norms.equals(0), with: 1)
        if configuration.threshold != nil, factors.notEquals(1).any().item() != 0 {
            throw FoldingError("decoder norms cannot be folded into a model with one threshold for all features; remove the threshold first")
        }
        try encoder.scaleCodes(by: factors)
        withoutGradients { _ = atoms.divideInPlace(by: factors.unsqueezed(1)) }
    }
}
