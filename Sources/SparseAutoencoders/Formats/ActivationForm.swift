import Torch

/// How codes come from u = x·Wᵀ + b when a model is used, as far as other libraries know it.
enum ActivationForm {
    /// f = relu(u).
    case relu
    /// The k largest of relu(u) in each row; a threshold that was estimated is kept for whoever wants it.
    case topK(Int, threshold: Double?)
    /// The k largest of |u| in each row, with their signs.
    case absTopK(Int)
    /// f = u·1[u > θ] with one θ ≥ 0, estimated from selections of k features on average; without θ, such a selection.
    case batchTopK(Int, threshold: Double?)
    /// f = u·1[u > θ], θ of shape [F].
    case thresholds(Tensor)
    /// f = 1[π + b > 0]·relu(π·e^r + b_mag), with π = x·Wᵀ.
    case gated(magnitudeBias: Tensor, logScale: Tensor)
    /// Matching pursuit over the atoms, without weights or biases of its own.
    case matchingPursuit(PursuitRules)

    /// - Throws: ``AutoencoderLayoutError`` if the layout has nothing like it.
    init(of model: SparseAutoencoder, layout: AutoencoderLayout) throws {
        func refusal(_ reason: String) -> AutoencoderLayoutError { AutoencoderLayoutError(saving: layout, reason) }
        let configuration = model.configuration
        if let threshold = configuration.threshold, threshold < 0 { throw refusal("its threshold is negative, \(threshold)") }
        switch (model.encoder, configuration.inference) {
        case (let encoder as TopKEncoder, .threshold): self = .batchTopK(encoder.k, threshold: configuration.threshold)
        case (let encoder as TopKEncoder, .asTrained): self = .topK(encoder.k, threshold: configuration.threshold)
        case (let encoder as GradientTopKEncoder, .asTrained): self = .topK(encoder.settings.k, threshold: configuration.threshold)
        case (let encoder as BatchTopKEncoder, _):
            guard let threshold = configuration.threshold else {
                throw refusal("its batchtopk codes depend on the whole batch and it has no threshold; estimate one while training")
            }
            self = .batchTopK(encoder.k, threshold: threshold)
        case (_, .threshold):
            throw refusal("its threshold belongs to \(configuration.encoder) codes, which \(layout.libraryName) does not select by a threshold")
        case (is ReLUEncoder, _): self = .relu
        case (let encoder as JumpReLUEncoder, _): self = .thresholds(encoder.threshold.detached())
        case (let encoder as GatedEncoder, _):
            self = .gated(magnitudeBias: encoder.magnitudeBias.detached(), logScale: encoder.logScale.detached())
        case (let encoder as AbsTopKEncoder, _):
            guard encoder.selection == .row else { throw refusal("its abstopk codes depend on the whole batch, and no library uses a threshold on |u|") }
            self = .absTopK(encoder.k)
        // Used without noise, it selects by its means.
        case (let encoder as VariationalEncoder, _): self = encoder.isSigned ? .absTopK(encoder.settings.k) : .topK(encoder.settings.k, threshold: nil)
        case (let encoder as MatchingPursuitEncoder, _): self = .matchingPursuit(encoder.settings)
        default: throw refusal("\(layout.libraryName) has no \(configuration.encoder) autoencoders")
        }
    }

    /// Name for sentences.
    var name: String {
        switch self {
        case .relu: "relu"
        case .topK: "topk"
        case .absTopK: "abstopk"
        case .batchTopK: "batchtopk"
        case .thresholds: "jumprelu"
        case .gated: "gated"
        case .matchingPursuit: "matchingpursuit"
        }
    }

    var kind: EncoderKind {
        switch self {
        case .relu: .relu
        case .topK(let k, _): .topK(k: k)
        case .absTopK(let k): .absTopK(k: k)
        case .batchTopK(let k, _): .batchTopK(k: k)
        case .thresholds: .jumpReLU
        case .gated: .gated
        case .matchingPursuit(let rules): .matchingPursuit(rules)
        }
    }

    var threshold: Double? {
        switch self {
        case .topK(_, let threshold), .batchTopK(_, let threshold): threshold
        case .relu, .absTopK, .thresholds, .gated, .matchingPursuit: nil
        }
    }
}

/// What a model consists of, in our orientation, between files and the model.
struct AutoencoderParts {
    var form: ActivationForm
    /// W_enc, shape [F, D]. A pursuit's are the atoms.
    var weight: Tensor
    /// Shape [F]; b_gate of gated models.
    var bias: Tensor
    /// Shape [F, D].
    var atoms: Tensor
    /// Shape [D].
    var decoderBias: Tensor
    var subtractsDecoderBias = true
    var normalization = InputNormalization.none
    var origin: ActivationOrigin?

    var inputSize: Int { atoms.size(1) }
    var dictionarySize: Int { atoms.size(0) }

    var configuration: SparseAutoencoderConfiguration {
        var configuration = SparseAutoencoderConfiguration(
            encoder: form.kind, inputSize: inputSize, dictionarySize: dictionarySize, normalization: normalization,
            subtractsDecoderBias: subtractsDecoderBias, threshold: form.threshold, origin: origin)
        if case .batchTopK(_, threshold: _?) = form { configuration.inference = .threshold }
        return configuration
    }

    /// The model around these tensors, which become its parameters. The configuration must make sense.
    func model() -> SparseAutoencoder {
        let weight = weight.contiguous().requiringGrad(), bias = bias.requiringGrad()
        let encoder: any FeatureEncoder
        switch form {
        case .thresholds(let thresholds):
            encoder = JumpReLUEncoder(
                weight: weight, bias: bias, logThreshold: JumpReLUEncoder.logarithm(of: thresholds).requiringGrad(),
                bandwidth: JumpReLUEncoder.Settings().bandwidth)
        case .gated(let magnitudeBias, let logScale):
            encoder = GatedEncoder(weight: weight, bias: bias, magnitudeBias: magnitudeBias.requiringGrad(), logScale: logScale.requiringGrad())
        case .relu, .topK, .absTopK, .batchTopK, .matchingPursuit: encoder = form.kind.settings.makeEncoder(weight: weight, bias: bias)
        }
        return SparseAutoencoder(
            configuration: configuration, encoder: encoder, atoms: atoms.contiguous().requiringGrad(), decoderBias: decoderBias.requiringGrad())
    }

    /// Moves W·b_dec between x − b_dec and the encoder's biases; codes stay the same.
    mutating func setSubtractsDecoderBias(_ wanted: Bool) {
        guard wanted != subtractsDecoderBias else { return }
        let shift = weight.to(dtype: .float64).matmul(decoderBias.to(dtype: .float64)) * (wanted ? 1 : -1)
        func shifted(_ bias: Tensor, by shift: Tensor) -> Tensor { (bias.to(dtype: .float64) + shift).to(dtype: bias.dtype) }
        bias = shifted(bias, by: shift)
        if case .gated(let magnitudeBias, let logScale) = form {
            form = .gated(magnitudeBias: shifted(magnitudeBias, by: shift * logScale.to(dtype: .float64).exp()), logScale: logScale)
        }
        subtractsDecoderBias = wanted
    }
}
