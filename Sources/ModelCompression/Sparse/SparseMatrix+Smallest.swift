public import Torch

extension SparseMatrix.Format {
    /// In records.
    var name: String {
        switch self {
        case .bitmask: "bitmask"
        case .rows: "rows"
        case .blocks(let rows, let columns): "blocks \(rows)×\(columns)"
        case .kept(let kept, let group): "\(kept) of \(group)"
        }
    }
}

extension SparseMatrix {
    /// A weight in the format that takes the fewest bytes; nil if that is the dense one.
    ///
    /// 2 of 4, and blocks of 4 × 4, 4 × 1, 1 × 4 and 1 × 16 are tried beside bitmask and compressed rows.
    public init?(smallest weight: Tensor) {
        let matrix = weight.detached().reshaped([weight.size(0), -1]), bytes = weight.dtype.byteCount
        let count = matrix.flattened().nonzeroCount(axes: [0]).item()
        var formats: [(format: Format, stored: Int)] = [(.bitmask, Int(count)), (.rows, Int(count))]
        // Before others, which can be as small.
        if matrix.size(1) % 4 == 0, matrix.rowPieces().allSatisfy({ $0.reshaped([-1, 4]).nonzeroCount(axes: [1]).max().item() <= 2 }) {
            formats.insert((.kept(2, of: 4), 0), at: 0)
        }
        // Zeros that do not come in blocks show in some of the rows.
        let rows = matrix[..<min(matrix.size(0), 256)], found = Int(rows.nonzeroCount(axes: [0, 1]).item())
        for (height, width) in [(4, 4), (4, 1), (1, 4), (1, 16)] where rows.countInBlocks(height, width) <= 2 * found {
            formats.append((.blocks(rows: height, columns: width), matrix.countInBlocks(height, width)))
        }
        let sizes = formats.map { (format: $0.format, bytes: Self.byteCount(shape: weight.shape, elementBytes: bytes, kept: $0.stored, format: $0.format)) }
        guard let least = sizes.min(by: { $0.bytes < $1.bytes }), least.bytes < weight.byteCount, let packed = try? SparseMatrix(weight, format: least.format) else {
            return nil
        }
        self = packed
    }
}

extension Tensor {
    /// Numbers of a matrix in those of its blocks that have one that is not zero.
    func countInBlocks(_ height: Int, _ width: Int) -> Int {
        rowPieces(multiple: height).reduce(0) { count, rows in
            count + Int(rows.to(dtype: .bool).blocks(rows: height, columns: width).flattened(from: 2).any(axis: 2).nonzeroCount(axes: [0, 1]).item()) * height * width
        }
    }
}
