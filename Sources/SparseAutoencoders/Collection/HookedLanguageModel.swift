import Networks
public import Torch

/// A language model with one hook, in which metrics replace activations.
public final class HookedLanguageModel: InterventionModel {
    private let model: TextModel
    private let point: HookPoint

    /// - Throws: `UnknownHookPointError` with the nearest name.
    public init(_ model: TextModel, hook: String) throws {
        self.model = model
        point = try model.model.hookPoint(hook)
    }

    public func logits(for tokens: Tensor, replacing: ((Tensor) -> Tensor)?) throws -> Tensor {
        guard let replacing else { return try model.model.logits(tokens: tokens) }
        let hook = Hook(point) { activations, _ in
            let shape = activations.shape
            return replacing(activations.reshaped([shape[0], shape[1], -1])).reshaped(shape)
        }
        return try model.model.logits(tokens: tokens, hooks: [hook])
    }
}
