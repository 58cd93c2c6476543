extension Operator {
    static let csrLinear = Operator("condense::csr_linear")
    static let bitmaskLinear = Operator("condense::bitmask_linear")
    static let blockLinear = Operator("condense::block_linear")
    static let packBits = Operator("condense::pack_bits")
    static let unpackBits = Operator("condense::unpack_bits")
    static let viewOfType = Operator("aten::view", "dtype")
}

extension Tensor {
    /// Rows of truth values [rows, columns] in whole bytes, the lowest bit first: uint8 [rows, ⌈columns / 8⌉].
    package func packedBits() -> Tensor { Operator.packBits(self) }
    /// What ``packedBits()`` was made of.
    package func unpackedBits(columns: Int) -> Tensor { Operator.unpackBits(self, columns) }
}

/// A matrix with many zeros laid out for ``Tensor/linear(sparse:bias:)``, in float32 on the CPU.
public struct SparseLinearWeight {
    /// How the rest is found.
    public enum Layout: Codable, Sendable, Hashable {
        /// Columns of each row: for few numbers.
        case rows
        /// A bit for each number: for about half of them, and one example at a time.
        case bitmask
        /// Places of blocks, each with all of its numbers.
        case blocks(rows: Int, columns: Int)
    }

    public let layout: Layout
    public let outputSize: Int, inputSize: Int
    /// [count]; for blocks [count, rows, columns]; 16 more zeros for bitmasks.
    private let values: Tensor
    /// Columns of numbers, int16 or int32 [count], or of blocks, int32 [count]; words of a mask, int64 [outputs, words].
    private let places: Tensor
    /// Where each row begins among the values, int64 [rows + 1].
    private let offsets: Tensor

    /// - Parameters:
    ///   - weight: float32, [outputs, inputs], on the CPU.
    ///   - layout: also of a matrix without zeros; only the speed depends on it.
    public init(_ weight: Tensor, layout: Layout) {
        require(
            weight.rank == 2 && weight.dtype == .float32 && weight.device == .cpu && weight.elementCount > 0,
            "SparseLinearWeight: the weight must be float32 [outputs, inputs] on the CPU, found \(weight.shape) of \(weight.dtype) on \(weight.device).")
        let (outputs, inputs) = (weight.size(0), weight.size(1))
        (self.layout, outputSize, inputSize) = (layout, outputs, inputs)
        (values, places, offsets) = withoutGradients {
            let weight = weight.detached().contiguous(), mask = weight.to(dtype: .bool)
            switch layout {
            case .rows:
                // As bits: columns above 32,767 are negative here, and the kernel reads them without a sign.
                let columns = mask.nonzeroIndices()[.all, 1].to(dtype: inputs <= 1 << 16 ? .int16 : .int32)
                return (weight.selected(where: mask), columns, Self.offsets(mask.nonzeroCount(axes: [1])))
            case .bitmask:
                let words = mask.padded([0, (64 - inputs % 64) % 64]).packedBits()
                return (weight.selected(where: mask).padded([0, 16]), Operator.viewOfType(words, DType.int64), Self.offsets(mask.nonzeroCount(axes: [1])))
            case .blocks(let height, let width):
                require(height > 0 && width > 0, "SparseLinearWeight: blocks must have rows and columns, found \(height) × \(width).")
                let blocks = weight.blocks(rows: height, columns: width), kept = blocks.to(dtype: .bool).flattened(from: 2).any(axis: 2)
                let indices = kept.nonzeroIndices()
                return (
                    blocks.flattened(to: 1).gathered(indices: kept.flattened().nonzeroIndices().reshaped([-1])).contiguous(),
                    indices[.all, 1].to(dtype: .int32), Self.offsets(kept.nonzeroCount(axes: [1]))
                )
            }
        }
    }

    private static func offsets(_ counts: Tensor) -> Tensor {
        Tensor.concatenated([Tensor.zeros([1], dtype: .int64), counts.to(dtype: .int64).cumulativeSum(axis: 0)])
    }

    /// Bytes that a product reads of it.
    public var byteCount: Int { values.byteCount + places.byteCount + offsets.byteCount }

    /// - Parameter input: [rows, inputSize], or [examples, inputSize, places] with `channelsFirst`.
    fileprivate func product(_ input: Tensor, bias: Tensor?, channelsFirst: Bool) -> Tensor {
        switch layout {
        case .rows: Operator.csrLinear(input, values, places, offsets, inputSize, bias, channelsFirst)
        case .bitmask: Operator.bitmaskLinear(input, values, places, offsets, inputSize, bias, channelsFirst)
        case .blocks: Operator.blockLinear(input, values, places, offsets, inputSize, outputSize, bias, channelsFirst)
        }
    }
}

extension Tensor {
    /// self · weightᵀ + bias with a matrix that has many zeros. It has no gradient; the same bits with any number of threads.
    /// - Parameters:
    ///   - weight: for an input of […, weight.inputSize], float32.
    ///   - bias: [weight.outputSize].
    /// - Returns: […, weight.outputSize].
    public func linear(sparse weight: SparseLinearWeight, bias: Tensor? = nil) -> Tensor {
        require(
            rank > 0 && size(-1) == weight.inputSize && dtype == .float32,
            "linear(sparse:): the input must be float32 […, \(weight.inputSize)], found \(shape) of \(dtype).")
        return withoutGradients {
            weight.product(reshaped([-1, weight.inputSize]), bias: bias, channelsFirst: false).reshaped(shape.dropLast() + [weight.outputSize])
        }
    }

    /// A convolution with a kernel of 1 × 1 that has many zeros. It has no gradient; the same bits with any number of threads.
    /// - Parameters:
    ///   - weight: for images [batch, weight.inputSize, height, width], float32.
    ///   - bias: [weight.outputSize].
    /// - Returns: [batch, weight.outputSize, height, width].
    public func convolvedPointwise(sparse weight: SparseLinearWeight, bias: Tensor? = nil) -> Tensor {
        require(
            rank == 4 && size(1) == weight.inputSize && dtype == .float32,
            "convolvedPointwise(sparse:): the input must be float32 [batch, \(weight.inputSize), height, width], found \(shape) of \(dtype).")
        return withoutGradients {
            weight.product(flattened(from: 2), bias: bias, channelsFirst: true).reshaped([size(0), weight.outputSize, size(2), size(3)])
        }
    }

    /// A matrix as blocks, those at the edges filled up with zeros: [⌈rows / height⌉, ⌈columns / width⌉, height, width].
    package func blocks(rows height: Int, columns width: Int) -> Tensor {
        let down = (size(0) + height - 1) / height, across = (size(1) + width - 1) / width
        return padded([0, across * width - size(1), 0, down * height - size(0)])
            .reshaped([down, height, across, width]).transposed(1, 2).contiguous()
    }
}
