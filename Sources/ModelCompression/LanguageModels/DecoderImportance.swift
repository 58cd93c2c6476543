public import Networks
public import Torch

/// What says which parts of a language model matter.
public enum DecoderCriterion: String, Codable, Sendable, CaseIterable {
    /// Magnitudes of the weights: of a neuron ‖gate‖·‖up‖·‖down‖, of a head the sum over what reads and writes it.
    case weight
    /// Change of the loss to first order, |Σ z·∂L/∂z| over the positions of each text, summed over texts (Molchanov et al., arXiv:1611.06440).
    case taylor
}

/// How much heads, neurons and blocks of a language model matter.
public struct DecoderImportance: Sendable {
    /// For each block a number for each key/value head with the query heads it serves.
    public private(set) var heads: [[Double]] = []
    /// For each block a number for each neuron of the feed-forward part.
    public private(set) var neurons: [[Double]] = []
    /// By how much each block turns the residual stream: 1 − cos of before and after, mean over positions (Men et al., arXiv:2403.03853). Empty
    /// without texts.
    public private(set) var blocks: [Double] = []

    /// - Parameters:
    ///   - tokens: texts of equal length, int64 [texts, length]; needed for ``DecoderCriterion/taylor`` and ``blocks``.
    ///   - batchSize: texts at a time.
    /// - Throws: errors of reading weights; `GraphProblem` if texts are needed and there are none.
    public init(of model: LanguageModel, by criterion: DecoderCriterion, on tokens: Tensor? = nil, batchSize: Int = 4) throws {
        let layers = 0..<model.configuration.layerCount
        switch criterion {
        case .weight:
            for layer in layers {
                let sizes = try model.partSizes(layer: layer)
                heads.append(sizes.heads)
                neurons.append(sizes.neurons)
            }
        case .taylor:
            guard let tokens else { throw GraphProblem("the criterion 'taylor' needs text") }
            for layer in layers {
                heads.append(try Self.taylor(model, .block(layer, .mixedValues), tokens, batchSize, perPart: Self.perHead(model.configuration)))
                neurons.append(try Self.taylor(model, .block(layer, .gatedProduct), tokens, batchSize) { $0 })
            }
        }
        if let tokens { blocks = try Self.turns(model, tokens, batchSize) }
    }

    /// Sums over the width of heads and the query heads that a key/value head serves: [batch, heads, width] to [batch, groups].
    private static func perHead(_ configuration: LanguageModelConfiguration) -> (Tensor) -> Tensor {
        { $0.sum(axis: 2).reshaped([$0.size(0), configuration.keyValueHeadCount, -1]).sum(axis: 2) }
    }

    private static func taylor(
        _ model: LanguageModel, _ point: HookPoint, _ tokens: Tensor, _ batchSize: Int, perPart: (Tensor) -> Tensor
    ) throws -> [Double] {
        var sum: Tensor?
        for start in stride(from: 0, to: tokens.size(0), by: batchSize) {
            let part = tokens.narrowed(axis: 0, from: start, count: min(batchSize, tokens.size(0) - start))
            let found = try model.lossGradients(at: point, tokens: part)
            let change = perPart((found.activations * found.gradients).to(dtype: .float64).sum(axis: 1)).abs().sum(axis: 0)
            sum = sum.map { $0 + change } ?? change
        }
        return sum?.scalars() ?? []
    }

    private static func turns(_ model: LanguageModel, _ tokens: Tensor, _ batchSize: Int) throws -> [Double] {
        let layers = 0..<model.configuration.layerCount
        var sums = layers.map { _ in 0.0 }
        for start in stride(from: 0, to: tokens.size(0), by: batchSize) {
            let part = tokens.narrowed(axis: 0, from: start, count: min(batchSize, tokens.size(0) - start))
            let hooks = layers.map { HookPoint.block($0, .residualPre) } + [.block(layers.upperBound - 1, .residualPost)]
            let cache = try withoutGradients { try model.activations(at: hooks, tokens: part) }
            for layer in layers {
                guard let before = cache[hooks[layer]]?.to(dtype: .float64), let after = cache[hooks[layer + 1]]?.to(dtype: .float64) else {
                    preconditionFailure("what was asked for was recorded")
                }
                let lengths = (before.squared().sum(axis: 2) * after.squared().sum(axis: 2)).sqrt().clamped(minimum: 1e-30)
                sums[layer] += (1 - (before * after).sum(axis: 2) / lengths).sum().item()
            }
        }
        return sums.map { $0 / Double(max(1, tokens.elementCount)) }
    }

    /// What stays when parts of each block and some blocks go, those that matter least.
    /// - Parameters:
    ///   - heads: part of each block's heads that goes, rounded to a whole number; one stays.
    ///   - neurons: part of each block's neurons that goes; one stays.
    ///   - blocks: how many go.
    /// - Throws: `GraphProblem` for parts outside of 0..<1, for blocks without texts to choose them by, or if no block would be left.
    public func cut(heads headPart: Double = 0, neurons neuronPart: Double = 0, blocks blockCount: Int = 0) throws(GraphProblem) -> LanguageModelCut {
        for (name, part) in [("heads", headPart), ("neurons", neuronPart)] where !(part >= 0 && part < 1) {
            throw GraphProblem("the part of the \(name) that goes must be at least 0 and less than 1, found \(part)")
        }
        guard blockCount >= 0, blockCount < heads.count else {
            throw GraphProblem("of \(heads.count) blocks 0 to \(heads.count - 1) can go, not \(blockCount)")
        }
        guard blockCount == 0 || blocks.count == heads.count else { throw GraphProblem("which blocks go is measured on text; give some") }
        func kept(_ values: [Double], _ part: Double) -> [Int] {
            let gone = min(values.count - 1, Int((Double(values.count) * part).rounded()))
            // Of equal ones the last goes.
            return values.indices.sorted { (values[$0], -$0) < (values[$1], -$1) }.dropFirst(gone).sorted()
        }
        let stays = blockCount == 0 ? Array(heads.indices) : blocks.indices.sorted { (blocks[$0], $0) < (blocks[$1], $1) }.dropFirst(blockCount).sorted()
        return LanguageModelCut(blocks: stays.map { .init(layer: $0, keyValueHeads: kept(heads[$0], headPart), neurons: kept(neurons[$0], neuronPart)) })
    }
}
