internal import Experiments
public import Torch

/// MP-SAE (Costa et al. 2025): the error of an unrolled pursuit, differentiated through all of its steps, and nothing else.
public struct MatchingPursuitSettings: SAEVariant {
    public static let name = "matchingPursuit"

    /// Atoms per input at most.
    public var steps = 32
    /// Whether atoms are only added.
    public var nonNegative = true
    /// A row stops when the norm of its residual is at most this, in the normalised scale.
    public var absoluteResidual = 0.0
    /// A row stops when the norm of its residual is at most this part of ‖x − b_dec‖.
    public var relativeResidual = 0.0
    /// Coefficient of ``ResidualPull``; 0 switches it off.
    public var revivalCoefficient = 0.0

    public init() {}

    public init(
        steps: Int, nonNegative: Bool = true, absoluteResidual: Double = 0, relativeResidual: Double = 0, revivalCoefficient: Double = 0
    ) {
        self.steps = steps
        self.nonNegative = nonNegative
        self.absoluteResidual = absoluteResidual
        self.relativeResidual = relativeResidual
        self.revivalCoefficient = revivalCoefficient
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try container.decode(.steps, into: &steps)
        try container.decode(.nonNegative, into: &nonNegative)
        try container.decode(.absoluteResidual, into: &absoluteResidual)
        try container.decode(.relativeResidual, into: &relativeResidual)
        try container.decode(.revivalCoefficient, into: &revivalCoefficient)
    }

    public var encoder: EncoderKind {
        .matchingPursuit(
            MatchingPursuitEncoder.Settings(
                steps: steps, nonNegative: nonNegative, absoluteResidual: absoluteResidual, relativeResidual: relativeResidual))
    }

    /// That of the paper's experiments.
    public func learningRate(dictionarySize: Int) -> Double { 5e-4 }

    public func makeLossTerms(_ plan: TrainingPlan) -> [any LossTerm] {
        [SquaredError()] + (revivalCoefficient > 0 ? [ResidualPull(coefficient: revivalCoefficient)] : [])
    }

    public func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem? {
        SettingProblem("revivalCoefficient", notNegative: revivalCoefficient)
    }
}

/// −c · mean r·w over the batch's residuals and the atoms no code of which is above 0.01, if there are more than ten: they are
/// drawn to what is left over (as in the library `overcomplete`). The residuals are not differentiated.
public final class ResidualPull: LossTerm {
    public let name = "revival"
    private let coefficient: Double
    private static let smallestCode = 1e-2
    private static let toleratedAtoms = 10

    public init(coefficient: Double) { self.coefficient = coefficient }

    public func loss(_ pass: TrainingPass) -> Tensor? {
        guard case .sparse(let code) = pass.code else { return nil }
        let silent = withoutGradients {
            let isUsed = (code.values.detached().abs() .> Self.smallestCode).to(dtype: .float64).reshaped([-1])
            return code.indices.reshaped([-1]).binCount(weights: isUsed, minimumLength: code.featureCount).equals(0)
                .nonzeroIndices().reshaped([-1])
        }
        guard silent.elementCount > Self.toleratedAtoms else { return nil }
        // The mean of all products is the product of the means.
        return pass.error.detached().mean(axis: 0).dot(pass.model.atoms.gathered(indices: silent).mean(axis: 0)) * -coefficient
    }
}
