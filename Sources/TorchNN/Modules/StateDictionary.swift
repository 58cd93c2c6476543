public import Torch

/// How exactly the names of a state dictionary must agree with those of the module that loads it.
public enum StateMatching: Sendable {
    /// Every name of the module must be there, and no other.
    case exact
    /// Every name of the module must be there; others are ignored.
    case allowingUnexpected
    /// What is there is loaded; the module keeps its own values for the rest.
    case allowingMissing
    /// Names that occur in both are loaded.
    case intersection

    var forbidsMissing: Bool { self == .exact || self == .allowingUnexpected }
    var forbidsUnexpected: Bool { self == .exact || self == .allowingMissing }
}

/// A state dictionary that does not fit the module.
public struct StateMismatch: Error, CustomStringConvertible, Equatable {
    /// A tensor of another shape than the module's.
    public struct ShapeMismatch: Sendable, Equatable {
        public let name: String
        public let expected: [Int]
        public let found: [Int]

        public init(name: String, expected: [Int], found: [Int]) {
            self.name = name
            self.expected = expected
            self.found = found
        }
    }

    /// Type of the module (or optimiser) that was to be filled.
    public let owner: String
    public let missing: [String]
    public let unexpected: [String]
    public let shapes: [ShapeMismatch]

    public var description: String {
        var complaints: [String] = []
        if !missing.isEmpty { complaints.append("missing \(Self.list(missing))") }
        if !unexpected.isEmpty { complaints.append("unexpected \(Self.list(unexpected))") }
        if !shapes.isEmpty {
            complaints.append(
                "of another shape " + Self.list(shapes.map { "\($0.name) (expected \($0.expected), found \($0.found))" }))
        }
        return "The tensors do not fit \(owner): \(complaints.joined(separator: "; ")). "
            + "Check that the checkpoint belongs to this model and configuration."
    }

    private static func list(_ names: [String]) -> String {
        let shown = names.prefix(8).joined(separator: ", ")
        return names.count > 8 ? "\(shown) and \(names.count - 8) more" : shown
    }
}

/// A module that also reads state dictionaries that name its tensors otherwise, such as those of older releases.
public protocol StateAdapting: Module {
    /// Renames entries before a state dictionary is compared with the module's names.
    /// - Parameter prefix: what this module's names begin with in the dictionary: empty, or a path and a dot.
    func adapt(_ state: inout [String: Tensor], prefix: String)
}

extension Module {
    /// Parameters and persistent buffers by name, as in PyTorch's `state_dict()`: tied parameters appear under each name.
    /// The tensors are detached but share the module's memory.
    public var stateDictionary: [String: Tensor] {
        let entries = visited().entries.filter { $0.role != .temporaryBuffer }
        return Dictionary(uniqueKeysWithValues: entries.map { ($0.name, $0.tensor.detached()) })
    }

    /// Copies the values of a state dictionary into the parameters and buffers, converting dtype and device to theirs.
    ///
    /// Modules that are ``StateAdapting`` rename what they know under other names first.
    /// Nothing is changed if an error is thrown. A tied parameter needs to be present under one of its names.
    /// - Throws: ``StateMismatch`` listing missing and unexpected names and wrong shapes.
    public func load(_ state: [String: Tensor], matching: StateMatching = .exact) throws {
        let visitor = visited()
        var state = state
        for (name, module) in visitor.modules { (module as? any StateAdapting)?.adapt(&state, prefix: name.isEmpty ? "" : name + ".") }
        let entries = visitor.entries.filter { $0.role != .temporaryBuffer }
        let found = Set(entries.filter { state[$0.name] != nil }.map(\.tensor.identity))
        let missing = entries.filter { !found.contains($0.tensor.identity) }.map(\.name)
        let unexpected = Set(state.keys).subtracting(entries.map(\.name)).sorted()
        let shapes = entries.compactMap { entry in
            state[entry.name].flatMap { tensor in
                tensor.shape == entry.tensor.shape || entry.role == .resizableBuffer
                    ? nil : StateMismatch.ShapeMismatch(name: entry.name, expected: entry.tensor.shape, found: tensor.shape)
            }
        }
        if matching.forbidsMissing && !missing.isEmpty || matching.forbidsUnexpected && !unexpected.isEmpty || !shapes.isEmpty {
            throw StateMismatch(
                owner: String(describing: type(of: self)), missing: matching.forbidsMissing ? missing : [],
                unexpected: matching.forbidsUnexpected ? unexpected : [], shapes: shapes)
        }
        withoutGradients {
            for entry in entries {
                guard let value = state[entry.name] else { continue }
                if entry.tensor.shape == value.shape {
                    entry.tensor.copyInPlace(from: value)
                } else {
                    let resized = Tensor.uninitialized(value.shape, dtype: entry.tensor.dtype, device: entry.tensor.device)
                    entry.tensor.takeData(of: resized.copyInPlace(from: value))
                }
            }
        }
    }
}
