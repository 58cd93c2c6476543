import CondenseTesting
import Foundation
import ModelCompression
import Testing
import Torch

@Suite struct SparseMatrixTests {
    static let formats: [SparseMatrix.Format] = [
        .bitmask, .rows, .blocks(rows: 1, columns: 4), .blocks(rows: 4, columns: 1), .blocks(rows: 3, columns: 5), .kept(2, of: 4), .kept(1, of: 2),
        .kept(4, of: 16),
    ]
    static let types: [DType] = [.float32, .float16, .bfloat16, .float64, .int8]

    /// Of the pattern that a format needs, with some zeros more.
    private func weight(_ shape: [Int], _ format: SparseMatrix.Format, dtype: DType = .float32) -> Tensor {
        let weight = Tensor.normal(shape, generator: RandomGenerator(seed: 1)) * 10
        let pattern: SparsityPattern = if case .kept(let kept, let group) = format { .kept(kept, of: group) } else { .unstructured }
        let rest = SparsityPattern.unstructured.mask(of: weight, sparsity: 0.7)
        return (weight * pattern.mask(of: weight, sparsity: 0.7) * rest).to(dtype: dtype)
    }

    private func bits(_ tensor: Tensor) -> [UInt8] { tensor.withBytes { Array($0) } }

    @Test(arguments: formats, types) func weightsComeBackBitForBit(_ format: SparseMatrix.Format, _ dtype: DType) throws {
        for shape in [[16, 64], [7, 33], [1, 1], [5, 3, 3, 2], [9]] {
            let weight = weight(shape, format, dtype: dtype), matrix = try SparseMatrix(weight, format: format)
            #expect(matrix.dense().isEqual(to: weight) && matrix.dense().dtype == dtype && matrix.shape == shape)
            // Masking negative numbers makes negative zeros, of which the sign goes; a sum with zero does that too.
            #expect(bits(matrix.dense()) == bits(weight + Tensor.zeros(like: weight)))
            #expect(matrix.byteCount == SparseMatrix.byteCount(shape: shape, elementBytes: dtype.byteCount, kept: matrix.storedCount, format: format))
        }
    }

    /// Large matrices are packed some rows at a time.
    @Test(arguments: formats) func manyRows(_ format: SparseMatrix.Format) throws {
        let weight = weight([530, 4_000], format), matrix = try SparseMatrix(weight, format: format)
        #expect(matrix.dense().isEqual(to: weight))
        let smallest = try #require(SparseMatrix(smallest: weight))
        #expect(smallest.dense().isEqual(to: weight) && smallest.byteCount <= matrix.byteCount)
    }

    @Test(arguments: formats) func specialNumbers(_ format: SparseMatrix.Format) throws {
        let payload = Float(bitPattern: 0x7fc1_2345)
        let weight = Tensor([0, -0.0, payload, 0, 0, 0, 0, -.infinity, .leastNonzeroMagnitude, 0, 0, 0] as [Float], shape: [2, 6])
        let dense = try SparseMatrix(weight, format: format.isGroup ? .kept(2, of: 4) : format).dense()
        #expect(dense.scalars(as: Float.self).map(\.bitPattern) == [0, 0, payload.bitPattern, 0, 0, 0, 0, (-Float.infinity).bitPattern, 1, 0, 0, 0])
    }

    /// The formulas of the formats, in numbers.
    @Test func bytesAreThoseOfTheFormulas() throws {
        let weight = Tensor.normal([128, 256], generator: RandomGenerator(seed: 2))
        let masked = weight * SparsityPattern.unstructured.mask(of: weight, sparsity: 0.75), count = 128 * 64
        #expect(try SparseMatrix(masked, format: .bitmask).byteCount == count * 4 + 128 * 256 / 8)
        #expect(try SparseMatrix(masked, format: .rows).byteCount == count * 6 + 4 * 129)
        #expect(try SparseMatrix(masked.to(dtype: .bfloat16), format: .rows).byteCount == count * 4 + 4 * 129)
        let blocks = weight * SparsityPattern.blocks(rows: 4, columns: 4).mask(of: weight, sparsity: 0.75)
        #expect(try SparseMatrix(blocks, format: .blocks(rows: 4, columns: 4)).byteCount == count * 4 + 128 * 256 / 16 / 8)
        let groups = (weight * SparsityPattern.kept(2, of: 4).mask(of: weight, sparsity: 0.5)).to(dtype: .bfloat16)
        let packed = try SparseMatrix(groups, format: .kept(2, of: 4))
        #expect(packed.byteCount == 128 * 256 + 128 * 256 / 8 && Double(packed.byteCount) / Double(groups.byteCount) == 0.5625)
        #expect(try SparseMatrix(Tensor.ones([2, 65_537]), format: .rows).byteCount == 2 * 65_537 * 8 + 12)
        #expect(throws: UnsuitableWeight.self) { try SparseMatrix(weight, format: .kept(2, of: 4)) }
    }

    // MARK: - Files

    private func path() -> String { FileManager.default.temporaryDirectory.appending(path: "sparse-\(UUID().uuidString).safetensors").path }

    @Test(arguments: formats, [[12, 40], [6, 2, 3, 3], [3, 70_000]]) func filesHoldAll(_ format: SparseMatrix.Format, _ shape: [Int]) throws {
        let path = path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let weight = weight(shape, format), matrix = try SparseMatrix(weight, format: format)
        try SafetensorsWriter.write(matrix.items(parameter: "a.weight") + matrix.items(parameter: "b.kernel"), to: path)
        let file = try SafetensorsFile(path: path)
        for name in ["a.weight", "b.kernel"] {
            #expect(SparseMatrix.isStored(parameter: name, in: file))
            let found = try SparseMatrix(parameter: name, from: file)
            #expect(found.format == format && found.shape == shape && found.dense().isEqual(to: weight) && found.byteCount == matrix.byteCount)
        }
        #expect(!SparseMatrix.isStored(parameter: "c.weight", in: file))
        #expect(throws: FileFormatError.self) { try SparseMatrix(parameter: "c.weight", from: file) }
    }

    /// Headers and what is there for other readers add less than 3 %.
    @Test(arguments: [0.5, 0.9, 0.98]) func filesAreAsLargeAsTheFormulas(_ sparsity: Double) throws {
        for shape in [[512, 2_048], [256, 128, 3, 3]] {
            let full = Tensor.normal(shape, generator: RandomGenerator(seed: 3)), path = path()
            defer { try? FileManager.default.removeItem(atPath: path) }
            for format in [SparseMatrix.Format.bitmask, .rows] {
                let matrix = try SparseMatrix(full * SparsityPattern.unstructured.mask(of: full, sparsity: sparsity), format: format)
                try SafetensorsWriter.write(matrix.items(parameter: "a.weight"), to: path)
                let size = try #require(FileManager.default.contents(atPath: path)).count
                #expect(size > matrix.byteCount && Double(size) < 1.03 * Double(matrix.byteCount))
            }
        }
    }

    /// Written by the compressed-tensors package.
    @Test func bitmasksOfCompressedTensors() throws {
        let path = try #require(Bundle.module.path(forResource: "bitmask", ofType: "safetensors", inDirectory: "Fixtures"))
        let file = try SafetensorsFile(path: path)
        for name in ["wide", "odd", "half"] {
            let expected = try file.tensor(named: "\(name).dense"), matrix = try SparseMatrix(parameter: "\(name).weight", from: file)
            #expect(matrix.format == .bitmask && matrix.dense().isEqual(to: expected) && matrix.dtype == expected.dtype)
            let own = self.path()
            defer { try? FileManager.default.removeItem(atPath: own) }
            try SafetensorsWriter.write(SparseMatrix(expected, format: .bitmask).items(parameter: "\(name).weight"), to: own)
            let written = try SafetensorsFile(path: own)
            for part in ["compressed", "bitmask", "shape", "row_offsets"] {
                let ours = try written.tensor(named: "\(name).\(part)"), theirs = try file.tensor(named: "\(name).\(part)")
                #expect(ours.isEqual(to: theirs) && ours.dtype == theirs.dtype)
            }
        }
    }

    /// One tensor of a good file is replaced at a time.
    @Test(arguments: formats) func damageIsNoticed(_ format: SparseMatrix.Format) throws {
        let matrix = try SparseMatrix(weight([6, 40], format), format: format), good = path()
        defer { try? FileManager.default.removeItem(atPath: good) }
        try SafetensorsWriter.write(matrix.items(parameter: "a.weight"), to: good)
        let file = try SafetensorsFile(path: good)
        func refuse(_ name: String, _ change: (Tensor) -> Tensor?, sourceLocation: SourceLocation = #_sourceLocation) throws {
            let path = path()
            defer { try? FileManager.default.removeItem(atPath: path) }
            var items = matrix.items(parameter: "a.weight").filter { $0.name != name }
            if let entry = file.entry(named: name) {
                let dtype = DType(entry.elementType) ?? .int16, tensor = file.withBytes(of: entry) { Tensor(bytes: $0, shape: entry.shape, dtype: dtype) }
                if let changed = change(tensor) {
                    items.append(
                        SafetensorsWriter.Item(name: name, elementType: entry.elementType, shape: changed.shape) { consume in try changed.withBytes { try consume($0) } })
                }
            } else {
                return
            }
            try SafetensorsWriter.write(items, to: path)
            #expect(throws: FileFormatError.self, sourceLocation: sourceLocation) { try SparseMatrix(parameter: "a.weight", from: SafetensorsFile(path: path)) }
        }
        for name in file.entries.map(\.name) {
            // The starts of a bitmask's rows can be left out.
            if name != "a.row_offsets" || format == .rows { try refuse(name) { _ in nil } }
            try refuse(name) { $0.flattened()[1...] }
            if ["a.row_offsets", "a.bitmask", "a.block_mask", "a.pattern"].contains(name) { try refuse(name) { $0 - 1 } }
        }
        try refuse("a.shape") { _ in Tensor([1 << 40, 1 << 40]) }
        try refuse("a.shape") { _ in Tensor([6, 1 << 30]) }
        try refuse("a.shape") { _ in Tensor([6, -40]) }
        try refuse("a.shape") { _ in Tensor([0, 40]) }
        try refuse("a.row_offsets") { $0 * 2 }
        try refuse("a.columns") { $0 + 40 }
        try refuse("a.pattern") { $0 + 3 }
    }
}

extension SparseMatrix.Format {
    fileprivate var isGroup: Bool { if case .kept = self { true } else { false } }
}
