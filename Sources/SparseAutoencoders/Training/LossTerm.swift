public import Torch

/// One forward pass with everything a loss can depend on. All tensors are in the normalised scale.
public struct TrainingPass {
    public let model: SparseAutoencoder
    /// Number of optimiser steps before this one.
    public let step: Int
    /// x, shape [B, D].
    public let input: Tensor
    /// What the encoder saw, shape [B, D].
    public let encoderInput: Tensor
    /// What the encoder made, with what its own losses depend on.
    public let encoding: any Encoding
    public var code: FeatureCode { encoding.code }
    /// x̂, shape [B, D].
    public let reconstruction: Tensor
    /// e = x − x̂, shape [B, D].
    public let error: Tensor
    /// The dead features' indices, int64; nil if there are none.
    public let deadFeatures: Tensor?

    /// Runs the model on normalised rows.
    /// - Parameters:
    ///   - gradients: of the network's loss with respect to the rows in their own scale, for encoders that choose by them.
    ///   - deadFeatures: told the code, gives the features that count as dead.
    public init(
        _ model: SparseAutoencoder, input: Tensor, gradients: Tensor? = nil, step: Int, generator: RandomGenerator? = nil,
        deadFeatures: (FeatureCode) -> Tensor? = { _ in nil }
    ) {
        self.model = model
        self.step = step
        self.input = input
        encoderInput = model.encoderInput(input)
        encoding = model.encoder.encode(
            encoderInput, in: EncodingContext(atoms: model.atoms, isTraining: true, gradients: gradients, generator: generator))
        reconstruction = model.decodeNormalized(encoding.code)
        error = input - reconstruction
        self.deadFeatures = deadFeatures(encoding.code)
    }

    /// How far a coefficient that rises linearly from 0 has risen, at most 1.
    func rise(over steps: Int) -> Double { steps > 0 ? min(1, Double(step) / Double(steps)) : 1 }
}

/// A summand of the training loss: reconstruction, sparsity penalty, or an auxiliary loss.
public protocol LossTerm: AnyObject {
    /// Name in metrics.
    var name: String { get }
    /// The term with its coefficient, without dimensions; nil where it does not apply.
    func loss(_ pass: TrainingPass) -> Tensor?
    /// What the term remembers between steps, for checkpoints.
    var stateDictionary: [String: Tensor] { get }
    func load(_ state: [String: Tensor]) throws
}

extension LossTerm {
    public var stateDictionary: [String: Tensor] { [:] }
    public func load(_ state: [String: Tensor]) throws {}
}

/// ‖x − x̂‖², summed over dimensions, averaged over the batch. Learning rates and coefficients of the field's tables hold for
/// this reduction.
public final class SquaredError: LossTerm {
    public let name = "mse"
    public init() {}
    public func loss(_ pass: TrainingPass) -> Tensor? { pass.error.squared().sum(axis: -1).mean() }
}

/// λ · Σ_i |f_i| w_i, averaged over the batch, with w = 1 or the atoms' norms; λ rises linearly from 0.
public final class L1Penalty: LossTerm {
    public let name = "l1"
    let coefficient: Double
    let norm: ReLUSettings.Penalty
    let warmupSteps: Int
    private let code: (TrainingPass) -> FeatureCode

    /// - Parameters:
    ///   - coefficient: λ.
    ///   - warmupSteps: steps until λ has its full size.
    ///   - code: f, the pass's code unless given.
    public init(
        coefficient: Double, norm: ReLUSettings.Penalty, warmupSteps: Int, of code: @escaping (TrainingPass) -> FeatureCode = { $0.code }
    ) {
        self.coefficient = coefficient
        self.norm = norm
        self.warmupSteps = warmupSteps
        self.code = code
    }

    public func loss(_ pass: TrainingPass) -> Tensor? {
        norm.sums(of: code(pass), pass.model).mean() * (coefficient * pass.rise(over: warmupSteps))
    }
}

/// AuxK (Gao et al. 2024, arXiv:2406.04093, A.2, in the form of dictionary_learning): the `k_aux` largest positive
/// pre-activations (of signed codes, the largest in magnitude) of *dead* features, decoded without bias, learn the main error,
/// which is not differentiated: α · Σ‖e − ê‖² / Σ‖e − ē‖².
///
/// Only dead features' pre-activations are computed. A quotient that is no number counts as 0.
public final class AuxK: LossTerm {
    public let name = "auxk"
    let coefficient: Double
    let maximumK: Int

    /// - Parameters:
    ///   - coefficient: α, 1/32 in the literature.
    ///   - maximumK: at most this many dead features a row, usually D/2.
    public init(coefficient: Double, maximumK: Int) {
        self.coefficient = coefficient
        self.maximumK = maximumK
    }

    /// The term, unless it is switched off.
    /// - Parameter maximumK: nil for D/2.
    static func terms(coefficient: Double, maximumK: Int?, _ plan: TrainingPlan) -> [any LossTerm] {
        coefficient > 0 ? [AuxK(coefficient: coefficient, maximumK: maximumK ?? max(1, plan.inputSize / 2))] : []
    }

    /// The first setting of it that makes no sense.
    static func problem(coefficient: Double, maximumK: Int?) -> SettingProblem? {
        if let found = SettingProblem("auxiliaryCoefficient", notNegative: coefficient) { return found }
        if let maximumK, maximumK < 1 { return SettingProblem("auxiliaryK", "must be positive, found \(maximumK)") }
        return nil
    }

    public func loss(_ pass: TrainingPass) -> Tensor? {
        pass.deadFeatures.flatMap { Self.loss(pass, of: $0, maximumK: maximumK, coefficient: coefficient) }
    }

    /// The same for any features.
    /// - Parameters:
    ///   - features: indices, at least one.
    ///   - weights: factors on their pre-activations, in the order of the indices; nil for 1.
    static func loss(
        _ pass: TrainingPass, of features: Tensor, weights: Tensor? = nil, maximumK: Int, coefficient: Double
    ) -> Tensor? {
        guard let encoder = pass.model.encoder as? any LinearFeatureEncoder else { return nil }
        var rows = encoder.weight.gathered(indices: features), biases = encoder.bias.gathered(indices: features)
        if let weights { (rows, biases) = (rows * weights.unsqueezed(1), biases * weights) }
        let code = pass.encoderInput.topKLinear(
            weight: rows, bias: biases, k: min(maximumK, features.elementCount), signed: encoder.isSigned)
        let estimate = code.decoded(atoms: pass.model.atoms.gathered(indices: features))
        let target = pass.error.detached()
        let scale = (target - target.mean(axis: 0)).squared().sum()
        let loss = (target - estimate).squared().sum() / scale * coefficient
        return loss.item().isFinite ? loss : nil
    }
}
