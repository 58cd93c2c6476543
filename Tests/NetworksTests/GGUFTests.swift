import Foundation
import Networks
import Testing
import Torch

@Suite struct GGUFTests {
    static func fixture(_ name: String) -> String {
        Bundle.module.resourceURL!.appendingPathComponent("Fixtures/\(name)").path
    }

    /// The names that the fixtures use for storage types are those of the `gguf` package.
    static let typeNames: [(String, GGUFTensorType)] = [
        ("F32", .float32), ("F16", .float16), ("BF16", .bfloat16), ("Q4_0", .q4_0), ("Q4_1", .q4_1), ("Q5_0", .q5_0),
        ("Q5_1", .q5_1), ("Q8_0", .q8_0), ("Q2_K", .q2_K), ("Q3_K", .q3_K), ("Q4_K", .q4_K), ("Q5_K", .q5_K), ("Q6_K", .q6_K),
    ]

    @Test("Dequantised blocks are bit-identical to the gguf package's", arguments: typeNames)
    func dequantization(name: String, type: GGUFTensorType) throws {
        let fixture = try SafetensorsFile(path: Self.fixture("gguf-blocks.safetensors"))
        let blocks = try #require(fixture.entry(named: "\(name).blocks"))
        let weights = try #require(fixture.entry(named: "\(name).weights"))
        let expected = fixture.withBytes(of: weights) { bytes in
            (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self) }
        }
        // The blocks are put into a GGUF of their own, so that the whole path is tested.
        var builder = GGUFBuilder()
        builder.addTensor("w", shape: [expected.count], type: type, bytes: fixture.withBytes(of: blocks, Array.init))
        let file = try GGUFFile(bytes: MappedBytes(copying: builder.bytes()))
        let actual = file.dequantized(try #require(file.tensor(named: "w"))).map(\.bitPattern)
        #expect(actual == expected)
    }

    @Test func everyTypeIsCovered() {
        #expect(Set(Self.typeNames.map(\.1)) == Set(GGUFTensorType.allCases))
    }

    @Test func chunksAreJoinedSeamlessly() throws {
        let values = (0..<300_001).map { Float($0) * 0.5 }
        var builder = GGUFBuilder()
        builder.addTensor("w", shape: [values.count], type: .float32, bytes: values.withUnsafeBytes(Array.init))
        let file = try GGUFFile(bytes: MappedBytes(copying: builder.bytes()))
        #expect(file.dequantized(file.tensors[0]) == values)
    }

    @Test func readsAFileOfTheReferenceWriter() throws {
        let file = try GGUFFile(path: Self.fixture("small.gguf"))
        #expect(file.version == 3)
        let metadata = file.metadata
        #expect(try metadata.string("general.architecture") == "llama")
        #expect(try metadata.integer("test.unsigned") == 4_000_000_000)
        #expect(try metadata.integer("test.signed") == -5)
        #expect(try metadata.float("test.float") == 0.5)
        #expect(try metadata.bool("test.flag") == true)
        #expect(try metadata.string("test.text") == "naïve 🙂")
        let tokens = try #require(try metadata.strings("test.tokens"))
        #expect(Array(tokens) == ["a", "Ġb", "", "<|end|>"])
        #expect(tokens.utf8(at: 1) == [0xC4, 0xA0, 0x62])
        #expect(try metadata.numbers("test.integers")?.map { $0 } == [1, -2, 3])
        #expect(try metadata.numbers("test.integers")?.integer(at: 1) == -2)
        #expect(try metadata.numbers("test.floats")?.map { $0 } == [0.25, -1.5])
        #expect(try metadata.integer("absent") == nil)
        #expect(file.tensors.map(\.name) == ["matrix", "quantized"])
        #expect(file.tensors.map(\.shape) == [[2, 3], [2, 64]])
        #expect(file.dequantized(file.tensors[0]) == [0, 1, 2, 3, 4, 5])
    }

    @Test func typedAccessNamesTheKey() throws {
        let metadata = try GGUFFile(path: Self.fixture("small.gguf")).metadata
        let wrongType = #expect(throws: FileFormatError.self) { try metadata.integer("test.text") }
        #expect(wrongType?.problem == "the metadata 'test.text' is not an integer")
        let missing = #expect(throws: FileFormatError.self) { try metadata.required("llama.block_count", metadata.integer) }
        #expect(missing?.problem == "the metadata key 'llama.block_count' is missing")
    }

    @Test func everyTruncationThrows() throws {
        let bytes = try Array(Data(contentsOf: URL(fileURLWithPath: Self.fixture("small.gguf"))))
        let file = try GGUFFile(bytes: MappedBytes(copying: bytes))
        let end = try #require(file.tensors.map(\.byteRange.upperBound).max())
        for length in 0..<end {
            #expect(throws: FileFormatError.self) { try GGUFFile(bytes: MappedBytes(copying: Array(bytes[..<length]))) }
        }
    }

    /// Files that lie about sizes, each with a part of the sentence that must answer it.
    static let hostile: [(String, @Sendable (inout GGUFBuilder) -> Void)] = [
        ("more than the file can hold", { $0.declaredTensorCount = 1 << 60 }),
        ("more than the file can hold", { $0.declaredMetadataCount = .max }),
        ("version 9 is not 2 or 3", { $0.version = 9 }),
        ("big-endian", { $0.version = UInt32(3).byteSwapped }),
        ("does not start with", { $0.magic = 7 }),
        ("appears twice", { $0.addInteger("k", 1); $0.addInteger("k", 2) }),
        ("not a power of two", { $0.addInteger("general.alignment", 0) }),
        ("not a power of two", { $0.addInteger("general.alignment", 48) }),
        ("unknown value type 77", { $0.addRaw("k", type: 77, []) }),
        ("more than the file can hold", { $0.addRaw("k", type: 8, Array(repeating: 0xFF, count: 8)) }),
        ("more than the file can hold", { $0.addRaw("k", type: 9, [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]) }),
        ("nests arrays too deeply", {
            $0.addRaw("k", type: 9, Array([[UInt8]](repeating: [9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], count: 1000).joined()))
        }),
        ("unsupported storage type 99", { $0.addTensor("t", shape: [32], typeNumber: 99, bytes: []) }),
        ("impossible shape", { $0.addTensor("t", shape: [1 << 40, 1 << 40], type: .float32, bytes: []) }),
        ("impossible shape", { $0.addTensor("t", shape: [0], type: .float32, bytes: []) }),
        ("has 9 dimensions", { $0.addTensor("t", shape: Array(repeating: 1, count: 9), type: .float32, bytes: []) }),
        ("whole blocks of 32", { $0.addTensor("t", shape: [33], type: .q4_1, bytes: []) }),
        ("does not lie within the file", { $0.addTensor("t", shape: [1 << 40], type: .float32, bytes: []) }),
        ("does not lie within the file", { $0.addTensor("t", shape: [1], type: .float32, bytes: [0, 0, 0, 0], offset: 1 << 63) }),
        ("overlap", {
            $0.addTensor("a", shape: [16], type: .float32, bytes: Array(repeating: 0, count: 64))
            $0.addTensor("b", shape: [1], type: .float32, bytes: [0, 0, 0, 0], offset: 32)
        }),
    ]

    @Test("A hostile header is answered by one sentence", arguments: hostile.indices)
    func hostileHeader(index: Int) throws {
        let (sentence, damage) = Self.hostile[index]
        var builder = GGUFBuilder()
        damage(&builder)
        let error = #expect(throws: FileFormatError.self) {
            try GGUFFile(bytes: MappedBytes(copying: builder.bytes(), name: "model.gguf"))
        }
        #expect(error?.description.contains(sentence) == true, "\(String(describing: error))")
        #expect(error?.description.hasPrefix("'model.gguf' cannot be read as GGUF") == true)
    }
}
