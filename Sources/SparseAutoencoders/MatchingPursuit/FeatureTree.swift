package import Torch

/// Activations with a known, hierarchical dictionary (Costa et al. 2025, synthetic experiment): one of eleven top-level features
/// is active at a time, three of which are parents that activate one of three children of their own or none.
///
/// Features that exclude each other are correlated: the top level among each other, and the children of a parent. A parent and
/// its child are orthogonal.
package final class FeatureTree: ActivationSource {
    /// Cosines between features of a group, with the mixing shares that give them for groups of eleven and of three.
    package struct Correlation: Sendable, Equatable {
        package let value: Double
        let topLevelShare: Double
        let childShare: Double

        package static let all = zip(
            stride(from: 0.0, through: 0.85, by: 0.1),
            zip(
                [0, 0.3, 0.44, 0.529, 0.594, 0.6467, 0.692, 0.733, 0.7739], [0, 0.0895, 0.163, 0.226, 0.282, 0.3335, 0.3825, 0.431, 0.482])
        ).map { Correlation(value: $0, topLevelShare: $1.0, childShare: $1.1) }
    }

    /// Rows with what they are made of.
    package struct Sample {
        /// [count, D].
        package let activations: Tensor
        /// [count, 20].
        package let codes: Tensor
    }

    package static let featureCount = 20
    /// Features that are active on average.
    package static let meanActive = 1.36
    private static let topLevel = [0, 4, 8] + Array(12..<20)
    private static let siblings = [[1, 2, 3], [5, 6, 7], [9, 10, 11]]
    /// Where the intervals of all but the last choice end.
    private static let topLevelEnds = [0.2, 0.4, 0.6] + (1...7).map { 0.6 + 0.05 * Double($0) }
    private static let childEnds = [0.2, 0.4, 0.6]

    /// Unit rows, [20, 20].
    package let features: Tensor
    package var position: ActivationPosition

    /// - Parameter seed: of the basis and of the rows.
    package init(_ correlation: Correlation, seed: UInt64) {
        let basis = Tensor.normal([Self.featureCount, Self.featureCount], dtype: .float64, generator: RandomGenerator(seed: seed)).qr().q
        var mixing = Tensor.identity(Self.featureCount, dtype: .float64)
        for (group, share) in [(Self.topLevel, correlation.topLevelShare)] + Self.siblings.map({ ($0, correlation.childShare) }) {
            for row in group {
                for column in group { mixing[row, column] = Tensor(scalar: row == column ? 1 - share : share / Double(group.count - 1)) }
            }
        }
        mixing = mixing.matmul(basis)
        features = mixing.unitRows().to(dtype: .float32)
        position = ActivationPosition(seed: seed)
    }

    package var inputSize: Int { Self.featureCount }

    package func sample(_ count: Int, generator: RandomGenerator) -> Sample {
        func choices(_ ends: [Double]) -> Tensor {
            Tensor(ends).searchSorted(Tensor.uniform([count], dtype: .float64, generator: generator), right: true)
        }
        let top = choices(Self.topLevelEnds), child = choices(Self.childEnds)
        let topFeature = Tensor(Self.topLevel).gathered(indices: top)
        let hasChild = (top .< 3).logicalAnd(child .< 3)
        let childFeature = (topFeature + 1 + child).filled(where: hasChild.logicalNot(), with: 0)
        let isActive = Tensor.zeros([count, Self.featureCount])
            .scatterAdding(Tensor.ones([count, 1]), at: topFeature.unsqueezed(1))
            .scatterAdding(hasChild.to(dtype: .float32).unsqueezed(1), at: childFeature.unsqueezed(1))
        let codes = isActive * (Tensor.normal([count, Self.featureCount], generator: generator) * 0.25 + 1.5)
        return Sample(activations: codes.matmul(features), codes: codes)
    }

    package func next(_ count: Int) -> Tensor {
        position.serve(count, blockLength: 1_000) { sample($0, generator: $1).activations }
    }
}
