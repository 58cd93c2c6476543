/// Pearson's correlation; not a number if either list has one value only.
package func correlation(_ first: [Double], _ second: [Double]) -> Double {
    let (meanA, meanB) = (first.reduce(0, +) / Double(first.count), second.reduce(0, +) / Double(second.count))
    func product(_ x: [Double], _ meanX: Double, _ y: [Double], _ meanY: Double) -> Double {
        zip(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) }
    }
    let norms = product(first, meanA, first, meanA) * product(second, meanB, second, meanB)
    return product(first, meanA, second, meanB) / norms.squareRoot()
}

/// Spearman's rank correlation: Pearson's of the ranks, of which equal numbers share the mean.
package func rankCorrelation(_ first: [Double], _ second: [Double]) -> Double { correlation(ranks(first), ranks(second)) }

private func ranks(_ values: [Double]) -> [Double] {
    let order = values.indices.sorted { values[$0] < values[$1] }
    var result = [Double](repeating: 0, count: values.count)
    var start = 0
    while start < order.count {
        var end = start
        while end + 1 < order.count, values[order[end + 1]] == values[order[start]] { end += 1 }
        for place in start...end { result[order[place]] = Double(start + end) / 2 }
        start = end + 1
    }
    return result
}
