internal import Torch
public import TorchNN

/// The stored tensors and modules that `visit` of a module, or of any module below it, does not name.
///
/// ```swift
/// #expect(forgottenMembers(of: model).isEmpty)
/// ```
/// Looks through optionals, arrays, dictionaries, tuples, enumerations and structures, not into closures or into
/// classes that are no modules.
/// - Returns: paths such as `layers.3.attention.cache`.
public func forgottenMembers(of module: any Module) -> [String] {
    let visitor = module.visited()
    var search = Search(
        tensors: Set(visitor.entries.map(\.tensor.identity)), modules: Set(visitor.modules.map { ObjectIdentifier($0.module) }))
    for (name, part) in module.namedModules() { search.look(into: part, path: name) }
    return search.forgotten
}

private struct Search {
    let tensors: Set<Tensor.Identity>
    let modules: Set<ObjectIdentifier>
    var forgotten: [String] = []

    /// Looks at what a value stores, its superclasses' properties included.
    mutating func look(into value: Any, path: String) {
        var mirror: Mirror? = Mirror(reflecting: value)
        while let current = mirror {
            for (index, child) in current.children.enumerated() {
                // Elements of tuples are labelled `.0`, those of arrays not at all.
                let label = child.label.map { $0.hasPrefix(".") ? String($0.dropFirst()) : $0 } ?? "\(index)"
                examine(child.value, path: path.isEmpty ? label : "\(path).\(label)")
            }
            mirror = current.superclassMirror
        }
    }

    private mutating func examine(_ value: Any, path: String) {
        if let tensor = value as? Tensor {
            if !tensors.contains(tensor.identity) { forgotten.append(path) }
        } else if let module = value as? any Module {
            if !modules.contains(ObjectIdentifier(module)) { forgotten.append(path) }
        } else if Mirror(reflecting: value).displayStyle != .class {
            look(into: value, path: path)
        }
    }
}
