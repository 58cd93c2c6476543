public import Torch

/// Whether a class of texts can be taken out of activations without the others: targeted probe perturbation as SAEBench defines it (Karvonen et
/// al. 2024, arXiv:2411.18895, section on TPP; Karvonen et al. 2025, arXiv:2503.09532).
///
/// A probe on whole activations tells each class from as many texts of all others. The features of a class are those that add most to its probe,
/// (E[f|class] − E[f|others])·(w·atom); what they add to the activations of test texts is taken away, the rest of the reconstruction and
/// its error stay. The score is by how much the accuracy of the class's own probe falls, less the mean fall of the other classes' probes: large
/// where features stand for one class. Two things differ from SAEBench, which trains its probes by Adam (here: as in ``SparseProbing``) and has no
/// signed codes: here a feature counts for a class where it is stronger in the class's texts, whatever its sign.
public struct TargetedProbePerturbation: Codable, Sendable, Equatable {
    public var classes: [ClassResult]
    /// The means over classes, numbers of features rising.
    public var mean: [Effect]

    /// What was found for one class.
    public struct ClassResult: Codable, Sendable, Equatable {
        public var name: String
        /// Of its probe, on untouched activations of test texts, half of them of the class.
        public var accuracy: Double
        /// Numbers of features rising.
        public var effects: [Effect]
        /// The features of the largest number, those that matter most first; fewer where fewer do anything.
        public var features: [Int]
    }

    /// What taking away some features of a class does.
    public struct Effect: Codable, Sendable, Equatable {
        /// Features that were taken away, at most.
        public var count: Int
        /// The fall of the accuracy of the class's own probe.
        public var intended: Double
        /// The mean fall of the others'.
        public var unintended: Double

        public var score: Double { intended - unintended }
    }

    /// SAEBench's numbers of features.
    public static let usualCounts = [2, 5, 10, 20, 50, 100, 500]

    /// - Parameters:
    ///   - classes: names of the labels.
    ///   - training: what probes are learned and features chosen on.
    ///   - atoms: what a unit of each feature adds to the activations, shape [F, D] (``ActivationDictionary/decoderDirections``). For dictionaries that
    ///     normalise each row by itself this holds up to the row's scale.
    ///   - counts: numbers of features, each at most the dictionary's size.
    ///   - seed: of the choice of texts of other classes.
    public init(
        classes: [String], training: TextFeatures, test: TextFeatures, atoms: Tensor, counts: [Int] = usualCounts, seed: UInt64 = 0
    ) {
        require(
            classes.count > 1 && atoms.shape == [training.codes.size(1), training.activations.size(1)]
                && counts.allSatisfy { 1...atoms.size(0) ~= $0 },
            "TargetedProbePerturbation: \(classes.count) classes, atoms \(atoms.shape) and \(counts) features")
        let counts = Set(counts).sorted(), generator = RandomGenerator(seed: seed)
        let parts = classes.indices.map { index in
            (learning: BalancedTexts(training.labels, index, generator), held: BalancedTexts(test.labels, index, generator))
        }
        let probes = parts.map { part in
            LogisticProbe(training.activations.gathered(indices: part.learning.rows), isPositive: part.learning.isPositive)
        }
        // What a unit of each feature adds to each probe's score, [classes, F]; and scores of untouched texts, [texts, classes].
        let reach = Tensor.stacked(probes.map(\.weights)).matmul(atoms.to(dtype: .float64).transposed())
        let untouched = Tensor.stacked(probes.map { $0.scores(test.activations) }, axis: 1)
        func accuracies(_ scores: Tensor) -> [Double] {
            classes.indices.map { index in
                let held = parts[index].held
                return (scores[.all, index].gathered(indices: held.rows) .> 0).equals(held.isPositive).to(dtype: .float64).mean().item()
            }
        }
        let before = accuracies(untouched), codes = test.codes.to(dtype: .float64)
        let results = classes.indices.map { index in
            let rows = training.codes.gathered(indices: parts[index].learning.rows)
            let features = Self.features(rows, parts[index].learning.isPositive, reach: reach[index], count: counts.last ?? 0)
            let effects = counts.map { count in
                let chosen = features[..<min(count, features.size(0))]
                let taken = codes.gathered(indices: chosen, axis: 1).matmul(reach.gathered(indices: chosen, axis: 1).transposed())
                let falls = zip(before, accuracies(untouched - taken)).map { $0 - $1 }
                let others = falls.reduce(0, +) - falls[index]
                return Effect(count: count, intended: falls[index], unintended: others / Double(classes.count - 1))
            }
            return ClassResult(name: classes[index], accuracy: before[index], effects: effects, features: features.scalars(as: Int.self))
        }
        self.classes = results
        mean = counts.indices.map { place in
            func mean(_ value: (Effect) -> Double) -> Double { results.reduce(0) { $0 + value($1.effects[place]) } / Double(results.count) }
            return Effect(count: counts[place], intended: mean(\.intended), unintended: mean(\.unintended))
        }
    }

    /// Features by what they add to a probe's score in texts of its class, those that do nothing left out.
    private static func features(_ codes: Tensor, _ isPositive: Tensor, reach: Tensor, count: Int) -> Tensor {
        let (positive, others) = BalancedTexts.means(codes, isPositive)
        let isStronger = (positive.abs() .> others.abs()).to(dtype: .float64)
        let effects = (positive - others).to(dtype: .float64) * isStronger * reach
        return effects.topK(min(count, effects.notEquals(0).nonzeroIndices().size(0))).indices
    }
}
