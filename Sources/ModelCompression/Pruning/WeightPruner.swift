public import Experiments
public import Networks
internal import Torch
internal import TorchNN

/// Masks the weights of a network by magnitude along a schedule, while somebody else trains it (Zhu & Gupta, arXiv:1710.01878).
///
/// ```swift
/// let pruner = try WeightPruner(network, PruningPlan(schedule: PruningSchedule(final: 0.9, steps: 1_000)))
/// for step in 0..<1_000 {
///     pruner.chooseWeights(at: step)
///     optimizer.zeroGradients()
///     loss(of: network).backward()
///     optimizer.step()
///     pruner.holdMasked()
/// }
/// ```
/// Masks are the network's own (``GraphNetwork/masks``): what is masked counts for nothing and gets no gradient. Optimisers with momentum
/// still move it for a while, and weight decay shrinks it.
public final class WeightPruner {
    public let network: GraphNetwork
    public let plan: PruningPlan
    private let targets: [PruningPlan.Target]
    /// Of the masks that were chosen last.
    private var counted: Double?

    /// - Throws: `ConfigurationError` for a plan that is impossible, or names a layer that the network lacks.
    public init(_ network: GraphNetwork, _ plan: PruningPlan) throws(ConfigurationError) {
        try plan.validate()
        self.network = network
        self.plan = plan
        targets = try plan.targets(in: network.graph)
    }

    /// Chooses weights anew if the schedule says so; before the step of that number, which counts from 0.
    public func chooseWeights(at step: Int) {
        guard plan.schedule.choosesWeights(at: step) else { return }
        let weights = network.stateDictionary
        let masks =
            switch plan.scope {
            case .layer:
                Dictionary(uniqueKeysWithValues: targets.map { ($0.weight, plan.pattern.mask(of: weights[$0.weight]!, sparsity: sparsity(of: $0, step))) })
            case .network: networkMasks(weights, step)
            }
        network.masks.merge(masks) { $1 }
        counted = nil
        holdMasked()
    }

    private func sparsity(of target: PruningPlan.Target, _ step: Int) -> Double {
        var schedule = plan.schedule
        schedule.final = target.sparsity
        // A layer that ends below where others begin begins there.
        schedule.initial = min(schedule.initial, schedule.final)
        return schedule.sparsity(at: step)
    }

    private func networkMasks(_ weights: [String: Tensor], _ step: Int) -> [String: Tensor] {
        withoutGradients {
            let sizes = targets.map { target in
                let weight = weights[target.weight]!
                return plan.pattern.unitSizes(of: weight) / weight.squared().mean().sqrt().clamped(minimum: 1e-30).to(dtype: .float32)
            }
            let kept = SparsityPattern.largest(Tensor.concatenated(sizes), plan.schedule.sparsity(at: step))
            let parts = kept.split(sizes: sizes.map(\.elementCount), axis: 0)
            return Dictionary(uniqueKeysWithValues: zip(targets, parts).map { ($0.weight, plan.pattern.mask(like: weights[$0.weight]!, ofUnits: $1)) })
        }
    }

    /// Makes the weights that masks would hold back zero, for a network that is not trained any more.
    public func pruneAtOnce(at step: Int = 0) {
        let weights = network.stateDictionary
        switch plan.scope {
        case .layer: for target in targets { plan.pattern.prune(weights[target.weight]!, sparsity: sparsity(of: target, step)) }
        case .network: withoutGradients { for (name, mask) in networkMasks(weights, step) { weights[name]!.multiplyInPlace(by: mask) } }
        }
    }

    /// After each step of the optimiser: where masked weights vanish, they are 0 again.
    public func holdMasked() {
        guard plan.maskedWeights == .vanish else { return }
        let weights = network.stateDictionary
        withoutGradients { for (name, mask) in network.masks { if let weight = weights[name] { weight.copyInPlace(from: weight * mask) } } }
    }

    /// The part of the weights that may be pruned which is masked now.
    public var sparsity: Double {
        if let counted { return counted }
        let weights = network.stateDictionary, total = targets.reduce(0) { $0 + weights[$1.weight]!.elementCount }
        let masked = targets.reduce(0) { $0 + (network.masks[$1.weight]?.zeroCount ?? 0) }
        counted = Double(masked) / Double(max(1, total))
        return counted!
    }
}

extension Tensor {
    /// Numbers that are 0.
    var zeroCount: Int { elementCount - Int(nonzeroCount(axes: Array(0..<rank)).item()) }
}

extension GraphNetwork {
    /// Weights that are not zero, and all weights, in the whole network with biases and norms; statistics of norms do not count.
    public var weightCounts: (nonzero: Int, all: Int) {
        withoutGradients {
            namedParameters().reduce((0, 0)) { counts, parameter in
                let weight = masked(parameter.tensor, named: parameter.name)
                return (counts.0 + weight.elementCount - weight.zeroCount, counts.1 + weight.elementCount)
            }
        }
    }
}
