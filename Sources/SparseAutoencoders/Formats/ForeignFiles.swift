import Foundation
import Torch
import TorchNN

/// A configuration of another library, read from untrusted JSON.
struct ForeignConfiguration {
    private let path: String
    private let layout: AutoencoderLayout
    private let object: JSONValue.Object
    /// Of a nested object, with a point at its end.
    private let prefix: String

    private static let maximumSize = 1 << 24

    /// - Throws: `FileAccessError`, `AutoencoderLayoutError`.
    init(_ url: URL, _ layout: AutoencoderLayout) throws {
        path = url.path(percentEncoded: false)
        self.layout = layout
        prefix = ""
        let bytes = try MappedBytes(path: path)
        guard bytes.count <= Self.maximumSize else { throw AutoencoderLayoutError(reading: path, layout, "it has more than 16 MiB") }
        do {
            guard let object = try JSONValue(parsing: bytes.buffer).objectValue else {
                throw AutoencoderLayoutError(reading: path, layout, "it is no JSON object")
            }
            self.object = object
        } catch let error as JSONValue.ParseError {
            throw AutoencoderLayoutError(reading: path, layout, "it is not valid JSON (\(error))")
        }
    }

    private init(_ parent: ForeignConfiguration, _ key: String, _ object: JSONValue.Object) {
        (path, layout, prefix) = (parent.path, parent.layout, "\(parent.prefix)\(key).")
        self.object = object
    }

    func error(_ problem: String) -> AutoencoderLayoutError { AutoencoderLayoutError(reading: path, layout, problem) }

    /// The value of a key, nil if it is absent or null.
    private func value<Value>(_ key: String, _ type: String, _ convert: (JSONValue) -> Value?) throws -> Value? {
        guard let found = object[key], found != .null else { return nil }
        guard let value = convert(found) else { throw error("'\(prefix)\(key)' must be \(type)") }
        return value
    }

    func string(_ key: String) throws -> String? { try value(key, "a text", \.stringValue) }
    func bool(_ key: String) throws -> Bool? { try value(key, "true or false", \.boolValue) }
    func integer(_ key: String) throws -> Int? { try value(key, "a whole number", \.intValue) }
    func number(_ key: String) throws -> Double? { try value(key, "a number", \.doubleValue) }
    func nested(_ key: String) throws -> ForeignConfiguration? {
        try value(key, "an object", \.objectValue).map { ForeignConfiguration(self, key, $0) }
    }

    /// Whether a key holds true or false; several keys hold either that or a text.
    func isBool(_ key: String) -> Bool { object[key]?.boolValue != nil }

    func required<Value>(_ key: String, _ read: (String) throws -> Value?) throws -> Value {
        guard let value = try read(key) else { throw error("the key '\(prefix)\(key)' is missing") }
        return value
    }

    /// Writes a configuration with the keys of Python's libraries; the file appears complete or not at all.
    static func write(_ configuration: some Encodable, to url: URL) throws {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let file = try AtomicFile(path: url.path(percentEncoded: false))
        try (encoder.encode(configuration) + Data("\n".utf8)).withUnsafeBytes { try file.write($0) }
        try file.commit()
    }
}

/// The tensors of another library's file; shapes are compared before anything is read.
struct ForeignTensors {
    private let path: String
    private let layout: AutoencoderLayout
    private let shapes: [String: [Int]]
    private let read: (String) throws -> Tensor
    /// 64-bit where the file's matrices are, 32-bit otherwise.
    private let dtype: DType

    init(_ file: SafetensorsFile, _ layout: AutoencoderLayout) {
        path = file.path
        self.layout = layout
        shapes = Dictionary(uniqueKeysWithValues: file.entries.map { ($0.name, $0.shape) })
        dtype = file.entries.contains { $0.shape.count == 2 && $0.elementType == .float64 } ? .float64 : .float32
        read = { try file.tensor(named: $0) }
    }

    init(_ dictionary: PyTorchFile.Dictionary, path: String, _ layout: AutoencoderLayout) {
        self.path = path
        self.layout = layout
        let entries = Dictionary(uniqueKeysWithValues: dictionary.names.compactMap { name in
            dictionary[name]?.tensorEntry.map { (name, $0) }
        })
        shapes = entries.mapValues(\.shape)
        dtype = entries.values.contains { $0.shape.count == 2 && $0.dtype == .float64 } ? .float64 : .float32
        read = { entries[$0]?.tensor() ?? .empty }
    }

    func error(_ problem: String) -> AutoencoderLayoutError { AutoencoderLayoutError(reading: path, layout, problem) }

    func contains(_ name: String) -> Bool { shapes[name] != nil }

    /// Rows and columns of a matrix.
    func matrixShape(_ name: String) throws -> (rows: Int, columns: Int) {
        guard let shape = shapes[name] else { throw error("the tensor '\(name)' is missing") }
        guard shape.count == 2, shape.allSatisfy({ $0 > 0 }) else { throw error("'\(name)' must be a matrix, found the shape \(shape)") }
        return (shape[0], shape[1])
    }

    /// A tensor of finite numbers, which must have this shape: nothing is transposed by guess.
    func tensor(_ name: String, _ shape: [Int]) throws -> Tensor {
        guard let found = shapes[name] else { throw error("the tensor '\(name)' is missing") }
        guard found == shape else { throw error("'\(name)' must have the shape \(shape), found \(found)") }
        let tensor = try read(name)
        guard tensor.dtype.isFloatingPoint else { throw error("'\(name)' must hold floating-point numbers, found \(tensor.dtype)") }
        guard tensor.isFinite().all().item() != 0 else { throw error("'\(name)' holds numbers that are not finite") }
        return tensor.to(dtype: dtype)
    }

    /// The model of parts, after its configuration is found to make sense.
    func autoencoder(_ parts: AutoencoderParts) throws -> SparseAutoencoder {
        if let problem = parts.configuration.problem() { throw error(problem) }
        return parts.model()
    }
}
