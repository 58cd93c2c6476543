import CondenseTesting
import Foundation
import SparseAutoencoders
import Testing
import Torch

@Suite struct LogisticProbeTests {
    private func data(_ count: Int, _ width: Int, seed: UInt64 = 4) -> (rows: Tensor, isPositive: Tensor) {
        let rows = normal([count, width], seed: seed)
        let direction = normal([width], seed: seed + 1)
        return (rows, (rows.matmul(direction) + normal([count], seed: seed + 2) * 0.5) .> 0.3)
    }

    /// At the minimum the gradient is zero: Σ (p − y) x + w/C = 0 and Σ (p − y) = 0. With more dimensions than rows too.
    @Test(arguments: [(200, 6), (20, 50)], [1.0, 0.01]) func itIsTheMinimum(_ size: (Int, Int), _ strength: Double) {
        let (rows, isPositive) = data(size.0, size.1)
        let probe = LogisticProbe(rows, isPositive: isPositive, inverseRegularization: strength)
        let excess = probe.scores(rows).sigmoid() - isPositive.to(dtype: .float64)
        #expect(mismatch(excess.matmul(rows) * strength, -probe.weights, relative: 1e-6, absolute: 1e-7) == nil)
        #expect(abs(excess.sum().item()) < 1e-5)
    }

    @Test func classesFarApartAreToldApart() {
        let rows = Tensor.concatenated([normal([50, 3]) + 5, normal([50, 3], seed: 2) - 5])
        let isPositive = Tensor.concatenated([Tensor.ones([50]), Tensor.zeros([50])]) .> 0.5
        let probe = LogisticProbe(rows * 100, isPositive: isPositive)
        #expect(probe.accuracy(rows * 100, isPositive: isPositive) == 1)
        #expect(probe.accuracy(rows * 100, isPositive: isPositive.logicalNot()) == 0)
        #expect(probe.weights.isFinite().all().item() != 0)
    }
}

@Suite struct SparseProbingTests {
    /// Three classes; feature 2·c is active for class c, the other features are noise.
    private func features(_ perClass: Int, seed: UInt64) -> TextFeatures {
        let labels = (0..<3).flatMap { Array(repeating: $0, count: perClass) }
        let codes = normal([labels.count, 10], seed: seed).abs() * 0.1
        for (row, label) in labels.enumerated() { codes[row, 2 * label].addInPlace(3) }
        return TextFeatures(activations: codes.matmul(normal([10, 8], seed: 1)), codes: codes, labels: labels)
    }

    @Test func theFeatureOfAClassIsFound() {
        let probing = SparseProbing(
            classes: ["a", "b", "c"], training: features(60, seed: 5), test: features(40, seed: 6), k: [2, 1], seed: 3)
        #expect(probing.classes.map(\.name) == ["a", "b", "c"])
        #expect(probing.classes.map { $0.features[0] } == [0, 2, 4])
        for result in probing.classes {
            #expect(result.accuracies.sparse.map(\.k) == [1, 2] && result.features.count == 2)
            #expect(result.accuracies.sparse.allSatisfy { $0.code == 1 })
            #expect(result.accuracies.code == 1 && result.accuracies.activations > 0.95)
        }
        #expect(abs(probing.mean.activations - probing.classes.map(\.accuracies.activations).reduce(0, +) / 3) < 1e-12)
        let again = SparseProbing(
            classes: ["a", "b", "c"], training: features(60, seed: 5), test: features(40, seed: 6), k: [1, 2], seed: 3)
        #expect(again == probing)
    }

    /// What is computed from scores is what probes say of activations from which the features were really taken; with signed codes too.
    @Test(arguments: [1.0, -1]) func perturbationTakesFeaturesAway(_ sign: Double) {
        let atoms = normal([10, 8], seed: 1) * sign
        func texts(_ perClass: Int, seed: UInt64) -> TextFeatures {
            let labels = (0..<2 * perClass).map { $0 % 2 }
            let codes = normal([labels.count, 10], seed: seed).abs() * 0.5
            for (row, label) in labels.enumerated() { codes[row, 3 * label].addInPlace(2) }
            return TextFeatures(activations: (codes * sign).matmul(atoms) + normal([8], seed: 9), codes: codes * sign, labels: labels)
        }
        let training = texts(60, seed: 5), test = texts(40, seed: 6)
        let result = TargetedProbePerturbation(classes: ["a", "b"], training: training, test: test, atoms: atoms, counts: [3, 1], seed: 3)
        #expect(result.mean.map(\.count) == [1, 3])
        let isFirst = [Tensor(training.labels), Tensor(test.labels)].map { $0.equals(0) }
        let probes = [isFirst[0], isFirst[0].logicalNot()].map { LogisticProbe(training.activations, isPositive: $0) }
        let targets = [isFirst[1], isFirst[1].logicalNot()]
        for (index, found) in result.classes.enumerated() {
            let before = probes.indices.map { probes[$0].accuracy(test.activations, isPositive: targets[$0]) }
            #expect(found.features[0] == 3 * index && found.accuracy == before[index] && found.accuracy > 0.9)
            for effect in found.effects {
                let taken = Tensor(Array(found.features.prefix(effect.count)))
                let rest = test.activations - test.codes.gathered(indices: taken, axis: 1).matmul(atoms.gathered(indices: taken))
                let falls = probes.indices.map { before[$0] - probes[$0].accuracy(rest, isPositive: targets[$0]) }
                #expect(abs(effect.intended - falls[index]) < 0.02 && abs(effect.unintended - falls[1 - index]) < 0.02, "\(effect) \(falls)")
            }
        }
        #expect(abs(result.mean[1].score - (result.classes[0].effects[1].score + result.classes[1].effects[1].score) / 2) < 1e-12)
    }

    @Test func noiseIsToldApartByChance() {
        func noise(_ seed: UInt64) -> TextFeatures {
            TextFeatures(
                activations: normal([800, 4], seed: seed), codes: normal([800, 6], seed: seed + 50), labels: (0..<800).map { $0 % 2 })
        }
        let mean = SparseProbing(classes: ["a", "b"], training: noise(1), test: noise(2), k: [1]).mean
        for value in [mean.activations, mean.code, mean.sparse[0].code, mean.sparse[0].activations] { #expect(abs(value - 0.5) < 0.08) }
    }

    @Test func textsAreBalancedAndCut() throws {
        var stream = (0..<40).map { (label: $0 % 4, text: "\($0)") }[...]
        stream.insert((label: 1, text: ""), at: 0)
        let texts = try LabelledTexts(labels: ["a", "b", "c", "d", "e"], trainingPerClass: 3, testPerClass: 2) { $0.isEmpty ? [] : [Int32($0)!] }
            next: { stream.popFirst() }
        #expect(texts.classes == ["a", "b", "c", "d"] && texts.omitted == ["e"])
        #expect(texts.training.count == 12 && texts.test.count == 8)
        #expect(texts.training.filter { $0.label == 1 }.map(\.tokens) == [[1], [5], [9]])
        #expect(texts.test.filter { $0.label == 1 }.map(\.tokens) == [[13], [17]])
        var few = [(label: 0, text: "1")][...]
        let error = #expect(throws: ProbingError.self) {
            _ = try LabelledTexts(labels: ["a", "b"], trainingPerClass: 1, testPerClass: 1, tokenize: { [Int32($0)!] }, next: { few.popFirst() })
        }
        #expect(error?.description.contains("only 0 classes have 2 texts each") == true)
    }
}

/// Atoms in chosen directions.
private final class Atoms: ActivationDictionary {
    let decoderDirections: Tensor
    init(_ directions: Tensor) { decoderDirections = directions }
    var inputSize: Int { decoderDirections.size(1) }
    var dictionarySize: Int { decoderDirections.size(0) }
    func encode(_ input: Tensor) -> FeatureCode { .dense(input) }
    func decode(_ code: FeatureCode, of input: Tensor?) -> Tensor { code.dense() }
}

@Suite struct FeatureAbsorptionTests {
    /// Four classes, each along an axis with a feature of its own. In every fourth text of the first class that feature is silent,
    /// and another one that points mostly along the same axis stands for it.
    private func measure(absorbing: Bool) -> FeatureAbsorption {
        func features(_ perClass: Int) -> TextFeatures {
            let labels = (0..<4).flatMap { Array(repeating: $0, count: perClass) }
            let codes = Tensor.zeros([labels.count, 5], dtype: .float64)
            for (row, label) in labels.enumerated() {
                codes[row, absorbing && label == 0 && row % 4 == 0 ? 4 : label].addInPlace(2)
            }
            return TextFeatures(activations: codes.matmul(dictionary.decoderDirections), codes: codes, labels: labels)
        }
        return FeatureAbsorption(classes: ["a", "b", "c", "d"], dictionary: dictionary, training: features(80), test: features(40))
    }

    private let dictionary = Atoms(
        Tensor([[1.0, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0.8, 0, 0, 0, 0.6]]))

    @Test func absorbedTextsAreCounted() {
        let absorption = measure(absorbing: true)
        let first = absorption.classes[0]
        #expect(first.mainFeatures == [0] && first.textCount == 40)
        #expect(first.probeF1 == 1 && abs(first.mainF1 - 60.0 / 70) < 1e-12, "precision 1, recall 3/4")
        #expect(abs(first.fraction - 0.25) < 1e-12 && abs(first.fullRate - 0.25) < 1e-12)
        #expect(absorption.classes.dropFirst().allSatisfy { $0.fraction == 0 && $0.fullRate == 0 && $0.mainF1 == 1 })
        #expect(abs(absorption.fraction - 0.0625) < 1e-12 && absorption.mainFeatureCount == 1)
    }

    @Test func withoutAbsorptionThereIsNone() {
        let absorption = measure(absorbing: false)
        #expect(absorption.fraction == 0 && absorption.fullRate == 0)
        #expect(absorption.classes.map(\.mainFeatures) == [[0], [1], [2], [3]])
    }

    @Test func withoutFoundTextsThereIsNothing() {
        let rows = normal([40, 4]), labels = (0..<40).map { $0 % 2 }
        let same = TextFeatures(activations: rows * 0, codes: rows * 0, labels: labels)
        let absorption = FeatureAbsorption(classes: ["a", "b"], dictionary: Atoms(Tensor.identity(4, dtype: .float64)), training: same, test: same)
        #expect(absorption.classes.allSatisfy { $0.fraction == 0 && $0.fullRate == 0 })
    }
}
