import Networks

/// Builds small GGUF files in memory, also broken ones.
struct GGUFBuilder {
    var magic: UInt32 = 0x4655_4747
    var version: UInt32 = 3
    var declaredTensorCount: UInt64?
    var declaredMetadataCount: UInt64?
    private var metadata: [[UInt8]] = []
    private var tensors: [[UInt8]] = []
    private var data: [UInt8] = []

    private static func little(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian, Array.init)
    }

    private static func string(_ text: String) -> [UInt8] { little(UInt64(text.utf8.count)) + Array(text.utf8) }

    mutating func addRaw(_ key: String, type: UInt32, _ value: [UInt8]) {
        metadata.append(Self.string(key) + Self.little(type) + value)
    }

    mutating func addInteger(_ key: String, _ value: Int) {
        addRaw(key, type: 4, Self.little(UInt32(value)))
    }

    mutating func addFloat(_ key: String, _ value: Float) {
        addRaw(key, type: 6, Self.little(value.bitPattern))
    }

    mutating func addString(_ key: String, _ value: String) {
        addRaw(key, type: 8, Self.string(value))
    }

    mutating func addStrings(_ key: String, _ values: [String]) {
        addRaw(key, type: 9, Self.little(UInt32(8)) + Self.little(UInt64(values.count)) + values.flatMap(Self.string))
    }

    mutating func addTensor(_ name: String, shape: [Int], type: GGUFTensorType, bytes: [UInt8], offset: UInt64? = nil) {
        addTensor(name, shape: shape, typeNumber: type.rawValue, bytes: bytes, offset: offset)
    }

    mutating func addTensor(_ name: String, shape: [Int], typeNumber: UInt32, bytes: [UInt8], offset: UInt64? = nil) {
        data.append(contentsOf: repeatElement(0, count: (32 - data.count % 32) % 32))
        tensors.append(
            Self.string(name) + Self.little(UInt32(shape.count)) + shape.reversed().flatMap { Self.little(UInt64($0)) }
                + Self.little(typeNumber) + Self.little(offset ?? UInt64(data.count)))
        data.append(contentsOf: bytes)
    }

    func bytes() -> [UInt8] {
        var result = Self.little(magic) + Self.little(version)
        result += Self.little(declaredTensorCount ?? UInt64(tensors.count))
        result += Self.little(declaredMetadataCount ?? UInt64(metadata.count))
        result += metadata.joined()
        result += tensors.joined()
        result.append(contentsOf: repeatElement(0, count: (32 - result.count % 32) % 32))
        return result + data
    }
}
