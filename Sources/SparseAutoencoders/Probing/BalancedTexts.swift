internal import Torch

/// All texts of a class and as many of the others, drawn without repetition.
struct BalancedTexts {
    /// int64.
    let rows: Tensor
    /// bool, of these rows.
    let isPositive: Tensor

    init(_ labels: [Int], _ label: Int, _ generator: RandomGenerator) {
        let positive = labels.indices.filter { labels[$0] == label }
        let others = labels.indices.filter { labels[$0] != label }
        let order = Tensor.permutation(others.count, generator: generator).scalars(as: Int.self)
        let negative = order.prefix(positive.count).map { others[$0] }
        let marks = Array(repeating: 1.0, count: positive.count) + Array(repeating: 0, count: negative.count)
        rows = Tensor(positive + negative)
        isPositive = Tensor(marks) .> 0
    }

    /// The means of the class's rows and of the others.
    static func means(_ rows: Tensor, _ isPositive: Tensor) -> (positive: Tensor, others: Tensor) {
        func mean(_ mask: Tensor) -> Tensor { rows.gathered(indices: mask.nonzeroIndices().reshaped([-1])).mean(axis: 0) }
        return (mean(isPositive), mean(isPositive.logicalNot()))
    }
}
