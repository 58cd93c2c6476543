public import Torch

/// In a file, a weight `layer.weight` becomes some tensors `layer.…`: `layer.compressed` has the values and `layer.shape` the shape. The
/// rest depends on the format:
///
/// | format | tensors |
/// | --- | --- |
/// | bitmask | `bitmask` U8 [outputs, ⌈columns / 8⌉] with the lowest bit first, for weights [outputs, inputs] also `row_offsets` I64 [outputs]: the layout of the PyPI package compressed-tensors |
/// | rows | `columns` U16 or U32 [count], `row_offsets` I32 [outputs + 1] |
/// | blocks | `block_mask` U8 [⌈blocks / 8⌉]; the values are [count, rows, columns] |
/// | n of m | `positions` U8, `pattern` I64 [n, m]; the values are [outputs, groups, n] |
extension SparseMatrix {
    /// What stands before the names of a parameter's tensors: its own name without `weight` at the end.
    static func prefix(of parameter: String) -> String { parameter.hasSuffix(".weight") ? String(parameter.dropLast(7)) : parameter }

    /// The tensors to write for a parameter of this name.
    public func items(parameter: String) -> [SafetensorsWriter.Item] {
        let prefix = Self.prefix(of: parameter)
        func item(_ name: String, _ tensor: Tensor, _ type: SafetensorsFile.ElementType? = nil) -> SafetensorsWriter.Item {
            SafetensorsWriter.Item(name: "\(prefix).\(name)", elementType: type ?? SafetensorsFile.ElementType(tensor.dtype)!, shape: tensor.shape) { consume in
                try tensor.withBytes { try consume($0) }
            }
        }
        let common = [item("compressed", values), item("shape", Tensor(shape))]
        switch format {
        case .bitmask:
            // They follow from the mask, and the package that wants them knows matrices only.
            return common + [item("bitmask", places)] + (shape.count == 2 ? [item("row_offsets", Self.rowStarts(places))] : [])
        case .rows: return common + [item("columns", places, places.dtype == .int16 ? .uint16 : .uint32), item("row_offsets", offsets!)]
        case .blocks: return common + [item("block_mask", places)]
        case .kept(let kept, let group): return common + [item("positions", places), item("pattern", Tensor([kept, group]))]
        }
    }

    /// Where the values of each row of a mask begin, int64 [rows].
    fileprivate static func rowStarts(_ mask: Tensor) -> Tensor {
        let counts = mask.unpackedBits(columns: mask.size(1) * 8).nonzeroCount(axes: [1])
        return counts.cumulativeSum(axis: 0) - counts
    }

    /// Whether a file holds a parameter in one of the formats.
    public static func isStored(parameter: String, in file: SafetensorsFile) -> Bool {
        let prefix = prefix(of: parameter)
        return file.entry(named: "\(prefix).compressed") != nil && file.entry(named: "\(prefix).shape") != nil
    }

    /// Reads a parameter. Everything is checked, so that ``dense()`` cannot fail.
    /// - Throws: `FileFormatError` if a tensor is missing, or they do not fit together.
    public init(parameter: String, from file: SafetensorsFile) throws {
        self = try SparseMatrixReader(file: file, prefix: Self.prefix(of: parameter)).matrix()
    }
}

private struct SparseMatrixReader {
    let file: SafetensorsFile, prefix: String
    /// The most times that a weight may be larger than what stands in the file for it.
    private static let largestExpansion = 1 << 16

    private func fail(_ problem: String) -> FileFormatError {
        FileFormatError(path: file.path, format: "a sparse weight", problem: "'\(prefix)' \(problem)")
    }

    func matrix() throws -> SparseMatrix {
        let shape = try shape(), columns = shape.dropFirst().reduce(1, *)
        guard let values = file.entry(named: "\(prefix).compressed"), DType(values.elementType) != nil else { throw fail("has no values 'compressed' of a known type") }
        let others = ["bitmask", "columns", "block_mask", "positions"].filter { file.entry(named: "\(prefix).\($0)") != nil }
        guard others.count == 1 else { throw fail("needs one of 'bitmask', 'columns', 'block_mask' and 'positions', and has \(others.count)") }
        let stored = ["compressed", "row_offsets"] + others, bytes = stored.compactMap { file.entry(named: "\(prefix).\($0)")?.byteRange.count }.reduce(0, +)
        guard shape.reduce(1, *) / Self.largestExpansion <= bytes else { throw fail("stands for \(shape) numbers in only \(bytes) bytes") }
        switch others[0] {
        case "bitmask": return try bitmask(shape, columns, values)
        case "columns": return try rows(shape, columns, values)
        case "block_mask": return try blocks(shape, columns, values)
        default: return try groups(shape, columns, values)
        }
    }

    private func shape() throws -> [Int] {
        let tensor = try tensor("shape", .int64) { $0.count == 1 && (1...8).contains($0[0]) }
        let sizes: [Int] = tensor.scalars()
        var count = 1
        for size in sizes {
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            guard size > 0, !overflow, product < 1 << 48 else { throw fail("has the impossible shape \(sizes)") }
            count = product
        }
        return sizes
    }

    /// A tensor of the file, if its type and shape are right.
    private func tensor(_ name: String, _ type: SafetensorsFile.ElementType, _ fits: ([Int]) -> Bool) throws -> Tensor {
        guard let entry = file.entry(named: "\(prefix).\(name)") else { throw fail("has no '\(name)'") }
        guard entry.elementType == type, fits(entry.shape) else { throw fail("has a '\(name)' of \(entry.elementType.rawValue) \(entry.shape), which does not fit") }
        let dtype: DType = type == .uint16 ? .int16 : type == .uint32 ? .int32 : DType(type)!
        return file.withBytes(of: entry) { Tensor(bytes: $0, shape: entry.shape, dtype: dtype) }
    }

    private func bitmask(_ shape: [Int], _ columns: Int, _ values: SafetensorsFile.Entry) throws -> SparseMatrix {
        let mask = try tensor("bitmask", .uint8) { $0 == [shape[0], (columns + 7) / 8] }
        let counts = mask.unpackedBits(columns: mask.size(1) * 8).nonzeroCount(axes: [1]), inside = mask.unpackedBits(columns: columns).nonzeroCount(axes: [1])
        guard counts.isEqual(to: inside), values.shape == [Int(counts.sum().item())] else { throw fail("has another number of values than of ones in its bitmask") }
        if file.entry(named: "\(prefix).row_offsets") != nil {
            let starts = try tensor("row_offsets", .int64) { $0 == [shape[0]] }
            guard starts.isEqual(to: SparseMatrix.rowStarts(mask)) else { throw fail("has row offsets that are not those of its bitmask") }
        }
        return SparseMatrix(format: .bitmask, shape: shape, values: try file.tensor(named: values.name), places: mask, offsets: nil)
    }

    private func rows(_ shape: [Int], _ columns: Int, _ values: SafetensorsFile.Entry) throws -> SparseMatrix {
        let isNarrow = SparseMatrix.columnBytes(columns) == 2
        let places = try tensor("columns", isNarrow ? .uint16 : .uint32) { $0 == values.shape && $0.count == 1 }
        let offsets = try tensor("row_offsets", .int32) { $0 == [shape[0] + 1] }, starts: [Int32] = offsets.scalars()
        let matrix = SparseMatrix(format: .rows, shape: shape, values: try file.tensor(named: values.name), places: places, offsets: offsets)
        guard starts[0] == 0, Int(starts[shape[0]]) == values.shape[0], zip(starts, starts.dropFirst()).allSatisfy({ $0 <= $1 }) else {
            throw fail("has row offsets that do not rise from 0 to its \(values.shape[0]) values")
        }
        let found: [Int] = matrix.unsignedColumns.scalars()
        for row in 0..<shape[0] {
            var last = -1
            for place in Int(starts[row])..<Int(starts[row + 1]) {
                guard found[place] > last, found[place] < columns else { throw fail("has columns in row \(row) that do not rise below \(columns)") }
                last = found[place]
            }
        }
        return matrix
    }

    private func blocks(_ shape: [Int], _ columns: Int, _ values: SafetensorsFile.Entry) throws -> SparseMatrix {
        guard values.shape.count == 3, values.shape[1...].allSatisfy({ (1...1 << 16).contains($0) }) else { throw fail("has values \(values.shape) that are not blocks") }
        let (height, width) = (values.shape[1], values.shape[2]), count = ((shape[0] + height - 1) / height) * ((columns + width - 1) / width)
        let mask = try tensor("block_mask", .uint8) { $0 == [(count + 7) / 8] }, bits = mask.unsqueezed(0).unpackedBits(columns: mask.elementCount * 8)
        guard bits.nonzeroCount(axes: [1]).isEqual(to: bits[.all, ..<count].nonzeroCount(axes: [1])), Int(bits.nonzeroCount(axes: [1]).item()) == values.shape[0] else {
            throw fail("has another number of blocks than of ones in its mask")
        }
        return SparseMatrix(format: .blocks(rows: height, columns: width), shape: shape, values: try file.tensor(named: values.name), places: mask, offsets: nil)
    }

    private func groups(_ shape: [Int], _ columns: Int, _ values: SafetensorsFile.Entry) throws -> SparseMatrix {
        let pattern: [Int] = try tensor("pattern", .int64) { $0 == [2] }.scalars()
        guard SparseMatrix.isGroup(pattern[0], pattern[1]) else { throw fail("keeps the impossible \(pattern[0]) of \(pattern[1])") }
        guard values.shape == [shape[0], (columns + pattern[1] - 1) / pattern[1], pattern[0]] else { throw fail("has values \(values.shape) that do not fit \(shape)") }
        let bits = SparseMatrix.positionBits(pattern[1]), count = values.shape.reduce(1, *)
        let positions = try tensor("positions", .uint8) { $0 == [(count * bits + 7) / 8] }
        let matrix = SparseMatrix(
            format: .kept(pattern[0], of: pattern[1]), shape: shape, values: try file.tensor(named: values.name), places: positions, offsets: nil)
        let found = matrix.positions(pattern[1])
        guard pattern[0] == 1 || (found[.all, .all, 1...] - found[.all, .all, ..<(pattern[0] - 1)]).min().item() > 0 else {
            throw fail("has positions that do not rise")
        }
        return matrix
    }
}
