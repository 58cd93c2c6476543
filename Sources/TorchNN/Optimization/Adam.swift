public import Torch

/// Adam and AdamW (Kingma & Ba, arXiv:1412.6980; Loshchilov & Hutter, arXiv:1711.05101), by libtorch's fused kernels, and by one of
/// our own for matrices whose rows keep norm 1.
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

    /// What the rows of parameters are held to.
    public enum RowConstraint: Codable, Sendable, Equatable {
        case free
        /// Rows of matrices [N, D] have norm 1 before and after each step, like the atoms of a dictionary: gradients lose their part
        /// along the row, `g ← g − (g·θ)θ`, and rows are normalised after the step. Rows of zeros stay free.
        case unitNorm
    }

    public struct Settings: Codable, Sendable, Equatable {
        public var learningRate: Double
        public var beta1: Double
        public var beta2: Double
        public var epsilon: Double
        public var weightDecay: WeightDecay
        /// Divide by the greatest v so far (Reddi et al., arXiv:1904.09237).
        public var amsgrad: Bool
        public var rows: RowConstraint

        public init(
            learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
            weightDecay: WeightDecay = .none, amsgrad: Bool = false, rows: RowConstraint = .free
        ) {
            self.learningRate = learningRate
            self.beta1 = beta1
            self.beta2 = beta2
            self.epsilon = epsilon
            self.weightDecay = weightDecay
            self.amsgrad = amsgrad
            self.rows = rows
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
            let isPlain = rows == .free || weightDecay == .none && !amsgrad
            try InvalidSetting.check(isPlain, "rows", "of unit norm go without weight decay and amsgrad", rows)
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
        withoutGradients { for group in groups { step(Self.active(group), group.settings, learningRateFactor, divisor: nil) } }
    }

    /// One step with all gradients scaled down together so that the norm of them as one vector is at most `maximum`. What rows of
    /// unit norm lose does not count.
    ///
    /// ``clipGradients(of:toNorm:order:)`` with fewer passes through memory: gradients are scaled as the step reads them.
    /// - Returns: the norm before.
    @discardableResult
    public func step(learningRateFactor: Double = 1, clippingToNorm maximum: Double) -> Double {
        require(maximum > 0, "Adam: the greatest norm must be positive, found \(maximum).")
        return withoutGradients {
            let active = groups.map(Self.active)
            let norms = zip(active, groups).flatMap { gradientNorms($0, $1.settings) }
            if norms.isEmpty { return 0 }
            let total = Tensor.stacked(norms).norm()
            // In single precision, as libtorch's kernel reads it.
            let divisor = ((total + 1e-6) / maximum).clamped(minimum: 1).to(dtype: .float32)
            for (active, group) in zip(active, groups) { step(active, group.settings, learningRateFactor, divisor: divisor) }
            return total.item()
        }
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

    /// A parameter with its gradient in the same layout.
    private typealias Active = (named: NamedTensor, gradient: Tensor)

    private static func active(_ group: ParameterGroup<Settings>) -> [Active] {
        group.parameters.compactMap { named in named.alignedGradient.map { (named, $0) } }
    }

    private func gradientNorms(_ active: [Active], _ settings: Settings) -> [Tensor] {
        if active.isEmpty { return [] }
        return switch settings.rows {
        case .free: Operator.norms.list(active.map(\.gradient), 2.0)
        case .unitNorm: active.map { Operator.tangentNorms($0.named.tensor, $0.gradient).norm() }
        }
    }

    /// - Parameter divisor: of gradients, a scalar; nil for 1.
    private func step(_ active: [Active], _ settings: Settings, _ factor: Double, divisor: Tensor?) {
        if active.isEmpty { return }
        func remembered(_ quantity: String) -> [Tensor] { active.map { state[$0.named.name, quantity]! } }
        for (named, _) in active where state[named.name, "step"] == nil {
            for quantity in Self.quantities(settings) {
                state[named.name, quantity.name] =
                    quantity.isScalar ? Tensor.zeros([], device: named.tensor.device) : Tensor.zeros(like: named.tensor.detached())
            }
        }
        let steps = remembered("step"), first = remembered("exp_avg"), second = remembered("exp_avg_sq")
        Operator.addToAllInPlace.run(steps, 1.0)
        let rate = settings.learningRate * factor
        if settings.rows == .unitNorm {
            for (index, (named, gradient)) in active.enumerated() {
                Operator.unitRowAdam.run(
                    named.tensor, gradient, first[index], second[index], steps[index], divisor ?? Tensor.ones([], device: gradient.device),
                    rate, settings.beta1, settings.beta2, settings.epsilon)
            }
            return
        }
        let (kernel, decay) = switch settings.weightDecay {
        case .none: (Operator.fusedAdam, 0.0)
        case .l2(let decay): (Operator.fusedAdam, decay)
        case .decoupled(let decay): (Operator.fusedAdamW, decay)
        }
        kernel.run(
            active.map(\.named.tensor), active.map(\.gradient), first, second,
            settings.amsgrad ? remembered("max_exp_avg_sq") : [Tensor](), steps,
            rate, settings.beta1, settings.beta2, decay, settings.epsilon, settings.amsgrad, false, divisor)
    }
}
