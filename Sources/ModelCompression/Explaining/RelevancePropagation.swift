public import Networks
public import Torch
internal import TorchNN

/// Which rule each kind of layer follows. Presets are named as in the literature.
public struct RelevanceRules: Codable, Sendable, Equatable {
    public var convolution: RelevanceRule
    public var linear: RelevanceRule
    /// Of the layer that sees the input; that of its kind if nil.
    public var first: RelevanceRule?

    public init(convolution: RelevanceRule, linear: RelevanceRule, first: RelevanceRule? = nil) {
        self.convolution = convolution
        self.linear = linear
        self.first = first
    }

    /// By positive contributions everywhere.
    public static let zPlus = RelevanceRules(convolution: .zPlus, linear: .zPlus)
    /// What Yeom et al. (arXiv:1912.08881) prune plain networks with.
    public static let positiveWeights = RelevanceRules(convolution: .positiveWeights, linear: .positiveWeights)
    public static let epsilonPlus = RelevanceRules(convolution: .alphaBeta(1, 0), linear: .epsilon())
    public static let epsilonAlpha2Beta1 = RelevanceRules(convolution: .alphaBeta(2, 1), linear: .epsilon())
    /// For pictures whose values lie between two bounds, of each channel or of all.
    public static func epsilonGammaBox(low: [Double], high: [Double]) -> RelevanceRules {
        RelevanceRules(convolution: .gamma(), linear: .epsilon(), first: .box(low: low, high: high))
    }
}

/// Rules by name, as in settings and on command lines.
public enum RulePreset: String, Codable, Sendable, CaseIterable {
    case zPlus = "z-plus"
    case positiveWeights = "positive-weights"
    case epsilonPlus = "epsilon-plus"
    case epsilonAlpha2Beta1 = "epsilon-alpha2-beta1"
    case epsilonGammaBox = "epsilon-gamma-box"

    /// - Parameter preparation: of pictures, which says between what bounds they lie.
    public func rules(_ preparation: ImagePreparation) -> RelevanceRules {
        switch self {
        case .zPlus: return .zPlus
        case .positiveWeights: return .positiveWeights
        case .epsilonPlus: return .epsilonPlus
        case .epsilonAlpha2Beta1: return .epsilonAlpha2Beta1
        case .epsilonGammaBox:
            let bounds = preparation.bounds
            return .epsilonGammaBox(low: bounds.low, high: bounds.high)
        }
    }
}

/// Layer-wise relevance propagation (Bach et al. 2015): an output is divided among the units of every layer that made it, down to the
/// input, so that each layer's relevances add up to the same.
///
/// Batch norms are multiplied into the layers before them. Activations and dropout hand relevance on; sums, pooled means and norms that
/// stayed divide it by what each input contributed; a maximum gives all to the winner; of a product with a gate the signal gets all.
public struct RelevancePropagation {
    public let network: GraphNetwork
    public let rules: RelevanceRules

    /// What is divided among the units.
    public enum Start: Sendable {
        /// The score of the class that is explained.
        case score
        /// The same where it is positive, and nothing elsewhere: a negative one would turn all signs.
        case positiveScore
        /// 1 for it, whatever the score is.
        case one
    }

    /// - Throws: `GraphProblem` for operations that no rule is known for.
    public init(_ network: GraphNetwork, rules: RelevanceRules) throws(GraphProblem) {
        for node in network.graph.nodes {
            switch node.operation {
            case .lstm, .embedding, .layerNorm: throw GraphProblem("there is no rule of relevance for node '\(node.name)': \(node.operation)")
            default: break
            }
        }
        self.network = network.foldingBatchNorms()
        self.network.mode = .evaluation
        self.rules = rules
    }

    /// Relevances of all nodes' outputs, in the graph's order and in their shapes; the first one is the input's.
    /// - Parameter classes: the class to explain of each input, int64 [batch].
    public func callAsFunction(_ input: Tensor, classes: Tensor, start: Start = .score) -> [Tensor] {
        withoutGradients {
            let outputs = network.outputs(input), scores = outputs[outputs.count - 1]
            require(
                scores.rank == 2 && classes.shape == [scores.size(0)],
                "RelevancePropagation: there must be a class for each of \(scores.shape), found \(classes.shape).")
            let chosen = Tensor.zeros(like: scores).scatteringElements(
                Tensor.ones([scores.size(0), 1], dtype: scores.dtype, device: scores.device), at: classes.unsqueezed(1), axis: 1)
            var relevances = outputs.map { Tensor.zeros(like: $0) }
            relevances[relevances.count - 1] =
                switch start {
                case .score: scores * chosen
                case .positiveScore: scores.clamped(minimum: 0) * chosen
                case .one: chosen
                }
            for place in outputs.indices.reversed() where place > 0 {
                let sources = network.graph.nodes[place].inputs
                for (source, relevance) in zip(sources, handedOn(relevances[place], by: place, outputs)) {
                    relevances[source] = relevances[source] + relevance
                }
            }
            return relevances
        }
    }

    /// The relevance that each input of a node gets.
    private func handedOn(_ relevance: Tensor, by place: Int, _ outputs: [Tensor]) -> [Tensor] {
        let node = network.graph.nodes[place], inputs = node.inputs.map { outputs[$0] }, first = inputs[0]
        let own = network.weights(ofNode: place)
        func rule(_ usual: RelevanceRule) -> RelevanceRule { node.inputs[0] == network.graph.input ? rules.first ?? usual : usual }
        switch node.operation {
        case .convolution(let settings):
            let map = LinearMap(weight: own["weight"]!, bias: own["bias"]) { settings($0, weight: $1, bias: $2) }
            return [map.relevance(relevance, of: first, rule(rules.convolution))]
        case .linear:
            let map = LinearMap(weight: own["weight"]!, bias: own["bias"]) { $0.linear(weight: $1, bias: $2) }
            return [map.relevance(relevance, of: first, rule(rules.linear))]
        case .activation, .dropout, .batchNorm: return [relevance]
        case .flatten: return [relevance.reshaped(first.shape)]
        case .add:
            let scaled = relevance / stabilized(outputs[place])
            return inputs.map { $0 * scaled }
        case .multiply:
            let signal = inputs.indices.max { inputs[$0].elementCount < inputs[$1].elementCount } ?? 0
            return inputs.indices.map { $0 == signal ? relevance : Tensor.zeros(like: inputs[$0]) }
        case .concatenate: return relevance.split(sizes: inputs.map { $0.size(1) }, axis: 1)
        case .maxPool: return [pulled(relevance, through: place, first)]
        case .averagePool, .globalAveragePool: return [first * pulled(relevance / stabilized(outputs[place]), through: place, first)]
        case .input, .embedding, .lstm, .layerNorm: return []
        }
    }

    /// The node's transposed derivative.
    private func pulled(_ relevance: Tensor, through place: Int, _ input: Tensor) -> Tensor {
        let leaf = input.detached().requiringGrad()
        return gradients(of: withGradients { network.output(ofNode: place, of: [leaf]) }, withRespectTo: [leaf], gradient: relevance)[0]
    }
}
