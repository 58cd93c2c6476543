package import Torch

/// A GGUF file (version 2 or 3, little-endian), memory-mapped: metadata and tensor directory are read and checked
/// at once, weights only when asked for.
///
/// Every length is checked against the file before anything of that size is allocated.
/// Source: `docs/gguf.md` of ggml.
public final class GGUFFile: Sendable {
    /// One tensor of the directory.
    public struct TensorInfo: Sendable, Equatable {
        public let name: String
        public let type: GGUFTensorType
        /// Row-major shape, outermost first: GGUF's own order reversed.
        public let shape: [Int]
        /// Where its blocks lie, counted from the start of the file.
        public let byteRange: Range<Int>

        public var elementCount: Int { shape.reduce(1, *) }
    }

    public let version: Int
    public let metadata: GGUFMetadata
    /// The tensors in the order of the directory.
    public let tensors: [TensorInfo]

    let bytes: MappedBytes
    private let indices: [String: Int]

    /// Maps the file at `path` and checks its header.
    /// - Throws: `FileAccessError` when it cannot be opened, `FileFormatError` when it is not valid GGUF or uses
    ///   a storage type that is not supported.
    public convenience init(path: String) throws {
        try self.init(bytes: MappedBytes(path: path))
    }

    package init(bytes: MappedBytes) throws {
        var reader = GGUFReader(bytes)
        guard bytes.count >= 24, try reader.integer(UInt32.self) == 0x4655_4747 else {
            throw reader.invalid("it does not start with the letters GGUF")
        }
        let version: UInt32 = try reader.integer()
        guard version == 2 || version == 3 else {
            throw reader.invalid(
                version.byteSwapped <= 3 ? "it is big-endian, which is not supported" : "version \(version) is not 2 or 3")
        }
        let tensorCount = try reader.count(of: "tensors", minimumByteCount: 32)
        let metadataCount = try reader.count(of: "metadata entries", minimumByteCount: 13)

        var metadata = GGUFMetadata(path: bytes.path)
        for _ in 0..<metadataCount {
            let key = try reader.name(of: "metadata entry")
            guard metadata.insert(try reader.value(for: key), for: key) else {
                throw reader.invalid("the metadata key '\(key)' appears twice")
            }
        }
        let directory = try GGUFDirectory(
            reading: &reader, count: tensorCount, alignment: metadata.integer("general.alignment") ?? 32)
        self.bytes = bytes
        self.version = Int(version)
        self.metadata = metadata
        tensors = directory.tensors
        indices = directory.indices
    }

    /// The path the file was opened with.
    public var path: String { bytes.path }

    /// The tensor's directory entry, or nil when the file has no tensor of that name.
    public func tensor(named name: String) -> TensorInfo? { indices[name].map { tensors[$0] } }

    /// Writes the weights of `info`, which must be one of this file's, as Float32 into `destination`.
    ///
    /// Runs on all cores; the result does not depend on their number.
    /// - Parameter destination: room for exactly `info.elementCount` values.
    public func dequantize(_ info: TensorInfo, into destination: UnsafeMutableBufferPointer<Float>) {
        precondition(info.byteRange.upperBound <= bytes.count, "dequantize: '\(info.name)' is not in this file")
        withExtendedLifetime(bytes) {
            Dequantization.run(
                info.type, blocks: UnsafeRawBufferPointer(rebasing: bytes.buffer[info.byteRange]), into: destination)
        }
    }

    /// The weights of `info` as Float32, row-major.
    public func dequantized(_ info: TensorInfo) -> [Float] {
        let count = info.elementCount
        return [Float](unsafeUninitializedCapacity: count) { buffer, initializedCount in
            dequantize(info, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
            initializedCount = count
        }
    }
}

/// The checked tensor directory.
private struct GGUFDirectory {
    var tensors: [GGUFFile.TensorInfo] = []
    var indices: [String: Int] = [:]

    private struct Entry {
        let name: String
        let type: GGUFTensorType
        let shape: [Int]
        let byteCount: Int
        let offset: UInt64
    }

    init(reading reader: inout GGUFReader, count: Int, alignment: Int) throws {
        guard alignment > 0, alignment <= 1 << 20, alignment & (alignment - 1) == 0 else {
            throw reader.invalid("general.alignment is \(alignment), not a power of two")
        }
        var entries: [Entry] = []
        for _ in 0..<count { entries.append(try Self.entry(reading: &reader)) }

        let dataStart = (reader.position + alignment - 1) & ~(alignment - 1)
        let dataSize = max(0, reader.bytes.count - dataStart)
        for entry in entries {
            guard entry.offset % UInt64(alignment) == 0, entry.offset <= UInt64(dataSize),
                entry.byteCount <= dataSize - Int(entry.offset)
            else { throw reader.invalid("tensor '\(entry.name)' of shape \(entry.shape) does not lie within the file") }
            guard indices.updateValue(tensors.count, forKey: entry.name) == nil else {
                throw reader.invalid("the tensor name '\(entry.name)' appears twice")
            }
            let start = dataStart + Int(entry.offset)
            tensors.append(
                .init(name: entry.name, type: entry.type, shape: entry.shape, byteRange: start..<start + entry.byteCount))
        }
        // Without overlaps, reading every tensor costs memory in proportion to the file.
        let ordered = tensors.sorted { $0.byteRange.lowerBound < $1.byteRange.lowerBound }
        for (first, second) in zip(ordered, ordered.dropFirst()) where first.byteRange.upperBound > second.byteRange.lowerBound {
            throw reader.invalid("the tensors '\(first.name)' and '\(second.name)' overlap")
        }
    }

    private static func entry(reading reader: inout GGUFReader) throws -> Entry {
        let name = try reader.name(of: "tensor")
        let rank: UInt32 = try reader.integer()
        guard 1...4 ~= rank else { throw reader.invalid("tensor '\(name)' has \(rank) dimensions, not 1 to 4") }
        var shape: [Int] = []
        var elementCount = 1
        for _ in 0..<rank {
            let size: UInt64 = try reader.integer()
            guard size > 0, let size = Int(exactly: size),
                case let (product, overflow) = elementCount.multipliedReportingOverflow(by: size), !overflow
            else { throw reader.invalid("tensor '\(name)' has an impossible shape") }
            elementCount = product
            shape.insert(size, at: 0)
        }
        let typeNumber: UInt32 = try reader.integer()
        guard let type = GGUFTensorType(rawValue: typeNumber) else {
            throw reader.invalid("tensor '\(name)' has the unsupported storage type \(typeNumber)")
        }
        let offset: UInt64 = try reader.integer()
        guard shape.last! % type.blockSize == 0,
            case let (byteCount, overflow) = (elementCount / type.blockSize).multipliedReportingOverflow(by: type.blockByteCount),
            !overflow
        else {
            throw reader.invalid("tensor '\(name)' of shape \(shape) does not fill whole blocks of \(type.blockSize)")
        }
        return Entry(name: name, type: type, shape: shape, byteCount: byteCount, offset: offset)
    }
}
