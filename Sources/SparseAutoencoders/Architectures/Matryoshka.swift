internal import Experiments
public import Torch

/// Matryoshka BatchTopK (Bussmann et al. 2025, arXiv:2503.17547): BatchTopK whose first features alone must rebuild the input
/// too, for several sizes of the beginning, so that general features come first and are not absorbed by special ones.
public struct MatryoshkaSettings: SAEVariant {
    public static let name = "matryoshka"

    /// Features per input on average.
    public var k = 32
    /// Parts of the dictionary that each group has, in order; they sum to 1.
    public var groups = [1.0 / 32, 1.0 / 16, 1.0 / 8, 1.0 / 4, 17.0 / 32]
    /// α of ``AuxK``; 0 switches it off.
    public var auxiliaryCoefficient = 1.0 / 32
    /// Dead features that learn per row at most; nil for D/2.
    public var auxiliaryK: Int?

    public init() {}

    public init(k: Int, groups: [Double]? = nil, auxiliaryCoefficient: Double = 1.0 / 32) {
        self.k = k
        self.groups = groups ?? self.groups
        self.auxiliaryCoefficient = auxiliaryCoefficient
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try container.decode(.k, into: &k)
        try container.decode(.groups, into: &groups)
        try container.decode(.auxiliaryCoefficient, into: &auxiliaryCoefficient)
        try container.decode(.auxiliaryK, into: &auxiliaryK)
    }

    public var encoder: EncoderKind { .batchTopK(k: k) }
    public var thresholdRule: ThresholdRule? { .smallestOfBatch }

    public func makeLossTerms(_ plan: TrainingPlan) -> [any LossTerm] {
        [NestedSquaredError(groups: groups)] + AuxK.terms(coefficient: auxiliaryCoefficient, maximumK: auxiliaryK, plan)
    }

    public func finish(_ model: SparseAutoencoder, thresholds: Tensor?) -> SparseAutoencoder { model.withThresholds(thresholds) }

    public func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem? {
        if groups.isEmpty || groups.contains(where: { !($0 > 0) }) || abs(groups.reduce(0, +) - 1) > 1e-6 {
            return SettingProblem("groups", "must be positive parts that sum to 1, found \(groups)")
        }
        return AuxK.problem(coefficient: auxiliaryCoefficient, maximumK: auxiliaryK)
    }
}

/// The mean over groups of ‖x − x̂‖², summed over dimensions and averaged over the batch, where x̂ is decoded from the features
/// up to the end of the group. (SAELens takes the sum over groups; the mean keeps learning rates and α as for BatchTopK.)
final class NestedSquaredError: LossTerm {
    let name = "mse"
    private let groups: [Double]

    init(groups: [Double]) { self.groups = groups }

    /// Number of the first feature after each group, in a dictionary of F features.
    func ends(featureCount: Int) -> [Int] {
        var sum = 0.0
        return groups.indices.map { index in
            sum += groups[index]
            return index == groups.count - 1 ? featureCount : max(1, Int((sum * Double(featureCount)).rounded()))
        }
    }

    func loss(_ pass: TrainingPass) -> Tensor? {
        guard groups.count > 1, case .sparse(let code) = pass.code else { return SquaredError().loss(pass) }
        var rebuilt = pass.model.decoderBias.unsqueezed(0)
        var losses: [Tensor] = []
        var start = 0
        for end in ends(featureCount: code.featureCount) {
            let isInGroup = (code.indices .>= Double(start)).logicalAnd(code.indices .< Double(end))
            rebuilt = rebuilt + code.filtered(where: isInGroup).decoded(atoms: pass.model.atoms)
            losses.append((pass.input - rebuilt).squared().sum(axis: -1).mean())
            start = end
        }
        return losses.reduce(Tensor.zeros([], dtype: pass.input.dtype, device: pass.input.device), +) / Double(losses.count)
    }
}
