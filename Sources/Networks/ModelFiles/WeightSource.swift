package import Torch

/// Where a network's weights come from, under the names of the Hugging Face layout.
///
/// Directories are read at once and weights only when asked for, so that layers a pass never reaches cost nothing.
package protocol WeightSource {
    /// The file or folder, for messages.
    var path: String { get }
    func shape(of name: String) -> [Int]?
    /// The weight as Float32 on the CPU. Only called for names that have a shape.
    func weight(_ name: String) throws -> Tensor
}

/// Weights held in memory, e.g. of a model built from random numbers.
package struct DictionaryWeights: WeightSource {
    package let path: String
    private let tensors: [String: Tensor]

    package init(_ tensors: [String: Tensor], path: String = "weights in memory") {
        self.tensors = tensors
        self.path = path
    }

    package func shape(of name: String) -> [Int]? { tensors[name]?.shape }
    package func weight(_ name: String) throws -> Tensor { tensors[name]!.to(dtype: .float32) }
}

/// Weights of a Hugging Face folder; a missing or additional prefix such as "model." is tolerated.
struct SafetensorsWeights: WeightSource {
    let path: String
    private let checkpoint: SafetensorsCheckpoint
    /// Name in the file by canonical name.
    private let fileNames: [String: String]

    /// - Parameter prefixes: what some libraries put before, or leave out of, every name.
    init(_ checkpoint: SafetensorsCheckpoint, path: String, prefixes: [String]) {
        self.checkpoint = checkpoint
        self.path = path
        var fileNames: [String: String] = [:]
        for name in checkpoint.names {
            let stripped = Self.strip(name, prefixes)
            // An exact name wins over one that is equal only after stripping.
            if fileNames[stripped] == nil || name == stripped { fileNames[stripped] = name }
        }
        self.fileNames = fileNames
        self.prefixes = prefixes
    }

    private let prefixes: [String]

    private static func strip(_ name: String, _ prefixes: [String]) -> String {
        var name = name[...]
        while let prefix = prefixes.first(where: name.hasPrefix) { name = name.dropFirst(prefix.count) }
        return String(name)
    }

    private func fileName(_ name: String) -> String? { fileNames[Self.strip(name, prefixes)] }

    func shape(of name: String) -> [Int]? { fileName(name).flatMap(checkpoint.location(of:))?.entry.shape }

    func weight(_ name: String) throws -> Tensor {
        try checkpoint.mappedTensor(named: fileName(name) ?? name).to(dtype: .float32)
    }
}

/// Weights that a network needs and its files do not have, or have in another shape.
public struct MissingWeightsError: Error, CustomStringConvertible, Equatable, Sendable {
    public let path: String
    /// One phrase for each weight.
    public let problems: [String]

    public var description: String {
        let shown = problems.prefix(5).joined(separator: "; ")
        let rest = problems.count > 5 ? "; and \(problems.count - 5) more" : ""
        return "'\(path)' does not hold the weights its configuration asks for: \(shown)\(rest); use the folder of one complete model"
    }
}

extension WeightSource {
    /// Checks that every weight is there in its shape.
    /// - Throws: `MissingWeightsError` that lists what is not.
    package func require(_ shapes: [(name: String, shape: [Int])]) throws {
        let problems = shapes.compactMap { name, expected -> String? in
            guard let found = shape(of: name) else { return "'\(name)' \(expected) is missing" }
            return found == expected ? nil : "'\(name)' has the shape \(found) instead of \(expected)"
        }
        guard problems.isEmpty else { throw MissingWeightsError(path: path, problems: problems) }
    }
}
