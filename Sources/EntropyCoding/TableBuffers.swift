internal import Foundation
internal import Torch
internal import TorchNN

/// The buffers in which an entropy model keeps its tables, under the reference's names, empty until they are made.
final class TableBuffers: Module {
    let offset = Tensor.zeros([0], dtype: .int32), cumulative = Tensor.zeros([0], dtype: .int32), length = Tensor.zeros([0], dtype: .int32)
    /// What the buffers held when they were last read.
    private var tables: CDFTables?

    func visit(_ v: inout ParameterVisitor) {
        v.resizableBuffer("_offset", offset)
        v.resizableBuffer("_quantized_cdf", cumulative)
        v.resizableBuffer("_cdf_length", length)
    }

    var isEmpty: Bool { cumulative.elementCount == 0 }

    func store(_ tables: CDFTables) {
        fill(offset, tables.offsets, shape: [tables.rowCount])
        fill(cumulative, tables.values, shape: [tables.rowCount, tables.width])
        fill(length, tables.lengths, shape: [tables.rowCount])
        self.tables = tables
    }

    private func fill(_ buffer: Tensor, _ values: [Int32], shape: [Int]) {
        buffer.takeData(of: Tensor(values, shape: shape).to(device: buffer.device))
    }

    /// The tables, checked; made again only if the buffers hold something else than last time.
    func read(model: String, rowCount: Int) throws -> CDFTables {
        guard !isEmpty else { throw EntropyCodingError.missingTables(model: model) }
        guard cumulative.rank == 2 && cumulative.size(0) == rowCount && length.shape == [rowCount] && offset.shape == [rowCount] else {
            throw EntropyCodingError.invalidTables(
                "_quantized_cdf \(cumulative.shape), _cdf_length \(length.shape) and _offset \(offset.shape), where \(rowCount) rows are needed")
        }
        if let tables, holds(cumulative, tables.values) && holds(length, tables.lengths) && holds(offset, tables.offsets) { return tables }
        let tables = try CDFTables(values: cumulative.scalars(), lengths: length.scalars(), offsets: offset.scalars())
        self.tables = tables
        return tables
    }

    private func holds(_ buffer: Tensor, _ values: [Int32]) -> Bool {
        buffer.withBytes { stored in
            values.withUnsafeBytes { $0.count == stored.count && ($0.count == 0 || memcmp($0.baseAddress!, stored.baseAddress!, $0.count) == 0) }
        }
    }
}

/// What a model's tables are made of.
package struct RowProbabilities {
    /// For each row those of its integers, and last that of all others.
    package let probabilities: [[Float]]
    package let offsets: [Int32]

    /// - Parameter inside: rows as long as the longest, one behind the other.
    init(inside: [Float], rowLengths: [Int], outside: [Float], offsets: [Int32]) {
        let longest = rowLengths.max() ?? 0
        probabilities = rowLengths.indices.map { row in Array(inside[row * longest..<row * longest + rowLengths[row]]) + [outside[row]] }
        self.offsets = offsets
    }
}
