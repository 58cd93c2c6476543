/// Storage types of GGUF tensors that can be turned into Float32.
///
/// Quantised types store rows in blocks of 32 or 256 weights that share scales.
/// Raw values are the numbers of `ggml_type`. Source: ggml's `ggml-quants.h` and the GGUF specification.
public enum GGUFTensorType: UInt32, Sendable, CaseIterable {
    case float32 = 0
    case float16 = 1
    case q4_0 = 2
    case q4_1 = 3
    case q5_0 = 6
    case q5_1 = 7
    case q8_0 = 8
    case q2_K = 10
    case q3_K = 11
    case q4_K = 12
    case q5_K = 13
    case q6_K = 14
    case bfloat16 = 30

    /// Weights in one block; 1 for unquantised types.
    public var blockSize: Int {
        switch self {
        case .float32, .float16, .bfloat16: 1
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0: 32
        case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K: 256
        }
    }

    /// Bytes in one block.
    public var blockByteCount: Int {
        switch self {
        case .float32: 4
        case .float16, .bfloat16: 2
        case .q4_0: 18
        case .q4_1: 20
        case .q5_0: 22
        case .q5_1: 24
        case .q8_0: 34
        case .q2_K: 84
        case .q3_K: 110
        case .q4_K: 144
        case .q5_K: 176
        case .q6_K: 210
        }
    }

    /// Stored bits per weight, scales included.
    public var bitsPerWeight: Double { Double(blockByteCount * 8) / Double(blockSize) }
}
