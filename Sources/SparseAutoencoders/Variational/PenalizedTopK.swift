internal import Experiments
internal import Torch

/// TopK with the penalty ½β‖relu(u)‖² on all features: what a variational autoencoder with a fixed variance comes to, written
/// down without any Gaussian, as a baseline of the experiment.
struct PenalizedTopKSettings: SAEVariant {
    static let name = "penalizedTopK"
    var k = 32
    /// β.
    var coefficient = 0.5

    init() {}

    init(k: Int, coefficient: Double) {
        self.k = k
        self.coefficient = coefficient
    }

    var encoder: EncoderKind { .topK(k: k) }

    func makeLossTerms(_ plan: TrainingPlan) -> [any LossTerm] {
        [SquaredError(), SquarePenalty(coefficient: coefficient, warmupSteps: plan.sparsityWarmupSteps)]
            + AuxK.terms(coefficient: TopKSettings().auxiliaryCoefficient, maximumK: nil, plan)
    }

    func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem? {
        SettingProblem("coefficient", notNegative: coefficient)
    }
}

/// ½β‖relu(u)‖², averaged over the batch; β rises linearly from 0.
private final class SquarePenalty: LossTerm {
    let name = "square"
    private let coefficient: Double
    private let warmupSteps: Int

    init(coefficient: Double, warmupSteps: Int) {
        self.coefficient = coefficient
        self.warmupSteps = warmupSteps
    }

    func loss(_ pass: TrainingPass) -> Tensor? {
        guard let encoder = pass.model.encoder as? any LinearFeatureEncoder else { return nil }
        let activations = encoder.preActivations(pass.encoderInput).relu()
        return activations.squared().sum(axis: 1).mean() * (coefficient / 2 * pass.rise(over: warmupSteps))
    }
}
