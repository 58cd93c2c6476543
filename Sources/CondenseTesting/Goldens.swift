public import Foundation
public import Torch

/// Golden values from a reference implementation, in a safetensors file made by a script in `Tools/goldens`.
public struct Goldens {
    private let file: SafetensorsFile

    /// - Throws: `FileAccessError` or `FileFormatError` if the file is absent or damaged.
    public init(_ url: URL) throws { file = try SafetensorsFile(path: url.path) }

    /// Names of all tensors, sorted.
    public var names: [String] { file.entries.map(\.name).sorted() }

    /// - Throws: ``MissingGolden`` if there is no tensor of this name.
    public func callAsFunction(_ name: String) throws -> Tensor {
        guard let entry = file.entry(named: name) else { throw MissingGolden(path: file.path, name: name) }
        return try file.withBytes(of: entry) { Tensor(bytes: $0, shape: entry.shape, dtype: try dtype(of: entry)) }
    }

    /// The tensors whose names begin with a prefix, by the rest of their names.
    public func group(_ prefix: String) throws -> [String: Tensor] {
        let members = file.entries.map(\.name).filter { $0.hasPrefix(prefix) }
        return try Dictionary(uniqueKeysWithValues: members.map { (String($0.dropFirst(prefix.count)), try self($0)) })
    }

    private func dtype(of entry: SafetensorsFile.Entry) throws -> DType {
        switch entry.elementType {
        case .bool: .bool
        case .uint8: .uint8
        case .int8: .int8
        case .int16: .int16
        case .int32: .int32
        case .int64: .int64
        case .float16: .float16
        case .bfloat16: .bfloat16
        case .float32: .float32
        case .float64: .float64
        default: throw MissingGolden(path: file.path, name: "\(entry.name) of a type that tensors can have")
        }
    }
}

/// A golden file lacks a tensor that a test asks for.
public struct MissingGolden: Error, CustomStringConvertible {
    public let path: String
    public let name: String

    public var description: String { "\(path) has no tensor \(name): run the script in Tools/goldens that makes the file." }
}
