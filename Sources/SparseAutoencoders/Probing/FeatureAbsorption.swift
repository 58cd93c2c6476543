internal import Torch

/// How often a feature for a concept is silent where the concept is there, because a more special feature has taken its direction
/// over (Chanin et al. 2024, arXiv:2409.14507; the fractions as in SAEBench, Karvonen et al. 2025, arXiv:2503.09532).
///
/// A probe on activations gives a class's direction. The class's main features are the fewest of those whose means differ most
/// after which one more raises the F1 of a probe by less than 0.03. In each test text that the probe finds rightly, what the main
/// features add along the direction is compared with what others add that point in it.
///
/// Differences from SAEBench, for which reason the figures are not its scores: features are ranked by difference of means instead
/// of a probe with an L1 penalty; probes are ``LogisticProbe``s of one class against all others; the prompt is up to the caller.
public struct FeatureAbsorption: Codable, Sendable, Equatable {
    public var classes: [ClassResult]
    /// Means over classes with texts that the probe finds.
    public var fraction: Double
    public var fullRate: Double
    public var mainFeatureCount: Double

    /// What was found for one class.
    public struct ClassResult: Codable, Sendable, Equatable {
        public var name: String
        /// Of the probe on activations, on test texts.
        public var probeF1: Double
        public var mainFeatures: [Int]
        /// Of a probe on the main features, on test texts.
        public var mainF1: Double
        /// Texts of the class that the probe on activations finds.
        public var textCount: Int
        /// Mean over these of the part that absorbing features have in what is along the direction.
        public var fraction: Double
        /// The part of these in which no main feature is active and a single other one makes up for it.
        public var fullRate: Double
    }

    /// SAEBench's thresholds.
    public struct Rules: Sendable, Equatable {
        /// Features that can be main ones at most.
        public var mainFeatures = 10
        /// One more main feature must raise F1 by this.
        public var leastGain = 0.03
        /// Least cosine of an absorbing feature with the direction, for the fraction, and for a single one.
        public var leastCosine = 0.1
        public var leastSingleCosine = 0.025
        /// Absorbing features must make up this part of the projection.
        public var leastPart = 0.4
        /// Features that can absorb together.
        public var absorbingFeatures = 3

        public init() {}
    }

    /// - Parameters:
    ///   - classes: names of the labels.
    ///   - dictionary: what the codes belong to.
    ///   - training: what features are chosen and probes learned on; a token for each text.
    public init(
        classes: [String], dictionary: any ActivationDictionary, training: TextFeatures, test: TextFeatures, rules: Rules = Rules()
    ) {
        self.classes = classes.indices.map { index in
            func marks(_ features: TextFeatures) -> Tensor { Tensor(features.labels.map { $0 == index ? 1.0 : 0 }) .> 0 }
            let isLearned = marks(training), isTested = marks(test)
            let probe = LogisticProbe(training.activations, isPositive: isLearned)
            let found = probe.scores(test.activations) .> 0
            let main = Self.mainFeatures(training, test, isLearned, isTested, rules)
            let texts = found.logicalAnd(isTested).nonzeroIndices().reshaped([-1])
            let absorbed = Absorption(
                of: test.codes.gathered(indices: texts), activations: test.activations.gathered(indices: texts),
                direction: probe.weights, dictionary: dictionary, main: main.features, rules)
            return ClassResult(
                name: classes[index], probeF1: f1(found, isTested), mainFeatures: main.features, mainF1: main.f1,
                textCount: texts.elementCount, fraction: absorbed.fraction, fullRate: absorbed.fullRate)
        }
        let measured = self.classes.filter { $0.textCount > 0 }
        func mean(_ value: (ClassResult) -> Double) -> Double { measured.reduce(0) { $0 + value($1) } / Double(max(1, measured.count)) }
        (fraction, fullRate, mainFeatureCount) = (mean(\.fraction), mean(\.fullRate), mean { Double($0.mainFeatures.count) })
    }

    private static func mainFeatures(
        _ training: TextFeatures, _ test: TextFeatures, _ isLearned: Tensor, _ isTested: Tensor, _ rules: Rules
    ) -> (features: [Int], f1: Double) {
        let order = SparseProbing.byDifferenceOfMeans(
            training.codes, isLearned, count: min(rules.mainFeatures, training.codes.size(1)))
        func score(_ count: Int) -> Double {
            let columns = order[..<count]
            let probe = LogisticProbe(training.codes.gathered(indices: columns, axis: 1), isPositive: isLearned)
            return f1(probe.scores(test.codes.gathered(indices: columns, axis: 1)) .> 0, isTested)
        }
        var count = 1
        var best = score(1)
        while count < order.elementCount {
            let next = score(count + 1)
            if next - best <= rules.leastGain { break }
            (count, best) = (count + 1, next)
        }
        return (order[..<count].scalars(as: Int.self), best)
    }
}

/// 2PR / (P + R) of found rows, 0 without any that is found rightly.
private func f1(_ found: Tensor, _ isPositive: Tensor) -> Double {
    let right = found.logicalAnd(isPositive).sum().item()
    return right == 0 ? 0 : 2 * right / (found.sum().item() + isPositive.sum().item())
}

/// Means over texts.
private struct Absorption {
    var fraction = 0.0
    var fullRate = 0.0

    /// - Parameters:
    ///   - codes: shape [n, F].
    ///   - direction: shape [D].
    init(
        of codes: Tensor, activations: Tensor, direction: Tensor, dictionary: any ActivationDictionary, main: [Int],
        _ rules: FeatureAbsorption.Rules
    ) {
        let count = codes.size(0)
        guard count > 0 else { return }
        let unit = direction / direction.norm().clamped(minimum: 1e-30)
        let directions = dictionary.decoderDirections.to(dtype: .float64)
        let alongDirection = directions.matmul(unit)
        let cosines = alongDirection / directions.norm(axes: [1]).clamped(minimum: 1e-30)
        let parts = codes.to(dtype: .float64) * alongDirection
        let wholes = activations.to(dtype: .float64).matmul(unit).scalars(as: Double.self)
        let mainIndices = Tensor(main)
        let mainParts = parts.gathered(indices: mainIndices, axis: 1).sum(axis: 1).scalars(as: Double.self)
        let mainIsSilent = codes.gathered(indices: mainIndices, axis: 1).abs().max(axes: [1]).scalars(as: Double.self).map { $0 < 1e-8 }

        let isOther = Tensor.ones(cosines.shape, dtype: .float64)
        isOther.copySlicesInPlace(Tensor.zeros([main.count], dtype: .float64), at: mainIndices)
        let canAbsorb = (cosines .>= rules.leastCosine).to(dtype: .float64) * isOther
        let absorbing = (parts.relu() * canAbsorb).topK(min(rules.absorbingFeatures, parts.size(1))).values.sum(axis: 1)
            .scalars(as: Double.self)
        let strongest = parts.topK(1)
        let strongestParts = strongest.values.reshaped([-1]).scalars(as: Double.self)
        let strongestCosines = cosines.gathered(indices: strongest.indices.reshaped([-1])).scalars(as: Double.self)

        for text in 0..<count {
            let (whole, main) = (wholes[text], mainParts[text])
            if main < whole, absorbing[text] / whole >= rules.leastPart {
                let taken = min(absorbing[text], whole - main)
                fraction += main <= 0 ? 1 : min(1, max(0, taken / (taken + main)))
            }
            let isSingle = strongestCosines[text] >= rules.leastSingleCosine && whole > 0 && strongestParts[text] / whole >= rules.leastPart
            if mainIsSilent[text], isSingle { fullRate += 1 }
        }
        fraction /= Double(count)
        fullRate /= Double(count)
    }
}
