public import Torch
public import TorchNN

/// Matches between the inputs of a batch and features, k·B of them for B inputs, by the size of relu(u) (Ayonrinde 2024,
/// arXiv:2411.02124): the largest anywhere in the batch (*Mutual Choice*, the same as BatchTopK), or for each feature the inputs
/// with its largest (*Feature Choice*), as many as its share of the budget says.
///
/// It remembers how often its features are active while it is trained. Codes depend on the rest of the batch, so trained models
/// are used with thresholds.
public final class FeatureChoiceEncoder: LinearFeatureEncoder {
    public let weight: Tensor
    public let bias: Tensor
    /// Features per input on average.
    public let k: Int
    /// Who chooses at the moment.
    public var chooser = Chooser.mutual
    /// The part of the inputs in which each feature was active lately; float64, shape [F].
    public let densities: Tensor
    /// The density that each feature should have: its share of the budget, k in sum; float64, shape [F]. Zeros while not known.
    public let shares: Tensor

    /// Who chooses whom.
    public enum Chooser: String, Codable, Sendable {
        /// Inputs and features together.
        case mutual
        /// Each feature its inputs.
        case features
    }

    public struct Settings: EncoderSettings {
        public static let name = "featurechoice"
        public var k: Int
        public init(k: Int) { self.k = k }
        public func makeEncoder(weight: Tensor, bias: Tensor) -> any FeatureEncoder { FeatureChoiceEncoder(weight: weight, bias: bias, k: k) }
        public func problem(dictionarySize: Int) -> SettingProblem? { SettingProblem(k: k, dictionarySize: dictionarySize) }
    }

    /// - Parameters:
    ///   - weight: shape [F, D], shared, not copied.
    ///   - bias: shape [F].
    public init(weight: Tensor, bias: Tensor, k: Int) {
        self.weight = weight
        self.bias = bias
        self.k = k
        densities = Tensor.zeros([weight.size(0)], dtype: .float64, device: weight.device)
        shares = Tensor.zeros(like: densities)
    }

    public func visit(_ v: inout ParameterVisitor) {
        v("weight", weight)
        v("bias", bias)
        v.buffer("densities", densities)
        v.buffer("shares", shares)
    }

    /// Matches of each feature in a batch, k·B in sum; int64, shape [F].
    public func budgets(batchSize: Int) -> Tensor {
        let wanted = shares.scalars(as: Double.self).map { $0 * Double(batchSize) }
        return Tensor(apportioned(wanted, sum: k * batchSize)).to(device: weight.device)
    }

    public func encode(_ input: Tensor, in context: EncodingContext) -> any Encoding {
        switch chooser {
        case .mutual: FeatureCode.sparse(input.batchTopKLinear(weight: weight, bias: bias, count: k * input.size(0)))
        case .features:
            FeatureCode.sparse(input.columnTopKLinear(weight: weight, bias: bias, budgets: budgets(batchSize: input.size(0))))
        }
    }

    public func scaleCodes(by factors: Tensor) throws { try scaleComparedPreActivations(by: factors, name: "feature-choice") }
}

extension EncoderKind {
    public static func featureChoice(k: Int) -> EncoderKind { EncoderKind(FeatureChoiceEncoder.Settings(k: k)) }
}

extension FeatureChoiceEncoder {
    /// Moves the averages of ``densities`` towards what a batch shows.
    /// - Parameters:
    ///   - rate: weight of the newest batch; while there are fewer than 1/rate batches, all count alike.
    ///   - step: number of batches before this one.
    func note(_ code: FeatureCode, rate: Double, step: Int) {
        withoutGradients {
            let observed = code.firingCounts().to(dtype: .float64) / Double(max(1, code.rowCount))
            _ = densities.addInPlace(observed - densities, scale: max(rate, 1 / Double(step + 1)))
        }
    }

    /// Gives each feature the density that belongs to its rank; of features that were active equally often, the first ranks higher.
    /// - Parameter falling: densities of the ranks.
    func assign(_ falling: [Double]) {
        withoutGradients {
            let order = densities.argsort(descending: true)
            _ = shares.copySlicesInPlace(Tensor(falling).to(device: shares.device), at: order)
        }
    }
}
