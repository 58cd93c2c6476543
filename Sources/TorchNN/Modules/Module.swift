public import Torch

/// A part of a network that holds parameters, buffers or other modules.
///
/// Modules are final classes: parameters have identity (tied weights, optimiser state). A module says
/// what it consists of in one place, with the names its tensors have in checkpoints:
///
/// ```swift
/// final class FeedForward: Layer {
///     let up: Linear, down: Linear
///
///     func visit(_ v: inout ParameterVisitor) {
///         v("up_proj", up)
///         v("down_proj", down)
///     }
///
///     func callAsFunction(_ input: Tensor) -> Tensor { down(up(input).silu()) }
/// }
/// ```
///
/// Counting, saving, loading, freezing, moving and optimising all follow from it.
/// `CondenseTesting.forgottenMembers(of:)` finds what a `visit` left out.
public protocol Module: AnyObject {
    /// Names every parameter, buffer and child module of this module, in the order of the state dictionary.
    func visit(_ v: inout ParameterVisitor)
}

/// A module that maps one tensor to one tensor.
public protocol Layer: Module {
    func callAsFunction(_ input: Tensor) -> Tensor
}

/// What a module that behaves differently while it is trained (dropout, batch normalisation) is doing.
public enum ModuleMode: String, Codable, Sendable {
    case training, evaluation
}

/// A module whose computation depends on ``ModuleMode``; it starts in `training`.
public protocol ModeDependent: Module {
    var mode: ModuleMode { get set }
}

/// A parameter or buffer with its name in the state dictionary.
public struct NamedTensor {
    public let name: String
    public let tensor: Tensor

    public init(_ name: String, _ tensor: Tensor) {
        self.name = name
        self.tensor = tensor
    }
}

extension Module {
    /// The parameters in visiting order, with their state-dictionary names. A tied parameter appears once, under its first name.
    public func namedParameters() -> [NamedTensor] {
        var seen = Set<Tensor.Identity>()
        return visited().entries.filter { $0.role == .parameter && seen.insert($0.tensor.identity).inserted }
            .map { NamedTensor($0.name, $0.tensor) }
    }

    /// The parameters in visiting order, each once.
    public func parameters() -> [Tensor] { namedParameters().map(\.tensor) }

    /// The buffers (running statistics and the like), persistent or not, each once.
    public func namedBuffers() -> [NamedTensor] {
        var seen = Set<Tensor.Identity>()
        return visited().entries.filter { $0.role != .parameter && seen.insert($0.tensor.identity).inserted }
            .map { NamedTensor($0.name, $0.tensor) }
    }

    /// This module (with an empty name) and all modules below it, in visiting order, each once.
    public func namedModules() -> [(name: String, module: any Module)] {
        var seen = Set<ObjectIdentifier>()
        return visited().modules.filter { seen.insert(ObjectIdentifier($0.module)).inserted }
    }

    /// Number of scalar parameters; tied parameters count once.
    public func parameterCount() -> Int { parameters().reduce(0) { $0 + $1.elementCount } }

    /// Number of scalar parameters that are trained (those with `requiresGrad`).
    public func trainableParameterCount() -> Int {
        parameters().reduce(0) { $0 + ($1.requiresGrad ? $1.elementCount : 0) }
    }

    /// Stops training of all parameters of this module: no gradients are computed for them.
    public func freeze() { for parameter in parameters() { parameter.requiresGrad = false } }

    /// Lets all floating-point parameters of this module be trained again.
    public func unfreeze() {
        for parameter in parameters() where parameter.dtype.isFloatingPoint { parameter.requiresGrad = true }
    }

    /// Forgets the gradients of all parameters.
    public func zeroGradients() { for parameter in parameters() { parameter.grad = nil } }

    /// Moves parameters and buffers, keeping their identity, so that ties and optimisers still refer to them.
    /// What an optimiser remembers does not move: move the module before its first step.
    /// Only floating-point tensors change their dtype. Gradients are forgotten.
    public func move(to device: Device? = nil, dtype: DType? = nil) {
        for entry in visited().entries {
            let tensor = entry.tensor
            let wanted = tensor.dtype.isFloatingPoint ? dtype ?? tensor.dtype : tensor.dtype
            let destination = device ?? tensor.device
            if wanted == tensor.dtype && destination == tensor.device { continue }
            tensor.grad = nil
            tensor.takeData(of: tensor.detached().to(dtype: wanted).to(device: destination))
        }
    }

    /// Switches this module and all modules below it to training or evaluation.
    public func setMode(_ mode: ModuleMode) {
        for case let dependent as any ModeDependent in visited().modules.map(\.module) { dependent.mode = mode }
    }

    /// Runs a closure with this module in evaluation mode and restores the mode of each module afterwards.
    public func evaluating<Result>(_ body: () throws -> Result) rethrows -> Result {
        let dependents = visited().modules.compactMap { $0.module as? any ModeDependent }
        let modes = dependents.map(\.mode)
        for dependent in dependents { dependent.mode = .evaluation }
        defer { for (dependent, mode) in zip(dependents, modes) { dependent.mode = mode } }
        return try body()
    }

    package func visited() -> ParameterVisitor {
        var visitor = ParameterVisitor(root: self)
        visit(&visitor)
        return visitor
    }
}
