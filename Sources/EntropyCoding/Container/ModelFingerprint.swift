internal import Crypto
internal import Torch
public import TorchNN

/// Tells models apart: the first 64 bits of the SHA-256 of their weights.
public struct ModelFingerprint: Hashable, Sendable, CustomStringConvertible {
    public let value: UInt64

    public init(value: UInt64) { self.value = value }

    /// Of names, types, shapes and elements of all parameters and saved buffers, in the order of their names. Buffers whose
    /// size belongs to their content, such as tables, do not count: they follow from the others, and have checksums of their own.
    public init(of module: some Module) {
        var digest = SHA256()
        for entry in module.visited().entries.filter({ $0.role == .parameter || $0.role == .buffer }).sorted(by: { $0.name < $1.name }) {
            let tensor = entry.tensor
            digest.update(data: Array("\(entry.name) \(tensor.dtype) \(tensor.shape)\n".utf8))
            tensor.withBytes { digest.update(bufferPointer: $0) }
        }
        value = digest.finalize().withUnsafeBytes { UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)) }
    }

    /// 16 hexadecimal digits.
    public var description: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
