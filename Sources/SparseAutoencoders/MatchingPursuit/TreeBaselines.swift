internal import Torch
internal import TorchNN

/// ReLU with an L1 penalty on codes times atom norms, whose coefficient is steered towards a number of active features (the
/// paper's "vanilla" baseline).
struct SteeredL1Settings: SAEVariant {
    static let name = "steeredL1"
    var target = FeatureTree.meanActive

    var encoder: EncoderKind { .relu }
    var atomConstraint: AtomConstraint { .free }
    func makeLossTerms(_ plan: TrainingPlan) -> [any LossTerm] { [SquaredError(), SteeredL1(target: target, steps: plan.steps)] }
    func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem? { SettingProblem("target", positive: target) }
}

/// λ·Σ f_i‖atom_i‖ with λ rising to 0.1 over a fifth of the steps, and then from step to step by a small factor up or down, after
/// whether there are too many features.
private final class SteeredL1: LossTerm {
    let name = "l1"
    private let target: Double
    private let riseSteps: Int
    private let rate: Double
    private var coefficient = 0.1

    init(target: Double, steps: Int) {
        self.target = target
        riseSteps = steps / 5
        // The same range for every number of steps: 3e-4 for the paper's 15,000.
        rate = 4.5 / Double(steps)
    }

    func loss(_ pass: TrainingPass) -> Tensor? {
        if pass.step > riseSteps {
            let l0 = pass.code.activeCounts().to(dtype: .float64).mean().item()
            coefficient *= l0 > target ? 1 + rate : 1 - rate
        }
        return ReLUSettings.Penalty.atomNorms.sums(of: pass.code, pass.model).mean() * (coefficient * pass.rise(over: riseSteps))
    }
}

/// BatchTopK for a number of features per input that is no integer, more at the beginning; with several groups Matryoshka.
struct AverageTopKSettings: SAEVariant {
    static let name = "averageTopK"
    var average = FeatureTree.meanActive
    var firstAverage = 3.0
    var firstSteps = 0
    var groups = [1.0]

    var encoder: EncoderKind { EncoderKind(AverageTopKEncoder.Settings(average: firstSteps > 0 ? firstAverage : average)) }
    var thresholdRule: ThresholdRule? { .smallestOfBatch }

    func makeLossTerms(_ plan: TrainingPlan) -> [any LossTerm] {
        [NestedSquaredError(groups: groups)] + AuxK.terms(coefficient: 1.0 / 32, maximumK: nil, plan)
    }

    func prepare(_ model: SparseAutoencoder, step: Int) {
        (model.encoder as? AverageTopKEncoder)?.average = step < firstSteps ? firstAverage : average
    }

    func finish(_ model: SparseAutoencoder, thresholds: Tensor?) -> SparseAutoencoder { model.withThresholds(thresholds) }
    func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem? { SettingProblem("average", positive: average) }
}

private final class AverageTopKEncoder: LinearFeatureEncoder {
    let weight: Tensor
    let bias: Tensor
    /// Features per input of a batch.
    var average: Double

    struct Settings: EncoderSettings {
        static let name = "averagetopk"
        var average: Double
        func makeEncoder(weight: Tensor, bias: Tensor) -> any FeatureEncoder {
            AverageTopKEncoder(weight: weight, bias: bias, average: average)
        }
    }

    init(weight: Tensor, bias: Tensor, average: Double) {
        self.weight = weight
        self.bias = bias
        self.average = average
    }

    func encode(_ input: Tensor, in context: EncodingContext) -> any Encoding {
        let count = max(1, Int((average * Double(input.size(0))).rounded()))
        return FeatureCode.sparse(input.batchTopKLinear(weight: weight, bias: bias, count: count))
    }

    func scaleCodes(by factors: Tensor) throws { try scaleComparedPreActivations(by: factors, name: "BatchTopK") }
}
