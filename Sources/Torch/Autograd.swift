internal import CTorch

extension Tensor {
    /// Whether operations on this tensor are recorded for ``backward(gradient:retainGraph:createGraph:)``.
    public var requiresGrad: Bool {
        get { ct_tensor_requires_grad(raw) }
        nonmutating set { checked("requiresGrad") { ct_tensor_set_requires_grad(raw, newValue, $0) } }
    }

    /// This tensor, with recording switched on or off.
    @discardableResult
    public func requiringGrad(_ value: Bool = true) -> Tensor {
        requiresGrad = value
        return self
    }

    /// Whether this is a leaf of the graph: made by the user, not by a recorded operation.
    public var isLeaf: Bool { ct_tensor_is_leaf(raw) }

    /// The gradient that `backward` has accumulated in this leaf.
    public var grad: Tensor? {
        get { ct_tensor_grad(raw).map { Tensor(owning: $0) } }
        nonmutating set { checked("grad") { ct_tensor_set_grad(raw, newValue?.raw, $0) } }
    }

    /// Adds to the `grad` of every leaf the product of `gradient` with the Jacobian of this tensor.
    /// - Parameters:
    ///   - gradient: of this tensor's shape; 1 for a scalar if nil.
    ///   - retainGraph: keep the graph for another call.
    ///   - createGraph: record the computation of the gradients themselves, for higher derivatives.
    public func backward(gradient: Tensor? = nil, retainGraph: Bool = false, createGraph: Bool = false) {
        if hasFailedInScope { return }
        let roots = [Optional(raw)], gradients = [gradient?.raw]
        withExtendedLifetime((self, gradient)) {
            _ = checked("backward from \(shape)") {
                ct_backward(roots, gradients, 1, retainGraph || createGraph, createGraph, $0)
            }
        }
    }

    /// The same elements, cut off from the graph.
    public func detached() -> Tensor { Operator.detach(self) }

    /// Calls `hook` with the gradient of this tensor whenever one is computed; a tensor it returns
    /// replaces the gradient. The hook lives as long as the graph and may run on another thread.
    public func registerGradientHook(_ hook: @escaping @Sendable (Tensor) -> Tensor?) {
        typealias Hook = Box<@Sendable (Tensor) -> Tensor?>
        let context = Unmanaged.passRetained(Hook(hook)).toOpaque()
        checked("registerGradientHook") {
            ct_tensor_register_hook(
                raw,
                { context, gradient in
                    let hook = Unmanaged<Hook>.fromOpaque(context!).takeUnretainedValue().value
                    return hook(Tensor(borrowing: gradient!))?.retainedRaw()
                },
                context, { Unmanaged<AnyObject>.fromOpaque($0!).release() }, $0)
        }
    }
}

/// The gradients of `output` with respect to `inputs`, without touching any `grad`.
/// - Parameters:
///   - gradient: of the output's shape; 1 for a scalar if nil.
///   - allowUnused: give zeros for inputs that the output does not depend on instead of trapping.
public func gradients(
    of output: Tensor, withRespectTo inputs: [Tensor], gradient: Tensor? = nil, retainGraph: Bool = false,
    createGraph: Bool = false, allowUnused: Bool = false
) -> [Tensor] {
    if hasFailedInScope { return inputs }
    var results = [OpaquePointer?](repeating: nil, count: inputs.count)
    let outputs = [Optional(output.raw)], outputGradients = [gradient?.raw], handles = inputs.map { Optional($0.raw) }
    withExtendedLifetime((output, gradient, inputs)) {
        _ = checked("gradients of \(output.shape)") {
            ct_grad(
                outputs, outputGradients, 1, handles, Int32(inputs.count), retainGraph || createGraph, createGraph,
                allowUnused, &results, $0)
        }
    }
    return zip(inputs, results).map { input, result in result.map { Tensor(owning: $0) } ?? Tensor.zeros(like: input) }
}

/// A function with a gradient of its own: `forward` is computed without recording, and on the way back
/// `backward` turns the gradient of each output into one of each input (nil: none).
///
/// `backward` may run on another thread and lives as long as the graph. If it throws, so does the
/// `backward` call that led to it (within ``withTorchErrors(_:)``; it traps elsewhere).
public func customGradient(
    of inputs: [Tensor], forward: ([Tensor]) -> [Tensor],
    backward: @escaping @Sendable (_ outputGradients: [Tensor]) throws -> [Tensor?]
) -> [Tensor] {
    typealias Backward = Box<@Sendable ([Tensor]) throws -> [Tensor?]>
    let outputs = withoutGradients { forward(inputs.map { $0.detached() }) }.map { $0.detached() }
    guard isRecordingGradients else { return outputs }
    let outputHandles = outputs.map { Optional($0.raw) }, inputHandles = inputs.map { Optional($0.raw) }
    let context = Unmanaged.passRetained(Backward(backward)).toOpaque()
    withExtendedLifetime((inputs, outputs)) {
        _ = checked("customGradient") {
            ct_attach_gradient(
                outputHandles, Int32(outputs.count), inputHandles, Int32(inputs.count),
                { context, gradients, gradientCount, results, resultCount in
                    let backward = Unmanaged<Backward>.fromOpaque(context!).takeUnretainedValue().value
                    do {
                        let found = try backward((0..<Int(gradientCount)).map { Tensor(borrowing: gradients![$0]!) })
                        guard found.count == Int(resultCount) else {
                            return ct_copied("backward gives \(found.count) gradients for \(resultCount) inputs")
                        }
                        for (index, gradient) in found.enumerated() { results![index] = gradient?.retainedRaw() }
                        return nil
                    } catch {
                        return ct_copied("\(error)")
                    }
                },
                context, { Unmanaged<AnyObject>.fromOpaque($0!).release() }, $0)
        }
    }
    return outputs
}

/// Whether operations are recorded on this thread.
public var isRecordingGradients: Bool { ct_grad_mode_enabled() }

/// Runs `body` without recording a graph.
///
/// The mode belongs to the thread, which is why `body` is synchronous: after an `await` it could run elsewhere.
public func withoutGradients<Result>(_ body: () throws -> Result) rethrows -> Result {
    let outer = ct_grad_mode_enabled()
    ct_set_grad_mode(false)
    defer { ct_set_grad_mode(outer) }
    return try body()
}

/// Runs `body` with recording, also inside ``withoutGradients(_:)``.
public func withGradients<Result>(_ body: () throws -> Result) rethrows -> Result {
    let outer = ct_grad_mode_enabled()
    ct_set_grad_mode(true)
    defer { ct_set_grad_mode(outer) }
    return try body()
}

/// Runs `body` in libtorch's inference mode: cheaper than ``withoutGradients(_:)``, but tensors made in it can
/// never take part in a graph.
public func inferenceMode<Result>(_ body: () throws -> Result) rethrows -> Result {
    let guardObject = ct_inference_mode_begin(true)
    defer { ct_inference_mode_end(guardObject) }
    return try body()
}

/// Runs `body` without recording but outside ``inferenceMode(_:)``, whatever the caller is in: for constants that are made
/// when they are first needed and used in later graphs too.
public func outsideInferenceMode<Result>(_ body: () throws -> Result) rethrows -> Result {
    let guardObject = ct_inference_mode_begin(false)
    defer { ct_inference_mode_end(guardObject) }
    return try withoutGradients(body)
}

/// Carries a closure through a C context pointer.
private final class Box<Value> {
    let value: Value
    init(_ value: Value) { self.value = value }
}
