public import Torch

/// A weight of which many numbers are zero, in few bytes.
///
/// Weights are seen as matrices [outputs, all others]. What is not zero comes back bit for bit, NaN included; a negative zero counts as
/// zero and comes back as the positive one, since masking a negative weight makes one.
public struct SparseMatrix {
    /// How the places of what is kept are told.
    public enum Format: Codable, Sendable, Hashable {
        /// One bit for each number.
        case bitmask
        /// Compressed rows: the column of each number, in 16 bits where they fit and otherwise in 32.
        case rows
        /// Blocks with a number that is not zero, whole; one bit for each block. Those at the edges are filled up with zeros.
        case blocks(rows: Int, columns: Int)
        /// Of every `of` consecutive columns, a power of two, so many are kept, with log₂(of) bits each: 2 for 2 of 4.
        case kept(Int, of: Int)
    }

    public let format: Format
    /// Of the weight.
    public let shape: [Int]
    /// [count]; for blocks [count, rows, columns]; for groups [outputs, groups, kept].
    let values: Tensor
    /// bitmask: uint8 [outputs, ⌈columns / 8⌉]; rows: int16 or int32 [count]; blocks: uint8 [⌈blocks / 8⌉]; groups: uint8, positions in
    /// the order of the values, with as many bits each as they need.
    let places: Tensor
    /// Where each of the compressed rows begins among the values, int32 [outputs + 1]; otherwise nil.
    let offsets: Tensor?

    /// - Parameters:
    ///   - weight: [outputs, inputs…], of any type with a zero.
    ///   - format: ``Format/rows`` for up to 2³¹ numbers.
    /// - Throws: ``UnsuitableWeight`` if a group has more numbers than are kept of it.
    public init(_ weight: Tensor, format: Format) throws(UnsuitableWeight) {
        require(weight.rank > 0 && weight.elementCount > 0, "SparseMatrix: the weight must be [outputs, inputs…], found \(weight.shape).")
        let matrix = withoutGradients { weight.detached().to(device: .cpu).reshaped([weight.size(0), -1]).contiguous() }
        (self.format, shape) = (format, weight.shape)
        switch format {
        case .bitmask:
            let pieces = matrix.rowPieces().map { rows in
                let mask = rows.to(dtype: .bool)
                return (values: rows.selected(where: mask), places: mask.packedBits())
            }
            (values, places, offsets) = (Tensor.concatenated(pieces.map(\.values)), Tensor.concatenated(pieces.map(\.places)), nil)
        case .rows:
            // As bits: columns above 32,767 are negative.
            let columnType: DType = Self.columnBytes(matrix.size(1)) == 2 ? .int16 : .int32
            let pieces = matrix.rowPieces().map { rows in
                let mask = rows.to(dtype: .bool)
                return (values: rows.selected(where: mask), columns: mask.nonzeroIndices()[.all, 1].to(dtype: columnType), counts: mask.nonzeroCount(axes: [1]))
            }
            (values, places) = (Tensor.concatenated(pieces.map(\.values)), Tensor.concatenated(pieces.map(\.columns)))
            offsets = Tensor.concatenated([Tensor.zeros([1], dtype: .int64), Tensor.concatenated(pieces.map(\.counts)).cumulativeSum(axis: 0)]).to(dtype: .int32)
            require(values.elementCount <= Int(Int32.max), "SparseMatrix: compressed rows hold up to \(Int32.max) numbers, found \(values.elementCount).")
        case .blocks(let height, let width):
            require(height > 0 && width > 0, "SparseMatrix: blocks must have rows and columns, found \(height) × \(width).")
            let blocks = matrix.blocks(rows: height, columns: width).flattened(to: 1), mask = blocks.to(dtype: .bool).flattened(from: 1).any(axis: 1)
            values = Self.withoutNegativeZeros(blocks.gathered(indices: mask.nonzeroIndices().reshaped([-1])))
            (places, offsets) = (mask.unsqueezed(0).packedBits().reshaped([-1]), nil)
        case .kept(let kept, let group):
            Self.requireGroups(kept, group)
            let found = Self.positions(matrix, kept, group)
            guard let positions = found.positions else {
                throw UnsuitableWeight("\(found.most) of \(group) consecutive weights are not zero, and the format keeps \(kept); prune with that pattern first")
            }
            values = Self.withoutNegativeZeros(Self.grouped(matrix, group).gatheredElements(at: positions, axis: 2))
            (places, offsets) = (Self.packed(positions, bits: Self.positionBits(group)), nil)
        }
    }

    init(format: Format, shape: [Int], values: Tensor, places: Tensor, offsets: Tensor?) {
        (self.format, self.shape, self.values, self.places, self.offsets) = (format, shape, values, places, offsets)
    }

    public var dtype: DType { values.dtype }
    public var outputSize: Int { shape[0] }
    /// Columns of the matrix.
    public var columnCount: Int { shape.dropFirst().reduce(1, *) }

    /// Whether both have the same bits in the same format.
    func isIdentical(to other: SparseMatrix) -> Bool {
        func same(_ tensor: Tensor, _ other: Tensor) -> Bool {
            tensor.dtype == other.dtype && tensor.shape == other.shape && tensor.withBytes { bytes in other.withBytes { bytes.elementsEqual($0) } }
        }
        let offsetsAgree = offsets.map { own in other.offsets.map { same(own, $0) } ?? false } ?? (other.offsets == nil)
        return format == other.format && shape == other.shape && same(values, other.values) && same(places, other.places) && offsetsAgree
    }

    /// The weight with its zeros.
    public func dense() -> Tensor {
        let columns = columnCount
        switch format {
        case .bitmask:
            return Operator.maskedScatterInPlace(zeros([outputSize, columns]), places.unpackedBits(columns: columns), values).reshaped(shape)
        case .rows:
            let starts = offsets!.to(dtype: .int64), counts = starts[1...] - starts[..<outputSize]
            let rows = Tensor.arange(0, outputSize).repeated(counts)
            return zeros([outputSize * columns]).copySlicesInPlace(values, at: rows * columns + unsignedColumns).reshaped(shape)
        case .blocks(let height, let width):
            let down = (outputSize + height - 1) / height, across = (columns + width - 1) / width
            let filled = zeros([down * across, height, width]).copySlicesInPlace(values, at: blockIndices(down * across))
            return filled.reshaped([down, across, height, width]).transposed(1, 2).reshaped([down * height, across * width])[..<outputSize, ..<columns]
                .contiguous().reshaped(shape)
        case .kept(_, let group):
            let groups = values.size(1)
            return zeros([outputSize, groups, group]).scatteringElements(values, at: positions(group), axis: 2)
                .reshaped([outputSize, groups * group])[.all, ..<columns].contiguous().reshaped(shape)
        }
    }

    private static func withoutNegativeZeros(_ values: Tensor) -> Tensor { values.filled(where: values.to(dtype: .bool).logicalNot(), with: 0) }

    private func zeros(_ shape: [Int]) -> Tensor { Tensor.zeros(shape, dtype: dtype) }

    /// The columns of compressed rows, int64.
    var unsignedColumns: Tensor {
        let columns = places.to(dtype: .int64)
        return places.dtype == .int16 ? columns.remainder(dividingBy: 65_536) : columns
    }

    /// The places of kept blocks among all of them.
    private func blockIndices(_ count: Int) -> Tensor { places.unsqueezed(0).unpackedBits(columns: count).reshaped([-1]).nonzeroIndices().reshaped([-1]) }

    /// Where in its group each value stands, int64 in the shape of the values.
    func positions(_ group: Int) -> Tensor {
        let bits = Self.positionBits(group), flags = places.unsqueezed(0).unpackedBits(columns: values.elementCount * bits)
        let powers = Tensor((0..<bits).map { 1 << $0 })
        return (flags.reshaped(values.shape + [bits]).to(dtype: .int64) * powers).sum(axis: -1)
    }
}

// MARK: - Groups

extension SparseMatrix {
    private static func requireGroups(_ kept: Int, _ group: Int) {
        require(isGroup(kept, group), "SparseMatrix: of 2, 4, 8, … up to 256 consecutive weights some can be kept, not \(kept) of \(group).")
    }

    static func isGroup(_ kept: Int, _ group: Int) -> Bool { (2...256).contains(group) && group.nonzeroBitCount == 1 && (1...group).contains(kept) }

    static func positionBits(_ group: Int) -> Int { group.trailingZeroBitCount }

    /// [outputs, groups, group], the last one filled up with zeros.
    private static func grouped(_ matrix: Tensor, _ group: Int) -> Tensor {
        let groups = (matrix.size(1) + group - 1) / group
        return matrix.padded([0, groups * group - matrix.size(1)]).reshaped([matrix.size(0), groups, group])
    }

    /// Positions of the first numbers that are not zero in each group, rising, and after them of zeros where there are fewer; nil if there
    /// are more in one.
    private static func positions(_ matrix: Tensor, _ kept: Int, _ group: Int) -> (positions: Tensor?, most: Int) {
        var most = 0, pieces: [Tensor] = []
        for rows in matrix.rowPieces() {
            let isZero = grouped(rows, group).to(dtype: .bool).logicalNot()
            most = max(most, group - Int(isZero.to(dtype: .int64).sum(axis: 2).min().item()))
            guard most <= kept else { continue }
            // The order of equals is kept: numbers first, each kind from left to right.
            pieces.append(isZero.to(dtype: .uint8).argsort().narrowed(axis: 2, from: 0, count: kept).sorted(axis: 2).values)
        }
        return (most <= kept ? Tensor.concatenated(pieces) : nil, most)
    }

    private static func packed(_ positions: Tensor, bits: Int) -> Tensor {
        let flat = positions.reshaped([-1, 1]), powers = Tensor((0..<bits).map { 1 << $0 })
        return flat.floorDivided(by: powers).remainder(dividingBy: 2).to(dtype: .bool).reshaped([1, -1]).packedBits().reshaped([-1])
    }
}

extension Tensor {
    /// Rows of a matrix, some at a time: what is made of them on the way takes several times their memory.
    /// - Parameter multiple: of rows in each piece but the last.
    func rowPieces(multiple: Int = 1) -> [Tensor] { split(size: Swift.max(1, (1 << 20) / (size(1) * multiple)) * multiple) }
}

// MARK: - Bytes

extension SparseMatrix {
    /// Bytes of the values and of what tells their places: as ``byteCount(shape:elementBytes:kept:format:)``.
    public var byteCount: Int { values.byteCount + places.byteCount + (offsets?.byteCount ?? 0) }

    /// Bytes a weight takes: with b bytes for each of K values kept,
    /// bitmask K·b + outputs·⌈columns / 8⌉, rows K·(b + 2 or 4) + 4·(outputs + 1), blocks K·b + ⌈blocks / 8⌉,
    /// n of m K·b + ⌈K·log₂(m) / 8⌉.
    ///
    /// A file has the shape beside it, and for the bitmask of a matrix the starts of its rows, 8 bytes each, as compressed-tensors wants them.
    /// - Parameters:
    ///   - kept: numbers that are not zero; for blocks those in kept blocks. It follows from the shape for groups.
    public static func byteCount(shape: [Int], elementBytes: Int, kept: Int, format: Format) -> Int {
        let outputs = shape.first ?? 0, columns = shape.dropFirst().reduce(1, *)
        func pieces(_ count: Int, _ size: Int) -> Int { (count + size - 1) / size }
        switch format {
        case .bitmask: return kept * elementBytes + outputs * pieces(columns, 8)
        case .rows: return kept * (elementBytes + columnBytes(columns)) + 4 * (outputs + 1)
        case .blocks(let height, let width): return kept * elementBytes + pieces(pieces(outputs, height) * pieces(columns, width), 8)
        case .kept(let count, let group):
            let kept = outputs * pieces(columns, group) * count
            return kept * elementBytes + pieces(kept * positionBits(group), 8)
        }
    }

    static func columnBytes(_ columns: Int) -> Int { columns <= 1 << 16 ? 2 : 4 }

    /// The numbers that are kept, and the zeros among them that fill up blocks and groups.
    public var storedCount: Int { values.elementCount }
}

/// A weight that a format cannot hold.
public struct UnsuitableWeight: Error, CustomStringConvertible, Equatable, Sendable {
    public let description: String

    init(_ description: String) { self.description = description }
}

extension Operator {
    fileprivate static let maskedScatterInPlace = Operator("aten::masked_scatter_")
}
