public import Torch

/// Measures ``ReconstructionMetrics`` over batches of any size; sums are kept in double precision, so that the result does
/// not depend on how the set is cut into batches (but for the one legacy measure that does by definition).
///
/// ```swift
/// let evaluation = ReconstructionEvaluation(of: model)
/// for batch in batches { evaluation.add(batch) }
/// let metrics = evaluation.metrics
/// ```
public final class ReconstructionEvaluation {
    private let dictionary: any ActivationDictionary
    private var firingCounts: Tensor?
    private var sums = Sums()
    private var inputs: Moments?
    private var errors: Moments?

    private struct Sums {
        var count = 0
        var nonzeroCount = 0
        var l0 = 0.0, l1 = 0.0, cosine = 0.0, outputSquare = 0.0, product = 0.0
        var error = 0.0, inputSquare = 0.0, normalizedError = 0.0, ratio = 0.0, legacyVariance = 0.0
    }

    /// Sums of numbers and squares in each dimension, about the first batch's mean so that large means cost no digits.
    private struct Moments {
        let center: Tensor
        var sum: Tensor
        var square: Double

        init(_ rows: Tensor) {
            center = rows.mean(axis: 0)
            sum = Tensor.zeros(like: center)
            square = 0
        }

        mutating func add(_ rows: Tensor) {
            let centred = rows - center
            sum = sum + centred.sum(axis: 0)
            square += centred.squared().sum().item()
        }

        /// Σ ‖row − mean‖² over all rows.
        func variation(count: Int) -> Double { square - sum.squared().sum().item() / Double(count) }
    }

    public init(of dictionary: any ActivationDictionary) { self.dictionary = dictionary }

    /// Encodes, decodes and counts inputs of shape [B, D].
    /// - Parameter other: takes the dictionary's place for this batch, e.g. itself with the batch's gradients.
    public func add(_ batch: Tensor, by other: (any ActivationDictionary)? = nil) {
        withoutGradients {
            let reconstruction = (other ?? dictionary).reconstruct(batch)
            add(input: batch, reconstruction)
        }
    }

    /// Counts inputs whose reconstructions are known.
    public func add(input batch: Tensor, _ reconstruction: Reconstruction) {
        withoutGradients {
            let code = reconstruction.code
            let counts = code.firingCounts()
            firingCounts = firingCounts.map { $0 + counts } ?? counts
            let input = batch.to(dtype: .float64), output = reconstruction.output.to(dtype: .float64)
            let error = input - output
            if inputs == nil { (inputs, errors) = (Moments(input), Moments(error)) }
            inputs?.add(input)
            errors?.add(error)

            let errorSquares = error.squared().sum(axis: 1)
            let inputSquares = input.squared().sum(axis: 1), outputSquares = output.squared().sum(axis: 1)
            let products = (input * output).sum(axis: 1)
            let isNonzero = inputSquares .> 0
            sums.count += batch.size(0)
            sums.nonzeroCount += Int(isNonzero.sum().item())
            sums.l0 += code.activeCounts().sum().item()
            sums.l1 += code.absoluteSums().to(dtype: .float64).sum().item()
            sums.error += errorSquares.sum().item()
            sums.inputSquare += inputSquares.sum().item()
            sums.outputSquare += outputSquares.sum().item()
            sums.product += products.sum().item()
            sums.cosine += (products / (inputSquares * outputSquares).sqrt()).replacingNaN().sum().item()
            sums.normalizedError += (errorSquares / inputSquares).selected(where: isNonzero).sum().item()
            sums.ratio += (outputSquares / inputSquares).selected(where: isNonzero).sqrt().sum().item()
            let spread = (input - input.mean(axis: 0)).squared().sum(axis: 1)
            sums.legacyVariance += (1 - errorSquares / spread).sum().item()
        }
    }

    /// What was measured so far; at least one input must have been added.
    public var metrics: ReconstructionMetrics {
        guard let inputs, let errors, let firingCounts, sums.count > 0 else {
            preconditionFailure("ReconstructionEvaluation: no inputs were added")
        }
        let count = Double(sums.count), nonzero = Double(max(1, sums.nonzeroCount))
        let variation = inputs.variation(count: sums.count)
        let meanSquare = sums.inputSquare / count
        let width = Double(dictionary.inputSize)
        return ReconstructionMetrics(
            inputCount: sums.count, l0: sums.l0 / count, l1: sums.l1 / count, meanSquaredError: sums.error / count,
            cosineSimilarity: sums.cosine / count, fractionOfVarianceUnexplained: sums.error / variation,
            normalizedMSE: sums.normalizedError / nonzero, relativeReconstructionBias: sums.outputSquare / sums.product,
            l2Ratio: sums.ratio / nonzero,
            otherExplainedVariances: .init(
                dictionaryLearning: 1 - errors.variation(count: sums.count) / variation,
                saeLens: 1 - sums.error / count / (meanSquare - (meanSquare / width) * (meanSquare / width)),
                saeLensLegacy: sums.legacyVariance / count),
            density: FeatureDensity(firingCounts: firingCounts.scalars(as: Int.self), inputCount: sums.count))
    }
}

extension ActivationDictionary {
    /// Metrics over the rows of a matrix.
    /// - Parameter inputs: shape [N, D].
    public func evaluate(_ inputs: Tensor, batchSize: Int = 2_048) -> ReconstructionMetrics {
        let evaluation = ReconstructionEvaluation(of: self)
        for batch in inputs.split(size: batchSize) { evaluation.add(batch) }
        return evaluation.metrics
    }
}
