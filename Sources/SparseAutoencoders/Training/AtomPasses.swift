package import Torch

/// Passes over the rows of [F, D] matrices between backward and the optimiser's step. Each goes through memory once, in
/// blocks of rows that stay in the processor's cache, instead of making temporaries as large as the weights.
package enum AtomPasses {
    /// Elements per block: 4 MiB of float32 for each matrix. Smaller blocks cost more in waiting for threads than they save.
    private static let blockElements = 1 << 20

    private static func forEachBlock(of matrix: Tensor, _ body: (_ start: Int, _ count: Int) -> Void) {
        let rows = matrix.size(0)
        let length = max(1, blockElements / max(1, matrix.size(1)))
        for start in stride(from: 0, to: rows, by: length) { body(start, min(length, rows - start)) }
    }

    /// Removes from each gradient row its component along the atom: g ← g − (g·ŵ)ŵ.
    /// - Parameter atoms: rows of norm 1.
    package static func removeParallel(fromGradient gradient: Tensor, to atoms: Tensor) {
        withoutGradients {
            forEachBlock(of: atoms) { start, count in
                let rows = gradient.narrowed(axis: 0, from: start, count: count)
                let directions = atoms.narrowed(axis: 0, from: start, count: count)
                let components = (rows * directions).sum(axis: 1, keepingDimensions: true)
                rows.addProductInPlace(directions, components, scale: -1)
            }
        }
    }

    /// Divides every row by its norm; rows of zeros stay.
    package static func normalizeRows(_ atoms: Tensor) {
        withoutGradients {
            forEachBlock(of: atoms) { start, count in
                let rows = atoms.narrowed(axis: 0, from: start, count: count)
                rows.divideInPlace(by: rows.norm(axes: [1], keepingDimensions: true).clamped(minimum: 1e-30))
            }
        }
    }
}
