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
        let mask = weight.reshaped([weight.size(0), -1]).to(dtype: .bool), bytes = weight.dtype.byteCount, count = Int(mask.nonzeroCount(axes: [0, 1]).item())
        var formats: [(format: Format, stored: Int)] = [(.bitmask, count), (.rows, count)]
        // Before others, which can be as small.
        if mask.size(1) % 4 == 0, mask.reshaped([-1, 4]).nonzeroCount(axes: [1]).max().item() <= 2 {
            formats.insert((.kept(2, of: 4), 0), at: 0)
        }
        func stored(_ mask: Tensor, _ height: Int, _ width: Int) -> Int {
            Int(mask.blocks(rows: height, columns: width).flattened(from: 2).any(axis: 2).nonzeroCount(axes: [0, 1]).item()) * height * width
        }
        // Zeros that do not come in blocks show in some of the rows.
        let rows = mask[..<min(mask.size(0), 256)], found = Int(rows.nonzeroCount(axes: [0, 1]).item())
        for (height, width) in [(4, 4), (4, 1), (1, 4), (1, 16)] where stored(rows, height, width) <= 2 * found {
            formats.append((.blocks(rows: height, columns: width), stored(mask, height, width)))
        }
        let sizes = formats.map { (format: $0.format, bytes: Self.byteCount(shape: weight.shape, elementBytes: bytes, kept: $0.stored, format: $0.format)) }
        guard let least = sizes.min(by: { $0.bytes < $1.bytes }), least.bytes < weight.byteCount, let packed = try? SparseMatrix(weight, format: least.format) else {
            return nil
        }
        self = packed
    }
}
