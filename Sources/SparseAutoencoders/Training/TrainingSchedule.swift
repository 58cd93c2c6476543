internal import Torch
internal import TorchNN

extension SAETrainingConfiguration {
    var effectiveLearningRate: Double {
        learningRate ?? architecture.variant.learningRate(dictionarySize: dictionarySize)
    }

    var effectiveSparsityWarmupSteps: Int { sparsityWarmupSteps ?? min(2_000, steps / 5) }

    /// The factor on the learning rate: a linear rise, a constant, and a linear fall to 0.
    var learningRateSchedule: LearningRateSchedule {
        let warmup = LearningRateSchedule.warmup(steps: warmupSteps ?? min(1_000, steps / 10), then: .constant)
        let start = Int((decayStart * Double(steps)).rounded())
        guard start < steps else { return warmup }
        let decay = LearningRateSchedule.sequence([
            .init(.constant, steps: start), .init(.linear(from: 1, to: 0, steps: steps - start), steps: steps - start),
        ])
        return .product([warmup, decay])
    }

    /// The factor on the learning rate at a step, which counts from 0.
    package func learningRateFactor(at step: Int) -> Double { learningRateSchedule.factor(at: step) }

    /// Adam for a model's parameters; the atoms' rows keep the architecture's constraint.
    func optimizer(for model: SparseAutoencoder) -> Adam {
        let free = Adam.Settings(learningRate: effectiveLearningRate, beta1: beta1, beta2: beta2, epsilon: epsilon)
        let parameters = model.namedParameters()
        guard architecture.variant.atomConstraint == .unitNorm else { return Adam(parameters, free) }
        var constrained = free
        constrained.rows = .unitNorm
        let atoms = model.atoms.identity
        return Adam(groups: [
            ParameterGroup(parameters.filter { $0.tensor.identity != atoms }, free),
            ParameterGroup(parameters.filter { $0.tensor.identity == atoms }, constrained),
        ])
    }
}
