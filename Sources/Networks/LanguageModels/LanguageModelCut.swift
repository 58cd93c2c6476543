internal import Torch

/// What stays of a decoder of the Llama family when blocks, heads and neurons go.
///
/// The residual stream couples the widths of all blocks, and is left alone. Within a block three couplings are free: a key/value head goes with the
/// query heads it serves (rows of `q_proj`, `k_proj`, `v_proj`, columns of `o_proj`), and a neuron of the gated feed-forward part with its gate (rows
/// of `gate_proj` and `up_proj`, a column of `down_proj`). Blocks keep equally many of each, so that the smaller model is one of the same family
/// which other programs load.
public struct LanguageModelCut: Codable, Sendable, Equatable {
    /// A block of the first model that stays.
    public struct Block: Codable, Sendable, Equatable {
        /// Its number in the first model.
        public var layer: Int
        /// Of the key/value heads, rising.
        public var keyValueHeads: [Int]
        /// Of the feed-forward part, rising.
        public var neurons: [Int]

        public init(layer: Int, keyValueHeads: [Int], neurons: [Int]) { (self.layer, self.keyValueHeads, self.neurons) = (layer, keyValueHeads, neurons) }
    }

    public var blocks: [Block]

    public init(blocks: [Block]) { self.blocks = blocks }

    /// All of a model.
    public init(all configuration: LanguageModelConfiguration) {
        blocks = (0..<configuration.layerCount).map { layer in
            Block(layer: layer, keyValueHeads: Array(0..<configuration.keyValueHeadCount), neurons: Array(0..<configuration.feedForwardSize))
        }
    }

    /// The dimensions of what stays.
    /// - Throws: ``GraphProblem`` for a cut that is none of such a model.
    public func configuration(of whole: LanguageModelConfiguration) throws -> LanguageModelConfiguration {
        guard let first = blocks.first else { throw GraphProblem("no block would be left; keep at least one") }
        func check(_ kept: [Int], _ count: Int, _ what: String, _ layer: Int) throws {
            guard !kept.isEmpty else { throw GraphProblem("block \(layer) would have no \(what) left; keep at least one") }
            guard zip(kept, kept.dropFirst()).allSatisfy(<), kept[0] >= 0, kept[kept.count - 1] < count else {
                throw GraphProblem("the \(what) that block \(layer) keeps must be rising numbers below \(count)")
            }
        }
        try check(blocks.map(\.layer), whole.layerCount, "blocks", 0)
        for block in blocks {
            try check(block.keyValueHeads, whole.keyValueHeadCount, "heads", block.layer)
            try check(block.neurons, whole.feedForwardSize, "neurons", block.layer)
            guard block.keyValueHeads.count == first.keyValueHeads.count, block.neurons.count == first.neurons.count else {
                throw GraphProblem("all blocks must keep equally many heads and neurons, and block \(block.layer) keeps others than block \(first.layer)")
            }
        }
        var configuration = whole
        configuration.layerCount = blocks.count
        configuration.keyValueHeadCount = first.keyValueHeads.count
        configuration.headCount = first.keyValueHeads.count * (whole.headCount / whole.keyValueHeadCount)
        configuration.feedForwardSize = first.neurons.count
        return configuration
    }
}

extension LanguageModel {
    /// The model without what a cut takes away; its weights are taken from this one's when they are needed.
    /// - Throws: ``GraphProblem``; errors of reading weights.
    public func cutting(to cut: LanguageModelCut) throws -> LanguageModel {
        try LanguageModel(
            try cut.configuration(of: configuration), weights: CutWeights(source: source, cut: cut, whole: configuration), device: placement.device,
            dtype: placement.dtype)
    }

    /// Hooks with which this model computes what the cut one would: what goes is zero where it is written to the residual stream.
    public func masking(_ cut: LanguageModelCut) -> [Hook] {
        let perGroup = configuration.headCount / configuration.keyValueHeadCount
        let kept = Dictionary(uniqueKeysWithValues: cut.blocks.map { ($0.layer, $0) })
        return (0..<configuration.layerCount).flatMap { layer -> [Hook] in
            guard let block = kept[layer] else { return [.ablateToZero(.block(layer, .attentionOutput)), .ablateToZero(.block(layer, .feedForwardOutput))] }
            let heads = Self.factors(places(block.keyValueHeads, each: perGroup), of: configuration.headCount)
            let neurons = Self.factors(block.neurons, of: configuration.feedForwardSize)
            return [
                Hook(.block(layer, .mixedValues)) { values, _ in values * heads.reshaped([-1, 1]).to(dtype: values.dtype).to(device: values.device) },
                Hook(.block(layer, .gatedProduct)) { values, _ in values * neurons.to(dtype: values.dtype).to(device: values.device) },
            ]
        }
    }

    /// Magnitudes of the parts of a block that can go: of each key/value head Σ w² over what it and the query heads it serves read and write with,
    /// its root; of each neuron the product of the norms of gate, up and down.
    package func partSizes(layer: Int) throws -> (heads: [Double], neurons: [Double]) {
        let prefix = "model.layers.\(layer).", groups = configuration.keyValueHeadCount
        func squares(_ name: String, axis: Int) throws -> Tensor {
            try source.weight("\(prefix)\(name).weight").to(dtype: .float64).squared().sum(axis: 1 - axis)
        }
        let heads = try [("q_proj", 0), ("k_proj", 0), ("v_proj", 0), ("o_proj", 1)].map { name, axis in
            try squares("self_attn.\(name)", axis: axis).reshaped([groups, -1]).sum(axis: 1)
        }
        let neurons = try [("gate_proj", 0), ("up_proj", 0), ("down_proj", 1)].map { try squares("mlp.\($0)", axis: $1) }
        return (heads.dropFirst().reduce(heads[0], +).sqrt().scalars(), neurons.dropFirst().reduce(neurons[0], *).sqrt().scalars())
    }

    /// 1 for what stays and 0 for the rest.
    private static func factors(_ kept: [Int], of count: Int) -> Tensor {
        let stays = Set(kept)
        return Tensor((0..<count).map { stays.contains($0) ? Float(1) : 0 })
    }
}

/// What heads take up where each has so many places.
private func places(_ heads: [Int], each count: Int) -> [Int] { heads.flatMap { head in (0..<count).map { head * count + $0 } } }

/// The weights of a cut model, made from those of the whole one.
private struct CutWeights: WeightSource {
    let source: any WeightSource
    let cut: LanguageModelCut
    let whole: LanguageModelConfiguration

    var path: String { source.path }

    func shape(of name: String) -> [Int]? {
        let place = place(of: name)
        var shape = source.shape(of: place.name)
        if let kept = place.kept { shape?[kept.axis] = kept.indices.count }
        return shape
    }

    func weight(_ name: String) throws -> Tensor {
        let place = place(of: name), weight = try source.weight(place.name)
        guard let kept = place.kept else { return weight }
        return weight.gathered(indices: Tensor(kept.indices), axis: kept.axis)
    }

    /// What a weight is called in the whole model, and what stays of it; nil for all.
    private func place(of name: String) -> (name: String, kept: (axis: Int, indices: [Int])?) {
        let prefix = "model.layers.", parts = name.hasPrefix(prefix) ? name.dropFirst(prefix.count).split(separator: ".", maxSplits: 1) : []
        guard parts.count == 2, let number = Int(parts[0]), cut.blocks.indices.contains(number) else { return (name, nil) }
        let block = cut.blocks[number], perGroup = whole.headCount / whole.keyValueHeadCount
        let kept: (axis: Int, indices: [Int])? = switch parts[1] {
        case "self_attn.q_proj.weight", "self_attn.q_proj.bias": (0, places(block.keyValueHeads, each: perGroup * whole.headSize))
        case "self_attn.k_proj.weight", "self_attn.k_proj.bias", "self_attn.v_proj.weight", "self_attn.v_proj.bias":
            (0, places(block.keyValueHeads, each: whole.headSize))
        case "self_attn.o_proj.weight": (1, places(block.keyValueHeads, each: perGroup * whole.headSize))
        case "mlp.gate_proj.weight", "mlp.up_proj.weight": (0, block.neurons)
        case "mlp.down_proj.weight": (1, block.neurons)
        default: nil
        }
        return ("\(prefix)\(block.layer).\(parts[1])", kept)
    }
}
