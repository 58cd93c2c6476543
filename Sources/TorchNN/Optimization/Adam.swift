public import Torch

/// Adam and AdamW (Kingma & Ba, arXiv:1412.6980; Loshchilov & Hutter, arXiv:1711.05101), by libtorch's fused kernels.
///
/// `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`, `θ ← θ − lr · m̂ / (√v̂ + ε)` with bias-corrected m̂ and v̂.
public final class Adam: Optimizer {
    /// What pulls weights towards zero.
    public enum WeightDecay: Codable, Sendable, Equatable {
        case none
        /// Added to the gradient, as in Adam with an L2 penalty.
        case l2(Double)
        /// `θ ← θ − lr · decay · θ` beside the gradient step, as in AdamW.
        case decoupled(Double)
    }

    public struct Settings: Codable, Sendable, Equatable {
        public var learningRate: Double
        public var beta1: Double
        public var beta2: Double
        public var epsilon: Double
        public var weightDecay: WeightDecay
        /// Divide by the greatest v so far (Reddi et al., arXiv:1904.09237).
        public var amsgrad: Bool

        public init(
            learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
            weightDecay: WeightDecay = .none, amsgrad: Bool = false
        ) {
            self.learningRate = learningRate
            self.beta1 = beta1
            self.beta2 = beta2
            self.epsilon = epsilon
            self.weightDecay = weightDecay
            self.amsgrad = amsgrad
        }

        /// Checks settings that come from a configuration; an ``Adam`` made of bad ones traps.
        /// - Throws: ``InvalidSetting`` that names the setting.
        public func validate() throws(InvalidSetting) {
            try InvalidSetting.check(learningRate >= 0 && learningRate.isFinite, "learningRate", "must be 0 or more", learningRate)
            try InvalidSetting.check((0..<1).contains(beta1), "beta1", "must be at least 0 and below 1", beta1)
            try InvalidSetting.check((0..<1).contains(beta2), "beta2", "must be at least 0 and below 1", beta2)
            try InvalidSetting.check(epsilon >= 0 && epsilon.isFinite, "epsilon", "must be 0 or more", epsilon)
            switch weightDecay {
            case .none: break
            case .l2(let decay), .decoupled(let decay):
                try InvalidSetting.check(decay >= 0 && decay.isFinite, "weightDecay", "must be 0 or more", decay)
            }
        }

        /// AdamW with PyTorch's defaults.
        public static func adamW(
            learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
            weightDecay: Double = 1e-2
        ) -> Settings {
            Settings(
                learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: .decoupled(weightDecay))
        }
    }

    /// The running averages of a parameter. Writing to them (as dictionary learning does when it revives dead
    /// atoms) changes what the next step does.
    public struct Moments {
        /// m, of the parameter's shape.
        public let first: Tensor
        /// v, of the parameter's shape.
        public let second: Tensor
    }

    public var groups: [ParameterGroup<Settings>]
    public var parameters: [NamedTensor] { groups.flatMap(\.parameters) }
    private var state = OptimizerState()

    public init(groups: [ParameterGroup<Settings>]) {
        self.groups = groups
        checkDistinct(parameters, "Adam")
        for group in groups { requireValid("Adam", group.settings.validate) }
    }

    public convenience init(_ parameters: [NamedTensor], _ settings: Settings = Settings()) {
        self.init(groups: [ParameterGroup(parameters, settings)])
    }

    public func step(learningRateFactor: Double) {
        withoutGradients { for group in groups { step(group, learningRateFactor) } }
    }

    /// The averages of the parameter of this name; nil before its first step.
    public func moments(of name: String) -> Moments? {
        guard let first = state[name, "exp_avg"], let second = state[name, "exp_avg_sq"] else { return nil }
        return Moments(first: first, second: second)
    }

    public var stateDictionary: [String: Tensor] { state.dictionary }

    public func load(_ saved: [String: Tensor]) throws {
        let expected = groups.flatMap { group in group.parameters.map { ($0, quantities: Self.quantities(group.settings)) } }
        state = try OptimizerState(saved, for: expected, owner: "Adam")
    }

    private static func quantities(_ settings: Settings) -> [OptimizerState.Quantity] {
        [.init(name: "step", isScalar: true), .init(name: "exp_avg"), .init(name: "exp_avg_sq")]
            + (settings.amsgrad ? [.init(name: "max_exp_avg_sq")] : [])
    }

    private func step(_ group: ParameterGroup<Settings>, _ factor: Double) {
        let settings = group.settings
        let active = group.parameters.compactMap { named in named.alignedGradient.map { (named, gradient: $0) } }
        if active.isEmpty { return }
        func remembered(_ quantity: String) -> [Tensor] { active.map { state[$0.0.name, quantity]! } }
        for (named, _) in active where state[named.name, "step"] == nil {
            for quantity in Self.quantities(settings) {
                state[named.name, quantity.name] =
                    quantity.isScalar ? Tensor.zeros([], device: named.tensor.device) : Tensor.zeros(like: named.tensor.detached())
            }
        }
        let steps = remembered("step")
        Operator.addToAllInPlace.run(steps, 1.0)
        let (kernel, decay) = switch settings.weightDecay {
        case .none: (Operator.fusedAdam, 0.0)
        case .l2(let decay): (Operator.fusedAdam, decay)
        case .decoupled(let decay): (Operator.fusedAdamW, decay)
        }
        kernel.run(
            active.map(\.0.tensor), active.map(\.gradient), remembered("exp_avg"), remembered("exp_avg_sq"),
            settings.amsgrad ? remembered("max_exp_avg_sq") : [Tensor](), steps,
            settings.learningRate * factor, settings.beta1, settings.beta2, decay, settings.epsilon, settings.amsgrad, false)
    }
}
