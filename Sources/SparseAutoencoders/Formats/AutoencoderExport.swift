import Torch

/// A model on its way into a library's files: without a fixed input scale, and with a memory of what they do not keep.
struct AutoencoderExport {
    let layout: AutoencoderLayout
    var parts: AutoencoderParts
    /// What the files do not keep, as sentences.
    var notes: [String] = []

    /// - Throws: ``AutoencoderLayoutError`` if the layout has nothing like the model.
    init(_ source: SparseAutoencoder, layout: AutoencoderLayout) throws {
        self.layout = layout
        var model = source
        if case .scaled = source.configuration.normalization {
            model = source.copy()
            // dictionary_learning and pursuits keep atoms of norm 1, the others keep the codes.
            let keepsAtoms = layout == .dictionaryLearning || source.encoder is MatchingPursuitEncoder
            try model.foldInputScale(keepsAtoms ? .keepingAtoms : .keepingCodes)
            notes.append("the input scale is folded into the weights")
        }
        let form = try ActivationForm(of: model, layout: layout)
        let configuration = model.configuration, linear = model.encoder as? any LinearFeatureEncoder
        parts = AutoencoderParts(
            form: form, weight: linear?.weight.detached() ?? model.atoms.detached(),
            bias: linear?.bias.detached() ?? Tensor.zeros(like: model.atoms.detached().selected(axis: 1, index: 0)), atoms: model.atoms.detached(),
            decoderBias: model.decoderBias.detached(), subtractsDecoderBias: configuration.subtractsDecoderBias,
            normalization: configuration.normalization, origin: configuration.origin)
        if model.encoder is BatchTopKEncoder, configuration.inference == .asTrained {
            notes.append("features are selected by the threshold, not by the \(configuration.encoder) of a batch")
        }
        if model.encoder is VariationalEncoder { notes.append("variances are not kept, which only training uses: features are selected by their means") }
        if case .topK(_, threshold: _?) = form, layout != .dictionaryLearning {
            notes.append("the threshold is not kept, since \(layout.libraryName) selects the k largest")
        }
    }

    func refusal(_ reason: String) -> AutoencoderLayoutError { AutoencoderLayoutError(saving: layout, reason) }

    /// - Throws: ``AutoencoderLayoutError`` if rows are normalised one by one.
    func requireNoNormalization() throws {
        guard parts.normalization == .none else {
            throw refusal("\(layout.libraryName) does not normalise its inputs row by row, as '\(parts.normalization.name)' does; choose saelens")
        }
    }

    /// Whether every atom has the norm 1, as nearly as dictionary_learning wants it.
    var hasUnitAtoms: Bool { (parts.atoms.norm(axes: [1]) - 1).abs().max().item() < 1e-5 }

    mutating func noteMissingOrigin() {
        if parts.origin != nil { notes.append("the files do not say which model and hook the activations are from") }
    }
}

extension InputNormalization {
    /// SAELens' names.
    var name: String {
        switch self {
        case .none: "none"
        case .scaled: "expected_average_only_in"
        case .constantNorm: "constant_norm_rescale"
        case .layerNorm: "layer_norm"
        }
    }
}
