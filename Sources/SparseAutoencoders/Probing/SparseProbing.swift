internal import Torch

/// How well a few features of a dictionary tell classes of text apart: k-sparse probing as SAEBench defines it (Karvonen et al. 2025,
/// arXiv:2503.09532; Gurnee et al. 2023, arXiv:2305.01610).
///
/// Each class against as many texts of all others; the k features whose means differ most in the training texts; a logistic
/// regression on them; accuracy on test texts, of which half belong to the class, so that 0.5 is chance. Probes on k
/// coordinates of the activations, chosen in the same way, are the baseline, a probe on whole activations the measure of what is
/// there. One thing differs from SAEBench: its probes on whole activations and codes are trained by Adam and take the epoch that is
/// best on the *test* texts; here all probes are the minimum of the same regularised loss.
public struct SparseProbing: Codable, Sendable, Equatable {
    public var classes: [ClassResult]
    /// The means over classes.
    public var mean: Accuracies

    /// What was found for one class.
    public struct ClassResult: Codable, Sendable, Equatable {
        public var name: String
        public var accuracies: Accuracies
        /// The features of the largest k, by falling difference of means.
        public var features: [Int]
    }

    public struct Accuracies: Codable, Sendable, Equatable {
        /// Of a probe on whole activations.
        public var activations: Double
        /// Of a probe on all features.
        public var code: Double
        /// Of probes on few features or coordinates, k rising.
        public var sparse: [Sparse]

        public struct Sparse: Codable, Sendable, Equatable {
            public var k: Int
            /// On the k features.
            public var code: Double
            /// On k coordinates of the activations.
            public var activations: Double
        }
    }

    /// SAEBench's k.
    public static let usualK = [1, 2, 5]

    /// - Parameters:
    ///   - classes: names of the labels.
    ///   - training: what features are chosen and probes learned on.
    ///   - k: numbers of features, each at most the dictionary's size and the activations' width.
    ///   - seed: of the choice of texts of other classes.
    public init(classes: [String], training: TextFeatures, test: TextFeatures, k: [Int] = usualK, seed: UInt64 = 0) {
        require(
            classes.count > 1 && !k.isEmpty && k.allSatisfy { $0 >= 1 && $0 <= min(training.codes.size(1), training.activations.size(1)) },
            "SparseProbing: \(classes.count) classes and k of \(k)")
        let k = Set(k).sorted()
        let generator = RandomGenerator(seed: seed)
        self.classes = classes.indices.map { index in
            let learning = BalancedTexts(training.labels, index, generator), held = BalancedTexts(test.labels, index, generator)
            func probes(_ part: (TextFeatures) -> Tensor) -> (whole: Double, sparse: [Double], features: [Int]) {
                let rows = part(training).gathered(indices: learning.rows), testRows = part(test).gathered(indices: held.rows)
                let order = Self.byDifferenceOfMeans(rows, learning.isPositive, count: k[k.count - 1])
                func accuracy(_ columns: Tensor?) -> Double {
                    func chosen(_ rows: Tensor) -> Tensor { columns.map { rows.gathered(indices: $0, axis: 1) } ?? rows }
                    return LogisticProbe(chosen(rows), isPositive: learning.isPositive)
                        .accuracy(chosen(testRows), isPositive: held.isPositive)
                }
                return (accuracy(nil), k.map { accuracy(order[..<$0]) }, order.scalars(as: Int.self))
            }
            let code = probes(\.codes), activations = probes(\.activations)
            return ClassResult(
                name: classes[index],
                accuracies: Accuracies(
                    activations: activations.whole, code: code.whole,
                    sparse: k.indices.map { .init(k: k[$0], code: code.sparse[$0], activations: activations.sparse[$0]) }),
                features: code.features)
        }
        mean = Accuracies(meanOf: self.classes.map(\.accuracies))
    }

    /// Columns by falling |mean of the positive rows − mean of the others|.
    static func byDifferenceOfMeans(_ rows: Tensor, _ isPositive: Tensor, count: Int) -> Tensor {
        let (positive, others) = BalancedTexts.means(rows, isPositive)
        return (positive - others).abs().topK(count).indices
    }
}

extension SparseProbing.Accuracies {
    /// The means of several classes' accuracies for the same k.
    init(meanOf all: [Self]) {
        func mean(_ value: (Self) -> Double) -> Double { all.reduce(0) { $0 + value($1) } / Double(max(1, all.count)) }
        self.init(
            activations: mean(\.activations), code: mean(\.code),
            sparse: (all.first?.sparse ?? []).indices.map { index in
                .init(k: all[0].sparse[index].k, code: mean { $0.sparse[index].code }, activations: mean { $0.sparse[index].activations })
            })
    }
}
