public import Torch

/// Stochastic gradient descent, by libtorch's fused kernel.
///
/// `b ← momentum · b + (1 − dampening) · g`, `θ ← θ − lr · b`; the first b is g itself. With Nesterov's
/// look-ahead `θ ← θ − lr · (g + momentum · b)`.
public final class SGD: Optimizer {
    public enum Momentum: Codable, Sendable, Equatable {
        case none
        case heavyBall(Double, dampening: Double = 0)
        case nesterov(Double)

        var parts: (momentum: Double, dampening: Double, nesterov: Bool) {
            switch self {
            case .none: (0, 0, false)
            case .heavyBall(let momentum, let dampening): (momentum, dampening, false)
            case .nesterov(let momentum): (momentum, 0, true)
            }
        }
    }

    public struct Settings: Codable, Sendable, Equatable {
        public var learningRate: Double
        public var momentum: Momentum
        /// Times the parameter, added to the gradient.
        public var weightDecay: Double

        public init(learningRate: Double = 1e-3, momentum: Momentum = .none, weightDecay: Double = 0) {
            self.learningRate = learningRate
            self.momentum = momentum
            self.weightDecay = weightDecay
        }

        /// Checks settings that come from a configuration; an ``SGD`` made of bad ones traps.
        /// - Throws: ``InvalidSetting`` that names the setting.
        public func validate() throws(InvalidSetting) {
            let (momentum, dampening, _) = momentum.parts
            try InvalidSetting.check(learningRate >= 0 && learningRate.isFinite, "learningRate", "must be 0 or more", learningRate)
            try InvalidSetting.check((0..<1).contains(momentum), "momentum", "must be at least 0 and below 1", momentum)
            try InvalidSetting.check((0...1).contains(dampening), "dampening", "must be between 0 and 1", dampening)
            try InvalidSetting.check(weightDecay >= 0 && weightDecay.isFinite, "weightDecay", "must be 0 or more", weightDecay)
        }
    }

    public var groups: [ParameterGroup<Settings>]
    public var parameters: [NamedTensor] { groups.flatMap(\.parameters) }
    private var state = OptimizerState()

    public init(groups: [ParameterGroup<Settings>]) {
        self.groups = groups
        checkDistinct(parameters, "SGD")
        for group in groups { requireValid("SGD", group.settings.validate) }
    }

    public convenience init(_ parameters: [NamedTensor], _ settings: Settings = Settings()) {
        self.init(groups: [ParameterGroup(parameters, settings)])
    }

    public func step(learningRateFactor: Double) {
        withoutGradients { for group in groups { step(group, learningRateFactor) } }
    }

    public var stateDictionary: [String: Tensor] { state.dictionary }

    public func load(_ saved: [String: Tensor]) throws {
        state = try OptimizerState(
            saved, for: parameters.map { ($0, quantities: [.init(name: Self.buffer)]) }, owner: "SGD")
    }

    private static let buffer = "momentum_buffer"

    private func step(_ group: ParameterGroup<Settings>, _ factor: Double) {
        let active = group.parameters.compactMap { named in named.alignedGradient.map { (named, gradient: $0) } }
        let hasMomentum = group.settings.momentum.parts.momentum != 0
        // The kernel starts buffers for all of its parameters or for none.
        let isFirst = active.map { hasMomentum && state[$0.0.name, Self.buffer] == nil }
        for first in [true, false] {
            let part = zip(active, isFirst).filter { $1 == first }.map(\.0)
            if part.isEmpty { continue }
            if first { for (named, gradient) in part { state[named.name, Self.buffer] = Tensor.zeros(like: gradient) } }
            run(part, group.settings, factor, isFirst: first, buffers: hasMomentum ? part.map { state[$0.0.name, Self.buffer]! } : [])
        }
    }

    private func run(
        _ part: [(NamedTensor, gradient: Tensor)], _ settings: Settings, _ factor: Double, isFirst: Bool, buffers: [Tensor]
    ) {
        let (momentum, dampening, nesterov) = settings.momentum.parts
        Operator.fusedSGD.run(
            part.map(\.0.tensor), part.map(\.gradient), buffers, settings.weightDecay, momentum, settings.learningRate * factor,
            dampening, nesterov, false, isFirst)
    }
}
