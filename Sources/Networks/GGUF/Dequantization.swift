import Dispatch

/// Turns blocks of quantised weights into Float32, on all cores.
enum Dequantization {
    /// `blocks` holds whole blocks of `type`; `destination` has room for exactly their weights.
    static func run(_ type: GGUFTensorType, blocks: UnsafeRawBufferPointer, into destination: UnsafeMutableBufferPointer<Float>) {
        let blockCount = blocks.count / type.blockByteCount
        precondition(
            blocks.count % type.blockByteCount == 0 && destination.count == blockCount * type.blockSize,
            "dequantize: \(blocks.count) bytes of \(type) into room for \(destination.count) weights")
        switch type {
        case .float32: decode(Float32Block.self, blocks, destination)
        case .float16: decode(Float16Block.self, blocks, destination)
        case .bfloat16: decode(BFloat16Block.self, blocks, destination)
        case .q4_0: decode(Q4_0Block.self, blocks, destination)
        case .q4_1: decode(Q4_1Block.self, blocks, destination)
        case .q5_0: decode(Q5_0Block.self, blocks, destination)
        case .q5_1: decode(Q5_1Block.self, blocks, destination)
        case .q8_0: decode(Q8_0Block.self, blocks, destination)
        case .q2_K: decode(Q2_KBlock.self, blocks, destination)
        case .q3_K: decode(Q3_KBlock.self, blocks, destination)
        case .q4_K: decode(Q4_KBlock.self, blocks, destination)
        case .q5_K: decode(Q5_KBlock.self, blocks, destination)
        case .q6_K: decode(Q6_KBlock.self, blocks, destination)
        }
    }

    private static func decode<Block: WeightBlock>(
        _: Block.Type, _ blocks: UnsafeRawBufferPointer, _ destination: UnsafeMutableBufferPointer<Float>
    ) {
        guard let source = blocks.baseAddress, let target = destination.baseAddress else { return }
        // The pointers cross into worker threads, each of which touches its own chunk only.
        nonisolated(unsafe) let (input, output) = (source, target)
        let blockCount = blocks.count / Block.byteCount
        let blocksPerChunk = (1 << 17) / Block.weightCount
        let chunkCount = (blockCount + blocksPerChunk - 1) / blocksPerChunk
        DispatchQueue.concurrentPerform(iterations: chunkCount) { chunk in
            for block in chunk * blocksPerChunk..<min(blockCount, (chunk + 1) * blocksPerChunk) {
                Block.decode(input + block * Block.byteCount, into: output + block * Block.weightCount)
            }
        }
    }
}

/// A block of weights with shared scales. Layouts are those of ggml's `block_…` structures.
protocol WeightBlock: SendableMetatype {
    static var weightCount: Int { get }
    static var byteCount: Int { get }
    /// Writes `weightCount` values from the `byteCount` bytes at `block`.
    static func decode(_ block: UnsafeRawPointer, into weights: UnsafeMutablePointer<Float>)
}

extension UnsafeRawPointer {
    /// The unsigned byte at `offset`.
    @inline(__always)
    subscript(offset: Int) -> UInt8 { load(fromByteOffset: offset, as: UInt8.self) }

    @inline(__always)
    func bits<Value: FixedWidthInteger>(_ offset: Int, as _: Value.Type = Value.self) -> Value {
        Value(littleEndian: loadUnaligned(fromByteOffset: offset, as: Value.self))
    }

    /// The half-precision number at `offset`, widened exactly.
    @inline(__always)
    func half(_ offset: Int) -> Float { widened(bits(offset)) }
}

/// IEEE half precision to single, exactly. (`Float16` does not exist on every platform Swift supports.)
@inline(__always)
func widened(_ half: UInt16) -> Float {
    let magnitude = UInt32(half & 0x7FFF) << 13
    let sign = UInt32(half & 0x8000) << 16
    let value: UInt32
    switch half & 0x7C00 {
    case 0x7C00: value = magnitude | 0x7F80_0000
    // Subnormal: the product with 2^112 is exact.
    case 0: value = (Float(bitPattern: magnitude) * 0x1p112).bitPattern
    default: value = magnitude &+ (112 << 23)
    }
    return Float(bitPattern: value | sign)
}

enum Float32Block: WeightBlock {
    static let weightCount = 1
    static let byteCount = 4

    static func decode(_ block: UnsafeRawPointer, into weights: UnsafeMutablePointer<Float>) {
        weights.pointee = Float(bitPattern: block.bits(0))
    }
}

enum Float16Block: WeightBlock {
    static let weightCount = 1
    static let byteCount = 2

    static func decode(_ block: UnsafeRawPointer, into weights: UnsafeMutablePointer<Float>) {
        weights.pointee = block.half(0)
    }
}

enum BFloat16Block: WeightBlock {
    static let weightCount = 1
    static let byteCount = 2

    static func decode(_ block: UnsafeRawPointer, into weights: UnsafeMutablePointer<Float>) {
        weights.pointee = Float(bitPattern: UInt32(block.bits(0, as: UInt16.self)) << 16)
    }
}
