public import Torch

/// Changes parameters by their gradients.
///
/// ```swift
/// let optimizer = Adam(model.namedParameters(), .adamW(learningRate: 3e-4, weightDecay: 0.1))
/// for step in 0..<steps {
///     model.zeroGradients()
///     loss(of: model).backward()
///     optimizer.step(learningRateFactor: schedule.factor(at: step))
/// }
/// ```
public protocol Optimizer: AnyObject {
    /// The parameters it changes, over all groups.
    var parameters: [NamedTensor] { get }

    /// One step with the gradients in the parameters' `grad`; a parameter without one is left as it is.
    /// - Parameter learningRateFactor: on every group's learning rate, from a ``LearningRateSchedule``.
    func step(learningRateFactor: Double)

    /// What the optimiser remembers, by parameter name and quantity (`encoder.weight.exp_avg`), for checkpoints.
    var stateDictionary: [String: Tensor] { get }

    /// Continues from a saved state.
    /// - Throws: ``StateMismatch`` if it belongs to other parameters; then nothing is changed.
    func load(_ state: [String: Tensor]) throws
}

extension Optimizer {
    /// One step at the full learning rate.
    public func step() { step(learningRateFactor: 1) }

    /// Forgets the gradients of all parameters.
    public func zeroGradients() { for parameter in parameters { parameter.tensor.grad = nil } }
}

/// Parameters that are optimised with the same settings.
public struct ParameterGroup<Settings> {
    public let parameters: [NamedTensor]
    public var settings: Settings

    public init(_ parameters: [NamedTensor], _ settings: Settings) {
        self.parameters = parameters
        self.settings = settings
    }
}

/// Tensors that an optimiser keeps for its parameters, by quantity and parameter name.
struct OptimizerState {
    private(set) var tensors: [String: [String: Tensor]] = [:]

    subscript(name: String, quantity: String) -> Tensor? {
        get { tensors[name]?[quantity] }
        set { tensors[name, default: [:]][quantity] = newValue }
    }

    /// A copy that later steps do not change.
    var dictionary: [String: Tensor] {
        var result: [String: Tensor] = [:]
        for (name, quantities) in tensors {
            for (quantity, tensor) in quantities { result["\(name).\(quantity)"] = tensor.cloned() }
        }
        return result
    }

    /// Reads a saved state in which each parameter has either all or none of its quantities.
    init(_ state: [String: Tensor], for parameters: [(NamedTensor, quantities: [Quantity])], owner: String) throws {
        var missing: [String] = [], shapes: [StateMismatch.ShapeMismatch] = []
        var unexpected = Set(state.keys)
        for (parameter, quantities) in parameters {
            let names = quantities.map { "\(parameter.name).\($0.name)" }
            unexpected.subtract(names)
            if names.allSatisfy({ state[$0] == nil }) { continue }
            for (name, quantity) in zip(names, quantities) {
                let expected = quantity.isScalar ? [] : parameter.tensor.shape
                guard let tensor = state[name] else {
                    missing.append(name)
                    continue
                }
                if tensor.shape != expected { shapes.append(.init(name: name, expected: expected, found: tensor.shape)) }
                // A copy laid out like the parameter, which the fused kernels count on.
                let own = quantity.isScalar ? Tensor.zeros([], device: parameter.tensor.device) : Tensor.zeros(like: parameter.tensor)
                if tensor.shape == expected { self[parameter.name, quantity.name] = own.copyInPlace(from: tensor) }
            }
        }
        if !missing.isEmpty || !unexpected.isEmpty || !shapes.isEmpty {
            throw StateMismatch(owner: "the state of \(owner)", missing: missing, unexpected: unexpected.sorted(), shapes: shapes)
        }
    }

    init() {}

    /// Something remembered per parameter: of the parameter's shape, or one number.
    struct Quantity {
        let name: String
        var isScalar = false
    }
}

extension NamedTensor {
    /// The gradient laid out in memory as the parameter, which the fused kernels count on.
    var alignedGradient: Tensor? {
        guard let gradient = tensor.grad else { return nil }
        if gradient.strides == tensor.strides && gradient.dtype == tensor.dtype { return gradient }
        return Tensor.uninitialized(like: tensor.detached()).copyInPlace(from: gradient)
    }
}

func checkDistinct(_ parameters: [NamedTensor], _ owner: String) {
    var names = Set<String>(), tensors = Set<Tensor.Identity>()
    for parameter in parameters {
        require(names.insert(parameter.name).inserted, "\(owner): two parameters are named \(parameter.name).")
        require(tensors.insert(parameter.tensor.identity).inserted, "\(owner): \(parameter.name) is given twice.")
    }
}
