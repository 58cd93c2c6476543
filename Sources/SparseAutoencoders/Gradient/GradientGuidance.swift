public import Torch

/// A model used with gradients: features are chosen for some rows whose gradients are known.
///
/// The gradient of a language model's loss knows the tokens that follow, so what is measured this way is an upper bound: text
/// cannot be generated with it.
public final class GradientGuidedDictionary: ActivationDictionary {
    public let model: SparseAutoencoder
    /// Of the rows that are going to be encoded, in their order, shape [B, D].
    public let gradients: Tensor

    public init(_ model: SparseAutoencoder, gradients: Tensor) {
        self.model = model
        self.gradients = gradients
    }

    public var inputSize: Int { model.inputSize }
    public var dictionarySize: Int { model.dictionarySize }
    public var decoderDirections: Tensor { model.decoderDirections }

    public func encode(_ input: Tensor) -> FeatureCode {
        require(
            input.shape == gradients.shape, "GradientGuidedDictionary: inputs \(input.shape) with gradients \(gradients.shape)")
        let rows = model.configuration.normalization.normalize(input).rows
        return model.encoder.encode(model.encoderInput(rows), in: EncodingContext(atoms: model.atoms, gradients: gradients)).code
    }

    public func decode(_ code: FeatureCode, of input: Tensor?) -> Tensor { model.decode(code, of: input) }
}

extension SparseAutoencoder {
    /// This model choosing features by the gradients of the rows it is given next.
    /// - Parameter gradients: shape [B, D], for exactly B rows.
    public func guided(by gradients: Tensor) -> GradientGuidedDictionary { GradientGuidedDictionary(self, gradients: gradients) }

    /// This model choosing by the gradients of a batch's rows; nil for rows without.
    func guided(byGradientsOf rows: ActivationBatch) -> GradientGuidedDictionary? { rows.gradients.map(guided) }

    /// A model with the same weights, shared, that chooses as many features by gradients where there are some: the control that
    /// tells what training with gradients gives from what choosing with them gives. Traps unless the model is one of TopK or
    /// gradient TopK.
    public func choosingByGradients(
        beta: Double, score: GradientTopKEncoder.Score = .augmented, gradientScale: Double
    ) -> SparseAutoencoder {
        let k: Int
        let linear: any LinearFeatureEncoder
        switch encoder {
        case let encoder as TopKEncoder: (k, linear) = (encoder.k, encoder)
        case let encoder as GradientTopKEncoder: (k, linear) = (encoder.settings.k, encoder)
        default: preconditionFailure("choosingByGradients: a TopK model is needed, this one is '\(configuration.encoder)'")
        }
        let settings = GradientTopKEncoder.Settings(k: k, beta: beta, score: score, gradientScale: gradientScale)
        var changed = configuration
        changed.encoder = .gradientTopK(settings)
        return SparseAutoencoder(
            configuration: changed, encoder: GradientTopKEncoder(weight: linear.weight, bias: linear.bias, settings: settings),
            atoms: atoms, decoderBias: decoderBias)
    }

    /// Metrics over rows with features chosen by their gradients.
    /// - Throws: ``TrainingError/gradientsMissing(architecture:)`` for rows without gradients.
    public func evaluate(_ rows: ActivationBatch, batchSize: Int = 2_048) throws -> ReconstructionMetrics {
        guard let gradients = rows.gradients else { throw TrainingError.gradientsMissing(architecture: configuration.encoder.name) }
        let evaluation = ReconstructionEvaluation(of: self)
        for (batch, gradients) in zip(rows.activations.split(size: batchSize), gradients.split(size: batchSize)) {
            evaluation.add(batch, by: guided(by: gradients))
        }
        return evaluation.metrics
    }
}
