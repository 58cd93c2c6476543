internal import Torch

/// The assignment of each row to a column of its own with the least sum of costs, by the Hungarian method with potentials in
/// O(n²m).
///
/// Rows are added one at a time; each looks for the shortest path of reduced costs to a free column, along which rows already
/// placed move over.
/// - Parameter costs: finite numbers [n][m] with n ≤ m.
/// - Returns: each row's column.
public func linearAssignment(_ costs: [[Double]]) -> [Int] {
    let rows = costs.count, columns = costs.first?.count ?? 0
    require(
        rows <= columns && costs.allSatisfy { $0.count == columns && $0.allSatisfy(\.isFinite) },
        "linearAssignment: costs must be finite, [\(rows)] rows of at least as many columns, found \(columns)")
    var rowPotential = [Double](repeating: 0, count: rows), columnPotential = [Double](repeating: 0, count: columns)
    var owner = [Int?](repeating: nil, count: columns)
    for start in 0..<rows {
        var distance = [Double](repeating: .infinity, count: columns)
        var previous = [Int?](repeating: nil, count: columns)
        var isDone = [Bool](repeating: false, count: columns)
        var row = start, reached: Int?
        while true {
            var nearest = -1
            for column in 0..<columns where !isDone[column] {
                let reduced = costs[row][column] - rowPotential[row] - columnPotential[column]
                if reduced < distance[column] { (distance[column], previous[column]) = (reduced, reached) }
                if nearest < 0 || distance[column] < distance[nearest] { nearest = column }
            }
            // Potentials make the nearest column's reduced cost 0, so that distances stay those of one step.
            let step = distance[nearest]
            rowPotential[start] += step
            for column in 0..<columns {
                if isDone[column] {
                    columnPotential[column] -= step
                    if let owner = owner[column] { rowPotential[owner] += step }
                } else {
                    distance[column] -= step
                }
            }
            isDone[nearest] = true
            reached = nearest
            guard let next = owner[nearest] else { break }
            row = next
        }
        while let column = reached {
            reached = previous[column]
            owner[column] = reached.map { owner[$0]! } ?? start
        }
    }
    var result = [Int](repeating: -1, count: rows)
    for (column, row) in owner.enumerated() { if let row { result[row] = column } }
    return result
}
