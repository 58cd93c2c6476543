public import Torch

/// Collects what a module consists of; handed to ``Module/visit(_:)``.
///
/// Called with a name and a parameter, a child module or a list of child modules. Names of children
/// are joined with dots, list positions are numbers: `layers.3.mlp.up_proj.weight`.
public struct ParameterVisitor {
    /// What a visited tensor is to its module.
    package enum Role: Sendable {
        case parameter, buffer
        /// Rebuilt from the configuration and absent from checkpoints, such as a table of positions.
        case temporaryBuffer
        /// A buffer that takes the size of what is loaded into it, such as a table.
        case resizableBuffer
    }

    package struct Entry {
        package let name: String
        package let tensor: Tensor
        package let role: Role
    }

    package private(set) var entries: [Entry] = []
    package private(set) var modules: [(name: String, module: any Module)]
    private var prefix = ""
    private var names = Set<String>()

    package init(root: any Module) { modules = [("", root)] }

    /// A parameter. An absent one (a layer without bias) is passed over.
    public mutating func callAsFunction(_ name: String, _ parameter: Tensor?) {
        if let parameter { add(name, parameter, .parameter) }
    }

    /// A tensor that belongs to the module's state but is not trained. An absent one is passed over.
    /// - Parameter persistent: Whether the buffer is saved in checkpoints.
    public mutating func buffer(_ name: String, _ tensor: Tensor?, persistent: Bool = true) {
        if let tensor { add(name, tensor, persistent ? .buffer : .temporaryBuffer) }
    }

    /// A buffer whose size belongs to its content, such as a table: loading a state dictionary gives it the size found there.
    public mutating func resizableBuffer(_ name: String, _ tensor: Tensor) { add(name, tensor, .resizableBuffer) }

    /// A child module. An absent one is passed over. An empty name adds the child's tensors as this module's own.
    public mutating func callAsFunction(_ name: String, _ child: (any Module)?) {
        guard let child else { return }
        let outer = prefix
        let path = prefix + name
        modules.append((path, child))
        if !name.isEmpty { prefix = path + "." }
        child.visit(&self)
        prefix = outer
    }

    /// A list of child modules: `name.0`, `name.1`, …; with an empty name just `0`, `1`, ….
    public mutating func callAsFunction(_ name: String, _ children: [any Module]) {
        for (index, child) in children.enumerated() { self(name.isEmpty ? "\(index)" : "\(name).\(index)", child) }
    }

    /// A list of parameters: `name.0`, `name.1`, ….
    public mutating func callAsFunction(_ name: String, _ parameters: [Tensor]) {
        for (index, parameter) in parameters.enumerated() { self("\(name).\(index)", parameter) }
    }

    private mutating func add(_ name: String, _ tensor: Tensor, _ role: Role) {
        let path = prefix + name
        require(names.insert(path).inserted, "Module.visit: the name \(path) is used twice.")
        entries.append(Entry(name: path, tensor: tensor, role: role))
    }
}
