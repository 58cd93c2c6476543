public import Networks
public import Torch

/// What is done to one feature while a model generates.
public enum SteeringChange: Sendable, Equatable {
    /// Adds `strength` times the feature's maximum activation times its direction, at every position, whatever the feature's
    /// activation there.
    case add(strength: Double)
    /// Takes the feature's own contribution out.
    case ablate
    /// Sets the feature's activation to `strength` times its maximum where it is active or not.
    case clamp(strength: Double)
}

/// Changes one feature of a dictionary at a hook of a language model.
///
/// Adding needs no code of the activations; ablating and clamping change the feature's contribution only and keep what the
/// dictionary does not explain: out = x + (f' − f)·direction.
public struct Steering {
    public let feature: Int
    public let change: SteeringChange
    /// The largest activation of the feature on some text: the unit of strengths.
    public let maximumActivation: Double
    private let dictionary: any ActivationDictionary

    /// - Throws: ``FeatureError`` if there is no such feature, or it has no maximum to measure strengths with.
    public init(feature: Int, of dictionary: any ActivationDictionary, change: SteeringChange, maximumActivation: Double) throws {
        guard (0..<dictionary.dictionarySize).contains(feature) else {
            throw FeatureError.noSuchFeature(feature, count: dictionary.dictionarySize)
        }
        if change != .ablate, maximumActivation <= 0 { throw FeatureError.deadFeature(feature) }
        self.feature = feature
        self.change = change
        self.maximumActivation = maximumActivation
        self.dictionary = dictionary
    }

    /// The changed activations, of the same shape [..., D] or [..., heads, head size].
    public func apply(to activations: Tensor) -> Tensor {
        let rows = activations.reshaped([-1, dictionary.inputSize])
        let changes: Tensor
        switch change {
        case .add(let strength):
            changes = Tensor.full([rows.size(0)], strength * maximumActivation, dtype: rows.dtype, device: rows.device)
        case .ablate:
            changes = -code(of: rows)
        case .clamp(let strength):
            changes = strength * maximumActivation - code(of: rows)
        }
        return (rows + effect(of: changes, on: rows)).reshaped(activations.shape)
    }

    /// The feature's activation on each row, [rows].
    private func code(of rows: Tensor) -> Tensor { withoutGradients { dictionary.encode(rows).activations(of: feature) } }

    /// What changing the feature's activation by `changes` [rows] changes in the reconstruction, in the scale of each row: a
    /// dictionary that normalises rows by themselves scales directions with them.
    private func effect(of changes: Tensor, on rows: Tensor) -> Tensor {
        func decoded(_ values: Tensor) -> Tensor {
            let indices = Tensor.full([rows.size(0), 1], Double(feature), dtype: .int64, device: rows.device)
            return dictionary.decode(
                .sparse(SparseCode(values: values.unsqueezed(1), indices: indices, featureCount: dictionary.dictionarySize)), of: rows)
        }
        return withoutGradients { decoded(changes) - decoded(Tensor.zeros(like: changes)) }
    }

    /// The hook that applies the change at every position of prompt and continuation.
    public func hook(at point: HookPoint) -> Hook {
        Hook(point) { activations, _ in self.apply(to: activations) }
    }
}

/// A prompt continued with and without a change, from the same random numbers.
public struct SteeredText: Codable, Sendable, Equatable {
    public var prompt: String
    public var baseline: String
    public var steered: String
}

/// Continues a prompt twice: as the model is, and with a feature changed.
///
/// - Parameters:
///   - prompt: plain text; a beginning-of-sequence token is put before it where the autoencoder's contexts had one.
///   - maximumCount: new tokens.
/// - Throws: what generating fails with.
public func generateSteered(
    _ model: TextModel, at hook: HookPoint, steering: Steering, prompt: String, prependsBOS: Bool = true, maximumCount: Int = 60,
    sampling: SamplingConfiguration = .greedy
) throws -> SteeredText {
    let special = model.tokenizer.specialTokens
    var tokens = model.tokenizer.encode(prompt, addSpecialTokens: false, readsControlTokens: false)
    if prependsBOS, let beginning = special.bos ?? special.eos { tokens.insert(beginning, at: 0) }
    func text(_ hooks: [Hook]) throws -> String {
        model.tokenizer.decode(try model.model.generate(prompt: tokens, maximumCount: maximumCount, sampling: sampling, hooks: hooks))
    }
    return SteeredText(prompt: prompt, baseline: try text([]), steered: try text([steering.hook(at: hook)]))
}
