internal import Experiments
internal import Torch

/// p-annealing (Karvonen et al. 2024, arXiv:2408.00113): ReLU with the penalty λ Σ f^p, whose p falls from 1, which trains well,
/// towards 0, which counts features.
public struct PAnnealSettings: SAEVariant {
    public static let name = "pAnneal"

    /// λ at p = 1.
    public var l1Coefficient = 0.05
    /// The part of all steps before p begins to fall.
    public var annealStart = 0.5
    /// Equal steps in which p falls between then and the end.
    public var annealSteps = 10
    /// p at the end.
    public var finalP = 0.2

    public init() {}

    public init(l1Coefficient: Double, annealStart: Double = 0.5, annealSteps: Int = 10, finalP: Double = 0.2) {
        self.l1Coefficient = l1Coefficient
        self.annealStart = annealStart
        self.annealSteps = annealSteps
        self.finalP = finalP
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try container.decode(.l1Coefficient, into: &l1Coefficient)
        try container.decode(.annealStart, into: &annealStart)
        try container.decode(.annealSteps, into: &annealSteps)
        try container.decode(.finalP, into: &finalP)
    }

    public var encoder: EncoderKind { .relu }
    public var start: ModelStart { ReLUSettings.Penalty.unitAtoms.start }
    public func learningRate(dictionarySize: Int) -> Double { 1e-3 }

    public func makeLossTerms(_ plan: TrainingPlan) -> [any LossTerm] { [SquaredError(), AnnealedPenalty(self, plan)] }

    public func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem? {
        if let found = SettingProblem("l1Coefficient", notNegative: l1Coefficient) { return found }
        if !(0...1).contains(annealStart) { return SettingProblem("annealStart", "must be between 0 and 1, found \(annealStart)") }
        if annealSteps < 1 { return SettingProblem("annealSteps", "must be positive, found \(annealSteps)") }
        if !(finalP > 0 && finalP <= 1) { return SettingProblem("finalP", "must be more than 0 and at most 1, found \(finalP)") }
        return nil
    }
}

/// λ Σ f^p. At each change of p, λ is multiplied by mean(Σ f^p_old) / mean(Σ f^p_new) over the last ten batches, so that the
/// penalty does not jump.
final class AnnealedPenalty: LossTerm {
    let name = "lp"
    private let settings: PAnnealSettings
    private let plan: TrainingPlan
    private var coefficient: Double
    private var p = 1.0
    /// Σ f^p and Σ f^p_next of the last batches.
    private var recent: [(now: Double, next: Double)] = []

    init(_ settings: PAnnealSettings, _ plan: TrainingPlan) {
        self.settings = settings
        self.plan = plan
        coefficient = settings.l1Coefficient
    }

    /// p at a step.
    func p(at step: Int) -> Double {
        let start = settings.annealStart * Double(plan.steps)
        let length = Double(plan.steps) - start
        guard Double(step) >= start, length > 0 else { return 1 }
        let changes = min(settings.annealSteps, 1 + Int((Double(step) - start) / length * Double(settings.annealSteps)))
        return 1 + (settings.finalP - 1) * Double(changes) / Double(settings.annealSteps)
    }

    private func power(_ values: Tensor, _ p: Double) -> Tensor {
        // The derivative of f^p at 0 is infinite; what is not active has none.
        let active = values.selected(where: values .> 0)
        return p == 1 ? active.sum() : active.power(p).sum()
    }

    func loss(_ pass: TrainingPass) -> Tensor? {
        let wanted = p(at: pass.step)
        if wanted != p {
            let (now, next) = recent.reduce((0, 0)) { ($0.0 + $1.now, $0.1 + $1.next) }
            if now > 0, next > 0 { coefficient *= now / next }
            p = wanted
            recent = []
        }
        let sum = power(pass.code.values, p)
        let following = max(settings.finalP, p - (1 - settings.finalP) / Double(settings.annealSteps))
        recent.append((sum.item(), withoutGradients { power(pass.code.values.detached(), following).item() }))
        if recent.count > 10 { recent.removeFirst() }
        return sum / Double(pass.input.size(0)) * (coefficient * pass.rise(over: plan.sparsityWarmupSteps))
    }

    var stateDictionary: [String: Tensor] {
        ["anneal": Tensor([coefficient, p] + recent.flatMap { [$0.now, $0.next] })]
    }

    func load(_ state: [String: Tensor]) throws {
        guard let numbers = state["anneal"]?.scalars(as: Double.self), numbers.count >= 2 else {
            throw TrainingError.foreignCheckpoint(problem: "the state of the annealed penalty is missing")
        }
        (coefficient, p) = (numbers[0], numbers[1])
        recent = stride(from: 2, to: numbers.count - 1, by: 2).map { (numbers[$0], numbers[$0 + 1]) }
    }
}
