public import Experiments
internal import Networks

/// Which weights of a network become zero while it is trained, and when.
public struct PruningPlan: Codable, Sendable, Equatable {
    /// Among which weights the smallest are looked for.
    public enum Scope: String, Codable, Sendable, CaseIterable {
        /// Those of each matrix, so that every one has the same sparsity; as in the paper.
        case layer
        /// All together, each by its part of the root mean square of its matrix, whose scale says nothing where a norm follows.
        case network
    }

    /// What becomes of weights that are masked.
    public enum MaskedWeights: String, Codable, Sendable, CaseIterable {
        /// They keep their values and come back when others have become smaller, as in the authors' code.
        case rest
        /// They are 0 from then on, as in TensorFlow Model Optimization.
        case vanish
    }

    public var schedule: PruningSchedule
    public var pattern: SparsityPattern
    public var scope: Scope
    public var maskedWeights: MaskedWeights
    /// The final sparsities of single layers, by the names of their nodes, instead of the schedule's; 0 leaves a layer as it is.
    public var layers: [String: Double]

    public init(
        schedule: PruningSchedule, pattern: SparsityPattern = .unstructured, scope: Scope = .layer, maskedWeights: MaskedWeights = .rest,
        layers: [String: Double] = [:]
    ) {
        self.schedule = schedule
        self.pattern = pattern
        self.scope = scope
        self.maskedWeights = maskedWeights
        self.layers = layers
    }

    /// - Throws: `ConfigurationError` that names the setting.
    public func validate(_ name: String = "pruning") throws(ConfigurationError) {
        try schedule.validate("\(name).schedule")
        for (layer, sparsity) in layers.sorted(by: { $0.key < $1.key }) where !(sparsity >= 0 && sparsity < 1) {
            throw ConfigurationError(key: "\(name).layers.\(layer)", problem: "must be at least 0 and less than 1, found \(sparsity)")
        }
        switch pattern {
        case .unstructured: break
        case .blocks(let rows, let columns):
            guard rows > 0, columns > 0 else {
                throw ConfigurationError(key: "\(name).pattern", problem: "must have blocks with rows and columns, found \(rows) × \(columns)")
            }
        case .kept(let kept, let group):
            guard kept > 0, kept < group else {
                throw ConfigurationError(key: "\(name).pattern", problem: "must keep some weights of each group and not all, found \(kept) of \(group)")
            }
        }
        guard scope == .layer || layers.isEmpty else {
            throw ConfigurationError(key: "\(name).layers", problem: "are of single layers and must be empty where the scope is the network")
        }
        if case .kept = pattern, scope == .network {
            throw ConfigurationError(key: "\(name).scope", problem: "must be layer where a number of each group of weights is kept")
        }
    }

    /// The weights of a network that are pruned, with the sparsity that each ends with.
    ///
    /// They are the matrices of linear and recurrent layers and the kernels of convolutions; not those of depthwise convolutions and of the
    /// convolution that sees the input, which are few and matter most, unless ``layers`` names them.
    /// - Throws: `ConfigurationError` for a layer that is not there or has no weights to prune.
    func targets(in graph: NetworkGraph) throws(ConfigurationError) -> [Target] {
        var targets: [Target] = [], known: [String] = []
        for node in graph.nodes where node.weightsOf == nil {
            let usual: Bool, names: [String]
            switch node.operation {
            case .linear: (usual, names) = (true, ["weight"])
            case .lstm: (usual, names) = (true, ["weight_ih_l0", "weight_hh_l0"])
            case .convolution(let settings): (usual, names) = (!settings.isDepthwise && node.inputs != [graph.input], ["weight"])
            case .embedding: (usual, names) = (false, ["weight"])
            default: continue
            }
            known.append(node.name)
            let sparsity = layers[node.name] ?? (usual ? schedule.final : 0)
            if sparsity > 0 { targets += names.map { Target(weight: "\(node.name).\($0)", sparsity: sparsity) } }
        }
        for name in layers.keys.sorted() where !known.contains(name) {
            let isThere = graph.nodes.contains { $0.name == name }
            throw ConfigurationError(
                key: "pruning.layers.\(name)",
                problem: isThere ? "has no weights of its own to prune" : "is not there; layers are \(known.joined(separator: ", "))")
        }
        guard !targets.isEmpty else { throw ConfigurationError(key: "pruning", problem: "finds nothing to prune in the network") }
        return targets
    }

    struct Target: Equatable {
        /// In the state dictionary.
        let weight: String
        let sparsity: Double
    }
}
