public import Torch
public import TorchNN

/// A sparse autoencoder: x̂ = Σ f_i · atom_i + b_dec with a sparse code f of x.
///
/// The decoder is the same for all architectures; what makes the code is the ``encoder``. Weights are stored as [F, D], one
/// row a feature, in encoder and decoder alike. Losses and codes live in the *normalised* scale
/// (``SparseAutoencoderConfiguration/normalization``); `encode` and `decode` take and give activations as they are.
public final class SparseAutoencoder: Module, ActivationDictionary {
    public internal(set) var configuration: SparseAutoencoderConfiguration
    public let encoder: any FeatureEncoder
    /// The features' directions W_dec, shape [F, D], in the normalised scale.
    public let atoms: Tensor
    /// b_dec, shape [D].
    public let decoderBias: Tensor

    /// A model around given parts, which are shared, not copied.
    /// - Parameters:
    ///   - atoms: shape [F, D].
    ///   - decoderBias: shape [D].
    public init(configuration: SparseAutoencoderConfiguration, encoder: any FeatureEncoder, atoms: Tensor, decoderBias: Tensor) {
        let sizes = [configuration.dictionarySize, configuration.inputSize]
        require(
            atoms.shape == sizes && decoderBias.shape == [sizes[1]] && encoder.featureCount == sizes[0],
            "SparseAutoencoder: atoms \(atoms.shape), bias \(decoderBias.shape) and \(encoder.featureCount) features for \(sizes)")
        self.configuration = configuration
        self.encoder = encoder
        self.atoms = atoms
        self.decoderBias = decoderBias
    }

    /// A model with random atoms of the norm `atomNorm`, the encoder a copy of the decoder times `encoderScale`, zero biases.
    public convenience init(
        configuration: SparseAutoencoderConfiguration, atomNorm: Double = 1, encoderScale: Double = 1, dtype: DType = .float32,
        generator: RandomGenerator
    ) {
        let shape = [configuration.dictionarySize, configuration.inputSize]
        let atoms = Tensor.normal(shape, dtype: dtype, generator: generator)
        atoms.divideInPlace(by: atoms.norm(axes: [1], keepingDimensions: true) / atomNorm)
        let weight = (atoms * encoderScale).requiringGrad()
        let bias = Tensor.zeros([shape[0]], dtype: dtype, device: generator.device).requiringGrad()
        self.init(
            configuration: configuration, encoder: configuration.encoder.settings.makeEncoder(weight: weight, bias: bias),
            atoms: atoms.requiringGrad(),
            decoderBias: Tensor.zeros([shape[1]], dtype: dtype, device: generator.device).requiringGrad())
    }

    public func visit(_ v: inout ParameterVisitor) {
        v("encoder", encoder)
        v("decoder.atoms", atoms)
        v("decoder.bias", decoderBias)
    }

    /// How `encode` selects features.
    public var inference: InferenceRule {
        get { configuration.inference }
        set { configuration.inference = newValue }
    }

    public var inputSize: Int { configuration.inputSize }
    public var dictionarySize: Int { configuration.dictionarySize }

    // MARK: Forward

    /// What the encoder sees of normalised rows: the rows, without the decoder's bias unless the configuration says otherwise.
    public func encoderInput(_ normalizedRows: Tensor) -> Tensor {
        configuration.subtractsDecoderBias ? normalizedRows - decoderBias : normalizedRows
    }

    /// Σ f_i · atom_i + b_dec in the normalised scale, shape [B, D].
    public func decodeNormalized(_ code: FeatureCode) -> Tensor { code.decoded(atoms: atoms) + decoderBias }

    public func encode(_ input: Tensor) -> FeatureCode {
        checkWidth(of: input)
        return encodeNormalized(configuration.normalization.normalize(input).rows)
    }

    public func decode(_ code: FeatureCode, of input: Tensor? = nil) -> Tensor {
        let normalized: InputNormalization.Normalized
        if configuration.normalization.dependsOnRow {
            guard let input else { preconditionFailure("decode: \(configuration.normalization) needs the input to undo it") }
            normalized = configuration.normalization.normalize(input)
        } else {
            // A fixed factor does not depend on the rows.
            normalized = configuration.normalization.normalize(decoderBias.unsqueezed(0))
        }
        return normalized.restored(decodeNormalized(code))
    }

    public func reconstruct(_ input: Tensor) -> Reconstruction {
        checkWidth(of: input)
        let normalized = configuration.normalization.normalize(input)
        let code = encodeNormalized(normalized.rows)
        return Reconstruction(code: code, output: normalized.restored(decodeNormalized(code)))
    }

    private func encodeNormalized(_ rows: Tensor) -> FeatureCode {
        let rows = encoderInput(rows)
        switch configuration.inference {
        case .asTrained: return encoder.encode(rows, in: EncodingContext(atoms: atoms)).code
        case .threshold:
            let linear = encoder as? any LinearFeatureEncoder
            require(
                configuration.threshold != nil && linear != nil,
                "encode: this model has no threshold; use .asTrained")
            let thresholds = Tensor.full([dictionarySize], configuration.threshold ?? 0, dtype: rows.dtype, device: rows.device)
            return linear?.encode(rows, threshold: thresholds) ?? .dense(rows)
        }
    }

    private func checkWidth(of input: Tensor) {
        require(
            input.rank == 2 && input.size(1) == inputSize,
            "SparseAutoencoder: inputs must have shape [B, \(inputSize)], found \(input.shape)")
    }

    /// The atoms in the scale of the input, detached. For normalisations that depend on the row there is no such scale; then
    /// they are the atoms themselves.
    public var decoderDirections: Tensor {
        if case .scaled(let factor) = configuration.normalization { return atoms.detached() / factor }
        return atoms.detached()
    }

    // MARK: Changing

    /// A model of its own with the same values.
    public func copy() -> SparseAutoencoder {
        let copy = SparseAutoencoder(
            configuration: configuration, generator: RandomGenerator(seed: 0, device: atoms.device))
        copy.move(dtype: atoms.dtype)
        let own = namedParameters() + namedBuffers()
        withoutGradients {
            for (target, source) in zip(copy.namedParameters() + copy.namedBuffers(), own) { target.tensor.copyInPlace(from: source.tensor) }
        }
        return copy
    }

    /// Changes what does not touch the weights: origin, threshold.
    public func updateConfiguration(_ change: (inout SparseAutoencoderConfiguration) -> Void) {
        var changed = configuration
        change(&changed)
        require(
            changed.inputSize == inputSize && changed.dictionarySize == dictionarySize && changed.encoder == configuration.encoder,
            "updateConfiguration: sizes and encoder are those of the weights")
        configuration = changed
    }
}
